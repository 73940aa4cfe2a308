"""The publisher's connection to the broker: paho without its thread, and the barrier that proves what was taken.

A broker handles the packets of one connection in their order. So the PUBACK of one QoS 1 publish proves that it has
taken every QoS 0 publish before it (decision 5), and no other bookkeeping is needed.

QoS 0 packets are put together here and written many at a time; the rest of MQTT is paho's. One TLS record and one
system call a message, as paho writes them, was a quarter of the publisher's whole work [70 against 54 us a row].
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections import deque
from typing import Any, Final

import orjson
from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.client import error_string as mqtt_error_text
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from broker.clean import Message
from broker.mqtt import Endpoint
from wire.errors import PantauError

CURSOR_TOPIC: Final = "city/v1/publisher/cursor"
CONNECT_TIMEOUT_S: Final = 3.0  # below the 5 s a stop may take
KEEPALIVE_S: Final = 4  # the broker is a neighbour; paho also lets a TLS handshake take this long


class OutletLost(PantauError, ConnectionError):
    """The connection to the broker is gone; what it had not proven is published again."""


class Connection:
    """One connection, used once and by one thread; every method raises OutletLost when it is gone.

    Never reconnected: a paho client sends an old barrier again on its next connection, where it would prove what
    the broken one has lost.
    """

    def __init__(self, endpoint: Endpoint, name: str = "publisher") -> None:
        self._client = Client(CallbackAPIVersion.VERSION2, name, protocol=MQTTProtocolVersion.MQTTv311)
        self._client.tls_set(str(endpoint.ca_path), str(endpoint.certificate_path), str(endpoint.key_path))
        self._client.connect_timeout = CONNECT_TIMEOUT_S
        self._client.max_inflight_messages_set(0)  # else paho holds events back and lets later tracks overtake them
        self._client.on_socket_open = _send_at_once
        # With this set, paho writes in loop_write() only: never between two halves of a packet of ours.
        self._client.on_socket_register_write = _no_thread
        # What is to be sent, in its order: QoS 0 packets together, and between them QoS 1 (a barrier with its log_id).
        self._queue: deque[bytearray | tuple[Message, int | None]] = deque()
        self._barriers: deque[tuple[int, MQTTMessageInfo]] = deque()
        self._endpoint = endpoint

    def open(self) -> None:
        """Connect over mutual TLS and wait for the broker's CONNACK."""
        try:
            self._client.connect(self._endpoint.host, self._endpoint.port, KEEPALIVE_S)
        except OSError as error:
            raise OutletLost(f"{self._endpoint.host} port {self._endpoint.port}: {error}") from error
        deadline = time.monotonic() + CONNECT_TIMEOUT_S
        while not self._client.is_connected():
            if time.monotonic() > deadline:
                raise OutletLost("the broker does not answer")
            self.turn(0.05)

    @property
    def behind(self) -> bool:
        """True while something published was not sent yet; after a `turn` that means the broker is slow."""
        return bool(self._queue) or self._client.want_write()

    def publish(self, message: Message, proof: int | None = None) -> None:
        """Queue one message; the next `turn` sends it, in the order they were given.

        With a `proof`, which a QoS 1 message alone can give, `turn` returns that number once the broker has it.
        """
        if message.qos:
            self._queue.append((message, proof))
            return
        if not self._queue or not isinstance(self._queue[-1], bytearray):
            self._queue.append(bytearray())
        self._queue[-1] += publish_packet(message)  # type: ignore[operator]

    def barrier(self, log_id: int) -> None:
        """Ask for proof that everything published up to here, up to `log_id`, was taken."""
        self.publish(Message(CURSOR_TOPIC, orjson.dumps({"log_id": log_id}), 1, True), log_id)

    def turn(self, timeout_s: float = 0.0) -> int | None:
        """Send and receive what can be; returns the newest number proven by it, None when no proof came."""
        broker_socket = self._client.socket()
        if broker_socket is None:
            raise OutletLost("closed by the broker")
        wanted = [broker_socket] if self.behind else []
        readable, writable, _ = select.select([broker_socket], wanted, [], timeout_s)
        if writable:
            self._send(broker_socket)
        if readable:
            _check(self._client.loop_read())
        _check(self._client.loop_misc())
        return self._proven()

    def _send(self, broker_socket: Any) -> None:
        """Write until the socket is full; never between two halves of a packet that paho has begun."""
        _check(self._client.loop_write())
        while self._queue and not self._client.want_write():
            head = self._queue[0]
            if isinstance(head, bytearray):
                if not _written(broker_socket, head):
                    return
                self._queue.popleft()
            else:
                self._queue.popleft()
                self._hand_over(*head)

    def _hand_over(self, message: Message, log_id: int | None) -> None:
        info = self._client.publish(message.topic, message.payload, message.qos, message.retain)
        _check(info.rc)
        if log_id is not None:
            self._barriers.append((log_id, info))
        _check(self._client.loop_write())

    def close(self) -> None:
        """Say goodbye when that is still possible; never raises."""
        if not self._queue:  # else it would stand in the middle of a packet
            self._client.disconnect()
            self._client.loop_write()
        left = self._client.socket()
        if left is not None:
            left.close()

    def _proven(self) -> int | None:
        proven = None
        while self._barriers and self._barriers[0][1].is_published():
            proven, _ = self._barriers.popleft()
        return proven


def _written(broker_socket: Any, packets: bytearray) -> bool:
    """Send what the socket takes and remove it from `packets`; True when nothing is left."""
    try:
        while packets:
            del packets[: broker_socket.send(packets)]
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return False
    except OSError as error:
        raise OutletLost(str(error)) from error
    return True


def publish_packet(message: Message) -> bytearray:
    """The message as a PUBLISH packet of QoS 0 (MQTT 3.1.1, section 3.3)."""
    name = message.topic.encode()
    left = 2 + len(name) + len(message.payload)
    packet = bytearray((0x31 if message.retain else 0x30,))
    while left > 0x7F:  # section 2.2.3: seven bits a byte, the lowest first
        packet.append(left & 0x7F | 0x80)
        left >>= 7
    packet.append(left)
    packet += len(name).to_bytes(2, "big") + name + message.payload
    return packet


def _check(result: MQTTErrorCode) -> None:
    if result != MQTTErrorCode.MQTT_ERR_SUCCESS:
        raise OutletLost(mqtt_error_text(result))


def _send_at_once(_client: Client, _userdata: Any, opened: Any) -> None:
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _no_thread(_client: Client, _userdata: Any, _socket: Any) -> None:
    """Writing is `turn`'s."""

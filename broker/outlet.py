"""The publisher's connection to the broker: paho without its thread, and the barrier that proves what was taken.

A broker handles the packets of one connection in their order. So the PUBACK of one QoS 1 publish proves that it has
taken every QoS 0 publish before it (decision 5), and no other bookkeeping is needed.
"""

from __future__ import annotations

import select
import socket
import time
from collections import deque
from typing import Any, Final

import orjson
from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.client import error_string as mqtt_error_text
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

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

    def __init__(self, endpoint: Endpoint) -> None:
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="publisher")
        self._client.tls_set(str(endpoint.ca_path), str(endpoint.certificate_path), str(endpoint.key_path))
        self._client.connect_timeout = CONNECT_TIMEOUT_S
        self._client.max_inflight_messages_set(0)  # else paho holds events back and lets later tracks overtake them
        self._client.on_socket_open = _send_at_once
        # With this callback set, publish() only queues and turn() writes: one writer, no thread of paho's.
        self._client.on_socket_register_write = _no_thread
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
        return self._client.want_write()

    def publish(self, message: Message) -> None:
        """Queue one message; the next `turn` sends it."""
        _check(self._client.publish(message.topic, message.payload, message.qos, message.retain).rc)

    def barrier(self, log_id: int) -> None:
        """Ask for proof that everything up to `log_id` was taken."""
        info = self._client.publish(CURSOR_TOPIC, orjson.dumps({"log_id": log_id}), qos=1, retain=True)
        _check(info.rc)
        self._barriers.append((log_id, info))

    def turn(self, timeout_s: float = 0.0) -> int | None:
        """Send and receive what can be; returns the newest log_id proven by it, None when no proof came."""
        broker_socket = self._client.socket()
        if broker_socket is None:
            raise OutletLost("closed by the broker")
        wanted = [broker_socket] if self._client.want_write() else []
        readable, writable, _ = select.select([broker_socket], wanted, [], timeout_s)
        if writable:
            _check(self._client.loop_write())
        if readable:
            _check(self._client.loop_read())
        _check(self._client.loop_misc())
        return self._proven()

    def close(self) -> None:
        """Say goodbye when that is still possible; never raises."""
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


def _check(result: MQTTErrorCode) -> None:
    if result != MQTTErrorCode.MQTT_ERR_SUCCESS:
        raise OutletLost(mqtt_error_text(result))


def _send_at_once(_client: Client, _userdata: Any, opened: Any) -> None:
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _no_thread(_client: Client, _userdata: Any, _socket: Any) -> None:
    """Writing is `turn`'s."""

"""A plain MQTT client for tests: what it was sent is in `messages`, in order."""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from provisioning.throwaway import Credentials
from running.paho_loop import stop_loop

PATIENCE_S = 10.0


class MqttClient:
    """Connected when the constructor returns; raises TimeoutError when it is not let in."""

    def __init__(
        self,
        credentials: Credentials,
        host: str,
        port: int,
        *,
        will: tuple[str, bytes] | None = None,
        client_id: str = "",
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.messages: queue.Queue[mqtt.MQTTMessage] = queue.Queue()
        self._connected = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id)
        context = ssl.create_default_context(cafile=str(credentials.ca_path))
        context.load_cert_chain(str(credentials.certificate_path), str(credentials.key_path))
        self._client.tls_set_context(context)
        if will is not None:
            self._client.will_set(will[0], will[1], qos=1, retain=True)
        self._client.on_socket_open = _send_at_once
        self._client.on_connect = self._on_connect
        self._client.on_message = lambda _client, _userdata, message: self.messages.put(message)
        self._client.connect(host, port, keepalive=30)
        self._client.loop_start()
        if not self._connected.wait(patience_s):
            self.close()
            raise TimeoutError("no CONNACK")

    def _on_connect(self, _client: Any, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if not reason.is_failure:
            self._connected.set()

    def on_lost(self, told: Callable[[Any], None]) -> None:
        """Call `told` with the reason whenever the connection ends."""
        self._client.on_disconnect = lambda _client, _userdata, _flags, reason, _properties: told(reason)

    def subscribe(self, *filters: str) -> None:
        """Subscribe and return when the broker has answered (it may say granted and deliver nothing)."""
        answered = threading.Event()
        self._client.on_subscribe = lambda *_: answered.set()
        self._client.subscribe([(one, 1) for one in filters])
        if not answered.wait(PATIENCE_S):
            raise TimeoutError("no SUBACK")

    def unsubscribe(self, topic: str) -> None:
        """Unsubscribe and return when the broker has answered."""
        answered = threading.Event()
        self._client.on_unsubscribe = lambda *_: answered.set()
        self._client.unsubscribe(topic)
        if not answered.wait(PATIENCE_S):
            raise TimeoutError("no UNSUBACK")

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos=qos, retain=retain)

    def publish_and_wait(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> None:
        """Publish and return when the exchange that `qos` asks for is over."""
        self._client.publish(topic, payload, qos=qos, retain=retain).wait_for_publish(PATIENCE_S)

    def settle(self, own_topic: str) -> None:
        """Return when the broker has worked off all that this client sent: an own QoS 1 publish was answered."""
        self._client.publish(own_topic, b"", qos=1).wait_for_publish(PATIENCE_S)

    def next(
        self, *, matching: Callable[[mqtt.MQTTMessage], bool] = lambda _: True, patience_s: float = PATIENCE_S
    ) -> mqtt.MQTTMessage:
        """The next message that matches; raises queue.Empty when none comes."""
        deadline = time.monotonic() + patience_s
        while True:
            message = self.messages.get(timeout=max(0.0, deadline - time.monotonic()))
            if matching(message):
                return message

    def until(self, payload: bytes) -> set[bytes]:
        """Every payload up to and with `payload` (overlapping subscriptions bring retained ones more than once)."""
        seen: set[bytes] = set()
        while payload not in seen:
            seen.add(bytes(self.next().payload))
        return seen

    def heard(self) -> list[tuple[str, bytes]]:
        """Everything that came so far."""
        found = []
        while not self.messages.empty():
            message = self.messages.get_nowait()
            found.append((message.topic, bytes(message.payload)))
        return found

    def vanish(self) -> None:
        """The connection breaks without a goodbye: the will is published."""
        sock = self._client.socket()
        stop_loop(self._client)
        if sock is not None:
            sock.close()

    def close(self) -> None:
        self._client.disconnect()
        stop_loop(self._client)


def _send_at_once(_client: Any, _userdata: Any, sock: Any) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else each answer that is waited for costs 40 ms

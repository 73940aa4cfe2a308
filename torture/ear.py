"""Somebody who listens at the broker, and may say something: with any of the city's certificates."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from running.paho_loop import stop_loop
from stage.city import CONSUMER, HOST, City


class Message(NamedTuple):
    """What came, and when by the monotonic clock."""

    at_mono_s: float
    topic: str
    payload: bytes
    retained: bool = False


class Ear:
    """Listens at the broker with one of the city's certificates; `with` ends it."""

    def __init__(self, city: City, *filters: str, name: str = CONSUMER) -> None:
        self.heard: list[Message] = []
        who = city.credentials(name)
        self._client = paho.Client(CallbackAPIVersion.VERSION2, name)
        self._client.tls_set(str(who.ca_path), str(who.certificate_path), str(who.key_path))
        granted = threading.Event()
        self._client.on_connect = lambda client, *_: client.subscribe([(one, 1) for one in filters])
        self._client.on_subscribe = lambda *_: granted.set()
        self._client.on_message = lambda _client, _userdata, message: self.heard.append(
            Message(time.monotonic(), message.topic, bytes(message.payload), message.retain)
        )
        self._client.connect(HOST, city.port)
        self._client.loop_start()
        assert granted.wait(10)

    def say(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 0, as a unit does."""
        self._client.publish(topic, payload)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        stop_loop(self._client)

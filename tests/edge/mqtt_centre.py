"""The scripted centre on a real broker: what a bridge subscribes to and publishes, with the bridge's certificates."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from scripted_centre import ScriptedCentre

from broker.acl import BRIDGE_NAME, receipts_name
from provisioning.throwaway import Authority
from running.paho_loop import stop_loop
from wire import topics

PATIENCE_S = 15.0


class MqttCentre:
    """Answers every parcel as `script` says; what came is in `parcels` as (topic leaf, payload, monotonic time)."""

    def __init__(self, authority: Authority, host: str, port: int, script: ScriptedCentre) -> None:
        self.script = script
        self.parcels: list[tuple[str, bytes, float]] = []
        self.births: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._ready = threading.Event()
        self._reader = _client(authority, BRIDGE_NAME)
        self._reader.on_connect = self._on_connect
        self._reader.on_subscribe = lambda *_: self._ready.set()
        self._reader.on_message = self._on_message
        self._writer = _client(authority, receipts_name(BRIDGE_NAME))
        self._clients = (self._writer, self._reader)
        for client in self._clients:
            client.connect(host, port)

    def say(self, online: bool) -> None:
        """The bridge's retained state."""
        state = json.dumps({"online": online, "session": 1, "store_id": 7})
        self._reader.publish(topics.bridge_state("bridge-1"), state, retain=True)

    def send(self, topic: str, payload: bytes) -> None:
        """Any payload, over the connection that may publish there."""
        client = self._reader if topic == topics.bridge_state(BRIDGE_NAME) else self._writer
        client.publish(topic, payload)

    def wait(self, what: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        """Until `what` is true; it is asked after everything that comes."""
        with self._changed:
            if not self._changed.wait_for(what, patience_s):
                raise TimeoutError(f"{len(self.parcels)} parcels, {len(self.script.stored)} rows stored")

    def _on_connect(self, client: mqtt.Client, *_: Any) -> None:
        client.subscribe([("pantau/v1/+/up", 0), ("pantau/v1/+/bulk", 0), ("pantau/v1/+/birth", 0)])
        self.say(True)

    def _on_message(self, _client: mqtt.Client, _user: Any, message: mqtt.MQTTMessage) -> None:
        now_s = time.monotonic()
        found = topics.parse_unit_topic(message.topic)
        assert found is not None
        unit, leaf = found
        with self._changed:
            if leaf == "birth":
                self.births.append(json.loads(message.payload))
            else:
                self.parcels.append((leaf, bytes(message.payload), now_s))
                if (receipt := self.script.take(bytes(message.payload))) is not None:
                    self._writer.publish(topics.receipt(unit), receipt)
            self._changed.notify_all()

    def __enter__(self) -> Self:
        for client in self._clients:
            client.loop_start()
        assert self._ready.wait(PATIENCE_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for client in self._clients:
            client.disconnect()
            stop_loop(client)


def _client(authority: Authority, name: str) -> mqtt.Client:
    credentials = authority.ensure(name, "bridge")
    context = ssl.create_default_context(cafile=str(credentials.ca_path))
    context.load_cert_chain(str(credentials.certificate_path), str(credentials.key_path))
    client = mqtt.Client(CallbackAPIVersion.VERSION2, name)
    client.tls_set_context(context)
    client.reconnect_delay_set(1, 1)
    return client

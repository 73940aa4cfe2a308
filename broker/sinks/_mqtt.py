"""Publishing to somebody else's broker and waiting until it has answered; the only sink's file that imports paho."""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from broker.clean import Message
from broker.sinks import NotNow

_PORTS: Final = {"mqtts": 8883, "mqtt": 1883}
_KEEPALIVE_S: Final = 60
_TURN_S: Final = 0.1

Pair = tuple[Path | None, Path | None]


class MqttOut:
    """One connection without a thread of its own; made anew after any failure."""

    def __init__(
        self, url: str, *, ca_path: Path | None, pair: Pair, login: tuple[str, str | None] | None, timeout_s: float
    ) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        self._tls = (
            ssl.create_default_context(cafile=str(ca_path) if ca_path else None) if parts.scheme == "mqtts" else None
        )
        if self._tls is not None and pair[0] is not None:
            self._tls.load_cert_chain(str(pair[0]), str(pair[1]) if pair[1] else None)
        self._login = login
        self._timeout_s = timeout_s
        self._client: Client | None = None
        self._used_s = 0.0

    def send(self, messages: Sequence[Message]) -> None:
        """Publish at QoS 1 and return when the broker has answered each; raises NotNow."""
        if time.monotonic() - self._used_s > _KEEPALIVE_S:  # nobody has pinged: the broker has closed it
            self.close()
        try:
            client = self._client or self._connected()
            waiting = [client.publish(one.topic, one.payload, 1, one.retain) for one in messages]
            self._until(client, waiting)
            self._used_s = time.monotonic()
        except (OSError, ValueError, RuntimeError) as error:
            self.close()
            raise NotNow(str(error) or type(error).__name__) from error

    def close(self) -> None:
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_write()
            if (left := self._client.socket()) is not None:
                left.close()
            self._client = None

    def _connected(self) -> Client:
        client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        client.max_inflight_messages_set(0)  # else paho holds back what comes after the first twenty
        client.connect_timeout = self._timeout_s
        if self._tls is not None:
            client.tls_set_context(self._tls)
        if self._login is not None:
            client.username_pw_set(*self._login)
        client.connect(self._host, self._port, _KEEPALIVE_S)
        self._client = client
        deadline_s = time.monotonic() + self._timeout_s
        while not client.is_connected():
            _turn(client, deadline_s)
        return client

    def _until(self, client: Client, waiting: Sequence[MQTTMessageInfo]) -> None:
        """The deadline moves with every answer: many take longer than one."""
        deadline_s, answered = time.monotonic() + self._timeout_s, 0
        while answered < len(waiting):
            _turn(client, deadline_s)
            now = sum(1 for one in waiting if one.is_published())
            if now > answered:
                answered, deadline_s = now, time.monotonic() + self._timeout_s


def _turn(client: Client, deadline_s: float) -> None:
    if (result := client.loop(_TURN_S)) != MQTTErrorCode.MQTT_ERR_SUCCESS:
        raise OSError(f"the connection is gone ({result.name})")
    if time.monotonic() > deadline_s:
        raise TimeoutError("no answer")

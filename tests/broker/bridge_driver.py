"""A bridge in this process or its own, and a unit's voice: parcels up, receipts down."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from mqtt_client import PATIENCE_S, MqttClient

from broker.bridge import Bridge, BridgeSettings
from broker.mosquitto import ThrowawayMosquitto
from broker.mqtt import Endpoint
from broker.receipts import Receipts
from broker.stopping import Stop
from broker.store import Store, open_store
from provisioning.throwaway import Authority
from wire.encode import check, parcel
from wire.kinds import CLASS_TRACK, KIND_TRACK
from wire.receipt import Receipt, decode_receipt

RowSpec = tuple[int, int, int, int, bytes]


def endpoint(authority: Authority, mosquitto: ThrowawayMosquitto, name: str) -> Endpoint:
    credentials = authority.ensure(name, "bridge")
    return Endpoint(
        host=mosquitto.host,
        port=mosquitto.port,
        ca_path=credentials.ca_path,
        certificate_path=credentials.certificate_path,
        key_path=credentials.key_path,
    )


class RunningBridge:
    """A bridge in a thread of this process; `stop()` returns its exit code."""

    def __init__(
        self,
        authority: Authority,
        mosquitto: ThrowawayMosquitto,
        directory: Path,
        *,
        name: str = "bridge-1",
        open_it: Callable[[], Store] | None = None,
        gather_s: float = 60.0,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.store_url = f"sqlite:///{directory / 'store.db'}"
        self.settings = BridgeSettings(
            name=name,
            reader=endpoint(authority, mosquitto, name),
            receipts=endpoint(authority, mosquitto, f"{name}-receipts"),
            presence_path=directory / "presence.json",
            downlink_path=directory / "downlink.db",
        )
        self._stop = Stop()
        self.bridge = Bridge(
            self.settings,
            open_it or (lambda: open_store(self.store_url, writer=True)),
            self._stop,
            receipts=Receipts(gather_s),
        )
        self._code: int | None = None
        self._thread = threading.Thread(target=self._run, name="running-bridge")

    def _run(self) -> None:
        self._code = self.bridge.run()

    def start(self) -> None:
        self._thread.start()

    def ended(self, within_s: float = PATIENCE_S) -> int | None:
        """The exit code once it ended by itself."""
        self._thread.join(within_s)
        return self._code

    def ask_to_stop(self) -> None:
        self._stop.set()

    def stop(self) -> int | None:
        self.ask_to_stop()
        return self.ended()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


class UnitVoice:
    """A unit's certificate that speaks and hears as a unit does, and keeps nothing."""

    def __init__(self, client: MqttClient, name: str, *, outbox_id: int = 77) -> None:
        self.client = client
        self.name = name
        self.outbox_id = outbox_id
        client.subscribe(f"pantau/v1/{name}/down/#", "pantau/v1/bridge/+/state")

    def bridge_is_online(self, bridge: str = "bridge-1") -> None:
        """Return when the bridge said so."""
        self.client.next(
            matching=lambda m: m.topic == f"pantau/v1/bridge/{bridge}/state" and b'"online":true' in m.payload
        )

    def send(self, rows: list[RowSpec], *, lane: str = "up", waiting: int = 0, session: int = 0) -> None:
        self.client.publish(
            f"pantau/v1/{self.name}/{lane}", parcel(self.outbox_id, rows, waiting_bytes=waiting, session=session)
        )

    def send_bytes(self, payload: bytes, *, lane: str = "up") -> None:
        self.client.publish(f"pantau/v1/{self.name}/{lane}", payload)

    def receipt(self, patience_s: float = PATIENCE_S) -> Receipt:
        """The next receipt."""
        topic = f"pantau/v1/{self.name}/down/receipt"
        message = self.client.next(matching=lambda m: m.topic == topic, patience_s=patience_s)
        return decode_receipt(bytes(message.payload))


def row(seq: int, body: bytes = b"", *, cls: int = CLASS_TRACK, kind: int = KIND_TRACK) -> RowSpec:
    """A row as an outbox holds it; its body is made from the seq when none is given."""
    body = body or f"body {seq}".encode()
    return seq, cls, kind, check(body), body

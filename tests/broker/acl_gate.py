"""A real Mosquitto with every kind of certificate before it, and an eye that sees and says everything."""

from __future__ import annotations

import datetime as dt
import os
import signal
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from acl_matrix import OWN
from cryptography import x509
from mqtt_client import MqttClient
from raw_mqtt import Raw

from broker.acl import Consumer, Roles
from broker.mosquitto import ThrowawayMosquitto
from broker.mosquitto.run import ACL_NAME
from provisioning.files import PUBLIC, write
from provisioning.throwaway import Authority, Credentials, make_authority
from provisioning.x509 import life, load_key, revocations

ROLES: Final = Roles(
    consumers=(
        Consumer(name="city-fire", agencies=("fire",)),
        Consumer(name="city-centre", agencies=("*",)),
    ),
    retired=("retired",),
)
INSIDE: Final = {  # who is let in, by the role in the certificate
    "box-1": "unit",
    "box-2": "unit",
    "retired": "unit",
    "bridge-1": "bridge",
    "bridge-1-receipts": "bridge",
    "bridge-publisher": "publisher",
    "bridge-work": "publisher",
    "bridge-answers": "publisher",
    "city-fire": "consumer",
    "city-centre": "consumer",
    "city-technician": "technician",
}
OUTSIDE: Final = ("revoked", "expired", "foreign", "server", "none")  # who is turned away at the door
EYE: Final = "eye"


class Gate:
    """The broker, running; `identity` gives what somebody would show.

    Three lines of its access list are not the product's: the eye's.
    """

    def __init__(self, directory: Path) -> None:
        self.authority: Authority = make_authority(directory / "authority")
        self.server = self.authority.ensure("localhost", "broker")
        self._foreign = make_authority(directory / "foreign")
        self.mosquitto = ThrowawayMosquitto(
            directory / "mosquitto",
            ca_path=self.server.ca_path,
            certificate_path=self.server.certificate_path,
            key_path=self.server.key_path,
            roles=ROLES,
        )
        revoked = self.authority.issue("revoked", "unit")
        crl_path = directory / "crl.pem"
        write(crl_path, self._crl(revoked), mode=PUBLIC)
        self.mosquitto.listener = replace(self.mosquitto.listener, crl_path=crl_path)
        for name, role in INSIDE.items():
            self.authority.ensure(name, role)

    def identity(self, who: str) -> Credentials | None:
        """Certificate and key that `who` shows; None for who has none."""
        now = dt.datetime.now(dt.UTC)
        if who == "none":
            return None
        if who == "server":
            return self.server
        if who == "foreign":  # the name of one of ours, from somebody else's authority
            return self._foreign.ensure("box-1", "unit")
        if who == "expired":
            return self.authority.issue("expired", "unit", not_after=now - dt.timedelta(minutes=1))
        return self.authority.ensure(who, INSIDE.get(who, "unit"))

    def client(self, who: str, **options: str) -> MqttClient:
        """A connected client."""
        found = self.identity(who)
        assert found is not None
        return MqttClient(found, self.mosquitto.host, self.mosquitto.port, **options)  # type: ignore[arg-type]

    def raw(self, who: str) -> Raw:
        """A TLS connection on which nothing was said yet; raises OSError when the handshake fails already."""
        return Raw(self.mosquitto.host, self.mosquitto.port, self.server, self.identity(who))

    def __enter__(self) -> Self:
        self.mosquitto.start()
        with (self.mosquitto.directory / ACL_NAME).open("a", encoding="utf-8") as file:
            file.write(f"\nuser {EYE}\ntopic readwrite #\ntopic readwrite $SYS/#\n")
        self.client("box-1").close()  # until its main loop runs, SIGHUP would end it
        assert self.mosquitto.pid is not None
        os.kill(self.mosquitto.pid, signal.SIGHUP)
        self.eye = self.client(EYE)
        self.eye.subscribe("#", "$SYS/#")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.eye.close()
        self.mosquitto.kill()

    def heard(self) -> set[bytes]:
        """Payloads the eye has heard since the last time, all that the broker has worked off by now among them."""
        self.eye.settle("eye/settled")
        return {payload for _, payload in self.eye.heard()}

    def kept(self, topic: str) -> set[bytes]:
        """What the broker holds as retained on a topic; forgotten with this."""
        self.heard()
        self.eye.subscribe(topic)
        found = self.heard()
        self.eye.publish(topic, b"", qos=1, retain=True)
        self.heard()
        return found - {b""}

    def _crl(self, revoked: Credentials) -> bytes:
        key = load_key((self.authority.directory / "ca.key").read_bytes(), "ca.key")
        root = x509.load_pem_x509_certificate(self.authority.ca_path.read_bytes())
        shown = x509.load_pem_x509_certificate(revoked.certificate_path.read_bytes())
        now = dt.datetime.now(dt.UTC)
        return revocations(root, key, {shown.serial_number: now}, life(dt.timedelta(days=30)))


def own(topic: str, who: str) -> str:
    """The topic of the table as `who` would write it."""
    return topic.replace(OWN, who)

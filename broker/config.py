"""What the centre can be told; everything it can find out by itself has no key here."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from broker.acl import (
    ANSWERS_NAME,
    BRIDGE_NAME,
    EVERY_AGENCY,
    PUBLISHER_NAME,
    WORK_NAME,
    Consumer,
    Roles,
    Technician,
    receipts_name,
)
from broker.bridge import BridgeSettings
from broker.mosquitto import Listener
from broker.mqtt import Endpoint
from settings import ConfigError, Problem, load, setting
from settings.checks import host_name
from wire.topics import valid_name

__all__ = ["CentreConfig", "load_centre"]

_CONSUMERS_WANTED = 'a list like [{ name = "city-fire", agencies = ["fire"] }], agencies = ["*"] for all of them'
_TECHNICIANS_WANTED = 'a list like [{ name = "city-rini", agencies = ["fire"] }], agencies = ["*"] for all of them'
_STORE_WANTED = 'a URL in quotes: "sqlite:////var/lib/pantau/store.db" (four slashes: an absolute path)'


def _name(prefix: str) -> Any:
    def check(name: str) -> str | None:
        return None if name.startswith(prefix) and valid_name(name) else f"a name that begins with {prefix}"

    return check


def _consumers(written: object) -> tuple[Consumer, ...]:
    if not isinstance(written, list):
        raise ValueError(written)
    consumers = tuple(_consumer(one) for one in written)
    if len({one.name for one in consumers}) != len(consumers):
        raise ValueError(written)
    return consumers


def _technicians(written: object) -> tuple[Technician, ...]:
    return tuple(Technician(name=one.name, agencies=one.agencies) for one in _consumers(written))


def _consumer(written: Any) -> Consumer:
    if not isinstance(written, dict) or set(written) != {"name", "agencies"}:
        raise ValueError(written)
    if not isinstance(written["agencies"], list) or not all(
        isinstance(text, str) for text in (written["name"], *written["agencies"])
    ):
        raise ValueError(written)
    consumer = Consumer(name=written["name"], agencies=tuple(written["agencies"]))
    # Both go into Mosquitto's access list as they are: a line break or a wildcard in one would grant what nobody wrote.
    if not consumer.name.startswith("city-") or not valid_name(consumer.name):
        raise ValueError(written)
    if not all(agency == EVERY_AGENCY or valid_name(agency) for agency in consumer.agencies):
        raise ValueError(written)
    return consumer


def _sinks(written: object) -> tuple[dict[str, Any], ...]:
    """Tables with a name each; what else they say is looked at by the sink's own process (`broker.sink.options_of`)."""
    if not isinstance(written, list) or not all(isinstance(one, dict) for one in written):
        raise ValueError(written)
    names = [one.get("name") for one in written]
    if not all(isinstance(name, str) and valid_name(name) for name in names) or len(set(names)) < len(names):
        raise ValueError(written)
    return tuple(written)


def _store_url(url: str) -> str | None:
    return None if url.startswith("sqlite:///") and len(url) > len("sqlite:///") else _STORE_WANTED


def _loopback(address: str) -> str | None:
    try:
        if ip_address(address).is_loopback:
            return None
    except ValueError:
        pass  # no address at all, a host name for instance: the same words help
    return "the figures are not encrypted and nobody is asked who reads them, so only this machine may"


def _zone(name: str) -> str | None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "a time zone such as Asia/Jakarta"
    return None


def _one_line(path: Path) -> str | None:
    return None if "\n" not in str(path) and "\r" not in str(path) else "a path without line breaks"


@dataclass(frozen=True, slots=True)
class Broker:
    """The MQTT broker, and who is let in by which certificate."""

    host: str = setting("host name of the broker, as its certificate says it", check=host_name)
    port: int = setting(
        "TCP port of the broker", at_least=1, at_most=65535, default=8883, reason="MQTT over TLS (IANA)"
    )
    run: bool = setting(
        "whether this configuration runs Mosquitto, too", default=True,
        reason="false where the broker has a machine of its own",
    )  # fmt: skip
    listen: str = setting(
        "address Mosquitto listens on", check=host_name, default="0.0.0.0",
        reason="units come from outside; nothing without a certificate gets a byte, on the loopback either",
    )  # fmt: skip
    consumers: tuple[Consumer, ...] = setting(
        "readers of the clean topics: the CN of their certificate, and the agencies each may see",
        convert=_consumers, wanted=_CONSUMERS_WANTED, default=(), reason="nobody reads until named",
    )  # fmt: skip
    technicians: tuple[Technician, ...] = setting(
        "readers who also see boxes connect and go: the CN of their certificate, and the agencies each may see",
        convert=_technicians, wanted=_TECHNICIANS_WANTED, default=(), reason="nobody reads until named",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Credentials:
    """Certificates and keys, PEM: ca.pem, and NAME.pem with NAME.key for every name below and for the broker's host."""

    directory: Path = setting("the folder that holds them", check=_one_line)
    bridge: str = setting(
        "the bridge's name; NAME-receipts is its second certificate", check=_name("bridge"), default=BRIDGE_NAME,
        reason="one bridge a store",
    )  # fmt: skip
    publisher: str = setting(
        "the publisher's name", check=_name("bridge"), default=PUBLISHER_NAME, reason="one publisher a store"
    )
    work: str = setting(
        "the name of the part that tells hours; its certificate is asked for when that part is started",
        check=_name("bridge"), default=WORK_NAME, reason="one a store",
    )  # fmt: skip
    answers: str = setting(
        "the name of the part that answers consumers' questions; its certificate likewise", check=_name("bridge"),
        default=ANSWERS_NAME, reason="one a store",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class StorePlace:
    """Where records are kept, and what stands beside them."""

    url: str = setting("the central store", check=_store_url, wanted=_STORE_WANTED)
    state_directory: Path = setting(
        "folder for presence, commands, desired configuration and the rendered Mosquitto files", check=_one_line,
        default=Path("/var/lib/pantau"), reason="systemd's StateDirectory",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class MetricsPlace:
    """Figures for Prometheus over HTTP, for a scraper on this machine (docs/operating.md). A port of 0 is off."""

    address: str = setting(
        "address both listen on", check=_loopback, wanted='a loopback address in quotes: "127.0.0.1" or "::1"',
        default="127.0.0.1", reason="not encrypted and open to whoever reaches it",
    )  # fmt: skip
    bridge_port: int = setting(
        "TCP port of the bridge's figures; 0 = off", at_least=0, at_most=65535, default=9883,
        reason="8883 as exporters have it, above 9000; costs nothing while nobody asks",
    )  # fmt: skip
    publisher_port: int = setting(
        "TCP port of the publisher's figures and of the ledger's; 0 = off, and no ledger is drawn", at_least=0,
        at_most=65535, default=9884, reason="the next one",
    )  # fmt: skip
    work_port: int = setting(
        "TCP port of the figures of the part `work`; 0 = off", at_least=0, at_most=65535, default=9885,
        reason="the next one",
    )  # fmt: skip
    answers_port: int = setting(
        "TCP port of the figures of the part `answers`; 0 = off", at_least=0, at_most=65535, default=9886,
        reason="the next one",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class WorkPlace:
    """Hours, sessions and notices as topics (docs/consume.md), of the part `work`."""

    timezone: str = setting(
        "whose midnights cut the days", check=_zone, default="Asia/Jakarta", reason="a city has one"
    )
    areas: tuple[str, ...] = setting(
        "GeoJSON files of areas and corridors (docs/work.md); absolute paths", default=(), reason="none until named"
    )
    keep_days: int = setting(
        "how long it is remembered what was told of a day; a later correction names nothing that it replaces",
        unit="days", at_least=2, at_most=36500, default=400, reason="a year and a month",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class SinkPlaces:
    """Who else gets the log (docs/operating.md): `[[sinks.each]]`, each with a process of its own."""

    each: tuple[dict[str, Any], ...] = setting(
        "one table a sink; its keys are checked when it is started", convert=_sinks,
        wanted='tables [[sinks.each]], each with a name of its own: name = "erp", kind = "webhook"', default=(),
        reason="none until named",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class CentreConfig:
    """The centre's file."""

    broker: Broker
    credentials: Credentials
    store: StorePlace
    metrics: MetricsPlace
    work: WorkPlace
    sinks: SinkPlaces

    @property
    def roles(self) -> Roles:
        """Who is who by certificate."""
        return Roles(
            bridge=self.credentials.bridge,
            publisher=self.credentials.publisher,
            work=self.credentials.work,
            answers=self.credentials.answers,
            consumers=(*self.broker.consumers, *self.broker.technicians),
            retired=self.retired,
        )

    @property
    def retired(self) -> tuple[str, ...]:
        """Boxes that are no longer ours, from the list that `pantau-provision retire` keeps beside the certificates."""
        if not self.retired_path.exists():
            return ()
        return tuple(name for name in self.retired_path.read_text("utf-8").split() if valid_name(name))

    @property
    def retired_path(self) -> Path:
        return self.credentials.directory / "retired"

    @property
    def crl_path(self) -> Path:
        """Certificates that are no longer good; asked for where the file is."""
        return self.credentials.directory / "crl.pem"

    @property
    def mosquitto_directory(self) -> Path:
        """Where Mosquitto's rendered files are."""
        return self.store.state_directory / "mosquitto"

    @property
    def listener(self) -> Listener:
        """What Mosquitto is to be."""
        certificate_path, key_path = self.pem_paths(self.broker.host)
        return Listener(
            address=self.broker.listen,
            port=self.broker.port,
            ca_path=self.ca_path,
            certificate_path=certificate_path,
            key_path=key_path,
            crl_path=self.crl_path if self.crl_path.exists() else None,
        )

    @property
    def bridge(self) -> BridgeSettings:
        """What the bridge needs."""
        return BridgeSettings(
            name=self.credentials.bridge,
            reader=self.endpoint(self.credentials.bridge),
            receipts=self.endpoint(receipts_name(self.credentials.bridge)),
            presence_path=self.presence_path,
            downlink_path=self.downlink_path,
        )

    @property
    def ca_path(self) -> Path:
        return self.credentials.directory / "ca.pem"

    @property
    def presence_path(self) -> Path:
        """Where the bridge writes who is online (`broker.presence.read_presence` reads it)."""
        return self.store.state_directory / "presence.json"

    def sink(self, name: str) -> dict[str, Any]:
        """What is written of that sink; raises ConfigError when there is none of that name."""
        for one in self.sinks.each:
            if one["name"] == name:
                return one
        names = ", ".join(str(one["name"]) for one in self.sinks.each) or "none"
        raise ConfigError("the centre", [Problem(key="sinks.each", value=repr(name), wanted=f"one of {names}")])

    def aside_path(self, sink: str) -> Path:
        """Where what a sink's consumer refused is written down."""
        return self.store.state_directory / "sinks" / f"{sink}-aside.jsonl"

    @property
    def work_memory_path(self) -> Path:
        """What the part `work` remembers (`broker.work.memory`)."""
        return self.store.state_directory / "work.db"

    @property
    def store_memory_path(self) -> Path:
        """What the bridge remembers of its store (`broker.store_memory`)."""
        return self.store.state_directory / "store.json"

    @property
    def downlink_path(self) -> Path:
        """Where desired configuration and commands wait (`broker.downlink.Downlink`)."""
        return self.store.state_directory / "downlink.db"

    def pem_paths(self, name: str) -> tuple[Path, Path]:
        """Certificate and key of one identity."""
        return self.credentials.directory / f"{name}.pem", self.credentials.directory / f"{name}.key"

    def endpoint(self, name: str) -> Endpoint:
        """The broker, seen by one identity of the centre."""
        certificate_path, key_path = self.pem_paths(name)
        return Endpoint(
            host=self.broker.host,
            port=self.broker.port,
            ca_path=self.ca_path,
            certificate_path=certificate_path,
            key_path=key_path,
        )


def load_centre(path: str | Path) -> CentreConfig:
    """The centre's configuration; raises ConfigError with every problem, missing certificates included."""
    config = load(path, CentreConfig)
    names = [config.credentials.bridge, receipts_name(config.credentials.bridge), config.credentials.publisher]
    if config.broker.run:
        names.append(config.broker.host)
    problems = _twice(config.metrics)
    needed = [config.ca_path, *(pem for name in names for pem in config.pem_paths(name))]
    problems += [
        Problem(key="credentials.directory", value=str(config.credentials.directory), wanted=f"{pem.name} {why}")
        for pem in needed
        if (why := _unreadable(pem)) is not None
    ]
    others = [config.credentials.publisher, config.credentials.work, config.credentials.answers]
    if len({*names[:2], *others}) < 2 + len(others):
        wanted = "a name of its own: who is denied units' topics as the publisher must not be who reads them"
        problems.append(Problem(key="credentials.publisher", value=repr(config.credentials.publisher), wanted=wanted))
    if problems:
        raise ConfigError(str(path), problems)
    return config


def needs_certificate(config: CentreConfig, name: str) -> None:
    """Raises ConfigError when the certificate or the key of a part that may be left out is not there."""
    problems = [
        Problem(key="credentials.directory", value=str(config.credentials.directory), wanted=f"{pem.name} {why}")
        for pem in config.pem_paths(name)
        if (why := _unreadable(pem)) is not None
    ]
    if problems:
        raise ConfigError("the centre", problems)


def _twice(metrics: MetricsPlace) -> list[Problem]:
    problems: list[Problem] = []
    taken: dict[int, str] = {}
    for name in ("bridge_port", "publisher_port", "work_port", "answers_port"):
        port = getattr(metrics, name)
        if port and port in taken:
            wanted = f"must be another than metrics.{taken[port]}"
            problems.append(Problem(key=f"metrics.{name}", value=str(port), wanted=wanted))
        taken.setdefault(port, name)
    return problems


def _unreadable(path: Path) -> str | None:
    try:
        with path.open("rb"):
            return None
    except OSError as error:
        return f"must be in it, readable by this user ({error.strerror})"

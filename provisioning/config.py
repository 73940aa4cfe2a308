"""What a box is told so that it can enrol itself: /etc/pantau/enrolment.toml, written by whoever makes its card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from provisioning.est import PORT
from settings import load, setting
from wire.topics import valid_unit


def _unit_name(name: str) -> str | None:
    return None if valid_unit(name) else "lower case letters, digits and -, at most 31; bridge… and city… are reserved"


def _readable(path: Path) -> str | None:
    try:
        with path.open("rb"):
            return None
    except OSError as error:
        return f"a file this user can read ({error.strerror})"


@dataclass(frozen=True, slots=True)
class Unit:
    """Who this box is to be."""

    id: str = setting("name of the box, as the registry has it", check=_unit_name)


@dataclass(frozen=True, slots=True)
class EnrolmentServer:
    """Where certificates are given (EST, RFC 7030), and who vouches for it and for the broker."""

    host: str = setting("host name of the enrolment server, as its certificate says it")
    port: int = setting("its TCP port", at_least=1, at_most=65535, default=PORT, reason="HTTPS beside the usual one")
    ca_path: Path = setting("certificates of the city's authority, PEM", check=_readable)
    code_path: Path = setting(
        "where a code waits that was put on the card; removed once it was used",
        default=Path("/var/lib/pantau/code"), reason="in a folder of the box's own user, who removes it",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a new certificate is tried before it is used."""

    host: str = setting("host name of the broker, as its certificate says it")
    port: int = setting(
        "TCP port of the broker", at_least=1, at_most=65535, default=8883, reason="MQTT over TLS (IANA)"
    )


@dataclass(frozen=True, slots=True)
class IdentityFolder:
    """Where key and certificate are kept; `current/key.pem` and `current/certificate.pem` in it are the box's own."""

    directory: Path = setting(
        "the folder", default=Path("/var/lib/pantau/identity"), reason="on the card, owned by the box's own user"
    )


@dataclass(frozen=True, slots=True)
class EnrolmentConfig:
    """The whole file."""

    unit: Unit
    enrolment: EnrolmentServer
    broker: Broker
    identity: IdentityFolder


def load_enrolment(path: str | Path) -> EnrolmentConfig:
    """The file at `path`; raises ConfigError with every problem in it."""
    return load(path, EnrolmentConfig)

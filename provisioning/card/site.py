"""What all cards of a city have in common: card.toml, in the office."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from provisioning.est import PORT
from provisioning.written import Addresses
from settings import load, setting
from settings.checks import host_name

_LOGIN: Final = re.compile(r"[a-z][a-z0-9-]{0,30}")  # what useradd takes everywhere
_OURS: Final = frozenset({"root", "pantau"})
# NetworkManager's keyfile has a line for each: a line break would be a key nobody wrote.
_WORD: Final = re.compile(r"[!-~]{0,100}")
_TTY: Final = re.compile(r"(/dev/[A-Za-z0-9._/-]+)?")
# One line of authorized_keys without options: kind, base64, and a comment that stays on its line.
_SSH_KEY: Final = re.compile(r"(ssh|ecdsa|sk-ssh|sk-ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,3}( [ -~]*)?")


def _login(name: str) -> str | None:
    fits = _LOGIN.fullmatch(name) and name not in _OURS
    return None if fits else "lower case letters, digits and -; not root, and not pantau, which has no login"


def _word(text: str) -> str | None:
    return None if _WORD.fullmatch(text) else "letters, digits and signs without blanks"


def _tty(path: str) -> str | None:
    return None if _TTY.fullmatch(path) else "a path that begins with /dev/"


def _keys(path: Path) -> str | None:
    try:
        lines = public_keys(path)
    except (OSError, UnicodeDecodeError) as error:
        return f"a file of SSH public keys, one a line ({error})"
    wrong = [line for line in lines if not _SSH_KEY.fullmatch(line)]
    if wrong:
        return f"a file of SSH *public* keys, one a line; this one has {wrong[0][:20]!r}"
    return None if lines else "a file with at least one SSH public key: without one nobody could log in"


def _packages(folder: Path) -> str | None:
    return None if any(folder.glob("*.deb")) else "a folder with .deb files"


@dataclass(frozen=True, slots=True)
class EnrolmentPlace:
    """Where boxes get their certificates."""

    host: str = setting("host name of the enrolment server, as its certificate says it", check=host_name)
    port: int = setting("its TCP port", at_least=1, at_most=65535, default=PORT, reason="HTTPS beside the usual one")


@dataclass(frozen=True, slots=True)
class BrokerPlace:
    """Where boxes send their records."""

    host: str = setting("host name of the broker, as its certificate says it", check=host_name)
    port: int = setting(
        "TCP port of the broker", at_least=1, at_most=65535, default=8883, reason="MQTT over TLS (IANA)"
    )


@dataclass(frozen=True, slots=True)
class Login:
    """Who may log in at a box, by SSH key only."""

    user: str = setting("name of the user", check=_login, default="technician", reason="who comes with a laptop")
    keys_path: Path = setting("SSH public keys, one a line", check=_keys)


@dataclass(frozen=True, slots=True)
class Modem:
    """How a box is on the mobile network. Of a SIM that the registry knows an APN of, that one is taken."""

    apn: str = setting(
        "access point name of the operator", check=_word, default="",
        reason="then the modem's own, or what NetworkManager knows of the operator",
    )  # fmt: skip
    user: str = setting("user name at the access point", check=_word, default="", reason="most have none")
    password: str = setting("password at the access point", check=_word, default="", reason="most have none")


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where a vehicle's GNSS receiver is. With a `tty` a gps_unit's card gets a unit.toml, too."""

    tty: str = setting(
        "the receiver's port; of one on the board's own pins (/dev/serial0) the console is taken away", check=_tty,
        default="", reason="then unit.toml is written on the box",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class PoleCameras:
    """Where a pole's cameras hang. With an `interface` a camera_node's card gets a unit.toml, too."""

    interface: str = setting(
        "the network port towards the cameras, which are adopted on site", check=_word, default="",
        reason="then unit.toml is written on the box; e.g. eth0",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Packages:
    """What is installed at first power-on, without a network."""

    directory: Path | None = setting(
        "folder with the .deb files", check=_packages, default=None, reason="then they are in the image already"
    )


@dataclass(frozen=True, slots=True)
class CardConfig:
    """The whole file."""

    enrolment: EnrolmentPlace
    broker: BrokerPlace
    login: Login
    modem: Modem
    receiver: Receiver
    cameras: PoleCameras
    packages: Packages

    @property
    def addresses(self) -> Addresses:
        """Where the city's servers are."""
        return Addresses(
            enrolment_host=self.enrolment.host,
            enrolment_port=self.enrolment.port,
            broker_host=self.broker.host,
            broker_port=self.broker.port,
        )


def load_site(path: str | Path) -> CardConfig:
    """The file at `path`; raises ConfigError with every problem in it."""
    return load(path, CardConfig)


def public_keys(path: Path) -> list[str]:
    """The keys in a file, one a line, without comments. Raises OSError, UnicodeDecodeError."""
    lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]

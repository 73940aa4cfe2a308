"""What a camera node can be told; docs/config.md is made from it. Passwords are in a file of their own."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.camera_node.live import MOST_LEASES
from edge.camera_node.snapshots import DAILY_BYTES
from edge.config import Broker, DocumentsFile, OutboxFile, Sim, Unit, UplinkShare
from settings import ConfigError, Problem, setting
from settings.checks import host_name
from settings.load import from_document, read_document
from wire.topics import valid_unit

MOST_CAMERAS = 8  # on one switch of a pole; each is a thread and about 4 MB


def _camera_name(name: str) -> str | None:
    return None if valid_unit(name) else "lower case letters, digits and -, at most 31"


def _stream_url(url: str) -> str | None:
    wanted = "rtsp://HOST[:PORT]/PATH, without user and password: those are in the passwords file"
    try:
        parts = urllib.parse.urlsplit(url)
        sound = parts.scheme in ("rtsp", "rtsps") and parts.hostname and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        return wanted
    return None if sound else wanted


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera, each in a table of its own."""

    name: str = setting("what it is called in records; a pole's cameras differ by it", check=_camera_name)
    url: str = setting("its stream, as the camera's own page says it", check=_stream_url)
    small_url: str | None = setting(
        "its smaller profile, for a live view when the SIM's plan is short", check=_stream_url, default=None,
        reason="not every camera has one",
    )  # fmt: skip
    frames_per_s: float | None = setting(
        "frames a second that it should give; less than half is said", at_least=0.1, at_most=120, default=None,
        reason="learned from what it usually gives",
    )  # fmt: skip
    serial_number: str | None = setting(
        "serial number as adopted; another one behind the same address is said", default=None,
        reason="without ONVIF nobody can ask for it",
    )  # fmt: skip
    onvif_port: int | None = setting(
        "its ONVIF port: serial number, its own alarms, and the reboot of the recovery ladder", at_least=1,
        at_most=65535, default=None, reason="cameras differ: 80, 8000, 8899",
    )  # fmt: skip
    relay_pin: int | None = setting(
        "GPIO number of the relay in its supply; several cameras may share one", at_least=0, at_most=27, default=None,
        reason="not wired: its power is never cut",
    )  # fmt: skip
    relay_active_low: bool = setting(
        "the relay board energises its coil when the pin is low", default=False, reason="most boards say so themselves"
    )


@dataclass(frozen=True, slots=True)
class Pole:
    """What all cameras of the pole share."""

    every_s: float = setting(
        "a picture of each camera is judged this often", unit="s", at_least=1, at_most=300, default=5.0,
        reason="a fault is known within a minute; eight cameras take a tenth of a Pi's core",
    )  # fmt: skip
    passwords_path: Path | None = setting(
        "users and passwords of the cameras, a TOML file of mode 0600",
        default=None,
        reason="cameras without a password",
    )
    interface: str | None = setting(
        "the network port towards the cameras: without a carrier it is the switch, not eight cameras", default=None,
        reason="e.g. eth0",
    )  # fmt: skip
    switch_host: str | None = setting(
        "address of the pole's switch; it is pinged", default=None, check=host_name, reason="many have none"
    )


@dataclass(frozen=True, slots=True)
class Pictures:
    """Snapshots that are sent without being asked for."""

    daily_bytes: int = setting(
        "bytes of pictures a day, all cameras together; those a person asks for come on top", unit="bytes", at_least=0,
        at_most=1_000_000_000, default=DAILY_BYTES, reason="9 MB a month: some twenty changes of verdict a day",
    )  # fmt: skip
    interval_s: float = setting(
        "one of each camera this often, one camera after the other; 0 = only when its verdict changes", unit="s",
        at_least=0, at_most=2_592_000, default=604_800.0,
        reason="a week: about one a day of a pole's eight; all of them each day are more than all of its words",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class LiveView:
    """Where a live view may be pushed to, when the centre asks for it."""

    hosts: tuple[str, ...] = setting(
        "hosts that take streams; none = no live view", default=(), reason="a stream goes nowhere nobody named"
    )
    ca_path: Path | None = setting(
        "certificate of who signed theirs, PEM", default=None, reason="the authority in [broker]"
    )
    plain: bool = setting(
        "also rtsp:// without TLS",
        default=False,
        reason="only inside a tunnel of your own: anybody on the way can watch",
    )
    most_leases: int = setting(
        "cameras watched at the same time", at_least=1, at_most=MOST_CAMERAS, default=MOST_LEASES,
        reason="4G carries two main streams up",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """The whole file of a camera node."""

    unit: Unit
    broker: Broker
    outbox: OutboxFile
    documents: DocumentsFile
    uplink: UplinkShare
    sim: Sim
    pole: Pole
    pictures: Pictures
    live: LiveView
    cameras: tuple[Camera, ...]


def load_node(path: str | Path) -> NodeConfig:
    """The file at `path`; raises ConfigError with every problem in it."""
    file = Path(path)
    return node_of(read_document(file), name=str(file), folder=file.absolute().parent)


def node_of(document: dict[str, Any], *, name: str, folder: Path) -> NodeConfig:
    """A parsed document; `name` is how errors call it, `folder` where relative paths start."""
    config = from_document(document, NodeConfig, name=name, folder=folder)
    if problems := list(_between(config.cameras)):
        raise ConfigError(name, problems)
    return config


def _between(cameras: tuple[Camera, ...]) -> Iterator[Problem]:
    """What is wrong with the cameras beside each other."""
    if len(cameras) > MOST_CAMERAS:
        yield Problem(key="cameras", value=str(len(cameras)), wanted=f"at most {MOST_CAMERAS} tables [[cameras]]")
    names = [camera.name for camera in cameras]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem(key="cameras.name", value=name, wanted="a name for each camera")
    boards: dict[int, bool] = {}
    for camera in cameras:
        if camera.relay_pin is not None and boards.setdefault(camera.relay_pin, camera.relay_active_low) != (
            camera.relay_active_low
        ):
            yield Problem(
                key="cameras.relay_active_low", value=str(camera.relay_active_low).lower(),
                wanted=f"the same for every camera on pin {camera.relay_pin}",
            )  # fmt: skip

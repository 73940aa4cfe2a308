"""What the camera node's own process says of cameras that nobody has adopted yet.

It runs under the node's interpreter, as the box's own user: what a camera answers is not read by root.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from provisioning.owner import owner_of
from provisioning.words import _
from wire.errors import PantauError

OFFER: Final = "edge.camera_node.offer"
WITHIN_S: Final = 60.0  # eight calls of four seconds, and the start of Python on a Pi


class NoOffer(PantauError):
    """Nobody could be asked, or what came is no answer."""


@dataclass(frozen=True, slots=True)
class Found:
    """A camera that answered on the network port, in its own words."""

    address: str
    onvif_port: int
    name: str
    hardware: str


@dataclass(frozen=True, slots=True)
class Stream:
    """One of its streams."""

    url: str
    codec: str
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class Told:
    """What a camera says of itself to someone with a password; streams as it lists them, the best first."""

    manufacturer: str
    model: str
    serial_number: str
    streams: tuple[Stream, ...]

    @property
    def small(self) -> Stream | None:
        """The smallest of the others, when it is smaller than the first."""
        first, *others = self.streams
        smallest = min(others, key=_pixels, default=first)
        return smallest if _pixels(smallest) < _pixels(first) else None


class Offers:
    """Asks the camera node's process; `python` is the command that runs its Python, `folder` the box's own."""

    def __init__(self, python: Sequence[str], folder: Path) -> None:
        self._command = [*python, "-m", OFFER]
        owner = owner_of(folder)
        self._as: dict[str, Any] = {}
        if owner is not None:
            self._as = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}

    def found(self, interface: str) -> list[Found]:
        """What answers behind that port within three seconds; raises NoOffer."""
        said = self._run("find", interface)
        with _understood():
            return [Found(one["address"], int(one["onvif_port"]), one["name"], one["hardware"]) for one in said]

    def told(self, address: str, port: int, user: str, password: str) -> Told:
        """Who is there, and one stream or more; `user` "": it has no password. Raises NoOffer with the reason."""
        credentials = {"user": user, "password": password} if user else {}
        said = self._run("ask", address, str(port), typed=json.dumps(credentials))
        with _understood():
            (one,) = said
            who = one["identity"]
            streams = tuple(
                Stream(
                    _at(address, each["stream_url"]),
                    _printable(each["codec"]),
                    int(each["width_px"]),
                    int(each["height_px"]),
                )
                for each in one["streams"]
            )
            names = {key: _printable(who[key]) for key in ("manufacturer", "model", "serial_number")}
        if not streams:
            raise NoOffer(_("{address} offers no stream").format(address=address))
        return Told(**names, streams=streams)

    def _run(self, *arguments: str, typed: str = "") -> list[Any]:
        try:
            done = subprocess.run(
                [*self._command, *arguments],
                input=typed, capture_output=True, text=True, timeout=WITHIN_S, check=False, **self._as,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NoOffer(str(error)) from error
        if done.returncode:
            raise NoOffer(
                (done.stderr.strip().splitlines() or [_("exit code {code}").format(code=done.returncode)])[-1]
            )
        with _understood():
            return [json.loads(line) for line in done.stdout.splitlines()]


@contextmanager
def _understood() -> Iterator[None]:
    """What is no answer is a NoOffer."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise NoOffer(_("the camera node's answer is not understood: {why}").format(why=error)) from error


def _at(address: str, stream_url: str) -> str:
    """The stream where the camera was asked: its own word for its address must not lead a password elsewhere."""
    parts = urlsplit(stream_url)
    return urlunsplit(parts._replace(netloc=address if parts.port is None else f"{address}:{parts.port}"))


def _printable(text: str) -> str:
    return "".join(char for char in text if char.isprintable())[:100]


def _pixels(stream: Stream) -> int:
    return stream.width_px * stream.height_px

"""What one look at a camera came to, and whose fault it was: pure, no camera and no network in here."""

from __future__ import annotations

import enum
import urllib.parse
from dataclasses import dataclass
from typing import Final, Protocol

from edge.camera_node.picture import Picture
from edge.errors import DeviceLost

SLOW_SHARE: Final = 0.5  # of the frame rate expected; a camera at night halves its shutter, not its rate


class Stop(Protocol):
    """What a camera's worker asks at every turn: service.Stop, or a threading.Event."""

    def is_set(self) -> bool:
        """True when it should end."""

    def wait(self, timeout_s: float, /) -> bool:
        """Sleep up to `timeout_s` or until asked to stop; True when it should end."""


class Failure(enum.StrEnum):
    """Why a camera gave no picture, from the ground up; the first that holds explains those below it."""

    POWER = "power"  # a relay or the switch's PoE says that the camera has none
    LINK = "link"  # the node's own port to the cameras has no carrier, or no route leads there
    ADDRESS = "address"  # nothing answers under the camera's address
    PORT = "port"  # something answers, but no RTSP server does at that port
    AUTHENTICATION = "authentication"  # user or password refused
    PATH = "path"  # the RTSP server does not know the stream
    CODEC = "codec"  # a stream that is no video, too large, or cannot be decoded
    NO_FRAMES = "no_frames"  # the session stands, and no (key) frame comes
    SLOW_FRAMES = "slow_frames"  # frames come, at less than half of the rate expected


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one look at one camera came to; with `failure` None there is a picture (slow_frames has one too)."""

    failure: Failure | None
    picture: Picture | None = None
    frames_per_s: float | None = None  # since the last outcome of this stream
    bitrate_kbps: float | None = None
    detail: str = ""  # for a person; holds no password
    serial_number: str | None = None  # as the camera says itself, None: not asked or not told
    camera: str = ""  # its name in the configuration
    at_s: float = 0.0  # monotonic


@dataclass(frozen=True, slots=True)
class Credentials:
    """User and password; the password is in no repr."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials(user={self.user!r}, password=***)"


class StreamFailed(DeviceLost):
    """A stream that could not be opened, read or decoded; says which failure that is, and nothing secret."""

    def __init__(self, failure: Failure, detail: str) -> None:
        super().__init__(detail)
        self.failure = failure
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Reach:
    """What lies below a stream: each None where it was not asked or cannot be known."""

    powered: bool | None = None
    carrier: bool | None = None  # of the node's own port towards the cameras
    routed: bool = True
    pinged: bool | None = None
    port_open: bool | None = None
    port_refused: bool = False  # a host is there and said no


def below(reach: Reach) -> tuple[Failure, str] | None:
    """The lowest failure under a stream and what to tell a person; None when an RTSP port stands open."""
    if reach.powered is False:
        return Failure.POWER, "its power is switched off"
    if reach.carrier is False:
        return Failure.LINK, "the port towards the cameras has no carrier"
    if not reach.routed:
        return Failure.LINK, "no route leads to its address"
    if reach.port_open:
        return None
    if reach.port_refused:
        return Failure.PORT, "its address answers, the RTSP port is closed"
    if reach.pinged:
        return Failure.PORT, "it answers pings, the RTSP port does not answer"
    return Failure.ADDRESS, "nothing answers at its address"


def explained(seen: StreamFailed, reach: Reach) -> StreamFailed:
    """The failure with what lies under it taken into account: a dead switch also looks like a silent port."""
    if seen.failure in {Failure.AUTHENTICATION, Failure.PATH, Failure.CODEC}:
        return seen  # it answered
    lower = below(reach)
    return seen if lower is None else StreamFailed(*lower)


def slow(frames_per_s: float | None, expected_frames_per_s: float | None) -> bool:
    """Whether the rate seen is less than half of what is expected; unknown is not slow."""
    return None not in (frames_per_s, expected_frames_per_s) and frames_per_s < SLOW_SHARE * expected_frames_per_s  # type: ignore[operator]


def changed_serial(expected: str | None, seen: str | None) -> str:
    """What to tell a person when another camera answers behind the address, else ''."""
    if expected is None or seen is None or expected == seen:
        return ""
    return f"another camera answers there: serial number {seen}, adopted was {expected}"


def secret_free(url: str) -> str:
    """The URL without user and password, as it may be logged, stored and told."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def with_credentials(url: str, credentials: Credentials | None) -> str:
    """The URL as a library wants it. It goes into one call and is kept nowhere."""
    if credentials is None:
        return url
    parts = urllib.parse.urlsplit(url)
    user, password = (urllib.parse.quote(word, safe="") for word in (credentials.user, credentials.password))
    return urllib.parse.urlunsplit(parts._replace(netloc=f"{user}:{password}@{parts.netloc.rpartition('@')[2]}"))

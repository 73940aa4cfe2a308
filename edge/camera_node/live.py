"""Live view on demand: a lease on a camera's stream, pushed to a URL of the centre; nobody watching costs 0 bytes.

A command asks for it, and asks again to renew it. A lease ends by the monotonic clock when nobody renewed it: with the
link down, with an OS clock that steps. Pushing is done by what the constructor is given (push.py). Main thread only.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from edge.budget import Degree

log = logging.getLogger(__name__)

LEASE_S: Final = 60  # the issue's; Kerberos.io has 45 s (agent, capture/main.go)
LEAST_LEASE_S: Final = 10
MOST_LEASE_S: Final = 300
MOST_LEASES: Final = 2  # 4G up is 5 to 10 Mbit/s, a camera's main stream 2 to 4
LONGEST_URL: Final = 512
# RFC 3986 without the characters that URL readers understand differently (\, <, >, spaces, controls).
_URL: Final = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")


class Handle(Protocol):
    """A push under way."""

    @property
    def alive(self) -> bool:
        """False once it has ended by itself: the camera or the other end is gone."""

    @property
    def why(self) -> str:
        """What it ended of by itself, for a person; '' while nothing is wrong."""

    @property
    def sent_bytes(self) -> int:
        """Bytes sent so far, over the SIM."""

    def stop(self) -> None:
        """End it; returns soon, never raises."""


class Push(Protocol):
    """Starts pushing a camera's own stream, not re-encoded; `small` asks for its smaller profile.

    Returns at once and never raises: what cannot start is a handle that is not alive.
    """

    def __call__(self, camera: str, url: str, *, small: bool) -> Handle: ...


@dataclass(frozen=True, slots=True)
class Allowed:
    """Where a stream may go: schemes and hosts (lower case); how many at a time."""

    hosts: Collection[str]
    schemes: Collection[str] = ("rtsps",)  # RTSP inside TLS; the url carries what lets it in
    most_leases: int = MOST_LEASES


@dataclass(slots=True)
class _Lease:
    url: str
    until_s: float
    small: bool
    handle: Handle


class Live:
    """The leases of one pole; `turn` often (each second), `close` at the end."""

    def __init__(
        self,
        cameras: Collection[str],
        push: Push,
        allowed: Allowed,
        *,
        broke: Callable[[str, str], None] = lambda _camera, _why: None,
        monotonic_s: Callable[[], float] = monotonic,
    ) -> None:
        """`broke(camera, why)` is told of a view that ended though somebody watched."""
        self._cameras = cameras
        self._push = push
        self._allowed = allowed
        self._broke = broke
        self._monotonic_s = monotonic_s
        self._leases: dict[str, _Lease] = {}
        self._ended_bytes = 0
        self._degree = Degree.NONE

    @property
    def sent_bytes(self) -> int:
        """All that was pushed since the process began: the video bytes of the budget's class live."""
        return self._ended_bytes + sum(lease.handle.sent_bytes for lease in self._leases.values())

    def watched(self, camera: str) -> bool:
        """Whether somebody watches this camera now."""
        lease = self._leases.get(camera)
        return lease is not None and self._monotonic_s() < lease.until_s

    def want(self, arguments: Mapping[str, Any]) -> str:
        """The verb `live`: {camera, url, lease_s}, begins or renews; what to say. ValueError says why not."""
        camera, url = arguments.get("camera"), arguments.get("url")
        if not isinstance(camera, str) or camera not in self._cameras:
            raise ValueError("no such camera")
        checked = check_url(url, self._allowed)
        lease_s = arguments.get("lease_s", LEASE_S)
        if type(lease_s) is not int or not LEAST_LEASE_S <= lease_s <= MOST_LEASE_S:
            raise ValueError(f"lease_s is a whole number from {LEAST_LEASE_S} to {MOST_LEASE_S}")
        if self._degree >= Degree.LIVE_OFF:
            raise ValueError("the SIM's plan is used up")
        self.turn(self._degree)
        until_s = self._monotonic_s() + lease_s
        lease = self._leases.get(camera)
        if lease is not None and lease.url == checked:
            lease.until_s = until_s
            return f"renewed for {lease_s} s"
        if lease is not None:
            self._end(camera, "it goes to another address")
        elif len(self._leases) >= self._allowed.most_leases:
            raise ValueError(f"{self._allowed.most_leases} cameras are being watched already")
        small = self._degree >= Degree.LIVE_SMALL
        handle = self._push(camera, checked, small=small)
        if not handle.alive and handle.why:
            raise ValueError(handle.why)
        self._leases[camera] = _Lease(checked, until_s, small, handle)
        log.info("%s: live view for %d s%s", camera, lease_s, ", small" if small else "")
        return f"{'small ' if small else ''}live view for {lease_s} s"

    def unwant(self, arguments: Mapping[str, Any]) -> str:
        """The verb `live_end`: {camera}; nobody watching is no error."""
        camera = arguments.get("camera")
        if not isinstance(camera, str) or camera not in self._cameras:
            raise ValueError("no such camera")
        if camera in self._leases:
            self._end(camera, "asked to")
        return "ended"

    def turn(self, degree: Degree = Degree.NONE) -> None:
        """Ends what is over, died, or is no longer allowed by the budget; changes profiles where it asks for it."""
        self._degree = degree
        now_s = self._monotonic_s()
        for camera, lease in list(self._leases.items()):
            if lease.until_s <= now_s:
                self._end(camera, "not renewed")
            elif not lease.handle.alive:
                self._end(camera, "the stream ended by itself")
                self._broke(camera, lease.handle.why)
            elif degree >= Degree.LIVE_OFF:
                self._end(camera, "the SIM's plan is used up")
            elif degree >= Degree.LIVE_SMALL and not lease.small:
                self._end(camera, "the small profile follows")
                self._leases[camera] = _Lease(lease.url, lease.until_s, True, self._push(camera, lease.url, small=True))

    def close(self) -> None:
        """End all."""
        for camera in list(self._leases):
            self._end(camera, "the node stops")

    def _end(self, camera: str, why: str) -> None:
        lease = self._leases.pop(camera)
        lease.handle.stop()
        self._ended_bytes += lease.handle.sent_bytes
        log.info("%s: live view ended: %s", camera, why)


def check_url(url: object, allowed: Allowed) -> str:
    """The url when a stream may go there; ValueError says why not, without repeating it (it may hold a secret)."""
    if not isinstance(url, str) or len(url) > LONGEST_URL or not _URL.fullmatch(url):
        raise ValueError("url is not one")
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("url is not one") from None
    if parts.scheme not in allowed.schemes:
        raise ValueError(f"url must begin with {' or '.join(f'{scheme}://' for scheme in allowed.schemes)}")
    if "@" in parts.netloc:
        raise ValueError("url must hold no password: what lets it in is its path")
    if host is None or host not in allowed.hosts:
        raise ValueError("url's host is not one of those configured")
    return url

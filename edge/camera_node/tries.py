"""When a camera's password may be shown to it again: makers lock an account after some wrong ones. Pure."""

from __future__ import annotations

import enum
import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple

TRIES_AN_HOUR: Final = 4  # with a password that was refused: makers lock an account for 30 minutes after 5 to 7
_HOUR_S: Final = 3600.0
_NOT_ASKED: Final = object()  # no password was named yet


class Kept(NamedTuple):
    """What the next process has to know: the seconds to wait, and whether the stream let us in all the same."""

    left_s: float
    stream_good: bool


NONE_REFUSED: Final = Kept(0.0, False)


class Door(enum.StrEnum):
    """Where a camera asks for user and password; most have one account for both, some have two."""

    STREAM = "stream"
    ONVIF = "onvif"


class Tries:
    """Keeps a refused password from locking the camera's account: it is shown `an_hour` times an hour, spread.

    One for each camera, shared by all that log in to it: eye, ear and live views. `claim` before, then `accepted`,
    `refused` or `unheard`; while nobody knows whether the password is right, one of them tries at a time. What one door
    refuses is not tried at the other one, except at a stream that let us in last: there it may be another account. Any
    thread may call. A new password (another `key`) starts afresh.

    `keep` is told what the next process has to know when that changes; `kept` is what a former one told it last
    (refused.py).
    """

    def __init__(
        self,
        now_s: Callable[[], float] = time.monotonic,
        *,
        an_hour: int = TRIES_AN_HOUR,
        kept: Kept = NONE_REFUSED,
        keep: Callable[[Kept], None] = lambda _kept: None,
    ) -> None:
        self._now_s = now_s
        self._apart_s = _HOUR_S / an_hour
        self._keep = keep
        self._kept = kept if 0 < kept.left_s <= _HOUR_S else NONE_REFUSED
        # When a refused one may be tried again.
        self._again_s = dict.fromkeys(Door, now_s() + self._kept.left_s if self._kept.left_s else float("-inf"))
        self._good: set[Door] = set()  # let us in when asked last
        if self._kept.stream_good:
            self._good.add(Door.STREAM)
            self._again_s[Door.STREAM] = float("-inf")
        self._trying = False
        self._key: object = _NOT_ASKED
        self._lock = threading.Lock()

    def wait_s(self, key: object = None, door: Door = Door.STREAM) -> float:
        """Seconds until the next try is allowed; 0: now."""
        with self._lock:
            return self._wait_s(key, door)

    def let_in(self, key: object = None) -> bool:
        """Whether the stream let us in when asked last: a live view of it shows nobody a password that is not known."""
        with self._lock:
            return self._wait_s(key, Door.STREAM) == 0 and Door.STREAM in self._good

    def claim(self, key: object = None, door: Door = Door.STREAM) -> bool:
        """Whether to log in now; who was let says what came of it. False: not yet, or another one just tries."""
        with self._lock:
            if self._wait_s(key, door) > 0 or self._trying:
                return False
            self._trying = not self._good
            return True

    def refused(self, door: Door = Door.STREAM, *, shown: int = 1) -> None:
        """The camera refused user or password, which it was shown so often."""
        with self._lock:
            now_s = self._now_s()
            self._again_s[door] = max(now_s + shown * self._apart_s, *self._again_s.values())
            self._good.discard(door)
            self._trying = False
            self._note(round(self._again_s[door] - now_s, 1))

    def accepted(self, door: Door = Door.STREAM) -> None:
        """It let us in."""
        with self._lock:
            self._again_s[door] = float("-inf")
            self._good.add(door)
            self._trying = False
            self._note(self._kept.left_s if max(self._again_s.values()) > self._now_s() else 0.0)

    def unheard(self) -> None:
        """It said neither: it was not reached, or broke off; after `accepted` or `refused` this changes nothing."""
        with self._lock:
            self._trying = False

    def _note(self, left_s: float) -> None:
        kept = Kept(left_s, left_s > 0 and Door.STREAM in self._good)
        if kept != self._kept:
            self._kept = kept
            self._keep(kept)

    def _wait_s(self, key: object, door: Door) -> float:
        if self._key is _NOT_ASKED:
            self._key = key
        elif key != self._key:
            self._key, self._trying = key, False
            self._again_s = dict.fromkeys(Door, float("-inf"))
            self._good.clear()
        if door is Door.STREAM and door in self._good:
            return 0.0
        return max(0.0, max(self._again_s.values()) - self._now_s())

"""Whose firmware is being updated: a person at the centre says so, for some minutes, and no recovery step disturbs it.

A camera whose power goes in the middle of an update may never start again. Nothing in ONVIF or RTSP tells that one is
under way, and it looks as dead as one that needs a reboot. So who updates it says it first (verb `updating`).
The box's own update needs no word: the process is stopped for it, and one that does not run does no step.

It ends by the monotonic clock. What is left of it is kept, so a box that restarts in the middle still knows. Main
thread only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

MOST_MINUTES: Final = 120  # makers say 5 to 20; forgotten for longer it would keep a dead camera dead
KEEP_EVERY_S: Final = 60.0  # a restart gives back so much at most


class Updating:
    """`keep` writes the state (JSON, small); `state` is what a former process kept. All times are monotonic seconds."""

    def __init__(
        self,
        cameras: Collection[str],
        keep: Callable[[dict[str, float]], None] = lambda _state: None,
        state: Any = None,
        *,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._cameras = cameras
        self._keep = keep
        self._monotonic_s = monotonic_s
        now_s = monotonic_s()
        self._kept_s = now_s
        self._until_s = {camera: now_s + left_s for camera, left_s in _restored(state, cameras).items()}

    def of(self, camera: str) -> bool:
        """Whether this camera's firmware is being updated now."""
        return self._until_s.get(camera, float("-inf")) > self._monotonic_s()

    def want(self, arguments: Mapping[str, Any]) -> str:
        """The verb `updating`: {camera, minutes}, 0 ends it; what to say. ValueError says why not."""
        camera, minutes = arguments.get("camera"), arguments.get("minutes")
        if not isinstance(camera, str) or camera not in self._cameras:
            raise ValueError("no such camera")
        if type(minutes) is not int or not 0 <= minutes <= MOST_MINUTES:
            raise ValueError(f"minutes is a whole number from 0 to {MOST_MINUTES}")
        self._until_s.pop(camera, None)
        if minutes:
            self._until_s[camera] = self._monotonic_s() + 60.0 * minutes
        self._write()
        return f"no recovery step for {minutes} min" if minutes else "recovery goes on"

    def turn(self) -> None:
        """Call every few seconds: forgets what is over, and keeps what is left."""
        now_s = self._monotonic_s()
        over = [camera for camera, until_s in self._until_s.items() if until_s <= now_s]
        for camera in over:
            del self._until_s[camera]
        if over or (self._until_s and now_s - self._kept_s >= KEEP_EVERY_S):
            self._write()

    def _write(self) -> None:
        self._kept_s = self._monotonic_s()
        self._keep({camera: round(until_s - self._kept_s, 1) for camera, until_s in self._until_s.items()})


def _restored(state: Any, cameras: Collection[str]) -> dict[str, float]:
    """Seconds left by camera; what makes no sense is none."""
    kept = state if isinstance(state, dict) else {}
    return {
        camera: left_s
        for camera, left_s in kept.items()
        if camera in cameras and type(left_s) in (int, float) and 0 < left_s <= 60 * MOST_MINUTES
    }

"""Whether the pole's switch answers: a thread that pings it, so that nobody waits for a dead one."""

from __future__ import annotations

from typing import Final

from edge.camera_node.reach import ping
from edge.service import Stop

EVERY_S: Final = 10.0
MISSED: Final = 2  # a switch answers pings when it has nothing better to do


class Switch:
    """`run` is the thread; `answers` is for the main thread."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._missed = 0
        self._answers: bool | None = None

    def answers(self) -> bool | None:
        """None until it is known, and where nobody may ping."""
        return self._answers

    def run(self, stop: Stop) -> None:
        """Until told to stop."""
        while not stop.is_set():
            heard = ping(self._host)
            self._missed = 0 if heard else self._missed + 1
            if heard is None:
                self._answers = None
            elif heard or self._missed >= MISSED:
                self._answers = heard
            stop.wait(EVERY_S)

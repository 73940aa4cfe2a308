"""What waits for the desk: a queue with a bound for what comes from outside, and a share of it a unit."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter
from typing import Final

from broker.committer import NAME_EVERY_S, Alarm, Result
from broker.desk import Note, Notice

log = logging.getLogger(__name__)

NOTICES_LIMIT: Final = 50_000  # births of two big cities at once
WORDS_A_UNIT: Final = 1_000  # results, reports and calls for help: some hundredths of a second of the desk's time


class Notes(queue.SimpleQueue[Note]):
    """Any thread puts, the desk gets. What is beyond a bound is dropped and counted; who floods loses its own words."""

    def __init__(self) -> None:
        self.dropped_notices = self.dropped_words = 0
        self._lock = threading.Lock()
        self._waiting: Counter[str] = Counter()  # notices under no name, words under their unit's
        self._name_from_s = 0.0

    def put(self, item: Note, block: bool = True, timeout: float | None = None) -> None:
        """Never waits."""
        whose = _whose(item)
        if whose is not None and not self._may_wait(whose):
            return
        super().put(item, block, timeout)

    def get(self, block: bool = True, timeout: float | None = None) -> Note:
        """As a queue does."""
        note = super().get(block, timeout)
        if (whose := _whose(note)) is not None:
            with self._lock:
                self._waiting[whose] -= 1
                if not self._waiting[whose]:
                    del self._waiting[whose]
        return note

    def get_nowait(self) -> Note:
        """As a queue does."""
        return self.get(block=False)

    def _may_wait(self, whose: str) -> bool:
        with self._lock:
            if self._waiting[whose] < (WORDS_A_UNIT if whose else NOTICES_LIMIT):
                self._waiting[whose] += 1
                return True
            if not whose:
                self.dropped_notices += 1
                return False
            self.dropped_words += 1
        if time.monotonic() >= self._name_from_s:
            self._name_from_s = time.monotonic() + NAME_EVERY_S
            log.warning("%s: more results and calls than a unit may have waiting; its own are dropped", whose)
        return False


def _whose(note: Note) -> str | None:
    """The unit of a word, nobody's name for a notice, None for what needs no bound."""
    if isinstance(note, Result | Alarm):
        return note.unit
    return "" if isinstance(note, Notice) else None

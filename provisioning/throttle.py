"""Who brings wrong codes over and over is told to wait: counted by address, forgotten after a while. Pure.

The right code is let in all the same, or anybody could keep others from enrolling. That codes cannot be guessed is
owed to their 60 bits (`codes.py`); this keeps the log short.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

FAILURES: Final = 20  # more than a workshop mistypes
WITHIN_S: Final = 600.0
WATCHED: Final = 10_000  # addresses; the one longest quiet is forgotten first


class Throttle:
    """Counts failures; `wait_s` says how long an address that has failed too often must wait."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def failed(self, address: str, now_s: float) -> None:
        """One more failure of this address."""
        times = self._failures.setdefault(address, deque(maxlen=FAILURES))
        times.append(now_s)
        self._failures.move_to_end(address)
        while len(self._failures) > WATCHED:
            self._failures.popitem(last=False)

    def wait_s(self, address: str, now_s: float) -> float:
        """Seconds until its next failure is one of the ordinary ones; 0.0 when it is now."""
        times = self._failures.get(address)
        if times is None or len(times) < FAILURES:
            return 0.0
        return max(0.0, times[0] + WITHIN_S - now_s)

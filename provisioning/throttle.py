"""Who guesses codes is made to wait: failures by name and by address, forgotten after a while. Pure.

With 5 failures in 10 minutes a name is tried 720 times a day: of 2^60 codes none is found. In memory only: whoever
can restart the server need not guess.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

FAILURES: Final = 5
WITHIN_S: Final = 600.0
WATCHED: Final = 10_000  # names and addresses; the one longest quiet is forgotten first


class Throttle:
    """Counts failures; `wait_s` says how long who has failed too often must wait."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def failed(self, who: str, now_s: float) -> None:
        """One more failure of this name or address."""
        times = self._failures.setdefault(who, deque(maxlen=FAILURES))
        times.append(now_s)
        self._failures.move_to_end(who)
        while len(self._failures) > WATCHED:
            self._failures.popitem(last=False)

    def succeeded(self, who: str) -> None:
        """Forget what it got wrong."""
        self._failures.pop(who, None)

    def wait_s(self, who: str, now_s: float) -> float:
        """Seconds until the next try is allowed; 0.0 when it is now."""
        times = self._failures.get(who)
        if times is None or len(times) < FAILURES:
            return 0.0
        return max(0.0, times[0] + WITHIN_S - now_s)

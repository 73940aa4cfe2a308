"""What the link did in this UTC day, whatever restarts; while no UTC is known, in this boot. Main thread only."""

from typing import Any, NamedTuple, Protocol

from edge.clock import Clock

DAY_MS = 86_400_000


class Traffic(NamedTuple):
    """Reconnects, and bytes up and down at IP level."""

    reconnects: int = 0
    up_bytes: int = 0
    down_bytes: int = 0

    def and_also(self, more: "Traffic") -> "Traffic":
        """The sum."""
        return Traffic(*(a + b for a, b in zip(self, more, strict=True)))

    def less(self, before: "Traffic") -> "Traffic":
        """The difference."""
        return Traffic(*(a - b for a, b in zip(self, before, strict=True)))


class Notes(Protocol):
    """What survives the process (edge/memory.py)."""

    def recall(self, name: str, default: Any) -> Any:
        """The value of `name`, or `default`."""

    def remember(self, name: str, value: Any) -> None:
        """From now on `name` is `value`."""


class Today:
    """Adds up a process's counters by day. What happens before UTC is known goes to the day it turns out to be."""

    def __init__(self, clock: Clock, notes: Notes) -> None:
        self._clock = clock
        self._notes = notes
        self._counted = Traffic()
        self._day, self._of_day, self._undated = _restored(notes.recall("today", None), clock.boot_id)
        self._saved = self._state()

    def count(self, since_start: Traffic) -> Traffic:
        """Take the process's counters as they are now; those of the day. Ask each minute: a day ends when asked."""
        # Between two links the other thread's sum may be short of the one that ends.
        since_start = Traffic(*map(max, since_start, self._counted))
        self._undated = self._undated.and_also(since_start.less(self._counted))
        self._counted = since_start
        utc_ms = self._clock.utc_ms()
        if utc_ms is None:
            return self._undated
        if utc_ms // DAY_MS != self._day:
            self._day, self._of_day = utc_ms // DAY_MS, Traffic()
        self._of_day, self._undated = self._of_day.and_also(self._undated), Traffic()
        return self._of_day

    def save(self) -> None:
        """Keep it for the next process; each is a write to the card, so not oftener than a health record is due."""
        state = self._state()
        if state != self._saved:
            self._saved = state
            self._notes.remember("today", state)

    def _state(self) -> list[Any]:
        return [self._day, list(self._of_day), self._clock.boot_id, list(self._undated)]


def _restored(state: Any, boot_id: int) -> tuple[int | None, Traffic, Traffic]:
    """(day, its traffic, this boot's traffic of no day); nothing where nothing that makes sense was kept."""
    match state:
        case [
            int() | None as day,
            [int(), int(), int()] as of_day,
            int(of_boot),
            [int(), int(), int()] as undated,
        ] if _countable(*of_day) and _countable(*undated):
            return day, Traffic(*of_day), Traffic(*undated) if of_boot == boot_id else Traffic()
    return None, Traffic(), Traffic()


def _countable(reconnects: int, up_bytes: int, down_bytes: int) -> bool:
    """Whether a health record can carry them, whatever this day adds; worn bits may say anything."""
    return 0 <= reconnects < 1 << 31 and 0 <= up_bytes < 1 << 62 and 0 <= down_bytes < 1 << 62

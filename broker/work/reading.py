"""Observations of an asset out of the central store, corrections included."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from functools import lru_cache
from typing import Final

from broker.store import LogEntry, Store
from broker.store.values import DAY_MS
from broker.work.areas import Areas
from broker.work.days import Read, local_days, sessions_of, visits_of
from broker.work.observed import Fix, Observed, Window, observed
from broker.work.records import observations
from broker.work.sessions import Kind, Session
from broker.work.visits import Visit


@dataclass(frozen=True, slots=True)
class Day:
    """A local day, or the part of it that was asked for, what was done in it, and which areas it was in."""

    window: Window
    sessions: Sequence[Session]
    visits: Sequence[Visit]

    @property
    def unseen(self) -> bool:
        """Nothing at all is known of it."""
        return all(session.kind is Kind.UNKNOWN for session in self.sessions)


_DAYS_KEPT: Final = 8  # a day is derived from itself and three around it, and the next one from most of the same


def reader(store: Store, asset: str, agency: str | None = None) -> Read:
    """Reads what is stored of that asset (of that agency only), each UTC day once: make another for what comes later.

    The store must be open while it is used.
    """

    @lru_cache(maxsize=_DAYS_KEPT)
    def entries(day: int) -> list[LogEntry]:
        found = store.rows(asset=asset, from_utc_ms=day * DAY_MS, to_utc_ms=(day + 1) * DAY_MS)
        return [entry for entry in found if agency is None or entry.agency == agency]

    @lru_cache(maxsize=_DAYS_KEPT)
    def said(day: int) -> Observed:
        return observations(entries(day), with_fixes=False)

    @lru_cache(maxsize=_DAYS_KEPT)
    def fixes_of(day: int) -> tuple[Fix, ...]:
        return observations(entries(day)).fixes

    def read(fixes: Window, inputs: Window) -> Observed:
        days = [said(day) for day in _days(inputs)]
        return observed(
            (fix for day in _days(fixes) for fix in fixes_of(day) if fixes.from_ms <= fix.at_ms <= fixes.to_ms),
            (level for day in days for level in day.levels),
            (sign for day in days for sign in day.signs),
            (start for day in days for start in day.starts),
        )

    return read


def _days(window: Window) -> range:
    return range(window.from_ms // DAY_MS, window.to_ms // DAY_MS + 1)


def days_of(read: Read, window: Window, zone: tzinfo, areas: Areas) -> list[Day]:
    """Day by day what an asset did, each derived from its own records and what lies around them."""
    return [
        Day(day, sessions_of(read, day), visits_of(read, day, areas) if areas.all else ())
        for day in local_days(window, zone)
    ]

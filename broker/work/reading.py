"""Observations of an asset out of the central store, corrections included."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from broker.store import LogEntry, Store
from broker.work.areas import Areas
from broker.work.days import Read, local_days, sessions_of, visits_of
from broker.work.observed import Observed, Window
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


def reader(store: Store, asset: str, agency: str | None = None) -> Read:
    """Reads what is stored of that asset now (of that agency only); the store must be open while it is used."""

    def read(fixes: Window, inputs: Window) -> Observed:
        entries = store.rows(asset=asset, from_utc_ms=inputs.from_ms, to_utc_ms=inputs.to_ms + 1)
        return observations((entry for entry in entries if _wanted(entry)), fixes)

    def _wanted(entry: LogEntry) -> bool:
        return agency is None or entry.agency == agency

    return read


def days_of(read: Read, window: Window, zone: tzinfo, areas: Areas) -> list[Day]:
    """Day by day what an asset did, each derived from its own records and what lies around them."""
    return [
        Day(day, sessions_of(read, day), visits_of(read, day, areas) if areas.all else ())
        for day in local_days(window, zone)
    ]

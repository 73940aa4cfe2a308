"""Simulated days as what the store would give, for the tests of broker/work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain

from entries import body_entry

from broker.store import LogEntry
from broker.work.observed import Observed, Window, observed
from broker.work.records import observations
from broker.work.sessions import Kind, Session, derive
from edge.sim.work import Act, Day, ambulance_day, excavator_day, fire_engine_day, played
from edge.sim.work_box import Cut, Row, recorded

MIDNIGHT = 1_763_917_200_000  # 2025-11-24T00:00:00+07:00, a Monday
DAY_MS = 86_400_000
S = 1000
H = 3600 * S
KINDS = {"excavator": excavator_day, "ambulance": ambulance_day, "fire engine": fire_engine_day}


def entry(row: Row) -> LogEntry:
    return body_entry(row.kind, row.body, unit=row.box, utc_ms=row.from_ms, utc_to_ms=row.to_ms)


def seen(rows: Iterable[Row]) -> Observed:
    return observations(entry(row) for row in rows)


def each_seen(rows: Iterable[Row]) -> list[Observed]:
    """What each row says; decoding is most of what reading costs, and one row's is no other's."""
    return [seen([row]) for row in rows]


def together(parts: Sequence[Observed]) -> Observed:
    """What `seen` makes of the rows of these parts, in this order."""
    return observed(*(chain.from_iterable([part[place] for part in parts]) for place in range(len(Observed._fields))))


@cache
def day(vehicle: str, seed: int) -> Day:
    return played(KINDS[vehicle](seed), MIDNIGHT, seed)


def acted(*acts: Act, seed: int = 1, wander_m: float = 4.0) -> Day:
    return played(acts, MIDNIGHT, seed, wander_m=wander_m)


def sessions(told: Day, *cuts: Cut) -> list[Session]:
    return derive(seen(recorded(told, cuts)), span(told))


def span(told: Day) -> Window:
    return Window(told.truth[0].from_ms, told.truth[-1].to_ms)


def hours_ms(found: Iterable[Session], kind: str) -> int:
    return sum(each.lasts_ms for each in found if each.kind == Kind(kind))


def outline(found: Iterable[Session]) -> list[tuple[str, int]]:
    """Kinds with their whole minutes."""
    return [(str(each.kind), round(each.lasts_ms / 60_000)) for each in found]

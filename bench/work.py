"""CPU of hours: a day of many assets, the deriver as it runs, and one late record in a store that grows."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from bench.report import Figure, show
from bench.work_deriver import as_it_comes, at_once, late
from broker.store import LogEntry
from broker.work.observed import Fix, Observed, Window, observed
from broker.work.records import observations
from broker.work.sessions import derive
from edge.sim.work import Act, Day, ambulance_day, excavator_day, fire_engine_day, played
from edge.sim.work_box import Row, recorded

MIDNIGHT_MS: Final = 1_763_917_200_000  # 2025-11-24T00:00:00+07:00
DAY_MS: Final = 86_400_000
CITY: Final = 10_000
PARTS: Final = range(6, 15)  # twentieths of the shared days: the middle ones
KINDS: Final = (excavator_day, ambulance_day, fire_engine_day)


class Size(NamedTuple):
    """How much is measured; simulating a day takes longer than deriving it, so that each is used several times."""

    distinct: int
    times: int
    road_days: int
    days_stored: tuple[int, int]


WHOLE: Final = Size(20, 5, 4, (10, 40))
QUICK: Final = Size(6, 5, 1, (3, 12))


def main(argv: list[str]) -> int:
    """Measure and print; `--quick` measures on fewer days."""
    size = QUICK if "--quick" in argv else WHOLE
    distinct = size.distinct * size.times
    figures = [*_day_of_a_city(size), _road_day(size.road_days), *_as_it_runs(size), *_late(size.days_stored)]
    conditions = (
        f"{distinct} asset-days ({size.distinct} simulated ones, each {size.times} times) of excavators, ambulances "
        f"and fire engines, as a box records them; times {CITY // distinct} for a city of {CITY:,} assets"
    )
    show("work", figures, as_json="--json" in argv, conditions=conditions)
    return 0


def _day_of_a_city(size: Size) -> list[Figure]:
    days = [[_entry(row) for row in _rows(seed, MIDNIGHT_MS)] for seed in range(size.distinct)]
    window = Window(MIDNIGHT_MS, MIDNIGHT_MS + DAY_MS)
    seen: list[Observed] = []
    reading_s = _cpu_s(lambda: seen.extend(observations(entries) for _ in range(size.times) for entries in days))
    deriving_s = _cpu_s(lambda: [derive(each, window) for each in seen])
    per_city = CITY / (size.distinct * size.times)
    fixes = sum(len(each.fixes) for each in seen) / len(seen)
    return [
        Figure(
            "records an asset-day",
            sum(map(len, days)) / size.distinct,
            "records",
            note=f"{fixes:,.0f} fixes after thinning",
        ),
        Figure("a day of 10,000 assets: decoding its records", reading_s * per_city, "CPU s"),
        Figure("a day of 10,000 assets: deriving its sessions", deriving_s * per_city, "CPU s"),
    ]


def _road_day(count: int) -> Figure:
    """The worst there is: on the road all day, at 1 Hz, nothing thinned."""
    acts = [Act("travelling", 1500, 12.0), Act("idling", 300)] * 48
    window = Window(MIDNIGHT_MS, MIDNIGHT_MS + DAY_MS)
    seen = [
        observed(Fix(e.at_ms, e.lat_e7, e.lon_e7, e.speed_cmps) for e in played(acts, MIDNIGHT_MS, seed).epochs)
        for seed in range(count)
    ]
    deriving_s = _cpu_s(lambda: [derive(each, window) for each in seen])
    each_s = deriving_s / count
    note = f"86,400 fixes, {1e6 * each_s / 86_400:.1f} us a fix, measured on {count}"
    return Figure("10,000 assets on the road all day at 1 Hz, nothing thinned", each_s * CITY, "CPU s", note=note)


def _late(days_stored: tuple[int, int]) -> list[Figure]:
    """One record that comes late into a store of few days, and of many."""
    figures = []
    for days in days_stored:
        rows = [row for seed in range(days) for row in _rows(seed, MIDNIGHT_MS + seed * DAY_MS)]
        shared = [row for row in rows if row.from_ms < MIDNIGHT_MS + days_stored[0] * DAY_MS]  # the same in both stores
        held_back = [shared[len(shared) * part // 20] for part in PARTS]
        with tempfile.TemporaryDirectory() as name:
            url, memory_path = f"sqlite:///{Path(name) / 'store.db'}", Path(name) / "work.db"
            figures.append(late(url, rows, held_back, days, memory_path))
    first, last = figures[0].value, figures[-1].value
    return [*figures, Figure("the same, many days to few", last / first, "ratio", "<= 1.5")]


def _as_it_runs(size: Size) -> list[Figure]:
    """Everything the process does, not only the arithmetic."""
    days = [_rows(seed, MIDNIGHT_MS) for seed in range(size.distinct)]
    several = [(f"box-{number}", days[number % size.distinct]) for number in range(size.distinct * size.times)]
    few = [(f"box-{seed}", days[seed]) for seed in range(len(KINDS))]
    now_ms = MIDNIGHT_MS + 2 * DAY_MS
    return [*at_once(several, now_ms, CITY), *as_it_comes(few, MIDNIGHT_MS, CITY)]


def _day(seed: int, from_ms: int) -> Day:
    return played(KINDS[seed % 3](seed), from_ms, seed)


@cache
def _rows(seed: int, from_ms: int) -> list[Row]:
    return recorded(_day(seed, from_ms))


def _entry(row: Row) -> LogEntry:
    return LogEntry(
        log_id=1, row_id=1, revision=0, unit=row.box, outbox_id=1, conflict=0, seq=1, cls=row.cls, kind=row.kind,
        body=row.body, utc_ms=row.from_ms, utc_to_ms=row.to_ms, time_doubt_s=None, stored_utc_ms=row.to_ms, flags=0,
        agency="g", asset="a", asset_kind=None,
    )  # fmt: skip


def _cpu_s(work: Callable[[], object]) -> float:
    began_s = time.process_time()
    work()
    return time.process_time() - began_s

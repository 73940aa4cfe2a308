"""CPU of deriving sessions: a day of many assets, and one late record in a store that grows."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from bench.report import Figure, median, show
from broker.assets import Assignment
from broker.store import Arrival, LogEntry, open_store
from broker.work.days import local_days, sessions_of, touched
from broker.work.observed import Fix, Observed, Window, observed
from broker.work.reading import reader
from broker.work.records import observations
from broker.work.sessions import derive
from edge.sim.work import Act, Day, ambulance_day, excavator_day, fire_engine_day, played
from edge.sim.work_box import Row, recorded

MIDNIGHT_MS: Final = 1_763_917_200_000  # 2025-11-24T00:00:00+07:00
DAY_MS: Final = 86_400_000
CITY: Final = 10_000
DISTINCT, TIMES = 20, 5  # simulating a day takes longer than deriving it
ROAD_DAYS: Final = 4
DAYS_STORED: Final = (10, 40)
PARTS: Final = range(6, 15)  # twentieths of the shared days: the middle ones
KINDS: Final = (excavator_day, ambulance_day, fire_engine_day)
ZONE: Final = ZoneInfo("Asia/Jakarta")


def main(argv: list[str]) -> int:
    """Measure and print."""
    distinct = DISTINCT * TIMES
    figures = [*_day_of_a_city(), _road_day(), *_late()]
    conditions = (
        f"{distinct} asset-days ({DISTINCT} simulated ones, each {TIMES} times) of excavators, ambulances and fire "
        f"engines, as a box records them; times {CITY // distinct} for a city of {CITY:,} assets"
    )
    show("work", figures, as_json="--json" in argv, conditions=conditions)
    return 0


def _day_of_a_city() -> list[Figure]:
    days = [[_entry(row) for row in recorded(_day(seed, MIDNIGHT_MS))] for seed in range(DISTINCT)]
    window = Window(MIDNIGHT_MS, MIDNIGHT_MS + DAY_MS)
    seen: list[Observed] = []
    reading_s = _cpu_s(lambda: seen.extend(observations(entries) for _ in range(TIMES) for entries in days))
    deriving_s = _cpu_s(lambda: [derive(each, window) for each in seen])
    per_city = CITY / (DISTINCT * TIMES)
    fixes = sum(len(each.fixes) for each in seen) / len(seen)
    return [
        Figure(
            "records an asset-day", sum(map(len, days)) / DISTINCT, "records", note=f"{fixes:,.0f} fixes after thinning"
        ),
        Figure("a day of 10,000 assets: decoding its records", reading_s * per_city, "CPU s"),
        Figure("a day of 10,000 assets: deriving its sessions", deriving_s * per_city, "CPU s"),
    ]


def _road_day() -> Figure:
    """The worst there is: on the road all day, at 1 Hz, nothing thinned."""
    acts = [Act("travelling", 1500, 12.0), Act("idling", 300)] * 48
    window = Window(MIDNIGHT_MS, MIDNIGHT_MS + DAY_MS)
    seen = [
        observed(Fix(e.at_ms, e.lat_e7, e.lon_e7, e.speed_cmps) for e in played(acts, MIDNIGHT_MS, seed).epochs)
        for seed in range(ROAD_DAYS)
    ]
    deriving_s = _cpu_s(lambda: [derive(each, window) for each in seen])
    each_s = deriving_s / ROAD_DAYS
    note = f"86,400 fixes, {1e6 * each_s / 86_400:.1f} us a fix, measured on {ROAD_DAYS}"
    return Figure("10,000 assets on the road all day at 1 Hz, nothing thinned", each_s * CITY, "CPU s", note=note)


def _late() -> list[Figure]:
    """One record that comes late into a store of few days, and of many."""
    figures = []
    for days in DAYS_STORED:
        with tempfile.TemporaryDirectory() as folder:
            figures.append(_late_in(f"sqlite:///{Path(folder) / 'store.db'}", days))
    first, last = figures[0].value, figures[-1].value
    return [*figures, Figure("the same, many days to few", last / first, "ratio", "<= 1.5")]


def _late_in(url: str, days: int) -> Figure:
    rows = [row for seed in range(days) for row in recorded(_day(seed, MIDNIGHT_MS + seed * DAY_MS))]
    shared = [row for row in rows if row.from_ms < MIDNIGHT_MS + DAYS_STORED[0] * DAY_MS]  # the same in both stores
    arrivals = [
        Arrival("box-1", 1, seq, row.cls, row.kind, row.body, received_utc_ms=row.to_ms + 1000)
        for seq, row in enumerate(rows, 1)
    ]
    took_s, moved_days = [], []
    with open_store(url, writer=True) as store:
        store.set_assignments(
            [Assignment(unit="box-1", asset="a", agency="g", kind="excavator", from_utc_ms=0, to_utc_ms=None)]
        )
        for begin in range(0, len(arrivals), 2000):
            store.commit(arrivals[begin : begin + 2000])
        # Neither the load's own objects, nor that a small store ends after the record, is the record's cost.
        gc.freeze()
        for part in PARTS:
            late = shared[len(shared) * part // 20]
            began_s = time.process_time()
            read = reader(store, "a")
            moved = touched(read, Window(late.from_ms, late.to_ms))
            whole = Window(moved.from_ms, moved.to_ms)
            again = [_whole_day(day) for day in local_days(whole, ZONE)]
            for day in again:
                sessions_of(read, day)
            took_s.append(time.process_time() - began_s)
            moved_days.append(len(again))
        gc.unfreeze()
    note = f"median of {len(PARTS)}, {median(moved_days):g} days derived again"
    return Figure(f"one late record, {days} days stored", 1000 * median(took_s), "CPU ms", note=note)


def _whole_day(part: Window) -> Window:
    """The local day that holds a part of it."""
    begin_ms = part.from_ms - (part.from_ms - MIDNIGHT_MS) % DAY_MS  # Jakarta's clock is never changed
    return Window(begin_ms, begin_ms + DAY_MS)


def _day(seed: int, from_ms: int) -> Day:
    return played(KINDS[seed % 3](seed), from_ms, seed)


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

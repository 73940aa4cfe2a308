"""store: what a row costs the embedded store when it holds 10 thousand, 1 million and 20 million fixes.

Three stores of the same thousand units and four days, filled through the store's own commit, then measured in turns:
commit by commit, so that whatever else the machine does hits all three. Files are in the page cache, as at a centre.
`--small` leaves the largest out.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench.drives import Fix8, NoRealData, full_drives
from bench.history import ROW_FIXES, UNITS, History, name
from bench.report import Figure, median, progress, show, skipped
from broker.fixes import in_time_order
from broker.store import Store, open_store
from broker.store.sqlite import SqliteStore

SIZES: Final = {"10 k": 10_000, "1 M": 1_000_000, "20 M": 20_000_000}
FILL_ROWS: Final = 10_000  # a commit while filling
COMMIT_ROWS: Final = 200  # a commit that is measured: the rows of 200 units
COMMITS: Final = 60
ASKED: Final = 20  # queries of a kind, of different units and places
BATCH_ROWS: Final = 200  # what the publisher reads at once
HOUR_MS: Final = 3_600_000
FLAT: Final = "0.8 to 1.2"


@dataclass(slots=True)
class Sized:
    """One of the stores, what was measured on it, and its history to go on with."""

    name: str
    fixes: int
    history: History
    store: SqliteStore
    path: Path
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)


def main(argv: Sequence[str]) -> int:
    """Run it and print its figures."""
    as_json = "--json" in argv
    sizes = dict(list(SIZES.items())[:-1]) if "--small" in argv else SIZES
    try:
        drives = list(full_drives().values())
    except NoRealData as error:
        return skipped("store", str(error), as_json=as_json)
    with tempfile.TemporaryDirectory(prefix="pantau-store-") as directory, contextlib.ExitStack() as stack:
        stores = []
        for size, fixes in sizes.items():
            stores.append(_filled(Path(directory), size, fixes, drives))
            stack.callback(stores[-1].store.close)
        figures = [*_inserts(stores), *_queries(stores), *_disk(stores), *_breakdown(stores[-1]), *_purges(stores)]
    conditions = f"{UNITS} units, 4 days, rows of {ROW_FIXES}, commits of {COMMIT_ROWS} rows in turns"
    show("store", figures, as_json=as_json, conditions=conditions)
    return 0


def _filled(directory: Path, size: str, fixes: int, drives: Sequence[Sequence[Fix8]]) -> Sized:
    path = directory / f"{fixes}.db"
    store = open_store(f"sqlite:///{path}", writer=True)
    assert isinstance(store, SqliteStore)
    history = History(drives, fixes // ROW_FIXES, time.time_ns() // 1_000_000 - 5 * 86_400_000)
    for arrivals in history.filling(FILL_ROWS):
        store.commit(arrivals)
    progress(f"store: {size} fixes are in")
    return Sized(size, fixes, history, store, path)


# ---------------------------------------------------------------- inserts


def _inserts(stores: list[Sized]) -> Iterator[Figure]:
    for number in range(COMMITS):
        for sized in stores if number % 2 else stores[::-1]:
            arrivals = sized.history.arrivals(COMMIT_ROWS)
            wall_s, cpu_s = time.perf_counter(), time.thread_time()
            sized.store.commit(arrivals)
            sized.wall_s.append(time.perf_counter() - wall_s)
            sized.cpu_s.append(time.thread_time() - cpu_s)
    fixes = COMMIT_ROWS * ROW_FIXES
    first = median(stores[0].cpu_s)
    for sized in stores:
        yield Figure(
            f"{sized.name} stored: insert", 1e6 * median(sized.wall_s) / fixes, "µs/fix", None, "median commit"
        )
        yield Figure(f"{sized.name} stored: insert, CPU", 1e6 * median(sized.cpu_s) / fixes, "µs/fix")
    for sized in stores[1:]:
        ratio = median(sized.cpu_s) / first
        yield Figure(f"insert, CPU: {sized.name} over {stores[0].name}", ratio, "", FLAT, "interleaved")


# ---------------------------------------------------------------- queries


def _queries(stores: list[Sized]) -> Iterator[Figure]:
    units = [name(unit) for unit in range(UNITS // 4, UNITS // 2, UNITS // 4 // ASKED)][:ASKED]
    for sized in stores:
        store, day_ms = sized.store, sized.history.day_ms(1)
        for span, until_ms in (("hour", day_ms + HOUR_MS), ("day", sized.history.day_ms(2))):
            took_ms, fixes = _timed(partial(_export, store, day_ms, until_ms), units)
            yield Figure(f"{sized.name} stored: a unit's {span}", took_ms, "ms", None, f"{fixes:,.0f} fixes")
        last = store.last_log_id()
        places = [last * part // (ASKED + 1) for part in range(1, ASKED + 1)]
        took_ms, rows = _timed(partial(_read, store), places)
        yield Figure(f"{sized.name} stored: read_log", 1e3 * took_ms / max(rows, 1), "µs/row", None, "anywhere in it")
        took_ms, accounts = _timed(partial(_balance, store), range(3))
        yield Figure(f"{sized.name} stored: ledger", took_ms, "ms", None, f"{accounts:,.0f} outboxes")


def _export(store: Store, from_ms: int, to_ms: int, unit: str) -> int:
    return sum(1 for _ in in_time_order(store.rows(unit=unit, from_utc_ms=from_ms, to_utc_ms=to_ms)))


def _read(store: Store, after_log_id: int) -> int:
    return len(store.read_log(after_log_id, BATCH_ROWS))


def _balance(store: Store, _: int) -> int:
    return len(store.ledger())


def _timed(ask: Callable[[Any], int], about: Sequence[Any]) -> tuple[float, float]:
    """Median milliseconds of asking about each, and the mean of what was found."""
    took_s, found = [], 0
    for one in about:
        begun_s = time.perf_counter()
        found += ask(one)
        took_s.append(time.perf_counter() - begun_s)
    return 1000 * median(took_s), found / len(about)


def _disk(stores: list[Sized]) -> Iterator[Figure]:
    for sized in stores:
        sized.store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        fixes = sized.fixes + COMMITS * COMMIT_ROWS * ROW_FIXES
        yield Figure(f"{sized.name} stored: on disk", sized.path.stat().st_size / fixes, "B/fix")


# ---------------------------------------------------------------- where the time goes


class _Timed:
    """A connection that adds up the CPU of its statements by what they do."""

    def __init__(self, db: Any) -> None:
        self._db = db
        self.spent_s: defaultdict[str, float] = defaultdict(float)

    def execute(self, sql: str, *values: Any) -> Any:
        return self._run(self._db.execute, sql, values)

    def executemany(self, sql: str, *values: Any) -> Any:
        return self._run(self._db.executemany, sql, values)

    def _run(self, run: Callable[..., Any], sql: str, values: tuple[Any, ...]) -> Any:
        begun_s = time.thread_time()
        try:
            return run(sql, *values)
        finally:
            self.spent_s[_what(sql)] += time.thread_time() - begun_s

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._db, attribute)


def _what(sql: str) -> str:
    if found := re.match(r"(?:INSERT(?: OR \w+)? INTO|UPDATE|DELETE FROM|REPLACE INTO) (\w+)", sql):
        return f"write {found[1]}"
    if sql == "COMMIT":
        return "COMMIT: WAL, fsync, checkpoints"
    return "look up, begin"


def _breakdown(sized: Sized) -> Iterator[Figure]:
    """The CPU of a commit by statement; what is left is Python: hashing, decoding for the time, and folding."""
    intake = sized.store._intake
    assert intake is not None
    timed = _Timed(intake._db)
    total_s = 0.0
    intake._db = timed  # type: ignore[assignment]
    for _ in range(COMMITS):
        arrivals = sized.history.arrivals(COMMIT_ROWS)
        begun_s = time.thread_time()
        sized.store.commit(arrivals)
        total_s += time.thread_time() - begun_s
    intake._db = timed._db
    fixes = COMMITS * COMMIT_ROWS * ROW_FIXES
    parts = [*timed.spent_s.items(), ("Python: decode, hash, fold", total_s - sum(timed.spent_s.values()))]
    for part, spent_s in sorted(parts, key=lambda each: -each[1]):
        note = f"{100 * spent_s / total_s:.0f} % of a commit"
        yield Figure(f"{sized.name}, where it goes: {part}", 1e6 * spent_s / fixes, "µs/fix", None, note)


# ---------------------------------------------------------------- purge


def _purges(stores: list[Sized]) -> Iterator[Figure]:
    for sized in stores:
        begun_s, begun_cpu_s = time.perf_counter(), time.thread_time()
        purged = sized.store.purge(sized.history.day_ms(1))
        wall_s, cpu_s = time.perf_counter() - begun_s, time.thread_time() - begun_cpu_s
        fixes = purged.rows * ROW_FIXES
        progress(f"store: a day of {sized.name} purged")
        note = f"{purged.rows:,} rows, half of it pauses for the bridge's commits"
        yield Figure(f"{sized.name} stored: purge a day", wall_s, "s", None, note)
        yield Figure(f"{sized.name} stored: purge, CPU", 1e6 * cpu_s / max(1, fixes), "µs/fix")

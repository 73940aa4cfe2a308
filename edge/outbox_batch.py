"""One transaction on the outbox: rows in, rows out, tombstones; the memory of what is held follows it after COMMIT."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from edge.outbox_ids import OutboxIds
from edge.outbox_schema import (
    COUNTERS,
    GONE,
    INTERVAL,
    NO_INTERVAL,
    is_sound_row,
    read_counters,
    read_outboxes,
    set_counter,
)
from edge.tombstones import MAX_GONE_RANGES, SHED, SWALLOWED, Gone, put, put_all, range_count, read_tombstone
from wire import encode
from wire.kinds import (
    CLASS_ALARM,
    CLASS_BULKY,
    CLASS_LEDGER,
    CLASS_STATUS,
    CLASS_TRACK,
    KIND_EVENT,
    KIND_TOMBSTONE,
)
from wire.ranges import Ranges

SHED_ORDER: Final = (CLASS_BULKY, CLASS_STATUS, CLASS_TRACK, CLASS_ALARM)  # tombstones (CLASS_LEDGER) never
ROW_OVERHEAD_BYTES: Final = 20  # cell pointer, lengths, id, class, kind, crc, time: what a row costs beyond its body

_SET_COUNTERS: Final = (
    "UPDATE sqlite_sequence SET seq = CASE name "
    + " ".join(f"WHEN '{name}' THEN ?" for name in COUNTERS)
    + f" END WHERE name IN {COUNTERS}"
)

Stamp: TypeAlias = tuple[int | None, int, int]  # utc_ms, boot_id, boottime_ms


@dataclass(slots=True)
class State:
    """What the file holds, kept in memory by its only writer. No entry a row: 1,000,000 rows are one range."""

    ids: OutboxIds
    held: Ranges
    rows: int
    waiting_bytes: int
    last_id: int
    interval: int | None
    gone_by_reason: dict[str, int] = field(default_factory=dict)

    @property
    def floor(self) -> int:
        """No row below this id is held."""
        return next((first for first, _ in self.held), self.last_id + 1)


def load_state(connection: sqlite3.Connection) -> State:
    """One pass over the whole table: it reads every page rows stand on, so damage shows here and not in traffic.

    sqlite3.DatabaseError also where SQLite is content and the values make no sense.
    """
    try:
        return _load(connection)
    except (TypeError, ValueError, AttributeError) as error:
        raise sqlite3.DatabaseError(f"values that no outbox has: {error}") from error


def _load(connection: sqlite3.Connection) -> State:
    counters = read_counters(connection)
    ids = read_outboxes(connection)
    held, waiting_bytes = _scan(connection)
    interval = counters.get(INTERVAL, NO_INTERVAL)
    return State(
        ids=ids,
        held=held,
        rows=held.count(),
        waiting_bytes=waiting_bytes,
        last_id=max(counters.get("rows", 0), held.highest()),
        interval=None if interval == NO_INTERVAL else interval,
        gone_by_reason={n.removeprefix(GONE): c for n, c in counters.items() if n.startswith(GONE)},
    )


def _scan(connection: sqlite3.Connection) -> tuple[Ranges, int]:
    held = Ranges()
    waiting_bytes = first = last = 0
    for row_id, size in connection.execute("SELECT id, length(body) FROM rows ORDER BY id"):
        waiting_bytes += size
        if row_id != last + 1 or not first:
            if row_id <= last:
                raise ValueError("ids out of order")
            if last:
                held.add(first, last)
            first = row_id
        last = row_id
    if last:
        held.add(first, last)
    return held, waiting_bytes


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """COMMIT at its end, ROLLBACK when anything is raised."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


class Batch:
    """The inside of one transaction; `done` after COMMIT, thrown away after ROLLBACK."""

    def __init__(self, connection: sqlite3.Connection, state: State, stamp: Stamp) -> None:
        self._connection = connection
        self._state = state
        self._stamp = stamp
        self._next_id = state.last_id + 1
        self._removed = Ranges()
        self._rows = state.rows
        self._bytes = state.waiting_bytes
        self._gone_by_reason = dict(state.gone_by_reason)
        self._interval = state.interval

    @property
    def last_id(self) -> int:
        """The highest id given out, this batch included."""
        return self._next_id - 1

    def insert(self, body: bytes, *, kind: int, cls: int) -> int:
        """A new row; its id."""
        utc_ms = self._stamp[0]
        self._connection.execute(
            "INSERT INTO rows (id, cls, kind, crc, at_s, body) VALUES (?, ?, ?, ?, ?, ?)",
            (self._next_id, cls, kind, encode.check(body), None if utc_ms is None else utc_ms // 1000, body),
        )
        if cls != CLASS_TRACK:
            self._connection.execute("INSERT INTO by_class VALUES (?, ?)", (cls, self._next_id))
        self._rows += 1
        self._bytes += len(body)
        self._next_id += 1
        return self._next_id - 1

    def event(self, name: str, detail: dict[str, str]) -> int:
        """A fact about the outbox itself, as a record."""
        return self.insert(encode.event(at=self._stamp, name=name, detail=detail), kind=KIND_EVENT, cls=CLASS_STATUS)

    def delete(self, ids: Ranges) -> int:
        """Rows out, those that are here; how many they were."""
        run = self._connection.execute
        deleted = 0
        for first, last in self.held(ids):
            (size,) = run("SELECT total(length(body)) FROM rows WHERE id BETWEEN ? AND ?", (first, last)).fetchone()
            deleted += run("DELETE FROM rows WHERE id BETWEEN ? AND ?", (first, last)).rowcount
            for cls in (CLASS_ALARM, CLASS_STATUS, CLASS_BULKY, CLASS_LEDGER):
                run("DELETE FROM by_class WHERE cls = ? AND id BETWEEN ? AND ?", (cls, first, last))
            self._bytes -= int(size)
            self._removed.add(first, last)
        self._rows -= deleted
        return deleted

    def held(self, ids: Ranges) -> Ranges:
        """Those of `ids` that were rows when the transaction began."""
        return ids.minus(ids.minus(self._state.held))

    def first_of(self, ids: Ranges, at_most_bytes: int) -> Ranges:
        """The lower part of `ids`, as many rows as make up so many bytes at the mean size of a row; at least one."""
        left = max(1, at_most_bytes * max(1, self._rows) // max(1, self._bytes + self._rows * ROW_OVERHEAD_BYTES))
        part = Ranges()
        for first, last in ids:
            part.add(first, last if last - first < left else first + left - 1)
            left -= last - first + 1
            if left <= 0:
                break
        return part

    def give_up(self, ids: Ranges, reason: str) -> None:
        """Rows out and a tombstone in, which swallows the older ones that are still here."""
        if not self.held(ids):
            return
        gone: Gone = {}
        swallowed = self._swallow(gone, ids)
        ours = self.held(ids).minus(swallowed)
        self.put(gone, ours, reason)
        self.count_gone(reason, self.delete(ours))
        self.delete(swallowed)
        self.put(gone, swallowed, SWALLOWED)
        self.tombstone(gone)

    def tombstone(self, gone: Gone) -> None:
        """A tombstone row of exactly this, when there is anything."""
        if gone:
            entries = [(outbox_id, seqs, reason) for (outbox_id, reason), seqs in gone.items()]
            self.insert(encode.tombstone(at=self._stamp, gone=entries), kind=KIND_TOMBSTONE, cls=CLASS_LEDGER)

    def shed(self, at_least_bytes: int) -> int:
        """Give up whole rows, lowest class and oldest first, until so many bytes are free; how many rows it took."""
        ids = Ranges()
        freed = rows = 0
        for row_id, size in self._least_valuable():
            if freed >= at_least_bytes or len(ids) >= MAX_GONE_RANGES:
                break
            ids.add(row_id)
            freed += size + ROW_OVERHEAD_BYTES
            rows += 1
        if rows:
            self.give_up(ids, SHED)
        return rows

    def count_gone(self, reason: str, rows: int) -> None:
        """For the health record's shed_by_reason."""
        self._gone_by_reason[reason] = self._gone_by_reason.get(reason, 0) + rows

    def finish(self, interval: int | None) -> None:
        """The numbers that ride on the AUTOINCREMENT page."""
        if interval is not None:
            self._interval = interval
        number = NO_INTERVAL if self._interval is None else self._interval
        self._connection.execute(_SET_COUNTERS, (number, self._floor(), self._rows, self._bytes))  # as in COUNTERS
        for reason, rows in self._gone_by_reason.items():
            if rows != self._state.gone_by_reason.get(reason):
                set_counter(self._connection, GONE + reason, rows)

    def done(self) -> None:
        """COMMIT has returned: the state follows, in place (a copy of many ranges at each append would be slow)."""
        state = self._state
        if self._next_id > state.last_id + 1:
            state.held.add(state.last_id + 1, self._next_id - 1)
        for first, last in self._removed:
            state.held.remove(first, last)
        state.rows, state.waiting_bytes = self._rows, self._bytes
        state.last_id, state.interval = self._next_id - 1, self._interval
        state.gone_by_reason = self._gone_by_reason

    # ------------------------------------------------------------------ inside

    def _floor(self) -> int:
        left = self._state.held.minus(self._removed) if self._removed else self._state.held
        return next((first for first, _ in left), self._state.last_id + 1)

    def put(self, gone: Gone, ids: Ranges, reason: str) -> None:
        """Row ids into a tombstone, as seqs of their outboxes."""
        for outbox_id, seqs in self._state.ids.seqs_of(ids, self._next_id).items():
            if seqs:
                put(gone, outbox_id, reason, seqs)

    def _swallow(self, gone: Gone, ids: Ranges) -> Ranges:
        """The older tombstones whose content is now in `gone`; one that is itself given up must be among them."""
        swallowed = Ranges()
        for row_id, cls, kind, crc, body in self._connection.execute(
            "SELECT id, cls, kind, crc, body FROM rows WHERE kind = ? "
            "AND id IN (SELECT id FROM by_class WHERE cls = ?) ORDER BY id DESC",
            (KIND_TOMBSTONE, CLASS_LEDGER),
        ):
            if not is_sound_row(cls, kind, crc, body):  # worn bits: it stays, and is refused by the store in its time
                continue
            content = read_tombstone(body)
            if row_id in ids or range_count(gone) + range_count(content) <= MAX_GONE_RANGES:
                put_all(gone, content)
                swallowed.add(row_id)
        return swallowed

    def _least_valuable(self) -> Iterator[tuple[int, int]]:
        for cls in SHED_ORDER:
            if cls == CLASS_TRACK:
                query = "SELECT id, length(body) FROM rows WHERE cls = ? ORDER BY id"
            else:
                query = "SELECT id, length(body) FROM by_class JOIN rows USING (id) WHERE by_class.cls = ? ORDER BY id"
            yield from self._connection.execute(query, (cls,))

"""Writing the committed log: transactions, names, and corrections of what was written before."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from broker.assets import Assignment, Name, Roster
from broker.store.schema import BLOCK_SEQS, BLOCK_SHIFT, DAY_SHIFT, LAST_DAY, unavailable
from broker.store.values import DAY_MS, FUTURE, UNDECODED
from broker.times import Dated
from wire.kinds import KIND_TRACK

_LOOK_AGAIN_S = 0.001
_MAX_DAYS = 8  # a record covers an interval; one that seems to cover weeks has a date jump inside: its ends are enough


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """One write transaction: durable after the block, undone when it raises; StoreUnavailable when the disk failed."""
    with unavailable("not committed"):
        _begin(db)
        try:
            yield
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise


def _begin(db: sqlite3.Connection) -> None:
    """Take the write lock as soon as it is free: SQLite's own handler sleeps up to 100 ms between its looks."""
    (patience_ms,) = db.execute("PRAGMA busy_timeout").fetchone()
    until = time.monotonic() + patience_ms / 1000
    db.execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                db.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                    raise
            time.sleep(_LOOK_AGAIN_S)
    finally:
        db.execute(f"PRAGMA busy_timeout = {patience_ms}")


def day_of(utc_ms: int) -> int:
    """The UTC day of an instant, days since 1970."""
    return min(max(utc_ms // DAY_MS, 0), LAST_DAY)


def body_id(utc_ms: int | None, flags: int, received_utc_ms: int, row_id: int) -> int:
    """Where a body lies: by its own day, by that of its arrival while its own is unknown or absurd."""
    own = utc_ms if utc_ms is not None and not flags & FUTURE else received_utc_ms
    return day_of(own) << DAY_SHIFT | row_id


def days(utc_ms: int, utc_to_ms: int) -> list[int]:
    """The UTC days that a record touches."""
    first, last = day_of(utc_ms), day_of(utc_to_ms)
    return list(range(first, last + 1)) if last - first < _MAX_DAYS else [first, last]


def moves_marker(kind: int, flags: int, time_doubt_s: float | None, conflict: int) -> bool:
    """Whether a record may move a live marker: a readable track, first under its key, its time beyond doubt."""
    return kind == KIND_TRACK and not conflict and not flags & (FUTURE | UNDECODED) and time_doubt_s is None


def signed(number: int) -> int:
    """A 64-bit unsigned number as SQLite keeps it."""
    return number - (1 << 64) if number >> 63 else number


class Names:
    """Names as numbers, by the assignments in force; a connection's memory of two small tables."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._numbers: dict[Name, int] = {}
        self._version = -1
        self.roster = Roster()

    def refresh(self, version: int) -> None:
        """Read the assignments again when another process has replaced them."""
        if version != self._version:
            self.roster = Roster(read_assignments(self._db))
            self._version = version

    def forget(self) -> None:
        """Drop what a rolled back transaction may have put here."""
        self._numbers.clear()
        self._version = -1

    def number(self, unit: str, utc_ms: int | None) -> int:
        """The number of the name that the unit has at that time."""
        name = self.roster.name_of(unit, utc_ms)
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = self._stored(name)
        return number

    def _stored(self, name: Name) -> int:
        found = self._db.execute("SELECT name FROM names WHERE agency=? AND asset=? AND kind IS ?", name).fetchone()
        if found:
            return int(found[0])
        return int(self._db.execute("INSERT INTO names (agency, asset, kind) VALUES (?, ?, ?)", name).lastrowid or 0)


def read_assignments(db: sqlite3.Connection) -> list[Assignment]:
    """The assignments in force."""
    rows = db.execute("SELECT unit, asset, agency, kind, from_utc_ms, to_utc_ms FROM assignments ORDER BY unit, 5")
    return [
        Assignment(unit=unit, asset=asset, agency=agency, kind=kind, from_utc_ms=start, to_utc_ms=end)
        for unit, asset, agency, kind, start, end in rows
    ]


class Entry(NamedTuple):
    """A record's newest log entry, as the tables have it."""

    log_id: int
    row_id: int
    revision: int
    box: int
    unit: str
    conflict: int
    seq: int
    cls: int
    kind: int
    utc_ms: int | None
    utc_to_ms: int | None
    time_doubt_s: float | None
    stored_utc_ms: int
    flags: int
    name: int
    body_id: int

    @property
    def dated(self) -> Dated | None:
        """Its time as it is known now."""
        if self.utc_ms is None or self.utc_to_ms is None:
            return None
        return Dated(self.utc_ms, self.utc_to_ms, self.time_doubt_s)


ENTRY = """SELECT l.log_id, l.row_id, l.revision, l.box, x.unit, l.conflict, l.seq, l.cls, l.kind, l.utc_ms,
 l.utc_to_ms, l.time_doubt_s, l.stored_utc_ms, l.flags, l.name, l.body_id
 FROM log l CROSS JOIN boxes x ON x.box = l.box """


class LogWriter:
    """The log inside one open transaction: gives log_ids, and appends corrections."""

    def __init__(self, db: sqlite3.Connection, names: Names) -> None:
        self._db = db
        self.names = names
        self.first_id, version = db.execute("SELECT next_log_id, roster_version FROM store").fetchone()
        self.next_id = int(self.first_id)
        self.unmarked: set[int] = set()  # boxes in which a correction took the newest track of a name away
        names.refresh(version)

    def finish(self) -> None:
        """Bring the markers and the log_ids given into the transaction, before it commits."""
        for box in self.unmarked:
            self._settle_markers(box)
        if self.next_id != self.first_id:
            self._db.execute("UPDATE store SET next_log_id = ?", (self.next_id,))

    def newest(self, row_id: int) -> Entry | None:
        """The newest entry of a record, None when it was purged."""
        for where in ("l.row_id = ? AND l.revision > 0 ORDER BY l.revision DESC LIMIT 1", "l.log_id = ?"):
            if found := self._db.execute(f"{ENTRY} WHERE {where}", (row_id,)).fetchone():
                return Entry._make(found)
        return None

    def amend(self, entry: Entry, dated: Dated | None, flags: int) -> bool:
        """Set what is now known of a record (its name follows from its time); returns whether that changed anything."""
        utc_ms, utc_to_ms, doubt_s = dated or (None, None, None)
        name = self.names.number(entry.unit, utc_ms)
        if (dated, flags, name) == (entry.dated, entry.flags, entry.name):
            return False
        place = body_id(utc_ms, flags, entry.stored_utc_ms, entry.row_id)
        new = entry._replace(
            utc_ms=utc_ms, utc_to_ms=utc_to_ms, time_doubt_s=doubt_s, flags=flags, name=name, body_id=place
        )
        self._unmark(entry)
        if place != entry.body_id:
            self._move_body(entry, place)
        if entry.log_id >= self.first_id:
            self._rewrite(new)  # nobody has read it yet
        else:
            new = self._append(new)
        self._index(new)
        return True

    def _move_body(self, entry: Entry, place: int) -> None:
        self._db.execute("UPDATE bodies SET body_id = ? WHERE body_id = ?", (place, entry.body_id))
        self._db.execute("UPDATE log SET body_id = ? WHERE log_id = ?", (place, entry.row_id))
        self._db.execute("UPDATE log SET body_id = ? WHERE row_id = ? AND revision > 0", (place, entry.row_id))

    def _rewrite(self, new: Entry) -> None:
        self._db.execute(
            "UPDATE log SET utc_ms=?, utc_to_ms=?, time_doubt_s=?, flags=?, name=?, body_id=? WHERE log_id=?",
            (new.utc_ms, new.utc_to_ms, new.time_doubt_s, new.flags, new.name, new.body_id, new.log_id),
        )

    def _append(self, new: Entry) -> Entry:
        new = new._replace(log_id=self.next_id, revision=new.revision + 1)
        self.next_id += 1
        self._db.execute(INSERT_LOG, (*new[:4], *new[5:]))
        self._db.execute(
            "UPDATE keys SET log_id=? WHERE box=? AND seq=? AND conflict=?",
            (new.log_id, new.box, new.seq, new.conflict),
        )
        return new

    def _index(self, new: Entry) -> None:
        if new.utc_ms is not None and new.utc_to_ms is not None:
            block = new.seq >> BLOCK_SHIFT
            self._db.executemany(INSERT_BLOCK, [(new.box, day, block) for day in days(new.utc_ms, new.utc_to_ms)])
        self._db.execute(INSERT_SERVED, (new.name, new.box))
        if moves_marker(new.kind, new.flags, new.time_doubt_s, new.conflict) and new.utc_ms is not None:
            self._db.execute(MOVE_MARKER, (new.log_id, new.utc_to_ms, new.name, new.box, new.utc_to_ms))

    def _unmark(self, old: Entry) -> None:
        gone = "UPDATE served SET log_id = NULL, utc_ms = NULL WHERE name = ? AND box = ? AND log_id = ?"
        if self._db.execute(gone, (old.name, old.box, old.log_id)).rowcount:
            self.unmarked.add(old.box)

    def _settle_markers(self, box: int) -> None:
        names = self._db.execute("SELECT name FROM served WHERE box = ?", (box,)).fetchall()
        self._db.execute("UPDATE served SET log_id = NULL, utc_ms = NULL WHERE box = ?", (box,))
        touched = self._db.execute("SELECT DISTINCT day FROM blocks WHERE box = ? ORDER BY day DESC", (box,)).fetchall()
        for (name,) in names:
            for (day,) in touched:
                if found := self._db.execute(_NEWEST_OF_DAY, (box, day, name, KIND_TRACK)).fetchone():
                    self._db.execute(MOVE_MARKER, (*found, name, box, found[1]))
                    break


@contextmanager
def log_transaction(db: sqlite3.Connection, names: Names) -> Iterator[LogWriter]:
    """A transaction that writes the log."""
    try:
        with transaction(db):
            writer = LogWriter(db, names)
            yield writer
            writer.finish()
    except BaseException:
        names.forget()
        raise


INSERT_LOG = "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
INSERT_BLOCK = "INSERT OR IGNORE INTO blocks VALUES (?, ?, ?)"
INSERT_SERVED = "INSERT OR IGNORE INTO served VALUES (?, ?, NULL, NULL)"
MOVE_MARKER = "UPDATE served SET log_id=?, utc_ms=? WHERE name=? AND box=? AND (utc_ms IS NULL OR utc_ms < ?)"

# CROSS JOIN fixes the order: blocks of the day, then their keys, then each key's newest entry.
BLOCK_ENTRIES = f"""FROM blocks k
 CROSS JOIN keys y ON y.box = k.box
 AND y.seq BETWEEN k.block << {BLOCK_SHIFT} AND (k.block << {BLOCK_SHIFT}) + {BLOCK_SEQS - 1}
 CROSS JOIN log l ON l.log_id = y.log_id """
_NEWEST_OF_DAY = f"""SELECT l.log_id, l.utc_to_ms {BLOCK_ENTRIES}
 WHERE k.box = ? AND k.day = ? AND l.name = ? AND l.kind = ? AND l.flags & {FUTURE | UNDECODED} = 0
 AND l.time_doubt_s IS NULL AND l.conflict = 0 AND l.utc_ms IS NOT NULL ORDER BY l.utc_to_ms DESC LIMIT 1"""

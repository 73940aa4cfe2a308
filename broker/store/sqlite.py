"""The store in one SQLite file: the facade over intake, log and upkeep, and everything that only reads."""

import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any, Self

from broker.assets import Assignment, Roster, unassigned
from broker.ledger import Account
from broker.store import upkeep
from broker.store.accounts import EVERY, INCOMPLETE, accounts, ledger_sums
from broker.store.intake import Intake
from broker.store.log import BLOCK_ENTRIES, Names, day_of, read_assignments, transaction
from broker.store.schema import LAST_DAY, connect, unavailable
from broker.store.values import (
    Arrival,
    LedgerSums,
    LogEntry,
    Outcome,
    Purged,
    Size,
    StoreInUse,
    StoreUnavailable,
    Unread,
)
from running.turns import Away

_POLL_S = 0.002  # PRAGMA data_version costs 2 us; the way from append to clean topic should stay below 15 ms
_PAGE_ROWS = 500  # entries a read: no read transaction is held while the caller works with them

_COLUMNS = """l.log_id, l.row_id, l.revision, x.unit, x.outbox_id, l.conflict, l.seq, l.cls, l.kind, b.body, l.utc_ms,
 l.utc_to_ms, l.time_doubt_s, l.stored_utc_ms, l.flags, n.agency, n.asset, n.kind"""
_BODY = " CROSS JOIN bodies b ON b.body_id = l.body_id CROSS JOIN boxes x ON x.box = l.box "
_WHOLE = f"{_BODY} CROSS JOIN names n ON n.name = l.name "

# Corrections keep the arrival of their record, and a change of names writes many in a row: the age of what is unread
# is that of the first other entry among so many.
_LOOK_AHEAD_ROWS = 1_000


class SqliteStore:
    """See broker.store.Store."""

    def __init__(
        self,
        path: str,
        *,
        writer: bool = False,
        make: bool = True,
        at: Callable[[str], None] = lambda _point: None,
        away: Away = nullcontext,
    ) -> None:
        self._path = path
        self._away = away
        if not make and not Path(path).exists():
            raise StoreUnavailable(f"no store at {path}")
        self._lock = _lock(path) if writer else None
        try:
            with away():
                self._db = connect(path, writer=writer)
        except BaseException:
            _unlock(self._lock)
            raise
        self._names = Names(self._db)
        with self._disk():
            self.store_id: int = self._db.execute("SELECT store_id FROM store").fetchone()[0]
            self._intake = Intake(self._db, self._names, at) if writer else None
            if writer:
                upkeep.finish_renames(self._db, self._names)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        with self._away():
            self._db.close()
        _unlock(self._lock)
        self._lock = None

    @contextmanager
    def _disk(self) -> Iterator[None]:
        """Around all that waits for the disk, and may find that it does not answer."""
        with self._away(), unavailable(self._path):
            yield

    def _all(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        with self._disk():
            return self._db.execute(query, values).fetchall()

    def commit(self, arrivals: Sequence[Arrival]) -> list[Outcome]:
        if self._intake is None:
            raise StoreInUse("this store was opened for reading")
        with self._away():
            return self._intake.commit(arrivals)

    def high_seq(self, unit: str, outbox_id: int) -> int:
        query = "SELECT box FROM boxes WHERE unit = ? AND outbox_id = ?"
        top = f"SELECT last FROM ranges WHERE box = ({query}) ORDER BY first DESC LIMIT 1"
        found = self._all(top, (unit, outbox_id))
        return int(found[0][0]) if found else 0

    def read_log(self, after_log_id: int, limit: int) -> list[LogEntry]:
        query = f"SELECT {_COLUMNS} FROM log l {_WHOLE} WHERE l.log_id > ? ORDER BY l.log_id LIMIT ?"
        return [LogEntry._make(row) for row in self._all(query, (after_log_id, limit))]

    def earlier(self, correction: LogEntry) -> LogEntry | None:
        before = correction.revision - 1
        where = "l.row_id = ? AND l.revision > 0 AND l.revision = ?" if before else "l.log_id = ? AND l.revision = ?"
        query = f"SELECT {_COLUMNS} FROM log l {_WHOLE} WHERE {where}"
        found = self._all(query, (correction.row_id, before))
        return LogEntry._make(found[0]) if found else None

    def last_log_id(self) -> int:
        return int(self._all("SELECT ifnull(max(log_id), 0) FROM log")[0][0])

    def next_log_id(self) -> int:
        return int(self._all("SELECT next_log_id FROM store")[0][0])

    def begin_at(self, log_id: int) -> None:
        if self._intake is None:
            raise StoreInUse("this store was opened for reading")
        with self._away(), transaction(self._db):
            self._db.execute("UPDATE store SET next_log_id = max(next_log_id, ?)", (log_id,))

    def wait(self, after_log_id: int, timeout_s: float) -> bool:
        until = time.monotonic() + timeout_s
        version = None
        while True:
            # The version is read first: a commit between the two queries is then seen at the next turn.
            now = self._all("PRAGMA data_version")[0][0]
            if now != version and self.last_log_id() > after_log_id:
                return True
            version = now
            left = until - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(_POLL_S, left))

    def unread(self, after_log_id: int) -> Unread:
        last_log_id = self.last_log_id()
        ahead = "SELECT stored_utc_ms, revision FROM log WHERE log_id > ? ORDER BY log_id LIMIT ?"
        query = f"SELECT stored_utc_ms FROM ({ahead}) WHERE revision = 0 LIMIT 1"
        found = self._all(query, (after_log_id, _LOOK_AHEAD_ROWS))
        return Unread(last_log_id, max(0, last_log_id - after_log_id), int(found[0][0]) if found else None)

    def size(self) -> Size:
        try:
            with self._away():
                disk = os.statvfs(self._path)
                wal = Path(f"{self._path}-wal")
                wal_bytes = wal.stat().st_size if wal.exists() else 0
                file_bytes = Path(self._path).stat().st_size
        except OSError as error:
            raise StoreUnavailable(f"{self._path}: {error.strerror}") from error
        return Size(file_bytes, wal_bytes, disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize)

    def cursor(self, name: str) -> int:
        found = self._all("SELECT log_id FROM cursors WHERE cursor = ?", (name,))
        return int(found[0][0]) if found else 0

    def cursors(self) -> dict[str, int]:
        return {name: int(log_id) for name, log_id in self._all("SELECT cursor, log_id FROM cursors ORDER BY cursor")}

    def set_cursor(self, name: str, log_id: int) -> None:
        with self._disk():
            # Not synced: an older cursor after a power cut only repeats, and a sync here would delay the bridge's.
            self._db.execute("PRAGMA synchronous = NORMAL")
            try:
                with transaction(self._db):
                    self._db.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?)", (name, log_id))
            finally:
                self._db.execute("PRAGMA synchronous = FULL")

    def newest_track(self, agency: str, asset: str) -> LogEntry | None:
        found = self._newest("n.agency = ? AND n.asset = ?", (agency, asset))
        return found[0] if found else None

    def newest_tracks(self, now_utc_ms: int) -> list[LogEntry]:
        ended = set(self.ended_names(now_utc_ms))
        return [entry for entry in self._newest("true", ()) if (entry.agency, entry.asset) not in ended]

    def newest_looks(self, kind: int) -> list[LogEntry]:
        query = f"""SELECT {_COLUMNS} FROM looks k CROSS JOIN keys y ON y.box = k.box AND y.seq = k.seq
 AND y.conflict = 0 CROSS JOIN log l ON l.log_id = y.log_id {_WHOLE} WHERE k.kind = ? ORDER BY k.utc_ms, l.log_id"""
        return [LogEntry._make(row) for row in self._all(query, (kind,))]

    def _newest(self, where: str, values: Sequence[object]) -> list[LogEntry]:
        query = f"""SELECT {_COLUMNS} FROM names n CROSS JOIN served s ON s.name = n.name
 CROSS JOIN log l ON l.log_id = s.log_id {_BODY} WHERE {where} ORDER BY s.utc_ms"""
        by_name = {(row[15], row[16]): row for row in self._all(query, values)}
        return [LogEntry._make(by_name[name]) for name in sorted(by_name)]

    def units(self) -> set[str]:
        return {unit for (unit,) in self._all("SELECT DISTINCT unit FROM boxes")}

    def ended_names(self, now_utc_ms: int) -> list[tuple[str, str]]:
        with self._disk():
            roster = Roster(read_assignments(self._db))
        held = roster.held_at(now_utc_ms)
        for unit in self.units():
            if not roster.unit_held_at(unit, now_utc_ms):
                held.add(unassigned(unit)[:2])
        return sorted(set(self._all("SELECT agency, asset FROM names")) - held)

    def assignments(self) -> list[Assignment]:
        with self._disk():
            return read_assignments(self._db)

    def set_assignments(self, assignments: Sequence[Assignment]) -> int:
        with self._disk():
            return upkeep.set_assignments(self._db, self._names, assignments)

    def rows(
        self,
        *,
        unit: str | None = None,
        asset: str | None = None,
        from_utc_ms: int | None = None,
        to_utc_ms: int | None = None,
    ) -> Iterator[LogEntry]:
        boxes = self._boxes(unit, asset)
        first = 0 if from_utc_ms is None else day_of(from_utc_ms)
        last = LAST_DAY if to_utc_ms is None else day_of(to_utc_ms)
        marks = ", ".join("?" * len(boxes))
        touched = self._all(
            f"SELECT day, box FROM blocks WHERE box IN ({marks}) AND day BETWEEN ? AND ? GROUP BY day, box",
            (*boxes, first, last),
        )
        by_day: dict[int, list[int]] = {}
        for day, box in touched:
            by_day.setdefault(day, []).append(box)
        for day in sorted(by_day):
            found = [entry for box in by_day[day] for entry in self._rows_of_day(box, day, first)]
            found.sort(key=_by_recording(found) if unit is not None else _by_time)
            yield from (entry for entry in found if _wanted(entry, asset, from_utc_ms, to_utc_ms))
        if from_utc_ms is None and to_utc_ms is None:
            yield from (entry for entry in self._undated_rows(boxes) if _wanted(entry, asset, None, None))

    def recorded(self, unit: str) -> Iterator[LogEntry]:
        query = f"""SELECT {_COLUMNS} FROM keys y CROSS JOIN log l ON l.log_id = y.log_id {_WHOLE}
 WHERE y.box = ? AND y.conflict = ? AND y.seq > ? ORDER BY y.seq LIMIT {_PAGE_ROWS}"""
        for box in self._boxes_as_opened(unit):
            for (conflict,) in self._all("SELECT DISTINCT conflict FROM keys WHERE box = ? ORDER BY 1", (box,)):
                seq = 0
                while page := [LogEntry._make(row) for row in self._all(query, (box, conflict, seq))]:
                    yield from page
                    seq = page[-1].seq

    def _boxes_as_opened(self, unit: str) -> list[int]:
        """The unit's outboxes in the order of their first day; a backlog's may have arrived after a newer one's."""
        query = """SELECT x.box FROM boxes x LEFT JOIN blocks b ON b.box = x.box
 WHERE x.unit = ? GROUP BY x.box ORDER BY MIN(b.day), x.box"""
        return [box for (box,) in self._all(query, (unit,))]

    def _rows_of_day(self, box: int, day: int, first_day: int) -> Iterable[LogEntry]:
        """Newest entries of the box that begin on that day (on the first day wanted: also those that began before)."""
        query = f"SELECT {_COLUMNS} {BLOCK_ENTRIES} {_WHOLE} WHERE k.box = ? AND k.day = ? AND l.utc_ms IS NOT NULL"
        for entry in map(LogEntry._make, self._all(query, (box, day))):
            if entry.utc_ms is not None and max(day_of(entry.utc_ms), first_day) == day:
                yield entry

    def _undated_rows(self, boxes: Sequence[int]) -> list[LogEntry]:
        query = f"""SELECT {_COLUMNS} FROM undated u CROSS JOIN keys y ON y.box = u.box AND y.seq = u.seq
 CROSS JOIN log l ON l.log_id = y.log_id AND l.row_id = u.row_id AND l.utc_ms IS NULL {_WHOLE}
 WHERE u.box IN ({", ".join("?" * len(boxes))}) ORDER BY u.box, u.seq"""
        return [LogEntry._make(row) for row in self._all(query, boxes)]

    def rows_after(self, log_id: int, *, unit: str | None = None, asset: str | None = None) -> Iterator[LogEntry]:
        boxes = self._boxes(unit, asset)
        query = f"""SELECT {_COLUMNS} FROM log l CROSS JOIN keys y ON y.box = l.box AND y.seq = l.seq
 AND y.conflict = l.conflict AND y.log_id = l.log_id {_WHOLE}
 WHERE l.log_id > ? AND l.box IN ({", ".join("?" * len(boxes))}) ORDER BY l.log_id LIMIT {_PAGE_ROWS}"""
        while page := [LogEntry._make(row) for row in self._all(query, (log_id, *boxes))]:
            yield from (entry for entry in page if asset is None or entry.asset == asset)
            log_id = page[-1].log_id

    def _boxes(self, unit: str | None, asset: str | None) -> list[int]:
        """The outboxes of a unit, or those that have records of an asset."""
        if (unit is None) == (asset is None):
            raise ValueError("a unit or an asset")
        if unit is not None:
            found = self._all("SELECT box FROM boxes WHERE unit = ?", (unit,))
        else:
            query = "SELECT DISTINCT s.box FROM served s JOIN names n ON n.name = s.name WHERE n.asset = ?"
            found = self._all(query, (asset,))
        return [box for (box,) in found]

    def ledger(self) -> list[Account]:
        with self._disk():
            return list(accounts(self._db, EVERY))

    def incomplete(self) -> Iterator[Account]:
        with self._disk():
            return accounts(self._db, INCOMPLETE)

    def ledger_sums(self) -> LedgerSums:
        with self._disk():
            return ledger_sums(self._db)

    def purge(self, before_utc_ms: int, asset: str | None = None) -> Purged:
        with self._disk():
            return upkeep.purge(self._db, before_utc_ms, asset, at_utc_ms=time.time_ns() // 1_000_000)

    def purged_before(self) -> dict[str | None, int]:
        with self._disk():
            return upkeep.purged_before(self._db)

    def rederive(self) -> tuple[int, int]:
        with self._disk():
            return upkeep.rederive(self._db, self._names)


def _by_time(entry: LogEntry) -> tuple[int, ...]:
    return (entry.utc_ms or 0, entry.outbox_id, entry.seq, entry.conflict)


def _by_recording(entries: Iterable[LogEntry]) -> Callable[[LogEntry], tuple[int, ...]]:
    """A sort key: outbox after outbox as they were opened, each in the order of its seqs."""
    opened_ms: dict[int, int] = {}
    for entry in entries:
        at_ms = entry.utc_ms or 0
        opened_ms[entry.outbox_id] = min(at_ms, opened_ms.get(entry.outbox_id, at_ms))
    return lambda entry: (opened_ms[entry.outbox_id], entry.outbox_id, entry.conflict, entry.seq)


def _wanted(entry: LogEntry, asset: str | None, from_utc_ms: int | None, to_utc_ms: int | None) -> bool:
    if asset is not None and entry.asset != asset:
        return False
    if from_utc_ms is not None and (entry.utc_to_ms is None or entry.utc_to_ms < from_utc_ms):
        return False
    return to_utc_ms is None or (entry.utc_ms is not None and entry.utc_ms < to_utc_ms)


def _lock(path: str) -> IO[str]:
    """The writer's lock, given back by the kernel however the process ends; the file says who has it."""
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        file = Path(f"{path}.writer").open("a+")  # noqa: SIM115 - held until close()
    except OSError as error:
        raise StoreUnavailable(f"{path}: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise StoreInUse(f"{path}: process {holder} commits to this store already") from error
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _unlock(file: IO[str] | None) -> None:
    if file is not None:
        file.close()

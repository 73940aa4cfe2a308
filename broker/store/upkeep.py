"""Work on what is stored, in small transactions beside the bridge's: new assignments, late decoding, purging."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from broker.assets import Assignment, Roster, changed_windows
from broker.store.derived import Derivation
from broker.store.log import LogWriter, Names, day_of, log_transaction, read_assignments, transaction
from broker.store.observe import observe
from broker.store.schema import BLOCK_SEQS, BLOCK_SHIFT, DAY_SHIFT, LAST_DAY, ROW_MASK
from broker.store.values import DAY_MS, FUTURE, Purged
from broker.times import Dated, in_future

_CHUNK_ROWS = 500  # rows a transaction: about 20 ms during which a commit of the bridge waits
_CHECKPOINT_PATIENCE_MS = 200  # it keeps commits out while it waits for readers; a busy WAL is overwritten later
_VACUUM_PAGES = 200  # given back to the file system at a time: 0.8 MB

_IN_BLOCK = "y.box = ? AND y.seq BETWEEN ? AND ?"


@contextmanager
def _in_turn() -> Iterator[None]:
    """Pause as long as the block took: the bridge's commits, which wait meanwhile, then have their turn."""
    started_s = time.monotonic()
    yield
    time.sleep(time.monotonic() - started_s)


def set_assignments(db: sqlite3.Connection, names: Names, assignments: Sequence[Assignment]) -> int:
    """Replace the assignments, then give the records they change their new names; returns how many."""
    with transaction(db):
        before, after = Roster(read_assignments(db)), Roster(assignments)
        db.execute("DELETE FROM assignments")
        db.executemany(
            "INSERT INTO assignments VALUES (?, ?, ?, ?, ?, ?)",
            [(a.unit, a.asset, a.agency, a.kind, a.from_utc_ms, a.to_utc_ms) for a in assignments],
        )
        db.execute("UPDATE store SET roster_version = roster_version + 1")
        for unit in sorted(before.units() | after.units()):
            for start, end in changed_windows(unit, before, after):
                _mark_for_renaming(db, unit, start, end)
    return finish_renames(db, names)


def _mark_for_renaming(db: sqlite3.Connection, unit: str, start: int | None, end: int | None) -> None:
    first = 0 if start is None else day_of(start)
    last = LAST_DAY if end is None else day_of(end)
    db.execute(
        "INSERT OR IGNORE INTO renames SELECT DISTINCT k.box, k.block FROM blocks k JOIN boxes x ON x.box = k.box"
        " WHERE x.unit = ? AND k.day BETWEEN ? AND ?",
        (unit, first, last),
    )


def finish_renames(db: sqlite3.Connection, names: Names) -> int:
    """Look at the blocks still marked, one a transaction, also those a killed process left; returns corrections."""
    renamed = 0
    while block := db.execute("SELECT box, block FROM renames LIMIT 1").fetchone():
        with _in_turn(), log_transaction(db, names) as writer:
            renamed += _rename(db, writer, *block)
            db.execute("DELETE FROM renames WHERE box = ? AND block = ?", block)
    return renamed


def _rename(db: sqlite3.Connection, writer: LogWriter, box: int, block: int) -> int:
    first = block << BLOCK_SHIFT
    rows = db.execute(
        f"SELECT l.row_id FROM keys y JOIN log l ON l.log_id = y.log_id WHERE {_IN_BLOCK}",
        (box, first, first + BLOCK_SEQS - 1),
    ).fetchall()
    entries = [entry for (row_id,) in rows if (entry := writer.newest(row_id))]
    return sum(writer.amend(entry, entry.dated, entry.flags) for entry in entries)


def rederive(db: sqlite3.Connection, names: Names) -> tuple[int, int]:
    """Read undecoded bodies again; returns (now readable, still not)."""
    readable, seen, after = 0, 0, 0
    while rows := db.execute(
        "SELECT row_id FROM undecoded WHERE row_id > ? ORDER BY row_id LIMIT ?", (after, _CHUNK_ROWS)
    ).fetchall():
        after = rows[-1][0]
        seen += len(rows)
        with _in_turn(), log_transaction(db, names) as writer:
            derivation = Derivation(db, writer)
            readable += sum(_reread(db, writer, derivation, row_id) for (row_id,) in rows)
            derivation.date({})
    return readable, seen - readable


def _reread(db: sqlite3.Connection, writer: LogWriter, derivation: Derivation, row_id: int) -> bool:
    entry = writer.newest(row_id)
    if entry is None:  # purged meanwhile
        db.execute("DELETE FROM undecoded WHERE row_id = ?", (row_id,))
        return False
    body = db.execute("SELECT body FROM bodies WHERE body_id = ?", (entry.body_id,)).fetchone()[0]
    observed = observe(entry.kind, body)
    if observed.flags:
        return False
    dated = None
    if observed.utc_ms is not None and observed.utc_to_ms is not None:
        dated = Dated(observed.utc_ms, observed.utc_to_ms, None)
    future = dated is not None and in_future(dated.utc_to_ms, entry.stored_utc_ms)
    writer.amend(entry, dated, FUTURE * future)
    derivation.take(writer.newest(row_id) or entry, observed)
    db.execute("DELETE FROM undecoded WHERE row_id = ?", (row_id,))
    return True


def purge(db: sqlite3.Connection, before_utc_ms: int, asset: str | None, at_utc_ms: int) -> Purged:
    """Delete bodies and log entries of days before; keys and ranges stay, so that nothing comes back or unbalances.

    That it happens is written down first: whoever derives from the log must not take what is being deleted for what
    never was, however the purge ends (`purged_before`).
    """
    db.execute("PRAGMA secure_delete = ON")  # positions of people: overwritten, not only unlinked
    end = day_of(before_utc_ms) << DAY_SHIFT
    total = Purged(0, 0)
    before_ms = before_utc_ms // DAY_MS * DAY_MS
    with transaction(db):
        made = db.execute("INSERT INTO purges VALUES (?, ?, ?, ?, ?)", (at_utc_ms, before_ms, asset, *total)).lastrowid
    for chunk in _purgeable(db, end, asset):
        with _in_turn(), transaction(db):
            taken = [row for row in chunk if _remove(db, *row[:4])]
        total = Purged(total.rows + len(taken), total.body_bytes + sum(row[4] for row in taken))
    with transaction(db):
        db.execute("UPDATE purges SET rows = ?, body_bytes = ? WHERE rowid = ?", (*total, made))
    _give_back(db)
    return total


def purged_before(db: sqlite3.Connection) -> dict[str | None, int]:
    """By asset (None: all of them) the Unix ms before which its records were purged."""
    return dict(db.execute("SELECT asset, max(before_utc_ms) FROM purges GROUP BY asset").fetchall())


def _purgeable(db: sqlite3.Connection, end: int, asset: str | None) -> Iterator[list[tuple[int, int, int, int, int]]]:
    """Chunks of (body_id, box, seq, conflict, bytes of body) below end, of the asset's newest names if one is given."""
    after = -1
    while rows := db.execute(
        "SELECT b.body_id, l.box, l.seq, l.conflict, length(b.body), n.asset FROM bodies b"
        f" CROSS JOIN log o ON o.log_id = b.body_id & {ROW_MASK}"
        " CROSS JOIN keys y ON y.box = o.box AND y.seq = o.seq AND y.conflict = o.conflict"
        " CROSS JOIN log l ON l.log_id = y.log_id CROSS JOIN names n ON n.name = l.name"
        " WHERE b.body_id > ? AND b.body_id < ? ORDER BY b.body_id LIMIT ?",
        (after, end, _CHUNK_ROWS),
    ).fetchall():
        after = rows[-1][0]
        if chunk := [row[:5] for row in rows if asset is None or row[5] == asset]:
            yield chunk


def _remove(db: sqlite3.Connection, place: int, box: int, seq: int, conflict: int) -> bool:
    """Delete one record's body, its entries and what points at it; False when it moved or went meanwhile."""
    if not db.execute("DELETE FROM bodies WHERE body_id = ?", (place,)).rowcount:
        return False
    row_id = place & ROW_MASK
    db.execute("DELETE FROM log WHERE log_id = ?", (row_id,))
    db.execute("DELETE FROM log WHERE row_id = ? AND revision > 0", (row_id,))
    db.execute("DELETE FROM undecoded WHERE row_id = ?", (row_id,))
    db.execute("DELETE FROM undated WHERE box = ? AND seq = ? AND row_id = ?", (box, seq, row_id))
    if not conflict:
        db.execute("DELETE FROM looks WHERE box = ? AND seq = ?", (box, seq))
    db.execute("UPDATE boxes SET expired = expired + 1 WHERE box = ?", (box,))
    return True


def _give_back(db: sqlite3.Connection) -> None:
    """Return free pages to the file system, a little at a time; then empty the WAL of what was deleted."""
    for _ in range(0, db.execute("PRAGMA freelist_count").fetchone()[0], _VACUUM_PAGES):
        # It yields a row without columns for each page; execute() stops at the first, executescript() goes on.
        with _in_turn():
            db.executescript(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})")
    db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()  # keeps nobody out, and leaves the next one little to do
    (patience_ms,) = db.execute("PRAGMA busy_timeout").fetchone()
    db.execute(f"PRAGMA busy_timeout = {_CHECKPOINT_PATIENCE_MS}")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    db.execute(f"PRAGMA busy_timeout = {patience_ms}")

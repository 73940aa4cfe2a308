"""Filling a new outbox file from the remains of a damaged one."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from edge.outbox_batch import Batch, Stamp, State, load_state
from edge.outbox_ids import IdsCopy, OutboxIds, draw_outbox_id
from edge.outbox_schema import FLOOR, GONE, INTERVAL, insert_outbox, set_counter
from edge.salvage import Found, FoundRow, Remains
from edge.tombstones import CORRUPT, Gone
from wire.kinds import CLASS_TRACK
from wire.ranges import Ranges

_log = logging.getLogger(__name__)

ROWS_AT_A_TIME: Final = 1000


@dataclass(frozen=True, slots=True)
class Witness:
    """What is known of the damaged file from elsewhere: its writer's memory, the copy of its ids beside it."""

    memory: State | None
    copy: IdsCopy | None


def refill(
    target: sqlite3.Connection,
    remains: Remains,
    witness: Witness,
    *,
    aside: Path,
    stamp: Stamp,
    at: Callable[[str], None],
) -> None:
    """Rows under their old ids, then a new outbox_id whose first rows say what was lost and that it happened."""
    found = Found()
    contested = Ranges()
    complete = _copy_rows(target, remains, witness.memory, found, contested, at)
    for first, last in contested:
        target.execute("DELETE FROM rows WHERE id BETWEEN ? AND ?", (first, last))
    state = load_state(target)
    last_id = max(state.last_id, _last_id(found, witness))
    floor = max(1, found.counters.get(FLOOR, 1))
    wanted = witness.memory.held if witness.memory else Ranges([(floor, last_id)]) if last_id >= floor else Ranges()
    with_ids = _ids(found, witness, last_id, state.floor)
    target.execute("BEGIN")
    for first_id, outbox_id in with_ids.opened:
        insert_outbox(target, first_id, outbox_id)
    set_counter(target, "rows", last_id)
    target.execute("DELETE FROM rows WHERE id < ?", (floor if witness.memory is None else 0,))
    target.execute("INSERT INTO by_class SELECT cls, id FROM rows WHERE cls != ?", (CLASS_TRACK,))
    state = load_state(target)
    _restore_numbers(state, found, witness.memory)
    lost = wanted.minus(state.held)
    _say(Batch(target, state, stamp), state, lost, aside, complete)
    target.execute("COMMIT")
    at("salvage:copied")
    _log.warning("outbox salvaged: %d rows, %d lost, the damaged file is %s", state.rows, lost.count(), aside)


def _copy_rows(
    target: sqlite3.Connection,
    remains: Remains,
    memory: State | None,
    found: Found,
    contested: Ranges,
    at: Callable[[str], None],
) -> bool:
    """False when the disk filled up: what did not fit is listed as lost here, and still lies in the file set aside.

    Ids that rows of different bytes lay claim to go into `contested`.
    """
    rows = remains.rows(found)
    if memory is not None:
        rows = (row for row in rows if row.id > memory.last_id or row.id in memory.held)
    while some := list(islice(rows, ROWS_AT_A_TIME)):
        try:
            target.execute("BEGIN")
            taken = target.executemany("INSERT OR IGNORE INTO rows VALUES (?, ?, ?, ?, ?, ?)", map(_values, some))
            if taken.rowcount < len(some):
                _compare(target, some, contested)
            target.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                raise
            if target.in_transaction:
                target.execute("ROLLBACK")
            return False
        at("salvage:copied")
    return True


def _compare(target: sqlite3.Connection, some: list[FoundRow], contested: Ranges) -> None:
    """A row's CRC does not cover its id: where a worn id names another row, nobody can say whose it is."""
    for row in some:
        (crc,) = target.execute("SELECT crc FROM rows WHERE id = ?", (row.id,)).fetchone()
        if crc != row.crc:
            contested.add(row.id)


def _values(row: FoundRow) -> tuple[int, int, int, int, int | None, bytes]:
    return row.id, row.cls, row.kind, row.crc, row.at_s, row.body


def _last_id(found: Found, witness: Witness) -> int:
    """No id above it was ever given out."""
    if witness.memory is not None:
        return witness.memory.last_id
    if "rows" in found.counters:
        return found.counters["rows"]
    return witness.copy.below_id - 1 if witness.copy else 0


def _ids(found: Found, witness: Witness, last_id: int, first_row: int) -> OutboxIds:
    """The outboxes of the old file, and a new one above its last id."""
    opened = dict(witness.copy.ids.opened) if witness.copy else {}
    opened.update(found.opened)
    if witness.memory is not None:
        opened.update(witness.memory.ids.opened)
    opened = {first_id: outbox_id for first_id, outbox_id in opened.items() if first_id <= last_id}
    if last_id and first_row <= last_id and not any(first_id <= first_row for first_id in opened):
        opened[1] = draw_outbox_id(opened.values())  # whose they are stands nowhere any more: new ones to the store
    return OutboxIds((*sorted(opened.items()), (last_id + 1, draw_outbox_id(opened.values()))))


def _restore_numbers(state: State, found: Found, memory: State | None) -> None:
    if memory is not None:
        state.interval, state.gone_by_reason = memory.interval, dict(memory.gone_by_reason)
        return
    interval = found.counters.get(INTERVAL, -1)
    state.interval = interval if interval >= 0 else None
    state.gone_by_reason = {n.removeprefix(GONE): c for n, c in found.counters.items() if n.startswith(GONE)}


def _say(batch: Batch, state: State, lost: Ranges, aside: Path, complete: bool) -> None:
    gone: Gone = {}
    batch.put(gone, lost, CORRUPT)
    batch.tombstone(gone)
    batch.count_gone(CORRUPT, lost.count())
    detail = {"rows": str(state.rows), "lost": str(lost.count()), "file": aside.name}
    if not complete:
        detail["disk"] = "full"
    batch.event("outbox_salvaged", detail)
    batch.finish(None)

"""Which outboxes a file is: its first outbox_id, new ones, and those that are gone with an earlier file."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from edge.disk import Disk
from edge.outbox_batch import Batch, Stamp, State, transaction
from edge.outbox_ids import IdsCopy, draw_outbox_id, read_copy, write_copy
from edge.outbox_schema import WAITING_BYTES, insert_outbox, read_counters
from edge.tombstones import CORRUPT, Gone
from wire.ranges import Ranges

_log = logging.getLogger(__name__)

IDS_AHEAD: Final = 4096  # ids promised unused beside the file: 11 h at 10 s, so two small writes a day


class Identity:
    """Keeps the outboxes table and the copy of it beside the file."""

    def __init__(self, copy_path: Path, *, disk: Disk, at: Callable[[str], None]) -> None:
        self._copy_path = copy_path
        self._disk = disk
        self._at = at
        self._below_id = 0

    def register(self, connection: sqlite3.Connection, state: State, stamp: Stamp) -> None:
        """A first outbox_id for a new file; outboxes that the copy knows and the file does not are lost: say so."""
        copy = read_copy(self._copy_path)
        if not state.ids.opened:
            self._insert(connection, state, copy.ids.names() if copy else frozenset())
        lost = copy.ids.names() - state.ids.names() if copy else frozenset()
        numbers = read_counters(connection)
        if lost or numbers.get(WAITING_BYTES) != state.waiting_bytes:  # the latter after an upgrade: readers go by it
            batch = Batch(connection, state, stamp)
            with transaction(connection):
                if copy and lost:
                    _mourn(batch, copy, lost)
                batch.finish(None)
            batch.done()
        self._write_copy(state)

    def open_new(self, connection: sqlite3.Connection, state: State) -> None:
        """From the next row on another outbox_id; one that has no row yet is as good as new."""
        if state.ids.opened[-1][0] <= state.last_id:
            self._insert(connection, state, frozenset())
            self._write_copy(state)

    def promise(self, state: State) -> None:
        """Write the copy again before its promise runs out."""
        if state.last_id + IDS_AHEAD // 16 >= self._below_id:
            self._write_copy(state)

    def _insert(self, connection: sqlite3.Connection, state: State, used: frozenset[int]) -> None:
        first_id, outbox_id = state.last_id + 1, draw_outbox_id(state.ids.names() | used)
        insert_outbox(connection, first_id, outbox_id)  # its own commit, durable before a row of it is
        state.ids = state.ids.with_new(first_id, outbox_id)

    def _write_copy(self, state: State) -> None:
        below_id = state.last_id + 1 + IDS_AHEAD
        try:
            write_copy(self._disk, self._copy_path, IdsCopy(state.ids, below_id))
        except OSError as error:  # the copy only helps to name what a lost file held; records come first
            _log.debug("no copy of the ids: %s", error)
            return
        self._below_id = below_id
        self._at("ids:written")


def _mourn(batch: Batch, copy: IdsCopy, lost: frozenset[int]) -> None:
    gone: Gone = {}
    for outbox_id, first_id, last_id in copy.ids.spans(copy.below_id):
        if outbox_id in lost and last_id >= first_id:
            gone[outbox_id, CORRUPT] = Ranges([(1, last_id - first_id + 1)])
    names = " ".join(f"{outbox_id:08x}" for outbox_id in sorted(lost))
    _log.warning("outboxes %s are gone with their file", names)
    batch.tombstone(gone)
    batch.event("outbox_lost", {"outboxes": names})

"""The outbox's transactions, and the remedy for each thing that can stop one."""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from edge.clock import Clock
from edge.disk import Disk
from edge.errors import OutboxCorrupt, OutboxFull
from edge.outbox_batch import Batch, Stamp, State, load_state, transaction
from edge.outbox_faults import BUSY, CORRUPT_FILE, FAULTS, FULL, IO_ERROR, READ_ONLY, UNREADABLE, fault_of, refusal
from edge.outbox_file import OutboxFile
from edge.outbox_identity import Identity
from edge.outbox_ids import read_copy
from edge.outbox_rebuild import Witness, refill
from edge.outbox_requests import Requests
from edge.outbox_schema import is_sound_row
from edge.salvage import Remains
from edge.tombstones import CORRUPT
from running.turns import Away
from wire.ranges import Ranges

_log = logging.getLogger(__name__)
T = TypeVar("T")

SHED_SHARE: Final = 100  # at least 1 % of the bound at a time (I3)
SHEDS: Final = 64  # in one write: rows scattered over many pages free few whole ones
DISK_FULL_BELOW_BYTES: Final = 64 << 10  # less than this free and it is the disk that is full, not our bound


@dataclass(slots=True)
class _Outage:
    fault: str
    since_mono_s: float
    refused: int = 0


class Writer:
    """One outbox file, its state in memory, and transactions that do what it takes to be committed."""

    def __init__(
        self, path: Path, *, limit_bytes: int, clock: Clock, disk: Disk, requests: Requests, at: Callable[[str], None],
        away: Away,
    ) -> None:  # fmt: skip
        self.file: Final = OutboxFile(path, limit_bytes=limit_bytes, disk=disk, at=at)
        self.state: State | None = None
        self._memory: State | None = None  # the last state, kept while the file is closed after an error
        self._clock = clock
        self._disk = disk
        self._requests = requests
        self._at = at
        self._away = away
        self._identity = Identity(self.file.ids_copy, disk=disk, at=at)
        self._outage: _Outage | None = None
        self._eagerness = 1
        self._remedies: Final[dict[str, tuple[Callable[[], None], ...]]] = {
            FULL: (self._settle_alone, *(self._shed,) * SHEDS),
            CORRUPT_FILE: (self._salvage_away,),
            IO_ERROR: (self._reopen,),
            UNREADABLE: (self._reopen, self._salvage_away),  # a bad sector stays bad: waiting for it would be for ever
            READ_ONLY: (self._reopen,),
            BUSY: (),
        }

    @property
    def failing(self) -> bool:
        """Was the last transaction refused?"""
        return self._outage is not None

    def stamp(self) -> Stamp:
        """Now, as records carry it."""
        return self._clock.utc_ms(), self._clock.boot_id, self._clock.boottime_ms()

    def write(self, what: str, work: Callable[[Batch], T], interval: int | None = None) -> T:
        """`work` and what is requested, committed; OutboxFull or OutboxCorrupt when nothing helped."""
        tried: Counter[str] = Counter()
        remedy: Callable[[], None] = self._nothing
        doubt: list[tuple[int, T]] = []
        self._eagerness = 1
        while True:
            try:
                remedy()
                if doubt and self.opened().last_id >= doubt[-1][0]:  # that COMMIT reached the disk after all
                    return self._written(doubt[-1][1])
                doubt.clear()
                return self._written(self._transact(what, work, interval=interval, doubt=doubt))
            except (OutboxFull, OutboxCorrupt) as error:
                self._refused(FULL, error)
                raise
            except FAULTS as error:
                fault = fault_of(error)
                ladder = self._remedies[fault]
                if tried[fault] == len(ladder):
                    self._refused(fault, error)
                    raise refusal(fault, error) from error
                remedy = ladder[tried[fault]]
                tried[fault] += 1

    def opened(self) -> State:
        """The state, after opening the file where that is needed; sqlite3.Error or OSError when it can not be."""
        if self.state is not None and self.file.still_ours():
            return self.state
        with self._away():
            return self._open()

    def _open(self) -> State:
        if self.state is not None:
            _log.warning("outbox file was deleted or replaced while open: written to its name again")
            self.file.put_back()
            self._requests.events.append(("outbox_put_back", {}))
            self.state = None
        connection = self.file.open()
        state = load_state(connection)
        if self._memory is not None and state.last_id < self._memory.last_id:
            raise sqlite3.DatabaseError("the newest rows are gone: the log has lost its end")
        self._identity.register(connection, state, self.stamp())
        self.state = self._memory = state
        return state

    def close(self) -> None:
        """Let go of the file."""
        self.state = None
        self.file.close()
        self.file.unlock()

    # ------------------------------------------------------------------ one transaction

    def _transact(
        self,
        what: str,
        work: Callable[[Batch], T],
        *,
        interval: int | None = None,
        doubt: list[tuple[int, T]] | None = None,
        ride: bool = True,
    ) -> T:
        state = self._prepared()
        connection = self._connection()
        batch = Batch(connection, state, self.stamp())
        with transaction(connection):
            self._at(f"{what}:begun")
            if ride:
                self._ride(batch)
            result = work(batch)
            batch.finish(interval)
            self._at(f"{what}:written")
            if doubt is not None and batch.last_id > state.last_id:
                doubt.append((batch.last_id, result))
        batch.done()
        if ride:
            self._requests.rode()
        self._at(f"{what}:committed")
        return result

    def _ride(self, batch: Batch) -> None:
        self._requests.ride(batch, self.file.limits.batch_bytes)
        if self._outage is not None:
            seconds = round(self._clock.monotonic_s() - self._outage.since_mono_s)
            detail = {"fault": self._outage.fault, "refused": str(self._outage.refused), "seconds": str(seconds)}
            batch.event("outbox_refused", detail)

    def _prepared(self) -> State:
        """Open, sound, with the outbox_id that is wanted, and its ids promised beside the file."""
        state = self.opened()
        if self._requests.suspected:
            with self._away():
                self._examine()
            state = self.opened()
        if self._requests.new_outbox:
            self._identity.open_new(self._connection(), state)
            self._requests.new_outbox = False
        self._identity.promise(state)
        return state

    def _connection(self) -> sqlite3.Connection:
        if self.file.connection is None:
            raise sqlite3.ProgrammingError("outbox is not open")
        return self.file.connection

    def _written(self, result: T) -> T:
        if self._outage is not None:
            outage, self._outage = self._outage, None
            _log.info("outbox writes again after %.0f s", self._clock.monotonic_s() - outage.since_mono_s)
        return result

    def _refused(self, fault: str, error: Exception) -> None:
        if self._outage is None:
            self._outage = _Outage(fault, self._clock.monotonic_s())
            _log.warning("outbox refuses: %s", error)
        self._outage.refused += 1

    # ------------------------------------------------------------------ remedies

    def _nothing(self) -> None:
        """The first try needs none."""

    def _disk_is_full(self) -> bool:
        return self.file.frozen or self._disk.free_bytes(self.file.path.parent) < DISK_FULL_BELOW_BYTES

    def _settle_alone(self) -> None:
        """Receipted rows go first, alone; on a full disk the ballast makes room for that (I12)."""
        if self._disk_is_full() and not self.file.frozen:
            self._requests.events.append(("outbox_disk_full", {}))
            self.file.drop_ballast()
            self._fold_log()
            self.file.freeze()
        else:
            self._fold_log()
        while self._requests.receipted:
            left = self._transact("settle", self._leave, ride=False)
            self._requests.left(left)
            self._fold_log()

    def _leave(self, batch: Batch) -> Ranges:
        return self._requests.leave(batch, self.file.limits.batch_bytes)

    def _shed(self) -> None:
        """1 % of the bound. On a full disk what its log can carry: that can not grow there."""
        limits = self.file.limits
        target = limits.batch_bytes if self._disk_is_full() else limits.limit_bytes // SHED_SHARE
        target *= self._eagerness
        self._eagerness *= 2  # should not even the tombstone fit, then more has to go for it
        if not self._transact("shed", lambda batch: batch.shed(target), ride=False):
            raise refusal(FULL, "nothing left to shed")
        self._eagerness = 1
        self._fold_log()

    def _fold_log(self) -> None:
        try:
            self.file.checkpoint()
        except sqlite3.OperationalError as error:
            if fault_of(error) not in (FULL, BUSY):
                raise
            _log.debug("log not folded: %s", error)

    def _reopen(self) -> None:
        self.state = None
        self.file.close()

    def _examine(self) -> None:
        """Somebody read damage: look at all of it once, at the tree and then at every row's bytes."""
        self._requests.suspected = False
        connection = self._connection()
        # Pages in our own cache may be whole while the disk, which the reader reads, has lost them: forget them first.
        connection.execute("PRAGMA shrink_memory").fetchall()
        if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            self._salvage()
            return
        worn = Ranges()
        for row_id, cls, kind, crc, body in connection.execute("SELECT id, cls, kind, crc, body FROM rows"):
            if not is_sound_row(cls, kind, crc, body):
                worn.add(row_id)
        if worn:
            self._transact("settle", lambda batch: batch.give_up(worn, CORRUPT), ride=False)

    def _salvage_away(self) -> None:
        with self._away():
            self._salvage()

    def _salvage(self) -> None:
        witness = Witness(self._memory, read_copy(self.file.ids_copy))
        remains = Remains(self.file.path)
        stamp = self.stamp()
        try:
            self.file.rebuild(
                lambda target, aside: refill(target, remains, witness, aside=aside, stamp=stamp, at=self._at)
            )
        finally:
            remains.close()
        self.state = self._memory = None

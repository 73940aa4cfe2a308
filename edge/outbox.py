"""The outbox: every record a unit has accepted, on disk before `append` returns, until a receipt names it.

What it promises, and what it does not: once `append` has returned, the record survives a kill and a power cut, and
leaves only by receipt or with a tombstone that names its seq. It can not promise to take a record: with a disk that
takes nothing at all `append` raises, and the outbox says so in a record of its own as soon as it can.

One thread writes (main). `receipted`, `refuse`, `open_new_outbox` and `suspect` may be called from any thread: they
only put into a queue, and ride on the next append's transaction, or on `tick`'s when none comes within 5 s.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.clock import Clock
from edge.disk import Disk
from edge.errors import OutboxCorrupt, OutboxFull
from edge.outbox_batch import Batch, State
from edge.outbox_faults import FAULTS, FULL, refusal
from edge.outbox_file import LEAST_LIMIT_BYTES
from edge.outbox_reader import OutboxReader, StoredRow
from edge.outbox_requests import Requests
from edge.outbox_schema import PAGE_BYTES
from edge.outbox_writer import Writer
from running.turns import Away
from wire.ranges import Ranges

__all__ = ["POINTS", "Account", "Outbox", "OutboxReader", "StoredRow"]

_log = logging.getLogger(__name__)

SETTLE_AFTER_S: Final = 5.0  # architecture section 3, row 7
BALLAST_EVERY_S: Final = 60.0

# Where a test may kill the process: the names that `at` is called with.
POINTS: Final = (
    *("append:begun", "append:written", "append:committed"),
    *("settle:begun", "settle:written", "settle:committed"),
    *("shed:begun", "shed:written", "shed:committed"),
    *("upgrade:changed", "upgrade:committed", "ids:written"),
    *("salvage:copied", "salvage:complete", "salvage:log_aside", "salvage:aside", "salvage:swapped"),
)


@dataclass(frozen=True, slots=True)
class Account:
    """What health reports; holdings are (outbox_id, below_seq, held seqs) of all outboxes of the file, newest last."""

    outbox_id: int
    holdings: tuple[tuple[int, int, Ranges], ...]
    rows: int
    waiting_bytes: int
    bytes_on_disk: int
    oldest_age_s: int | None
    shed_by_reason: dict[str, int]


class Outbox:
    """The writing side; construct, use and close it on one thread.

    A bound too small for its own log is a ValueError; the file of a newer pantau is a ConfigError and left as it is.
    `away` is around what reads all of the file, which takes minutes where it is large.
    """

    def __init__(
        self,
        path: Path,
        *,
        limit_bytes: int,
        clock: Clock | None = None,
        disk: Disk | None = None,
        at: Callable[[str], None] = lambda _point: None,
        away: Away = nullcontext,
    ) -> None:
        if limit_bytes < LEAST_LIMIT_BYTES:
            raise ValueError(f"outbox limit of {limit_bytes} bytes: at least {LEAST_LIMIT_BYTES}")
        self._clock = clock or Clock()
        self._queue: deque[Callable[[], None]] = deque()
        self._requests = Requests()
        self._since_mono_s: float | None = None
        self._next_ballast_mono_s = 0.0
        self._writer = Writer(
            Path(path), limit_bytes=limit_bytes, clock=self._clock, disk=disk or Disk(), requests=self._requests, at=at,
            away=away,
        )  # fmt: skip
        self.settle()  # a box whose disk takes nothing now still starts, and records as soon as it can

    # ------------------------------------------------------------------ any thread

    def receipted(self, ids: Ranges) -> None:
        """The store has these rows (row ids, not seqs): they may go."""
        self._queue.append(lambda: _add_all(self._requests.receipted, ids))

    def refuse(self, ids: Ranges) -> None:
        """The store will never take these rows: they go, and a tombstone `refused` names them."""
        self._queue.append(lambda: _add_all(self._requests.refused, ids))

    def open_new_outbox(self) -> None:
        """Rows from the next append on get a new outbox_id; those here keep theirs."""
        self._queue.append(self._want_new_outbox)

    def suspect(self) -> None:
        """A reader met damage: look, and salvage where it is so."""
        self._queue.append(self._want_examination)

    # ------------------------------------------------------------------ main thread

    @property
    def outbox_id(self) -> int | None:
        """Identity that the next row gets; None while the file can not be opened."""
        return self._writer.state.ids.newest if self._writer.state else None

    @property
    def rows(self) -> int:
        """How many rows it holds, as far as is known; reads nothing."""
        return self._writer.state.rows if self._writer.state else 0

    def holds(self, row_id: int) -> bool:
        """Whether that row waits for its receipt, as far as is known; reads nothing."""
        return self._writer.state is None or row_id in self._writer.state.held

    @property
    def last_interval(self) -> int | None:
        """Number committed with the last append that had one; None when none had, or the file can not be read."""
        return self._writer.state.interval if self._writer.state else None

    def append(self, body: bytes, *, kind: int, cls: int, interval: int | None = None) -> int:
        """Commit one record; its row id. OutboxFull or OutboxCorrupt when nothing helped, and then it is not there.

        `interval` (>= 0) is committed with it: `last_interval` tells after a kill whether it got here.
        """
        if len(body) > self._writer.file.limits.pages * PAGE_BYTES // 4:  # would push everything else out
            raise refusal(FULL, f"a record of {len(body)} bytes")
        self._take_requests()
        row_id = self._writer.write("append", lambda batch: batch.insert(body, kind=kind, cls=cls), interval)
        self._since_mono_s = self._clock.monotonic_s() if self._requests.waiting() else None
        return row_id

    def tick(self) -> None:
        """Call once a second or oftener: settles alone what has waited 5 s or is urgent, renews the ballast."""
        self._take_requests()
        now_s = self._clock.monotonic_s()
        if self._since_mono_s is not None and (now_s - self._since_mono_s >= SETTLE_AFTER_S or self._urgent()):
            self.settle()
        if now_s >= self._next_ballast_mono_s and not self._writer.failing:
            self._next_ballast_mono_s = now_s + BALLAST_EVERY_S
            try:
                self._writer.file.take_ballast()
            except OSError as error:  # the next try is in a minute
                _log.debug("no ballast: %s", error)

    def settle(self) -> bool:
        """All that is requested, now, in its own transaction; False when the disk does not let us (it stays asked)."""
        self._take_requests()
        try:
            while self._requests.waiting() or self._writer.state is None:
                self._writer.write("settle", _nothing_else)
        except (OutboxFull, OutboxCorrupt) as error:
            self._since_mono_s = self._clock.monotonic_s()
            _log.debug("not settled: %s", error)
            return False
        self._since_mono_s = None
        return True

    def account(self) -> Account | None:
        """For a health record that is appended next; None while the file can not be read."""
        state = self._writer.state
        if state is None:
            return None
        seqs = state.ids.seqs_of(state.held, state.last_id + 1)
        try:
            oldest_age_s, bytes_on_disk = self._oldest_age_s(state), self._writer.file.bytes_on_disk()
        except FAULTS as error:
            _log.debug("no account of the outbox: %s", error)
            self._requests.suspected = True
            return None
        return Account(
            outbox_id=state.ids.newest,
            holdings=tuple(
                (outbox_id, last_id - first_id + 2, seqs[outbox_id])
                for outbox_id, first_id, last_id in state.ids.spans(state.last_id + 1)
            ),
            rows=state.rows,
            waiting_bytes=state.waiting_bytes,
            bytes_on_disk=bytes_on_disk,
            oldest_age_s=oldest_age_s,
            shed_by_reason=dict(state.gone_by_reason),
        )

    def close(self) -> None:
        """Settle what is requested and let go of the file."""
        self.settle()
        self._writer.close()

    # ------------------------------------------------------------------ inside

    def _want_new_outbox(self) -> None:
        self._requests.new_outbox = True

    def _want_examination(self) -> None:
        self._requests.suspected = True

    def _urgent(self) -> bool:
        """Another outbox_id or a look for damage is rare and waits for nobody, unless the disk refuses anyway."""
        return not self._writer.failing and (self._requests.new_outbox or self._requests.suspected)

    def _take_requests(self) -> None:
        while self._queue:
            self._queue.popleft()()
        if self._since_mono_s is None and self._requests.waiting():
            self._since_mono_s = self._clock.monotonic_s()

    def _oldest_age_s(self, state: State) -> int | None:
        """By UTC, as the oldest row may be of an earlier boot; None when it or now has none."""
        connection, utc_ms = self._writer.file.connection, self._clock.utc_ms()
        if connection is None or utc_ms is None:
            return None
        row = connection.execute("SELECT at_s FROM rows WHERE id = ?", (state.floor,)).fetchone()
        return max(0, utc_ms // 1000 - row[0]) if row is not None and type(row[0]) is int else None


def _add_all(ranges: Ranges, ids: Ranges) -> None:
    for first, last in ids:
        ranges.add(first, last)


def _nothing_else(_batch: Batch) -> None:
    """Only what rides."""

"""From a check to the central store: an outbox of the check's own, emptied by receipts like any other.

Its outbox_id is its own, so nothing it sends can collide with what the box's uplink sends at the same time; its rows
wait in the file until the store has them, so that the ledger balances whatever happens on the way.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Final, Protocol, Self

from edge.clock import Clock
from edge.errors import LinkRefused
from edge.outbox import Outbox, OutboxReader, StoredRow
from wire import encode
from wire.errors import PeerViolation
from wire.kinds import CLASS_ALARM, KIND_EVENT
from wire.ranges import Ranges
from wire.receipt import Receipt, decode_receipt
from wire.topics import up

LIMIT_BYTES: Final = 8_000_000  # a thousand sheets, when no centre is there for years
PARCEL_BYTES: Final = 16_000  # a bulk parcel's; the newest rows go first
PARCEL_ROWS: Final = 64
VISITS: Final = 3  # the box's own uplink may take its place back in the middle
BETWEEN_S: Final = 1.0
BEGUN: Final = "acceptance_begun"
SHEET: Final = "acceptance_sheet"


class Connection(Protocol):
    """One connection to the broker that hears this unit's receipts; OSError when it is lost."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Hand over one message."""

    def take(self, within_s: float) -> bytes | None:
        """The next message from the receipts' topic; None when there was none."""


Connect = Callable[[], AbstractContextManager[Connection]]


@dataclass(frozen=True, slots=True)
class Delivered:
    """All that waited is in the store `store_id`: it took so long from the first publish to the last receipt.

    `centre_ahead_s` is the centre's clock minus this computer's, the way back counted as half of what it took.
    """

    took_s: float
    store_id: int
    centre_ahead_s: float


class NotDelivered(Exception):
    """The rows stay in the outbox; `refused`: the broker does not let this box in."""

    def __init__(self, why: str, *, refused: bool = False) -> None:
        super().__init__(why)
        self.refused = refused


class Post:
    """The check's outbox in `folder`; for one thread, closed by `with`. OSError while another check is running."""

    def __init__(self, folder: Path, unit: str, clock: Clock) -> None:
        path = folder / "outbox.db"
        self._lock = _locked(folder / "lock")
        self._unit = unit
        self._clock = clock
        self._outbox = Outbox(path, limit_bytes=LIMIT_BYTES, clock=clock)
        self._reader = OutboxReader(path, on_corrupt=self._outbox.suspect)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()
        self._outbox.close()
        os.close(self._lock)

    def put(self, name: str, detail: dict[str, str]) -> None:
        """One event, durable when it returns."""
        body = encode.event(at=self._clock.stamp(), name=name, detail=detail)
        # The class of alarms is receipted at once; a status row's receipt is gathered for a minute.
        self._outbox.append(body, kind=KIND_EVENT, cls=CLASS_ALARM)

    def waiting(self) -> int:
        """Rows that the store does not have yet, as far as this box knows."""
        account = self._outbox.account()
        return 0 if account is None else account.rows

    def deliver(self, connect: Connect, within_s: float) -> Delivered:
        """Send all that waits and take its receipts. Raises NotDelivered."""
        deadline_s = time.monotonic() + within_s
        for visit in range(VISITS):
            try:
                with connect() as connection:
                    return self._empty(connection, deadline_s)
            except LinkRefused as error:
                raise NotDelivered(str(error), refused=True) from error
            except OSError as error:
                left_s = deadline_s - time.monotonic() - BETWEEN_S
                if visit == VISITS - 1 or left_s <= 0:
                    raise NotDelivered(str(error)) from error
                time.sleep(BETWEEN_S)
        raise AssertionError("the last visit returns or raises")

    def _empty(self, connection: Connection, deadline_s: float) -> Delivered:
        begun_s, newest = time.monotonic(), self._reader.newest_id() + 1
        answer: Receipt | None = None
        ahead_s = 0.0
        while rows := self._reader.below(newest, PARCEL_ROWS, PARCEL_BYTES):
            sent_s = time.monotonic()
            for parcel in self._parcels(rows):
                connection.publish(up(self._unit), parcel)
            answer = self._answered(connection, rows, deadline_s)
            ahead_s = answer.utc_ms / 1000 - time.time() + (time.monotonic() - sent_s) / 2
        if answer is None:
            raise NotDelivered("nothing was there to send")
        return Delivered(time.monotonic() - begun_s, answer.store_id, ahead_s)

    def _parcels(self, rows: Sequence[StoredRow]) -> Iterator[bytes]:
        """One parcel for each outbox_id (a file that was salvaged has had several)."""
        for outbox_id, same in groupby(sorted(rows, key=_place), key=attrgetter("outbox_id")):
            yield encode.parcel(
                outbox_id,
                [(row.seq, row.cls, row.kind, row.check, row.body) for row in same],
                boot_id=self._clock.boot_id,
                sent_boottime_ms=self._clock.boottime_ms(),
            )

    def _answered(self, connection: Connection, rows: Sequence[StoredRow], deadline_s: float) -> Receipt:
        """Take receipts until these rows are settled; the last one. Raises NotDelivered when the time is over."""
        open_ = {(row.outbox_id, row.seq): row for row in rows}
        while True:
            receipt = self._next_receipt(connection, deadline_s)
            stored, refused = _named(receipt, open_)
            self._outbox.receipted(_ids(stored))
            self._outbox.refuse(_ids(refused))
            if receipt.new_outbox and any(row.outbox_id == receipt.outbox_id for row in rows):
                self._outbox.open_new_outbox()
            for row in (*stored, *refused):
                del open_[row.outbox_id, row.seq]
            if not open_:
                self._outbox.settle()
                return receipt

    def _next_receipt(self, connection: Connection, deadline_s: float) -> Receipt:
        while True:
            payload = connection.take(deadline_s - time.monotonic())
            if payload is None:
                raise NotDelivered("no receipt from the bridge")
            try:
                return decode_receipt(payload)
            except PeerViolation:
                continue  # it is for the box's own uplink to count


def _locked(path: Path) -> int:
    """A file that nobody else has locked: an outbox has one writer."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise BlockingIOError(error.errno, "another check is running") from error
    return handle


def _place(row: StoredRow) -> tuple[int, int]:
    return row.outbox_id, row.seq


def _named(receipt: Receipt, rows: dict[tuple[int, int], StoredRow]) -> tuple[list[StoredRow], list[StoredRow]]:
    """Which of our rows the receipt says are stored (with just these bytes), and which are refused."""
    stored = []
    for (first, last), check in zip(receipt.ranges, receipt.checks, strict=True):
        named = [row for row in rows.values() if row.outbox_id == receipt.outbox_id and first <= row.seq <= last]
        combined = 0
        for row in named:
            combined ^= row.check
        if len(named) == last - first + 1 and combined == check:
            stored += named
    refused = [rows[receipt.outbox_id, seq] for seq in receipt.refused if (receipt.outbox_id, seq) in rows]
    return stored, refused


def _ids(rows: Sequence[StoredRow]) -> Ranges:
    ids = Ranges()
    for row in rows:
        ids.add(row.id, row.id)
    return ids

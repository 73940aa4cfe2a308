"""What a receipt may change: only rows whose bytes it names. Pure; rows not in memory are read from the outbox."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from edge.backlog import Shelf
from edge.inflight import InFlight
from edge.packing import Row
from wire.ranges import Ranges
from wire.receipt import Receipt

RANGE_ROWS: Final = 5_000  # rows of one range that are looked at; a parcel holds 1,300 of the smallest
REFUSALS_THEN_ALONE: Final = 3


@dataclass(frozen=True, slots=True)
class Settled:
    """What a receipt changes in the outbox: rows stored, rows to give up, a new outbox_id."""

    stored: Ranges
    refused: Ranges
    new_outbox: bool


class Receipts:
    """Judges receipts against what this unit has and has sent; moves rows in `flights` accordingly."""

    def __init__(self, shelf: Shelf, flights: InFlight) -> None:
        self.rejected: Counter[str] = Counter()
        self._shelf = shelf
        self._flights = flights
        self._first_ids: dict[int, int] = {}  # outbox_id -> id of its first row
        self._refusals: Counter[int] = Counter()
        self._left: set[int] = set()

    def sent(self, rows: Sequence[Row]) -> None:
        """These rows were sent, so a receipt may name their outbox."""
        for row in rows:
            self._first_ids[row.outbox_id] = row.id - row.seq + 1

    def must_go_alone(self, row_id: int) -> bool:
        """Was the row refused so often that it must not take others down with it."""
        return self._refusals[row_id] >= REFUSALS_THEN_ALONE

    def settle(self, receipt: Receipt) -> Settled:
        """What the receipt changes; a range that does not hold is counted in `rejected` and changes nothing."""
        stored, refused = Ranges(), Ranges()
        first_id = self._first_ids.get(receipt.outbox_id)
        if first_id is None:  # rows sent before this process began, and none since
            self.rejected["receipt_unknown_outbox"] += 1
            return Settled(stored, refused, False)
        newest_id = self._shelf.newest_id()
        for (first, last), check in zip(receipt.ranges, receipt.checks, strict=True):
            self._settle_range(first + first_id - 1, last + first_id - 1, check, newest_id, stored)
        for seq in receipt.refused:
            self._refuse(seq + first_id - 1, refused)
        overtaken = receipt.new_outbox or receipt.high_seq > newest_id - first_id + 1
        return Settled(stored, refused, overtaken and self._leave(receipt.outbox_id))

    def _settle_range(self, first: int, last: int, check: int, newest_id: int, stored: Ranges) -> None:
        if last > newest_id:
            self.rejected["receipt_beyond"] += 1
        elif last - first >= RANGE_ROWS:
            self.rejected["receipt_too_long"] += 1
        elif (own := self._own_check(first, last)) == check:
            self._flights.receipted(first, last)
            for row_id in range(first, last + 1):
                self._refusals.pop(row_id, None)
            stored.add(first, last)
        else:
            # Other bytes are stored under our key (a cloned card), or some of these rows are gone already: whatever
            # is still here is sent again, and receipted or told apart by the store.
            self.rejected["receipt_partial" if own is None else "receipt_mismatch"] += 1

    def _own_check(self, first: int, last: int) -> int | None:
        """XOR of the checks of our rows first .. last; None when not all of them are here any more."""
        own, unknown = 0, Ranges()
        for row_id in range(first, last + 1):
            check = self._flights.check(row_id)
            if check is None:
                unknown.add(row_id)
            else:
                own ^= check
        if not len(unknown):
            return own
        rows = self._shelf.rows_of(unknown)
        for row in rows:
            own ^= row.check
        return own if len(rows) == unknown.count() else None

    def _refuse(self, row_id: int, refused: Ranges) -> None:
        if row_id not in self._flights:
            return
        self._refusals[row_id] += 1
        if self._refusals[row_id] <= REFUSALS_THEN_ALONE:
            self._flights.pending_again(row_id)
            return
        self._flights.give_up(row_id)
        del self._refusals[row_id]
        refused.add(row_id)

    def _leave(self, outbox_id: int) -> bool:
        """Is it time to ask for a new outbox_id: once for each, and only while rows are still appended to it."""
        current = max(self._first_ids, key=lambda name: self._first_ids[name])
        if outbox_id != current or outbox_id in self._left:
            return False
        self._left.add(outbox_id)
        return True

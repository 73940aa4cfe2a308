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
        self._newest_id = 0  # ever seen: the outbox's own forgets rows that are deleted
        self._refusals: Counter[int] = Counter()
        self._left: set[int] = set()

    def sent(self, rows: Sequence[Row]) -> None:
        """These rows were sent, so a receipt may name them."""
        self._newest_id = max(self._newest_id, *(row.id for row in rows))

    def was_refused(self, row_id: int) -> bool:
        """Was the row refused before: then it goes plain, where one bad check does not condemn the whole parcel."""
        return row_id in self._refusals

    def must_go_alone(self, row_id: int) -> bool:
        """Was the row refused so often that it must not take others down with it."""
        return self._refusals[row_id] >= REFUSALS_THEN_ALONE

    def settle(self, receipt: Receipt) -> Settled:
        """What the receipt changes; a range that does not hold is counted in `rejected` and changes nothing."""
        stored, refused = Ranges(), Ranges()
        ids = self._shelf.outboxes()
        if receipt.outbox_id not in ids.names():
            self.rejected["receipt_unknown_outbox"] += 1
            return Settled(stored, refused, False)
        self._newest_id = max(self._newest_id, self._shelf.newest_id())
        for (first, last), check in zip(receipt.ranges, receipt.checks, strict=True):
            named = ids.ids_of(receipt.outbox_id, Ranges([(first, last)]))
            self._settle_range(named, last - first + 1, check, stored)
        for row_id in ids.ids_of(receipt.outbox_id, Ranges([(seq, seq) for seq in receipt.refused])).seqs():
            self._refuse(row_id, refused)
        high = Ranges([(receipt.high_seq, receipt.high_seq)] if receipt.high_seq else [])
        overtaken = receipt.new_outbox or ids.ids_of(receipt.outbox_id, high).highest() > self._newest_id
        return Settled(stored, refused, overtaken and self._leave(receipt.outbox_id, ids.newest))

    def _settle_range(self, named: Ranges, length: int, check: int, stored: Ranges) -> None:
        if named.count() != length or named.highest() > self._newest_id:
            self.rejected["receipt_beyond"] += 1
        elif length > RANGE_ROWS:
            self.rejected["receipt_too_long"] += 1
        elif (own := self._own_check(named)) == check:
            for first, last in named:
                self._flights.receipted(first, last)
                stored.add(first, last)
            for row_id in named.seqs():
                self._refusals.pop(row_id, None)
        else:
            # Other bytes are stored under our key (a cloned card), or some of these rows are gone already: whatever
            # is still here is sent again, and receipted or told apart by the store.
            self.rejected["receipt_partial" if own is None else "receipt_mismatch"] += 1

    def _own_check(self, named: Ranges) -> int | None:
        """XOR of the checks of our rows; None when not all of them are here any more."""
        own, unknown = 0, Ranges()
        for row_id in named.seqs():
            check = self._flights.check(row_id)
            if check is None:
                unknown.add(row_id)
            else:
                own ^= check
        found = 0
        for rows, check in self._shelf.checks_of(unknown):
            found, own = found + rows, own ^ check
        return own if found == unknown.count() else None

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

    def _leave(self, outbox_id: int, newest_outbox_id: int) -> bool:
        """Is it time to ask for a new outbox_id: once for each, and only while rows are still appended to it."""
        if outbox_id != newest_outbox_id or outbox_id in self._left:
            return False
        self._left.add(outbox_id)
        return True

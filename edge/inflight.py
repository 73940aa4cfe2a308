"""What was sent and is not receipted yet, and which rows need not be looked at again. Pure, time is passed in."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from edge.packing import Row, row_bytes
from wire.ranges import Ranges


@dataclass(frozen=True, slots=True)
class Flight:
    """One row on its way."""

    outbox_id: int
    check: int
    bytes: int
    until_s: float


class InFlight:
    """Rows sent whose receipt is not due yet, by row id; `taken` also holds what is receipted but not yet deleted.

    Bounded by what the rule lets out (one bulk parcel and the live rows of 90 s); receipted rows are ranges, and
    stay: an id is never used again.
    """

    def __init__(self) -> None:
        self.taken = Ranges()
        self.bytes = 0
        self._flights: dict[int, Flight] = {}
        self._due: dict[float, deque[tuple[float, tuple[int, ...]]]] = {}

    def __contains__(self, row_id: int) -> bool:
        return row_id in self._flights

    def check(self, row_id: int) -> int | None:
        """The check of a row in flight, None when it is not."""
        flight = self._flights.get(row_id)
        return None if flight is None else flight.check

    def settled(self, row_id: int) -> bool:
        """Is the row receipted or given up, though it may still lie in the outbox for seconds."""
        return row_id in self.taken and row_id not in self._flights

    def sent(self, rows: Sequence[Row], now_s: float, timeout_s: float) -> None:
        """These rows are on their way; sending one again only moves its deadline."""
        until_s = now_s + timeout_s
        for row in rows:
            self._land(row.id)
            self._flights[row.id] = Flight(row.outbox_id, row.check, row_bytes(row), until_s)
            self.bytes += row_bytes(row)
            self.taken.add(row.id)
        # One queue a timeout: each is in the order of its deadlines by itself.
        self._due.setdefault(timeout_s, deque()).append((until_s, tuple(row.id for row in rows)))

    def receipted(self, first: int, last: int) -> None:
        """These rows are stored: they stay taken until they are deleted."""
        for row_id in range(first, last + 1):
            self._land(row_id)
        self.taken.add(first, last)

    def pending_again(self, row_id: int) -> None:
        """The row waits again; nothing happens unless it was in flight."""
        if self._land(row_id):
            self.taken.remove(row_id)

    def give_up(self, row_id: int) -> None:
        """The row is not sent again: it waits to become a tombstone."""
        self._land(row_id)
        self.taken.add(row_id)

    def expire(self, now_s: float) -> None:
        """Rows whose receipt is overdue wait again."""
        for queue in self._due.values():
            while queue and queue[0][0] <= now_s:
                for row_id in queue.popleft()[1]:
                    flight = self._flights.get(row_id)
                    if flight is not None and flight.until_s <= now_s:
                        self.pending_again(row_id)

    def _land(self, row_id: int) -> bool:
        flight = self._flights.pop(row_id, None)
        if flight is not None:
            self.bytes -= flight.bytes
        return flight is not None

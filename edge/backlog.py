"""Which rows of the outbox wait, newest first, without holding anything open and without reading what is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from edge.outbox_ids import OutboxIds
from edge.packing import ROW_OVERHEAD_BYTES, Row, row_bytes
from wire.ranges import Ranges

READ_ROWS: Final = 64  # rows of one read: about 8 kB, so memory does not grow with the backlog


class Shelf(Protocol):
    """The outbox as the uplink reads it; nothing is held open between two calls."""

    def newest_id(self) -> int:
        """The highest id of a row, 0 when there is none."""

    def above(self, row_id: int, limit_rows: int) -> Sequence[Row]:
        """Rows with a higher id, ascending."""

    def below(self, row_id: int, limit_rows: int, limit_bytes: int) -> Sequence[Row]:
        """Rows with a lower id, descending; at least one when there is any."""

    def alarms(self, limit_rows: int) -> Sequence[Row]:
        """Rows of class alarm, oldest first."""

    def rows_of(self, ids: Ranges) -> Sequence[Row]:
        """The rows of these ids that are still there."""

    def checks_of(self, ids: Ranges) -> Sequence[tuple[int, int]]:
        """(rows still there, XOR of their checks) of each range."""

    def outboxes(self) -> OutboxIds:
        """Row ids against (outbox_id, seq)."""

    def waiting(self) -> tuple[int, int]:
        """(rows, bytes of bodies) in the outbox, in flight ones included."""


def newest_waiting(shelf: Shelf, taken: Ranges, limit_bytes: int) -> list[Row]:
    """Rows not in `taken`, newest first, of one outbox, until `limit_bytes` are reached; jumps over taken ranges."""
    found: list[Row] = []
    size, upper, skips = 0, shelf.newest_id() + 1, list(taken)
    while size < limit_bytes:
        while skips and skips[-1][0] >= upper:
            skips.pop()
        if skips and skips[-1][1] >= upper - 1:
            upper = skips.pop()[0]
            continue
        floor = skips[-1][1] if skips else 0
        room = limit_bytes - size
        rows = shelf.below(upper, limit_rows=min(READ_ROWS, 1 + room // ROW_OVERHEAD_BYTES), limit_bytes=room)
        if not rows:
            break
        for row in rows:
            if row.id <= floor:
                break
            if found and row.outbox_id != found[0].outbox_id:
                return found
            found.append(row)
            size += row_bytes(row)
        upper = max(rows[-1].id, floor + 1)
    return found

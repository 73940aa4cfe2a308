"""Rows into the bytes of a parcel; a bulk parcel is filled to its limit measured after packing. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from wire.encode import packed_parcel, parcel, rows_message
from wire.pack import ROW_BYTES, may_be_packed, pack_rows

ROW_OVERHEAD_BYTES: Final = ROW_BYTES
PARCEL_OVERHEAD_BYTES: Final = 40  # waiting_bytes and stamps
FIRST_RATIO: Final = 0.6  # packed bytes a byte: real drives, rows of 10 fixes (architecture section 5)
RATIO_WEIGHT: Final = 0.5
MOST_ROWS: Final = 5_000  # the centre takes no more in a parcel
LEAST_RATIO: Final = 0.05  # bounds what is read for one parcel: 20 times its limit


class Row(Protocol):
    """What the uplink needs of a stored row; `id` is the row's place in the file, `seq` its place in its outbox."""

    @property
    def id(self) -> int: ...
    @property
    def outbox_id(self) -> int: ...
    @property
    def seq(self) -> int: ...
    @property
    def cls(self) -> int: ...
    @property
    def kind(self) -> int: ...
    @property
    def check(self) -> int: ...
    @property
    def body(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Stamps:
    """What ties a parcel to a session and to the clock of a boot."""

    session: int
    boot_id: int
    sent_boottime_ms: int


NO_STAMPS: Final = Stamps(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Packed:
    """Rows of one outbox, ascending; `packed` is their Rows message, None where plain is smaller or was not tried."""

    rows: tuple[Row, ...]
    packed: bytes | None = None

    def payload(self, waiting_bytes: int, stamps: Stamps = NO_STAMPS) -> bytes:
        """The parcel as it is published."""
        outbox_id, packed = self.rows[0].outbox_id, self.packed
        encode = partial(
            parcel if packed is None else packed_parcel,
            outbox_id,
            waiting_bytes=waiting_bytes,
            session=stamps.session,
            boot_id=stamps.boot_id,
            sent_boottime_ms=stamps.sent_boottime_ms,
        )
        return encode(_wire_rows(self.rows) if packed is None else packed)


def row_bytes(row: Row) -> int:
    """What a row takes in a parcel before packing, at most a few bytes too much."""
    return len(row.body) + ROW_OVERHEAD_BYTES


def leading(rows: Sequence[Row], limit_bytes: float) -> Sequence[Row]:
    """The first rows that are of one outbox and together no larger than the limit before packing; at least one."""
    size = 0
    for count, row in enumerate(rows):
        size += row_bytes(row)
        if count == MOST_ROWS or (count and (size > limit_bytes or row.outbox_id != rows[0].outbox_id)):
            return rows[:count]
    return rows


def plain(rows: Sequence[Row]) -> Packed:
    """All of `rows` (of one outbox) as they are: a live parcel is too small for packing to win anything."""
    return Packed(tuple(sorted(rows, key=lambda row: row.id)))


def _smaller(rows: Sequence[Row]) -> tuple[Packed, int]:
    """All of `rows` (of one outbox) in the smaller form that the centre takes, and its bytes without stamps."""
    as_they_are = plain(rows)
    packed_rows = pack_rows(rows_message(_wire_rows(as_they_are.rows)))
    forms = [as_they_are]
    if may_be_packed(len(packed_rows), len(rows), sum(len(row.body) for row in rows)):
        forms.append(Packed(as_they_are.rows, packed_rows))
    return min(((form, len(form.payload(0))) for form in forms), key=lambda sized: sized[1])


class Filler:
    """Fills parcels to a limit after packing: guesses by how the last ones packed, so mostly packs once."""

    def __init__(self) -> None:
        self._ratio = FIRST_RATIO

    def wanted_bytes(self, limit_bytes: int) -> int:
        """How many bytes of rows to read for a parcel of `limit_bytes`."""
        return int(limit_bytes / self._ratio) + 1

    def fill(self, rows: Sequence[Row], limit_bytes: int) -> Packed:
        """A parcel of the first of `rows` (in the order of sending), <= limit unless its only row is larger."""
        room = max(1, limit_bytes - PARCEL_OVERHEAD_BYTES)
        chosen = leading(rows, room / self._ratio)
        packed, size = self._pack(chosen)
        while size > room and len(chosen) > 1:
            # Each pass takes at least one row away, and by the measured ratio nearly always enough of them.
            keep = int(len(chosen) * room / size * 0.97)
            chosen = chosen[: min(max(1, keep), len(chosen) - 1)]
            packed, size = self._pack(chosen)
        return packed

    def _pack(self, rows: Sequence[Row]) -> tuple[Packed, int]:
        packed, size = _smaller(rows)
        if len(rows) > 1:
            measured = max(LEAST_RATIO, min(1.0, size / sum(row_bytes(row) for row in rows)))
            self._ratio += RATIO_WEIGHT * (measured - self._ratio)
        return packed, size


def _wire_rows(rows: Sequence[Row]) -> list[tuple[int, int, int, int, bytes]]:
    return [(row.seq, row.cls, row.kind, row.check, row.body) for row in rows]

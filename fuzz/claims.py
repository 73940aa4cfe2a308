"""Promises that more than one target makes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import xor

from wire.columns import HIGHEST, LOWEST
from wire.track import Track

MENDED = 0  # a first byte: what follows is made whole (checksums, frames, packing) before it is fed


def with_checksums(text: bytes) -> bytes:
    """Each line as a sentence that checks: a mutated one would seldom get behind the framer."""
    return b"".join(b"$%s*%02X\r\n" % (line, reduce(xor, line, 0)) for line in text.split(b"\n"))


def check_place(lat_e7: int, lon_e7: int) -> None:
    """A position is on this earth, and never 0,0 (I5)."""
    assert LOWEST[1] <= lat_e7 <= HIGHEST[1], lat_e7
    assert LOWEST[2] <= lon_e7 <= HIGHEST[2], lon_e7
    assert (lat_e7, lon_e7) != (0, 0)


def check_columns(track: Track) -> None:
    """Every column has a value or None for each fix, within the contract's limits."""
    count = len(track.times_ms)
    columns: Sequence[Sequence[int | None]] = track[:8]
    for column, low, high in zip(columns, LOWEST, HIGHEST, strict=True):
        assert len(column) == count
        assert all(value is None or low <= value <= high for value in column)
    assert all(0 <= index < count for index in track.estimated)

"""What a box packs, the centre takes: however alike its rows are, and however many fit."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.packing import MOST_ROWS, Filler
from wire.decode import decode_parcel
from wire.encode import check, event
from wire.kinds import CLASS_STATUS, KIND_EVENT

NOON = 1_795_435_200_000
PARCEL_BYTES = 16_000


@dataclass(frozen=True)
class Held:
    seq: int
    body: bytes
    outbox_id: int = 9
    cls: int = CLASS_STATUS
    kind: int = KIND_EVENT

    @property
    def id(self) -> int:
        return self.seq

    @property
    def check(self) -> int:
        return check(self.body)


def taken(filler: Filler, rows: list[Held]) -> int:
    """How many of the rows the next parcel brings to the centre."""
    packed = filler.fill(rows, PARCEL_BYTES)
    payload = packed.payload(0)
    assert len(payload) <= PARCEL_BYTES
    came = decode_parcel(payload)
    assert [(row.seq, row.body) for row in came.rows] == [(row.seq, row.body) for row in packed.rows]
    assert len(came.rows) <= MOST_ROWS
    return len(came.rows)


@pytest.mark.parametrize("apart_ms", [0, 10_000], ids=["the same", "one each ten seconds"])
def test_thousands_of_rows_that_are_alike_are_taken(apart_ms: int) -> None:
    bodies = [event(at=(NOON + n * apart_ms, 0, 0), name="fix_lost") for n in range(8_000)]
    rows, filler, parcels = [Held(seq, body) for seq, body in enumerate(bodies, 1)], Filler(), 0
    while rows:
        rows = rows[taken(filler, rows) :]
        parcels += 1
    assert parcels < 25


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=8), st.integers(0, 3_000)), min_size=1, max_size=4))
def test_whatever_is_packed_is_taken(kinds_of_rows: list[tuple[bytes, int]]) -> None:
    bodies = [body * (1 + len(body)) for body, times in kinds_of_rows for _ in range(1 + times)]
    rows, filler = [Held(seq, body) for seq, body in enumerate(bodies, 1)], Filler()
    for _ in range(3):
        taken(filler, rows)

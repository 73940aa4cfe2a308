"""What one transaction may be, whatever few bytes on the air turn out to hold."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from broker.committer import GROUP_BYTES, GROUP_ROWS, Committer
from broker.lanes import Cost, Lanes, Queued
from broker.store import open_store
from wire import records_pb2
from wire.decode import MAX_PARCEL_BYTES, MAX_ROWS
from wire.encode import check, packed_parcel, parcel
from wire.pack import pack_rows


def committer_of(lanes: Lanes, tmp_path: Path) -> Committer:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    return Committer(lanes, lambda: open_store(url, writer=True), lambda *_, **__: True, lambda _: None)


def many_rows(number: int) -> bytes:
    """As many as a parcel may have, in few bytes."""
    return parcel(5, [(MAX_ROWS * number + k + 1, 0, 0, 0, b"") for k in range(MAX_ROWS)])


def refused_rows(number: int) -> bytes:
    """The same, and no check holds."""
    return parcel(5, [(MAX_ROWS * number + k + 1, 0, 0, 1, b"") for k in range(MAX_ROWS)])


def large_row(number: int) -> bytes:
    """Nearly as large as a parcel may be, in a sixtieth of that."""
    body = random.Random(number).randbytes(16_000) + bytes(984_000)
    rows = records_pb2.Rows(seq_steps=[number + 1], lengths=[len(body)], bodies=body, checks=check(body))
    return packed_parcel(5, pack_rows(rows.SerializeToString()))


@pytest.mark.parametrize("lane", ["live", "bulk"])
@pytest.mark.parametrize(
    ("made", "count", "rows", "most_rows", "most_bytes"),
    [
        (many_rows, 8, MAX_ROWS, GROUP_ROWS + MAX_ROWS, 0),
        (refused_rows, 5, MAX_ROWS, GROUP_ROWS + MAX_ROWS, 0),
        (large_row, 20, 1, 20, GROUP_BYTES + MAX_PARCEL_BYTES),
    ],
)
def test_a_group_is_bounded_in_rows_and_bytes_and_the_rest_waits_for_the_next(
    tmp_path: Path, lane: str, made: Callable[[int], bytes], count: int, rows: int, most_rows: int, most_bytes: int
) -> None:
    lanes = Lanes()
    committer, queue = committer_of(lanes, tmp_path), getattr(lanes, lane)
    for number in range(count):
        queue.put(Queued("pantau/v1/box-1/up", made(number), 0.0))
    groups = []
    while lanes:
        groups.append(committer._read(*lanes.take(Cost(0.0))))
    assert sum(group.read_rows for group in groups) == count * rows, "nothing is lost"
    assert max(group.read_rows for group in groups) <= most_rows
    assert max(group.read_bytes for group in groups) <= most_bytes
    assert len(groups) > 1

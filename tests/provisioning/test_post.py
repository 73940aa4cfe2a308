"""The check's own outbox against a centre that is gone, refuses, or has other bytes: nothing leaves unreceipted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge.clock import Clock
from edge.errors import LinkRefused
from edge.outbox import OutboxReader
from provisioning.acceptance.post import PARCEL_ROWS, NotDelivered, Post
from wire.decode import Parcel, decode_parcel, encode_receipt
from wire.ranges import Ranges

NAME = "box-1"


def stored(parcel: Parcel, *, check: int = 0, new_outbox: bool = False) -> bytes:
    """The receipt of a store that has just these rows (`check` != 0: other bytes under their keys)."""
    seqs = Ranges([(row.seq, row.seq) for row in parcel.rows])
    checks = []
    for first, last in seqs:
        combined = check
        for row in parcel.rows:
            combined ^= row.check if first <= row.seq <= last else 0
        checks.append(combined)
    return encode_receipt(parcel.outbox_id, seqs, checks, utc_ms=1, store_id=5, new_outbox=new_outbox)


@dataclass
class Centre:
    """The other end of a connection: `answer` makes what comes down for each parcel; `lost` connections break first."""

    answer: Callable[[Parcel], list[bytes]] = lambda parcel: [stored(parcel)]
    lost: int = 0
    parcels: list[Parcel] = field(default_factory=list)
    down: deque[bytes] = field(default_factory=deque)

    @contextmanager
    def connect(self):  # type: ignore[no-untyped-def]
        self.down.clear()
        yield self

    def publish(self, topic: str, payload: bytes) -> None:
        assert topic == "pantau/v1/box-1/up"
        if self.lost:
            self.lost -= 1
            raise ConnectionResetError("taken over")
        self.parcels.append(decode_parcel(payload))
        self.down.extend(self.answer(self.parcels[-1]))

    def take(self, within_s: float) -> bytes | None:
        return self.down.popleft() if self.down else None


def names_waiting(folder: Path) -> int:
    reader = OutboxReader(folder / "outbox.db")
    try:
        return len(reader.above(0, 10_000))
    finally:
        reader.close()


def test_a_receipt_empties_it_and_says_how_far_the_clocks_are_apart(tmp_path: Path) -> None:
    centre = Centre()
    with Post(tmp_path, NAME, Clock()) as post:
        post.put("acceptance_begun", {"by": "siti"})
        delivered = post.deliver(centre.connect, 5.0)
        assert delivered.store_id == 5
        assert delivered.centre_ahead_s < -1_000_000, "that centre believes in 1970"
    assert names_waiting(tmp_path) == 0


@pytest.mark.parametrize(
    "answer",
    [
        lambda parcel: [],
        lambda parcel: [b"\xff\xff"],
        lambda parcel: [stored(parcel, check=1)],
        lambda parcel: [
            encode_receipt(parcel.outbox_id ^ 1, Ranges([(1, 1)]), [parcel.rows[0].check], utc_ms=1, store_id=5)
        ],
    ],
    ids=["silent", "nonsense", "other bytes", "another outbox"],
)
def test_what_no_receipt_names_stays_for_the_next_check(
    answer: Callable[[Parcel], list[bytes]], tmp_path: Path
) -> None:
    with Post(tmp_path, NAME, Clock()) as post:
        post.put("acceptance_begun", {})
        with pytest.raises(NotDelivered, match="no receipt"):
            post.deliver(Centre(answer).connect, 0.5)
    centre = Centre()
    with Post(tmp_path, NAME, Clock()) as post:
        post.put("acceptance_sheet", {"sheet": "x"})
        post.deliver(centre.connect, 5.0)
        assert post.waiting() == 0
    assert [row.seq for parcel in centre.parcels for row in parcel.rows] == [1, 2]
    assert len({parcel.outbox_id for parcel in centre.parcels}) == 1


def test_an_uplink_that_takes_its_place_back_is_waited_out(tmp_path: Path) -> None:
    centre = Centre(lost=2)
    with Post(tmp_path, NAME, Clock()) as post:
        post.put("acceptance_begun", {})
        post.deliver(centre.connect, 10.0)
        assert post.waiting() == 0


def test_a_broker_that_refuses_is_told_apart_from_one_that_is_away(tmp_path: Path) -> None:
    @contextmanager
    def refusing():  # type: ignore[no-untyped-def]
        raise LinkRefused("not authorised")
        yield

    @contextmanager
    def away():  # type: ignore[no-untyped-def]
        raise ConnectionRefusedError("nobody listens")
        yield

    with Post(tmp_path, NAME, Clock()) as post:
        post.put("acceptance_begun", {})
        for connect, refused in ((refusing, True), (away, False)):
            with pytest.raises(NotDelivered) as caught:
                post.deliver(connect, 0.5)
            assert caught.value.refused is refused
        assert post.waiting() == 1


def test_a_cloned_card_gets_an_outbox_of_its_own(tmp_path: Path) -> None:
    centre = Centre(lambda parcel: [stored(parcel, new_outbox=len(centre.parcels) == 1)])
    with Post(tmp_path, NAME, Clock()) as post:
        for _ in range(3):
            post.put("acceptance_begun", {})
            post.deliver(centre.connect, 5.0)
    first, second, third = (parcel.outbox_id for parcel in centre.parcels)
    assert first != second == third


def test_a_year_without_a_centre_goes_in_small_parcels_newest_first(tmp_path: Path) -> None:
    centre = Centre()
    with Post(tmp_path, NAME, Clock()) as post:
        for day in range(100):
            post.put("acceptance_sheet", {"sheet": "x" * 3000, "day": str(day)})
        post.deliver(centre.connect, 20.0)
        assert post.waiting() == 0
    seqs = [sorted((row.seq for row in parcel.rows), reverse=True) for parcel in centre.parcels]
    assert [seq for some in seqs for seq in some] == list(range(100, 0, -1))
    assert max(map(len, seqs)) <= PARCEL_ROWS
    assert max(sum(len(row.body) for row in parcel.rows) for parcel in centre.parcels) < 20_000


def test_two_checks_at_once_are_one_check_and_a_clear_word(tmp_path: Path) -> None:
    with Post(tmp_path, NAME, Clock()), pytest.raises(OSError, match="another check is running"):
        Post(tmp_path, NAME, Clock())
    with Post(tmp_path, NAME, Clock()) as post:
        assert post.waiting() == 0

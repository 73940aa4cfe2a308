"""A receipt names exactly what is stored, with the checks of those very bytes, when it is due."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise
from operator import xor

from hypothesis import given
from hypothesis import strategies as st

from broker.receipts import GATHER_ROWS, GATHER_S, Receipts

CHECKS = st.dictionaries(st.integers(1, 2**63 - 1) | st.integers(1, 60), st.integers(0, 2**32 - 1), min_size=1)


@given(CHECKS)
def test_ranges_and_checks_name_exactly_the_stored_rows(checks: dict[int, int]) -> None:
    receipts = Receipts()
    gathered = receipts.stored("a", 1, checks, now_mono_s=0.0)
    ranges, range_checks = gathered.ranges(), gathered.range_checks()
    assert len(ranges) == len(range_checks)
    covered = 0
    for (first, last), check in zip(ranges, range_checks, strict=True):
        rows = [seq for seq in checks if first <= seq <= last]
        assert len(rows) == last - first + 1
        assert reduce(xor, (checks[seq] for seq in rows)) == check
        covered += len(rows)
    assert covered == len(checks)
    assert all(before[1] + 1 < after[0] for before, after in pairwise(ranges))
    assert gathered.highest_seq() == max(checks)


def test_live_rows_are_gathered_for_a_minute() -> None:
    receipts = Receipts()
    receipts.stored("a", 1, {1: 10}, now_mono_s=100.0)
    receipts.stored("a", 1, {2: 20}, now_mono_s=110.0)
    assert receipts.due(100.0 + GATHER_S - 0.1) == []
    assert receipts.wait_s(150.0) == GATHER_S - 50.0
    [(key, gathered)] = receipts.due(100.0 + GATHER_S)
    assert (key, gathered.ranges(), gathered.range_checks()) == (("a", 1), [(1, 2)], [10 ^ 20])
    assert receipts.due(1e9) == []
    assert receipts.wait_s(0.0) is None


def test_a_row_that_came_twice_counts_once_in_the_check() -> None:
    receipts = Receipts()
    receipts.stored("a", 1, {7: 99}, now_mono_s=0.0)
    assert receipts.stored("a", 1, {7: 99}, now_mono_s=1.0).range_checks() == [99]


def test_a_hurried_one_takes_the_gathered_rows_with_it() -> None:
    receipts = Receipts()
    receipts.stored("a", 1, {1: 1}, now_mono_s=0.0)
    receipts.stored("b", 1, {1: 1}, now_mono_s=0.0)
    receipts.stored("a", 1, {5: 5}, now_mono_s=1.0)
    receipts.hurry("a", 1)
    assert receipts.wait_s(1.0) == 0.0
    [(key, gathered)] = receipts.due(1.0)
    assert key == ("a", 1)
    assert gathered.ranges() == [(1, 1), (5, 5)]
    assert [key for key, _ in receipts.due(GATHER_S)] == [("b", 1)]


def test_outboxes_of_one_unit_are_told_apart() -> None:
    receipts = Receipts()
    receipts.stored("a", 1, {1: 1}, now_mono_s=0.0)
    receipts.stored("a", 2, {1: 2}, now_mono_s=0.0)
    assert {key: gathered.range_checks() for key, gathered in receipts.all()} == {("a", 1): [1], ("a", 2): [2]}
    assert receipts.all() == []


def test_a_flood_of_rows_does_not_wait() -> None:
    receipts = Receipts()
    for seq in range(1, GATHER_ROWS + 1):
        receipts.stored("a", 1, {2 * seq: seq}, now_mono_s=0.0)
    assert len(receipts.due(0.0)) == 1


def test_the_first_parcel_of_a_session_is_greeted_once() -> None:
    receipts = Receipts()
    assert [receipts.greets("a", session) for session in (None, 4, 4, None, 5, 5)] == [
        False, True, False, False, True, False,
    ]  # fmt: skip

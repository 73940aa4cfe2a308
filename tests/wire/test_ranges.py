"""Ranges behave like the sets they stand for, and nonsense from outside is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from wire.errors import PeerViolation
from wire.ranges import MAX_RANGES, MAX_SEQ, Ranges

pairs = st.tuples(st.integers(1, 60), st.integers(0, 8)).map(lambda pair: (pair[0], pair[0] + pair[1]))
some_ranges = st.lists(pairs, max_size=12).map(Ranges)


def members(ranges: Ranges) -> set[int]:
    return set(ranges.seqs())


class RangesAreSets(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.ranges = Ranges()
        self.model: set[int] = set()

    @rule(pair=pairs)
    def add(self, pair: tuple[int, int]) -> None:
        self.ranges.add(*pair)
        self.model |= set(range(pair[0], pair[1] + 1))

    @rule(pair=pairs)
    def remove(self, pair: tuple[int, int]) -> None:
        self.ranges.remove(*pair)
        self.model -= set(range(pair[0], pair[1] + 1))

    @rule(seq=st.integers(1, 70))
    def add_one(self, seq: int) -> None:
        self.ranges.add(seq)
        self.model.add(seq)

    @invariant()
    def same_members(self) -> None:
        assert members(self.ranges) == self.model
        assert [seq in self.ranges for seq in range(75)] == [seq in self.model for seq in range(75)]
        assert self.ranges.count() == len(self.model)
        assert self.ranges.highest() == max(self.model, default=0)
        assert bool(self.ranges) == bool(self.model)

    @invariant()
    def sorted_and_apart(self) -> None:
        flat = [bound for pair in self.ranges for bound in pair]
        assert flat == sorted(flat)
        assert all(after - last > 1 for last, after in zip(flat[1::2], flat[2::2], strict=False))


TestRangesAreSets = RangesAreSets.TestCase


@given(some_ranges, some_ranges)
def test_union_and_minus_are_those_of_sets(one: Ranges, other: Ranges) -> None:
    before = (list(one), list(other))
    assert members(one.union(other)) == members(one) | members(other)
    assert members(one.minus(other)) == members(one) - members(other)
    assert one.union(other) == other.union(one)
    assert before == (list(one), list(other))


@given(some_ranges)
def test_packed_ranges_come_back(ranges: Ranges) -> None:
    assert Ranges.unpack(ranges.pack()) == ranges


def test_packed_as_the_contract_says() -> None:
    assert Ranges([(1, 3), (7, 7)]).pack() == [1, 3, 3, 1]
    assert list(Ranges.unpack([MAX_SEQ, 1])) == [(MAX_SEQ, MAX_SEQ)]


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 3), max_size=10))
def test_numbers_from_outside_are_ranges_or_a_violation(numbers: list[int]) -> None:
    try:
        ranges = Ranges.unpack(numbers)
    except PeerViolation:
        return
    assert ranges.pack() == numbers
    assert ranges.highest() <= MAX_SEQ


@pytest.mark.parametrize("numbers", [[1], [0, 1], [1, 0], [1, 1, 0, 1], [MAX_SEQ, 2], [1, 1] * (MAX_RANGES + 1)])
def test_nonsense_is_a_violation(numbers: list[int]) -> None:
    with pytest.raises(PeerViolation):
        Ranges.unpack(numbers)


@pytest.mark.parametrize("pair", [(0, 1), (2, 1), (-1, 1), (1, MAX_SEQ + 1)])
def test_what_is_no_seq_can_not_be_added(pair: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="seqs"):
        Ranges([pair])

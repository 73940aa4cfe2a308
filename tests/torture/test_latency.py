"""What is live is measured, and backlog is not taken for a slow centre."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torture.account import Epoch
from torture.latency import Latency, quantile


def epochs(n: int) -> list[Epoch]:
    return [Epoch(i, float(i), i + 0.1) for i in range(n)]


def test_a_row_is_as_late_as_its_newest_epoch() -> None:
    latency = Latency()
    latency.put_in("box-1", epochs(10))
    latency.heard("box-1", [0, 1, 2], 2.5)
    assert latency.taken() == pytest.approx((0.4, 0.4))
    assert latency.taken() is None and latency.rows == 1


def test_a_row_heard_again_or_of_another_unit_counts_once() -> None:
    latency = Latency()
    latency.put_in("box-1", epochs(10))
    latency.put_in("box-1", epochs(10))
    for _ in range(2):
        latency.heard("box-1", [0], 1.1)
        latency.heard("box-2", [0], 9.0)
    assert latency.taken() == pytest.approx((1.0, 1.0)) and latency.rows == 1


def test_what_was_under_way_in_an_outage_is_backlog_until_the_unit_was_heard_again() -> None:
    latency = Latency()
    latency.put_in("box-1", epochs(40))
    latency.heard("box-1", [1], 1.5)
    latency.away("box-1", 3.5)
    latency.heard("box-1", [3], 20.0)  # written before the cut, arrived after it
    latency.free("box-1", 10.0)
    latency.heard("box-1", [5], 20.0)
    latency.heard("box-1", [12], 20.0)  # the first row of the new session waited for the connection
    latency.heard("box-1", [15], 20.1)  # so did this one
    latency.heard("box-1", [21], 21.5)
    latency.heard("box-1", [2], 22.0)  # backlog
    assert latency.taken() == pytest.approx((0.4, 0.4)) and latency.rows == 2


def test_an_outage_of_one_unit_is_not_that_of_another() -> None:
    latency = Latency()
    latency.put_in("box-2", epochs(10))
    latency.away("box-1", 0.0)
    latency.heard("box-2", [3], 3.5)
    assert latency.rows == 1


@given(values=st.lists(st.floats(0, 100), min_size=1), share=st.floats(0.0, 1.0), seed=st.integers())
def test_a_quantile_is_one_of_the_values_and_at_least_that_share_do_not_exceed_it(
    values: list[float], share: float, seed: int
) -> None:
    random.Random(seed).shuffle(values)
    found = quantile(sorted(values), share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)

"""The reconnect-storm rule: full jitter, from the fleet's spread to its bound, reset only by a receipt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.backoff import HURRY_S, Backoff, Doubling


def longest(low: float, high: float) -> float:
    return high


@pytest.mark.parametrize(
    "units, bounds",
    [(3, [1, 1, 2, 4, 8, 16, 30, 30]), (3_000, [6, 6, 12, 24, 30, 30, 30]), (20_000, [40, 40, 40, 40, 40, 40, 40])],
)
def test_bounds_double_from_twice_the_fleets_spread_to_30_s_or_the_spread(units: int, bounds: list[float]) -> None:
    backoff = Backoff(units, uniform=longest)
    assert [backoff.after_loss() for _ in bounds] == bounds


def test_while_somebody_calls_for_help_no_wait_after_a_loss_is_long() -> None:
    backoff = Backoff(3_000, uniform=longest)
    waits = [backoff.after_loss() for _ in range(4)]
    backoff.hurry = True
    assert [backoff.after_loss() for _ in range(3)] == [HURRY_S] * 3
    backoff.hurry = False
    assert backoff.after_loss() > waits[-1], "what was tried meanwhile counts"


def test_only_what_worked_end_to_end_starts_it_over() -> None:
    backoff = Backoff(3_000, uniform=longest)
    for _ in range(5):
        backoff.after_loss()
    backoff.worked()
    assert backoff.after_loss() == 6.0


def test_every_delay_is_spread_over_its_whole_range() -> None:
    first = [Backoff(3_000).after_loss() for _ in range(500)]
    assert min(first) < 0.5 and max(first) > 5.5


def test_a_refusal_is_tried_again_slowly_and_an_own_link_quickly() -> None:
    backoff = Backoff(20_000)
    assert all(60.0 <= backoff.after_refusal() <= 300.0 for _ in range(100))
    assert all(backoff.link_came_back() <= 2.0 for _ in range(100))


def test_testing_makes_every_delay_short() -> None:
    backoff = Backoff(20_000, testing=True)
    assert max(backoff.after_loss(), backoff.after_refusal(), backoff.link_came_back()) <= 0.02


@given(st.integers(0, 1_000_000), st.integers(1, 2_000))
def test_no_delay_is_ever_beyond_its_bound(units: int, attempts: int) -> None:
    backoff = Backoff(units)
    assert all(0.0 <= backoff.after_loss() <= max(30.0, units * 0.002) for _ in range(min(attempts, 50)))


def test_doubling_is_bounded_and_never_sooner_than_its_least() -> None:
    alarm = Doubling(5.0, 60.0, least_s=2.0)
    assert [alarm.delay_s(times, longest) for times in (1, 2, 3, 4, 5, 6, 1_000)] == [5, 10, 20, 40, 60, 60, 60]
    assert alarm.delay_s(1, lambda low, _high: low) == 2.0

"""A slope that is there is found whatever else happens; where there is none, none is."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from torture.slope import LEAST_POINTS, MOST_POINTS, Point, after_warm_up, binned, trend

HOUR = [5.0 * i for i in range(720)]
slopes = st.floats(-0.1, 0.1)  # a second
seeds = st.integers(0, 10_000)


def drive(per_s: float, *, noise: float = 0.0, seed: int = 0, begin_s: float = 0.0, level: float = 20.0) -> list[Point]:
    luck = random.Random(seed)
    return [(begin_s + at, level + per_s * at + luck.uniform(-noise, noise)) for at in HOUR]


@given(per_s=slopes, seed=seeds)
def test_a_known_drift_is_found_under_noise(per_s: float, seed: int) -> None:
    found = trend([drive(per_s, noise=1.0, seed=seed)])
    assert found is not None
    assert abs(found.per_s - per_s) < 2e-4  # 0.7 an hour, under noise of 2
    assert found.least_per_s <= found.per_s <= found.most_per_s
    assert found.over_s > 2600


@given(seed=seeds)
def test_noise_alone_grows_by_less_than_the_noise(seed: int) -> None:
    found = trend([drive(0.0, noise=1.0, seed=seed)])
    assert found is not None
    assert abs(found.growth) < 0.5


@given(seed=seeds, share=st.floats(0.0, 0.2))
def test_outages_do_not_move_it(seed: int, share: float) -> None:
    luck = random.Random(seed)
    life = [(at, 1000.0 if luck.random() < share else value) for at, value in drive(0.01, noise=0.1, seed=seed)]
    found = trend([life])
    assert found is not None
    assert 0.008 < found.per_s < 0.012


@given(levels=st.lists(st.floats(0.0, 100.0), min_size=1, max_size=5))
def test_a_process_that_starts_again_at_another_level_does_not_drift(levels: list[float]) -> None:
    lives = [drive(0.0, begin_s=4000.0 * i, level=level) for i, level in enumerate(levels)]
    found = trend(lives)
    assert found is not None
    assert found.per_s == 0.0 and not found.rises


def test_what_every_life_does_is_found_though_each_starts_again() -> None:
    found = trend([drive(0.01, begin_s=4000.0 * i, noise=0.1, seed=i) for i in range(3)])
    assert found is not None and found.rises
    assert 0.0099 < found.per_s < 0.0101


def test_a_staircase_of_one_each_ten_minutes_rises_by_six_an_hour() -> None:
    found = trend([[(at, 24.0 + at // 600) for at in HOUR]])
    assert found is not None and found.rises
    assert 5.5 < found.per_hour < 6.5


def test_the_first_part_of_each_life_is_warm_up() -> None:
    life = [(at, min(at, 1800.0)) for at in HOUR]
    found = trend([life], warm_up=0.51)
    assert found is not None and found.per_s == 0.0
    cold = trend([life], warm_up=0.0)
    assert cold is not None and cold.rises
    assert after_warm_up(life)[0] == (900.0, 900.0)


def test_lives_too_short_say_nothing() -> None:
    short = drive(1.0)[: LEAST_POINTS - 1]
    assert trend([]) is None and trend([[], short]) is None
    longer = trend([short, drive(0.0)])
    assert longer is not None and longer.per_s == 0.0


@given(length=st.integers(0, 3000))
def test_bins_keep_order_and_every_point_counts(length: int) -> None:
    life = [(float(i), float(i)) for i in range(length)]
    found = binned(life)
    assert len(found) == min(length, MOST_POINTS)
    assert list(found) == sorted(found)
    if length:
        assert found[0][0] <= length / MOST_POINTS and found[-1][0] >= length - 1 - length / MOST_POINTS

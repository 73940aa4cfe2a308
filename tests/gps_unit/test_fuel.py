"""Litres: straight between the table's points; what the engine cannot have burnt is told, with litres, once."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.gps_unit.fuel import Calibration, Fuel, FuelChange

TANK = Calibration([(0.0, 0.0), (1.0, 200.0)])


def drive(fuel: Fuel, litres: list[float], *, slosh_l: float = 0.0, begin_s: float = 0.0) -> list[FuelChange]:
    """One sample a second of these levels."""
    noise = random.Random(1)
    found = []
    for second, level in enumerate(litres):
        share = (level + noise.uniform(-slosh_l, slosh_l)) / 200
        change = fuel.sampled(min(max(share, 0.0), 1.0), begin_s + second)
        found += [change] if change else []
    return found


def tank(kept_l: float | None = None) -> Fuel:
    return Fuel(TANK, change_l=10, burns_l_per_h=60, kept_l=kept_l)


def test_a_table_is_straight_between_its_points_and_level_beyond_them() -> None:
    sender = Calibration([(0.9, 0.0), (0.5, 50.0), (0.1, 80.0)])  # falls while the tank fills, and the tank is no box
    assert [sender.litres(share) for share in (1.0, 0.9, 0.7, 0.5, 0.1, 0.0)] == pytest.approx([0, 0, 25, 50, 80, 80])


@given(
    st.lists(st.tuples(st.integers(0, 1000), st.floats(0, 500)), min_size=2, max_size=9, unique_by=lambda p: p[0]),
    st.floats(0, 1),
)
def test_no_reading_leaves_the_tables_litres(points: list[tuple[int, float]], share: float) -> None:
    table = [(reading / 1000, litres) for reading, litres in points]
    litres = [each for _, each in table]
    assert min(litres) - 1e-6 <= Calibration(table).litres(share) <= max(litres) + 1e-6


def test_a_day_of_work_with_slosh_tells_nothing() -> None:
    burnt = [150 - 50 * second / 7200 for second in range(7200)]  # 25 l/h
    assert drive(tank(), burnt, slosh_l=20) == []


def test_a_refill_is_told_once_with_its_litres() -> None:
    filling = [60.0] * 300 + [60 + 40 * second / 60 for second in range(120)] + [140.0] * 300  # 40 l/min, 80 l
    (change,) = drive(tank(), filling, slosh_l=2)
    assert change.litres == pytest.approx(80, abs=3)
    assert change.level_l == pytest.approx(140, abs=3)


def test_a_slow_siphon_is_told() -> None:
    siphoned = [100.0] * 300 + [100 - 5 * second / 60 for second in range(360)] + [70.0] * 300  # 5 l/min, 30 l
    changes = drive(tank(), siphoned, slosh_l=1)
    assert sum(change.litres for change in changes) == pytest.approx(-30, abs=7)
    assert all(change.litres < 0 for change in changes)


def test_what_went_while_the_box_was_off_is_told_when_it_is_on_again() -> None:
    (change,) = drive(tank(kept_l=120.0), [85.0] * 300)
    assert change == FuelChange(pytest.approx(-35, abs=1), pytest.approx(85, abs=1))
    assert drive(tank(kept_l=86.0), [85.0] * 300) == []


def test_before_a_minute_of_samples_nothing_is_known() -> None:
    fuel = tank(kept_l=50.0)
    assert drive(fuel, [150.0] * 50) == []
    assert not fuel.measured
    assert fuel.level_l == 50.0

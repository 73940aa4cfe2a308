"""When a fix is news: by time, way, turn, speed, and by what a map shows meanwhile; in each mode."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.gps_unit.fix import Fix
from edge.gps_unit.modes import LONGEST_BURST_MIN, Modes, Profiles
from edge.gps_unit.motion import distance_m
from edge.gps_unit.profile import RECKONED_S, Profile, news, reckoned, turned_deg

START = Fix(
    utc_ms=1_800_000_000_000, time_of_day_ms=0, boottime_ms=0, lat_deg=-6.2, lon_deg=106.8, speed_mps=10.0,
    course_deg=359.0,
)  # fmt: skip


def later(fix: Fix, after_s: float, **other: object) -> Fix:
    assert fix.utc_ms is not None
    return replace(fix, utc_ms=fix.utc_ms + int(after_s * 1000), **other)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "after", "degrees"), [(359.0, 1.0, 2.0), (1.0, 359.0, 2.0), (10.0, 190.0, 180.0), (90.0, 45.0, 45.0)]
)
def test_a_turn_over_north_is_a_small_one(before: float, after: float, degrees: float) -> None:
    assert turned_deg(replace(START, course_deg=before), replace(START, course_deg=after)) == pytest.approx(degrees)


@given(st.floats(0, 360, exclude_max=True), st.floats(0, 360, exclude_max=True))
def test_a_turn_is_the_same_both_ways_and_at_most_half_round(before: float, after: float) -> None:
    there = turned_deg(replace(START, course_deg=before), replace(START, course_deg=after))
    back = turned_deg(replace(START, course_deg=after), replace(START, course_deg=before))
    assert 0.0 <= there <= 180.0
    assert there == pytest.approx(back, abs=1e-6)


def test_the_course_of_what_hardly_moves_is_no_turn() -> None:
    assert turned_deg(replace(START, speed_mps=1.0), replace(START, course_deg=90.0)) == 0.0


@pytest.mark.parametrize(
    ("profile", "change", "why"),
    [
        (Profile(period_s=1.0), {}, "period"),
        (Profile(distance_m=100.0), {"lat_deg": -6.1985}, "distance"),
        (Profile(angle_deg=20.0), {"course_deg": 20.0}, "angle"),
        (Profile(speed_mps=5.0), {"speed_mps": 5.0}, "speed"),
        (Profile(drift_m=8.0), {}, "drift"),  # 10 m/s and did not move on
        (Profile(drift_m=11.0), {}, None),
        (Profile(), {"course_deg": 90.0, "speed_mps": 0.0}, None),
        (Profile(), {"parked": True}, "standing"),
    ],
)
def test_each_limit_alone_makes_news(profile: Profile, change: dict[str, object], why: str | None) -> None:
    assert news(profile, START, later(START, 1.0, **change)) == why


def test_a_map_that_goes_on_by_speed_and_course_is_where_a_steady_vehicle_is() -> None:
    ahead = reckoned(replace(START, course_deg=90.0), 10.0)
    assert distance_m(START, ahead) == pytest.approx(100.0, rel=0.01)
    assert ahead.lat_deg == pytest.approx(START.lat_deg)


def test_no_map_goes_on_for_ever() -> None:
    assert distance_m(START, reckoned(START, 3600.0)) == pytest.approx(10.0 * RECKONED_S, rel=0.01)


class Hours:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def hours() -> Hours:
    return Hours()


@pytest.fixture
def modes(hours: Hours) -> Modes:
    profiles = Profiles(moving=Profile(period_s=10.0), mission=Profile(period_s=5.0), working=Profile(period_s=60.0))
    return Modes(profiles, hours)


def reports(modes: Modes, seconds: int, *, parked: bool = False) -> int:
    """How many of so many fixes, one a second, are news after the first."""
    assert modes.is_news(replace(START, parked=parked))
    return sum(modes.is_news(later(START, second, parked=parked)) is not None for second in range(1, seconds + 1))


def test_each_mode_has_its_own_beat(modes: Modes) -> None:
    assert reports(modes, 60) == 6


def test_a_beacon_or_the_centre_makes_a_mission(modes: Modes) -> None:
    modes.input("beacon", True)
    assert reports(modes, 60) == 12
    modes.input("beacon", False)
    assert modes.mode(parked=False) == "moving"
    modes.order_mission(True)
    assert modes.mode(parked=False) == "mission"


def test_what_stands_and_works_reports_and_what_is_parked_does_not(modes: Modes) -> None:
    assert reports(modes, 600, parked=True) == 0


def test_what_works_in_place_reports_each_minute(modes: Modes) -> None:
    modes.input("pto", True)
    assert reports(modes, 600, parked=True) == 10
    assert modes.mode(parked=False) == "moving"


def test_in_a_burst_every_fix_is_news_until_it_is_over(modes: Modes, hours: Hours) -> None:
    modes.burst(1)
    assert reports(modes, 30, parked=True) == 30
    hours.now_s += 60.0
    assert modes.mode(parked=True) == "parked"


@pytest.mark.parametrize("minutes", [-1, LONGEST_BURST_MIN + 1])
def test_a_burst_is_bounded(modes: Modes, minutes: int) -> None:
    with pytest.raises(ValueError, match="minutes"):
        modes.burst(minutes)


def test_an_ordered_mission_outlives_the_process() -> None:
    kept = [False]
    profiles = Profiles(moving=Profile(), mission=Profile(), working=Profile())
    Modes(profiles, Hours(), remember=lambda on: kept.append(on)).order_mission(True)
    assert Modes(profiles, Hours(), ordered=kept[-1]).mode(parked=False) == "mission"


def test_by_interval_only_a_mission_work_or_a_burst_is_news() -> None:
    clock = Hours()
    profiles = Profiles(moving=Profile(period_s=1.0), mission=Profile(period_s=1.0), working=Profile(period_s=1.0))
    modes = Modes(profiles, clock, by_interval=True)
    assert modes.is_news(START) is None and modes.is_news(later(START, 60.0)) is None
    modes.order_mission(True)
    assert modes.is_news(later(START, 120.0)) == "first"

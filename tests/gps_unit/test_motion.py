"""Policy: a bad point poisons nothing, a parked day is 0 m, driving off is seen at once."""

from dataclasses import replace
from itertools import pairwise
from math import cos, exp, pi, radians, sin, sqrt
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.gps_unit.fix import Fix
from edge.gps_unit.motion import FixWatch, JumpFilter, Limit, ParkedAnchor, Policy, QualityGate, distance_m, elapsed_s

NOON = 1_795_435_200_000
LAT, LON = -6.1754, 106.8272


def fix(second: float, east_m: float = 0, north_m: float = 0, speed: float | None = 0.0, **said: object) -> Fix:
    at = Fix(
        utc_ms=NOON + round(1000 * second),
        time_of_day_ms=round(1000 * second),
        boottime_ms=None,
        lat_deg=LAT + north_m / 111_195,
        lon_deg=LON + east_m / 111_195 / cos(radians(LAT)),
        speed_mps=speed,
        course_deg=None,
        hdop=0.9,
        satellites=9,
    )
    return replace(at, **said)  # type: ignore[arg-type]


def track_m(fixes: list[Fix]) -> float:
    return sum(distance_m(a, b) for a, b in pairwise(fixes))


def fed(policy: Policy, fixes: list[Fix], ignition: bool | None = None) -> list[Fix]:
    return [out for one in fixes if (out := policy.feed(one, ignition))]


def drive(start_s: int, seconds: int, east_m: float = 0, speed: float = 10.0) -> list[Fix]:
    return [fix(start_s + n, east_m + speed * n, speed=speed) for n in range(seconds)]


def parked(seconds: int, seed: int = 1, with_speed: bool = True) -> list[Fix]:
    """A receiver at rest as receivers are: position error correlated over 5 minutes (sigma 5 m each way), multipath of
    up to 20 m that turns with the satellites' half-day, Doppler noise of 0.15 m/s with a spike of up to 3 m/s once in
    20 minutes."""
    chance = Random(seed)
    keep = exp(-1 / 300)
    east = north = 0.0
    fixes = []
    for second in range(seconds):
        east = keep * east + 5 * sqrt(1 - keep * keep) * chance.gauss(0, 1)
        north = keep * north + 5 * sqrt(1 - keep * keep) * chance.gauss(0, 1)
        sway = 20 * sin(2 * pi * second / 43_200)
        speed = abs(chance.gauss(0, 0.15)) + (chance.uniform(0, 3) if chance.random() < 1 / 1200 else 0)
        fixes.append(fix(second, east + sway, north, speed=speed if with_speed else None))
    return fixes


def test_distance_and_time_are_plain() -> None:
    assert distance_m(fix(0), fix(0, 30, 40)) == pytest.approx(50, rel=1e-3)
    assert distance_m(replace(fix(0), lon_deg=179.9999), replace(fix(0), lon_deg=-179.9999)) == pytest.approx(22, abs=1)
    assert elapsed_s(fix(0), fix(2.5)) == elapsed_s(fix(2.5), fix(0)) == 2.5
    booted = replace(fix(0), utc_ms=None, boottime_ms=1000)
    assert elapsed_s(booted, replace(booted, boottime_ms=4000)) == 3
    undated = replace(fix(0), utc_ms=None, time_of_day_ms=86_399_000)
    assert elapsed_s(undated, replace(undated, time_of_day_ms=1000)) == 2


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"hdop": 23.9}, "hdop"),
        ({"satellites": 3}, "satellites"),
        ({"synthetic": True, "estimated": True}, "synthetic"),
        ({"hdop": None, "satellites": None}, None),
        ({"estimated": True, "hdop": 99.0, "satellites": 0}, None),  # dead reckoning needs no satellites
    ],
)
def test_the_gate_names_its_reason(said: dict[str, object], reason: str | None) -> None:
    assert QualityGate().judge(fix(0, **said)) == reason


def test_the_gate_does_not_flutter_at_its_limit() -> None:
    gate = QualityGate(hdop=Limit(5.0, 10.0))
    hdops = [6.0, 4.9, 6.0, 9.9, 10.1, 9.0, 6.0, 5.0]
    assert [gate.judge(fix(n, hdop=hdop)) for n, hdop in enumerate(hdops)] == [
        "hdop", None, None, None, "hdop", "hdop", "hdop", None,
    ]  # fmt: skip


def test_a_bad_first_point_never_comes_out_and_poisons_nothing() -> None:
    policy = Policy()
    bad = fix(0, 50_000, 50_000)
    out = fed(policy, [bad, *drive(1, 20)])
    assert all(distance_m(one, fix(0)) < 300 for one in out)
    assert policy.rejected == {"unconfirmed": 3}
    assert len(out) == 18


def test_a_jump_is_rejected_and_the_way_goes_on() -> None:
    policy = Policy()
    way = drive(0, 30)
    out = fed(policy, [*way[:15], fix(15, 5_000, speed=10.0), *way[16:]])
    assert policy.rejected == {"unconfirmed": 2, "jump": 1}
    assert out[-1].utc_ms == way[-1].utc_ms


def test_agreeing_fixes_win_over_what_was_believed() -> None:
    filter_ = JumpFilter()
    for one in drive(0, 10):
        filter_.judge(one)
    moved = drive(10, 5, east_m=20_000)
    assert [filter_.judge(one) for one in moved] == ["jump", "jump", None, None, None]


def test_a_tunnel_is_no_jump() -> None:
    filter_ = JumpFilter()
    before, after = drive(0, 10), drive(100, 5, east_m=1_500)
    assert [filter_.judge(one) for one in before + after][2:] == [None] * 13


@given(st.lists(st.tuples(st.integers(-40_000, 40_000), st.booleans()), max_size=20), st.integers(0, 3))
def test_whatever_came_before_a_real_way_wins_within_a_few_fixes(noise: list[tuple[int, bool]], seed: int) -> None:
    filter_ = JumpFilter()
    for second, (east, fast) in enumerate(noise):
        filter_.judge(fix(second, east, speed=40.0 if fast else None))
    judged = [filter_.judge(one) for one in drive(100 + seed, 6, east_m=100_000)]
    assert judged[3:] == [None, None, None]


@pytest.mark.parametrize("with_speed", [True, False])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_parked_day_is_0_m_of_track(with_speed: bool, seed: int) -> None:
    day = parked(86_400, seed, with_speed)
    assert track_m(day) > 10_000  # what the receiver itself would have driven
    policy = Policy()
    out = fed(policy, day)
    assert track_m(out) == 0
    assert all(one.parked and one.speed_mps == 0 for one in out)
    assert len(out) > 86_300


@pytest.mark.parametrize("ignition", [None, False, True])
def test_driving_off_is_seen_within_a_couple_of_epochs(ignition: bool | None) -> None:
    policy = Policy()
    fed(policy, parked(600), ignition)
    away = [fix(600 + n, 0.5 * 2.0 * n * n, speed=2.0 * n) for n in range(1, 8)]  # 2 m/s2
    assert [one.parked for one in fed(policy, away, ignition)] == [True] + [False] * 6


def test_without_speed_driving_off_is_seen_by_the_position() -> None:
    policy = Policy()
    fed(policy, parked(600, with_speed=False))
    away = [replace(fix(600 + n, 10.0 * n), speed_mps=None) for n in range(1, 20)]
    assert sum(one.parked for one in fed(policy, away)) <= 13


def test_a_stop_is_held_where_it_was_and_a_start_is_not_lost() -> None:
    policy = Policy()
    moving = drive(0, 60)
    stop = [fix(60 + n, 590 + Random(n).gauss(0, 1), speed=0.1) for n in range(120)]
    again = drive(180, 60, east_m=590)
    out = fed(policy, moving + stop + again)
    standing = [one for one in out if one.parked and 66_000 <= (one.time_of_day_ms or 0) < 180_000]
    assert len(standing) == 114
    assert track_m(standing) == 0
    assert track_m(out) == pytest.approx(1180, abs=30)


def test_a_crawl_in_a_jam_is_no_parking() -> None:
    anchor = ParkedAnchor()
    crawl = [anchor.hold(fix(n, 1.0 * n, speed=1.0)) for n in range(600)]
    assert track_m(crawl) > 500


def test_ignition_off_anchors_at_once_and_holds_far_wandering() -> None:
    anchor = ParkedAnchor()
    for one in drive(0, 10):
        anchor.hold(one)
    assert anchor.hold(fix(10, 95, speed=0.2), ignition=False).parked
    wandering = [anchor.hold(fix(11 + n, 95 + 200 * sin(n / 300), speed=0.2), ignition=False) for n in range(3600)]
    assert track_m(wandering) == 0


def test_a_fix_is_declared_stale_while_the_source_talks_and_found_again_once() -> None:
    watch = FixWatch(limit_s=60)
    edges = [watch.observe(float(second), fixed=second < 5 or second > 100) for second in range(110)]
    assert [(second, edge) for second, edge in enumerate(edges) if edge is not None] == [(64, True), (101, False)]
    never = FixWatch(limit_s=60)
    assert [never.observe(float(second), fixed=False) for second in (1000, 1059, 1060)] == [None, None, True]
    assert never.stale

"""Thinning keeps its word: no fix that was left out is farther from the line than the tolerance."""

from __future__ import annotations

import csv
from itertools import pairwise
from math import cos, radians, sin, sqrt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.thin import thin

Point = tuple[int, int, int]
tolerances = st.floats(0.1, 100)


def walks(steps_ms: st.SearchStrategy[int]) -> st.SearchStrategy[list[Point]]:
    """Ways of up to 40 fixes with steps of up to 30 m each way, anywhere, over the antimeridian too."""
    move = st.integers(-2700, 2700)
    moves = st.lists(st.tuples(steps_ms, move, move), max_size=40)
    starts = st.tuples(st.integers(-800_000_000, 800_000_000), st.sampled_from([0, 1_068_272_000, 1_799_999_000]))
    return st.builds(walked, starts, moves)


def walked(start: tuple[int, int], moves: list[tuple[int, int, int]]) -> list[Point]:
    time_ms, (lat, lon) = 1_800_000_000_000, start
    points = []
    for step_ms, north, east in moves:
        time_ms, lat, lon = time_ms + step_ms, lat + north, (lon + east + 1_800_000_000) % 3_600_000_000 - 1_800_000_000
        points.append((time_ms, lat, lon))
    return points


def metres_between(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Straight through the WGS 84 ellipsoid, from coordinates in degrees: independent of how thin measures."""
    return sqrt(sum((a - b) ** 2 for a, b in zip(cartesian(lat_a, lon_a), cartesian(lat_b, lon_b), strict=True)))


def cartesian(lat_deg: float, lon_deg: float) -> tuple[float, float, float]:
    lat, lon, eccentricity_2 = radians(lat_deg), radians(lon_deg), 0.00669437999014
    radius = 6_378_137 / sqrt(1 - eccentricity_2 * sin(lat) ** 2)
    return radius * cos(lat) * cos(lon), radius * cos(lat) * sin(lon), radius * (1 - eccentricity_2) * sin(lat)


def error_m(before: Point, point: Point, after: Point) -> float:
    share = (point[0] - before[0]) / (after[0] - before[0])
    lon_step = (after[2] - before[2] + 1_800_000_000) % 3_600_000_000 - 1_800_000_000
    lat, lon = before[1] + share * (after[1] - before[1]), before[2] + share * lon_step
    return metres_between(lat / 1e7, lon / 1e7, point[1] / 1e7, point[2] / 1e7)


def assert_told(points: list[Point], kept: list[int], tolerance_m: float) -> None:
    assert kept == sorted(set(kept))
    assert not points or (kept[0], kept[-1]) == (0, len(points) - 1)
    for before, after in pairwise(kept):
        for index in range(before + 1, after):
            assert points[before][0] < points[index][0] < points[after][0]
            assert error_m(points[before], points[index], points[after]) <= tolerance_m * (1 + 1e-6) + 1e-6


@given(walks(st.integers(1, 5000)), tolerances)
def test_every_fix_left_out_is_within_the_tolerance(points: list[Point], tolerance_m: float) -> None:
    assert_told(points, thin(points, tolerance_m), tolerance_m)


@given(walks(st.sampled_from([-1000, 0, 200, 1000])), tolerances)
def test_doubles_and_steps_back_in_time_are_kept_on_both_sides(points: list[Point], tolerance_m: float) -> None:
    kept = thin(points, tolerance_m)
    assert_told(points, kept, tolerance_m)
    for index in range(1, len(points)):
        if points[index][0] <= points[index - 1][0]:
            assert {index - 1, index} <= set(kept)


@given(walks(st.integers(-1, 5000)))
def test_tolerance_zero_keeps_every_epoch(points: list[Point]) -> None:
    assert thin(points, 0.0) == list(range(len(points)))


@given(st.integers(2, 60), st.integers(-200, 200), st.integers(-200, 200), st.sampled_from([0, 1_799_999_990]))
def test_an_even_straight_way_is_two_fixes(count: int, north: int, east: int, lon: int) -> None:
    moves = [(1000, north, east)] * count
    assert thin(walked((-61_754_000, lon), moves), 0.5) == [0, count - 1]


def test_a_stop_on_a_straight_road_is_kept() -> None:
    """By place alone all of it is one line; by time the car stood for a minute."""
    drive = [(1000, 1200, 0)] * 20 + [(1000, 0, 0)] * 60 + [(1000, 1200, 0)] * 20
    kept = thin(walked((0, 0), drive), 2.5)
    assert {19, 79} <= set(kept)
    assert len(kept) == 4


def test_a_corner_is_kept() -> None:
    assert 9 in thin(walked((0, 0), [(1000, 900, 0)] * 10 + [(1000, 0, 900)] * 10), 2.5)


def test_real_drives_are_told_by_a_fifth_of_their_fixes(real_data: Path) -> None:
    seen = kept = 0
    for path in sorted((real_data / "tracks").glob("car_omaha*.csv")):
        with path.open(newline="") as lines:
            points = [
                (int(row["unix_ms"]), round(float(row["lat_deg"]) * 1e7), round(float(row["lon_deg"]) * 1e7))
                for row in csv.DictReader(lines)
            ]
        for start in range(0, len(points), 60):
            chunk = points[start : start + 60]
            indexes = thin(chunk, 2.5)
            assert_told(chunk, indexes, 2.5)
            seen, kept = seen + len(chunk), kept + len(indexes)
    if not seen:
        pytest.skip("no drives of this kind here")
    assert kept < 0.3 * seen

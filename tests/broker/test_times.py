"""Dating records that have no UTC of their own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from broker.times import FUTURE_MS, ClockPoint, Dated, by_clock, by_neighbours, in_future, tighter

_MS = st.integers(0, 2**45)


def test_the_next_point_after_the_instant_decides_then_the_last_before_it() -> None:
    points = [ClockPoint(1000, 50_000), ClockPoint(9000, 70_000)]
    assert [by_clock(at, points) for at in (0, 1000, 1001, 9000, 10_000)] == [49_000, 50_000, 62_001, 70_000, 71_000]
    assert by_clock(5, []) is None


@given(_MS, st.lists(st.builds(ClockPoint, _MS, _MS), min_size=1))
def test_the_clock_keeps_its_pace_between_points(at: int, points: list[ClockPoint]) -> None:
    points.sort()
    utc_ms = by_clock(at, points)
    assert utc_ms is not None
    assert utc_ms - at in {point.utc_ms - point.boottime_ms for point in points}


def test_without_a_neighbour_before_it_a_record_has_no_time() -> None:
    assert by_neighbours(1000, None, 5000) is None


@given(_MS, _MS, st.integers(0, 10**6))
def test_bounds_hold_whatever_lies_between_the_neighbours(low: int, room: int, lasted: int) -> None:
    high = low + lasted + room
    dated = by_neighbours(lasted, low, high)
    assert dated is not None and dated.doubt_s is not None
    assert dated.utc_to_ms - dated.utc_ms == lasted
    assert low <= dated.utc_ms and dated.utc_to_ms <= high
    # The earliest and the latest possible start both lie within the doubt.
    doubt_ms = round(dated.doubt_s * 1000)  # it is whole milliseconds, in a float of seconds
    assert dated.utc_ms - low <= doubt_ms
    assert high - lasted - dated.utc_ms <= doubt_ms


def test_neighbours_that_contradict_each_other_still_give_a_time() -> None:
    assert by_neighbours(2000, 9000, 5000) == Dated(5000, 7000, 0.0)


def test_only_a_clearly_less_delayed_parcel_replaces_a_stamp() -> None:
    old = ClockPoint(1000, 101_000)
    assert tighter(None, old)
    assert tighter(old, ClockPoint(2000, 101_000))
    assert not tighter(old, ClockPoint(2000, 101_001))
    assert not tighter(old, ClockPoint(2000, 150_000))


def test_a_day_after_its_arrival_is_still_now_and_a_millisecond_more_is_the_future() -> None:
    assert not in_future(FUTURE_MS + 5, 5)
    assert in_future(FUTURE_MS + 6, 5)

"""Lanes are bounded, live goes first, and numbers spread the units over the bridge's own measured speed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.lanes import (
    BULK_PARCEL_BYTES,
    FIRST_COST_S,
    GROUP_S,
    LANE_LEAST_BYTES,
    LANE_LIMIT_BYTES,
    MESSAGE_BYTES,
    UNIT_LIMIT_BYTES,
    Cost,
    Lane,
    Lanes,
    Numbers,
    Queued,
    Spent,
)


def queued(payload: bytes = b"x") -> Queued:
    return Queued("pantau/v1/a/up", payload, 0.0)


@given(st.integers(0, 50_000), st.lists(st.integers(0, 3000), max_size=100))
def test_a_lane_never_holds_more_than_its_limit_and_counts_what_it_drops(limit: int, sizes: list[int]) -> None:
    lane = Lane(limit)
    for size in sizes:
        lane.put(queued(bytes(size)))
        assert lane.held_bytes <= limit
    assert len(lane) + lane.dropped == len(sizes)
    while len(lane):
        lane.take()
    assert lane.held_bytes == 0


def test_a_lane_says_how_long_its_oldest_has_waited() -> None:
    lane = Lane(10_000)
    assert lane.waited_s(5.0) == 0
    for at_s in (1.0, 3.0):
        lane.put(Queued("pantau/v1/a/up", b"x", at_s))
    assert lane.waited_s(5.0) == 4.0
    lane.take()
    assert lane.waited_s(5.0) == 2.0


def test_the_distance_told_is_the_one_the_next_unit_draws() -> None:
    numbers, cost = Numbers(), Cost(0.0)
    for _ in range(50):
        told_s = numbers.distance_s(10.0)
        assert numbers.draw(100_000, now_mono_s=10.0, cost=cost) == round(told_s * 1000)
    assert numbers.distance_s(10.0) > 0
    assert numbers.distance_s(1_000.0) == 0


def test_empty_messages_are_bounded_too() -> None:
    lane = Lane(10 * MESSAGE_BYTES)
    for _ in range(100):
        lane.put(queued(b""))
    assert len(lane) == 10


def test_live_goes_before_bulk() -> None:
    lanes, cost = Lanes(), Cost(0.0)
    lanes.bulk.put(queued(b"bulk"))
    lanes.live.put(queued(b"live"))
    live, bulk = map(list, lanes.take(cost))
    assert [one.payload for one in live] == [b"live"]
    assert [one.payload for one in bulk] == [b"bulk"]
    assert not lanes


def test_a_group_is_no_more_work_than_its_time_and_one_parcel() -> None:
    lanes, cost = Lanes(), Cost(0.0)
    for _ in range(100):
        lanes.bulk.put(queued(bytes(BULK_PARCEL_BYTES)))
    _, bulk = map(list, lanes.take(cost))
    assert len(bulk) == pytest.approx(GROUP_S / (BULK_PARCEL_BYTES * FIRST_COST_S), abs=1)


def test_live_alone_fills_a_group_and_bulk_waits() -> None:
    lanes, cost = Lanes(), Cost(0.0)
    cost.live_s = GROUP_S
    lanes.live.put(queued())
    lanes.bulk.put(queued())
    assert [len(list(lane)) for lane in lanes.take(cost)] == [1, 0]
    assert [len(list(lane)) for lane in lanes.take(cost)] == [0, 1]


def test_a_slow_store_shortens_the_bulk_lane_but_never_closes_it() -> None:
    lanes, cost = Lanes(), Cost(0.0)
    cost.bulk_byte_s = 1.0
    lanes.take(cost)
    assert lanes.bulk.limit_bytes == LANE_LEAST_BYTES


def test_the_first_asker_may_send_at_once_and_the_next_waits_for_its_work() -> None:
    numbers, cost = Numbers(), Cost(0.0)
    assert numbers.draw(10**9, now_mono_s=100.0, cost=cost) == 0
    one_parcel_ms = BULK_PARCEL_BYTES * FIRST_COST_S / 0.97 * 1000
    assert numbers.draw(10**9, now_mono_s=100.0, cost=cost) == pytest.approx(one_parcel_ms, abs=1)
    assert numbers.draw(10**9, now_mono_s=100.0, cost=cost) == pytest.approx(2 * one_parcel_ms, abs=1)


def test_numbers_keep_no_time_for_bytes_that_slow_uplinks_do_not_send() -> None:
    numbers, cost = Numbers(), Cost(0.0)
    for _ in range(200):
        numbers.used(4_000)
    numbers.draw(10**9, now_mono_s=100.0, cost=cost)
    small_ms = 4_000 * FIRST_COST_S / 0.97 * 1000
    assert numbers.draw(10**9, now_mono_s=100.0, cost=cost) == pytest.approx(small_ms, abs=1)
    for _ in range(200):
        numbers.used(10**6)
    numbers.draw(10**9, now_mono_s=200.0, cost=cost)
    full_ms = BULK_PARCEL_BYTES * FIRST_COST_S / 0.97 * 1000
    assert numbers.draw(10**9, now_mono_s=200.0, cost=cost) == pytest.approx(full_ms, abs=1)


def test_a_small_backlog_takes_a_small_slot() -> None:
    numbers, cost = Numbers(), Cost(0.0)
    numbers.draw(100, now_mono_s=0.0, cost=cost)
    assert numbers.draw(100, now_mono_s=0.0, cost=cost) == 0


def test_an_idle_bridge_forgets_old_slots() -> None:
    numbers, cost = Numbers(), Cost(0.0)
    for _ in range(1000):
        numbers.draw(10**6, now_mono_s=0.0, cost=cost)
    assert numbers.draw(10**6, now_mono_s=1000.0, cost=cost) == 0


def test_live_work_slows_the_numbers_down_to_a_tenth_at_most() -> None:
    cost = Cost(0.0)
    cost.spent(Spent(at_mono_s=9.0, live_s=50.0, live_parcels=1, bulk_s=0.0, bulk_bytes=0))
    assert cost.live_share(10.0) == 1.0
    numbers = Numbers()
    numbers.draw(BULK_PARCEL_BYTES, now_mono_s=10.0, cost=cost)
    wanted_ms = BULK_PARCEL_BYTES * FIRST_COST_S / 0.1 * 1000
    assert numbers.draw(1, now_mono_s=10.0, cost=cost) == pytest.approx(wanted_ms, abs=1)


def test_live_share_is_of_the_last_seconds_only() -> None:
    cost = Cost(0.0)
    cost.spent(Spent(at_mono_s=10.0, live_s=1.0, live_parcels=10, bulk_s=0.0, bulk_bytes=0))
    assert cost.live_share(10.5) == pytest.approx(0.2)
    assert cost.live_share(15.1) == 0.0


@given(st.floats(1e-9, 1e-3))
def test_the_cost_follows_what_was_measured(truth_s: float) -> None:
    cost = Cost(0.0)
    for turn in range(200):
        spent_s = truth_s * BULK_PARCEL_BYTES
        cost.spent(Spent(at_mono_s=turn, live_s=0.0, live_parcels=0, bulk_s=spent_s, bulk_bytes=BULK_PARCEL_BYTES))
    assert cost.bulk_byte_s == pytest.approx(truth_s, rel=0.1, abs=FIRST_COST_S * 1e-4)


@given(st.lists(st.tuples(st.integers(1, 2**40), st.floats(0, 10)), max_size=50))
def test_numbers_never_go_back_and_never_exceed_the_field(asks: list[tuple[int, float]]) -> None:
    numbers, cost, now_s, before_s = Numbers(), Cost(0.0), 0.0, 0.0
    cost.bulk_byte_s = 1e-2
    for waiting, pause_s in asks:
        now_s += pause_s
        after_ms = numbers.draw(waiting, now_mono_s=now_s, cost=cost)
        assert 0 <= after_ms < 2**32
        assert now_s + after_ms / 1000 >= before_s - 0.002
        before_s = now_s + after_ms / 1000


def test_who_floods_a_lane_is_dropped_and_nobody_else() -> None:
    lane = Lane(LANE_LIMIT_BYTES)
    for _ in range(5_000):
        lane.put(Queued("pantau/v1/noisy/up", bytes(1000), 0.0))
    lane.put(Queued("pantau/v1/quiet/up", bytes(UNIT_LIMIT_BYTES - MESSAGE_BYTES), 0.0))
    assert lane.held_bytes <= 2 * UNIT_LIMIT_BYTES
    assert lane.hogged == lane.dropped > 4_000 and lane.hog == "pantau/v1/noisy/up"
    taken = [lane.take().topic for _ in range(len(lane))]
    assert taken.index("pantau/v1/quiet/up") <= 1, "it waits for one parcel of the other"
    lane.put(Queued("pantau/v1/noisy/up", bytes(1000), 0.0))
    assert len(lane) == 1, "what was taken is no longer held"


@given(st.lists(st.sampled_from("abc"), max_size=30), st.integers(0, 30))
def test_units_are_taken_from_by_turns_each_in_its_own_order(units: list[str], later: int) -> None:
    lane = Lane(LANE_LIMIT_BYTES)
    put = [Queued(unit, b"", number) for number, unit in enumerate(units)]
    for one in put[:later]:
        lane.put(one)
    taken = [lane.take()] if len(lane) else []
    for one in put[later:]:
        lane.put(one)
    while len(lane):
        assert lane.waited_s(1000.0) > 0
        taken.append(lane.take())
    assert lane.waited_s(1000.0) == 0
    for unit in "abc":
        mine = [one for one in put if one.topic == unit]
        assert [one for one in taken if one.topic == unit] == mine
        assert not mine or taken.index(mine[0]) <= 3, "it waits for one parcel of each other unit, and the one in hand"


def test_what_is_not_asked_for_stays_in_its_lane() -> None:
    lanes, cost = Lanes(), Cost(0.0)
    for _ in range(5):
        lanes.live.put(queued())
        lanes.bulk.put(queued())
    live, _ = lanes.take(cost)
    next(live)
    assert (len(lanes.live), len(lanes.bulk)) == (4, 5)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 300_000) | st.none())))
def test_a_lane_holds_of_each_unit_what_was_put_less_what_was_taken(steps: list[tuple[str, int | None]]) -> None:
    lane, held = Lane(LANE_LIMIT_BYTES), {"a": 0, "b": 0}
    for unit, size in steps:
        if size is None:
            if lane:
                taken = lane.take()
                held[taken.topic] -= len(taken.payload) + MESSAGE_BYTES
            continue
        before = lane.dropped
        lane.put(Queued(unit, bytes(size), 0.0))
        fits = held[unit] + size + MESSAGE_BYTES <= UNIT_LIMIT_BYTES
        assert (lane.dropped == before) == fits
        held[unit] += (size + MESSAGE_BYTES) * fits
    assert lane.held_bytes == sum(held.values())

"""What a SIM carries: by class, by the plan's month, across restarts, with a date when it will be used up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.budget import DEGRADE, Budget, Degree, Plan, Spent, month_of, of_parcel, on_the_air
from edge.memory import Memory
from edge.today import DAY_MS
from wire import records_pb2
from wire.kinds import KIND_CAMERA, KIND_HEALTH, KIND_SNAPSHOT, KIND_TRACK

MB = 1_000_000


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)


@dataclass
class Row:
    kind: int
    body: bytes
    id: int = 1
    outbox_id: int = 1
    seq: int = 1
    cls: int = 0
    check: int = 0


class Notes:
    """Documents that count their writes."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.writes = 0

    def recall(self, name: str, default: Any) -> Any:
        return self.kept.get(name, default)

    def remember(self, name: str, value: Any) -> None:
        self.kept[name] = value
        self.writes += 1


class Sim:
    """A SIM in a box that can be restarted; `carry` is bytes by class, at a UTC that the test sets."""

    def __init__(self, utc: str | None = "2026-11-01T00:00", plan_mb: int = 100, reset_day: int = 1) -> None:
        self.now: int | None = None if utc is None else ms(utc)
        self.boottime = 0
        self.plan = Plan(plan_mb * MB, reset_day)
        self.notes: Any = Notes()
        self.restart()

    def utc_ms(self) -> int | None:
        return self.now

    def boottime_ms(self) -> int:
        return self.boottime

    def restart(self) -> None:
        self.since_start = Spent()
        self.budget = Budget(self.plan, self, self.notes)

    def carry(self, **by_class: int) -> Budget:
        self.since_start = self.since_start.and_also(Spent(**by_class))
        self.budget.count(self.since_start)
        return self.budget

    def live_on(self, days: float, bytes_a_day: int) -> Budget:
        """Time passes with that many bytes a day, counted hourly."""
        for _ in range(round(days * 24)):
            self.carry(live=bytes_a_day // 24)
            self.pass_h(1)
        return self.carry()

    def pass_h(self, hours: float) -> None:
        self.boottime += round(hours * 3_600_000)
        if self.now is not None:
            self.now += round(hours * 3_600_000)

    def said(self) -> records_pb2.Sim:
        return records_pb2.Sim.FromString(self.budget.body())


def test_every_byte_is_in_one_class_and_the_classes_add_up_to_what_the_kernel_counted() -> None:
    live = of_parcel(False, [Row(KIND_CAMERA, b"v" * 86), Row(KIND_HEALTH, b"h" * 86)], 220)
    assert live == Spent(verdict=110)
    bulk = of_parcel(True, [Row(KIND_SNAPSHOT, b"s" * 286), Row(KIND_TRACK, b"t" * 86)], 402)
    assert bulk == Spent(snapshot=301, backlog=100)
    assert of_parcel(False, [Row(KIND_TRACK, b"t" * 86)], 95) == Spent(live=95)
    all_of_it = on_the_air(5_000, live.and_also(bulk), video_bytes=700)
    assert all_of_it == Spent(verdict=110, snapshot=301, live=700, backlog=100, housekeeping=5_000 - 511)
    assert all_of_it.total == 5_700
    assert on_the_air(100, live).total == 110  # handed over, and the kernel has not sent all of it yet


@pytest.mark.parametrize(
    ("utc", "reset_day", "first", "after"),
    [
        ("2026-11-25T12:00", 1, "2026-11-01", "2026-12-01"),
        ("2026-11-25T12:00", 26, "2026-10-26", "2026-11-26"),
        ("2026-12-31T23:59", 28, "2026-12-28", "2027-01-28"),
        ("2027-01-01T00:00", 2, "2026-12-02", "2027-01-02"),
        ("2028-02-29T00:00", 28, "2028-02-28", "2028-03-28"),
    ],
)
def test_a_month_is_that_of_the_plan(utc: str, reset_day: int, first: str, after: str) -> None:
    assert month_of(ms(utc), reset_day) == (ms(first) // DAY_MS, ms(after) // DAY_MS)


@given(st.integers(0, 2_524_608_000_000), st.integers(1, 28))
def test_every_moment_is_in_its_month_and_months_follow_one_another(utc_ms: int, reset_day: int) -> None:
    first, after = month_of(utc_ms, reset_day)
    assert first * DAY_MS <= utc_ms < after * DAY_MS
    assert month_of(after * DAY_MS, reset_day)[0] == after
    assert 28 <= after - first <= 31


def test_a_month_goes_on_after_a_restart_and_begins_anew_on_its_reset_day() -> None:
    sim = Sim("2026-11-24T00:00", reset_day=25)
    sim.carry(live=1_000, verdict=10)
    sim.budget.save(at_once=True)
    sim.restart()
    assert sim.budget.month == Spent(live=1_000, verdict=10)
    sim.carry(live=5)
    assert sim.budget.month == Spent(live=1_005, verdict=10)
    sim.pass_h(24)
    assert sim.carry(backlog=3).month == Spent(backlog=3)


def test_what_was_carried_before_the_date_was_known_is_counted_also_over_a_reboot() -> None:
    sim = Sim(None)
    sim.carry(live=400)
    sim.budget.save(at_once=True)
    sim.restart()
    sim.carry(live=20)
    assert sim.budget.month == Spent(live=420)
    sim.now = ms("2026-11-24T00:00")
    assert sim.carry().month == Spent(live=420)


def test_a_spoofed_date_takes_nothing_off_the_month() -> None:
    sim = Sim("2026-11-10T00:00")
    sim.carry(live=60 * MB)
    sim.now = ms("2031-01-01T00:00")
    sim.carry(live=7)
    sim.now = ms("2026-11-10T00:10")
    assert sim.carry().month.live == 60 * MB


def test_counters_that_lag_behind_are_never_counted_twice_or_backwards() -> None:
    sim = Sim()
    sim.budget.count(Spent(live=50, housekeeping=30))
    sim.budget.count(Spent(live=60, housekeeping=20))
    assert sim.budget.month == Spent(live=60, housekeeping=30)


def test_the_date_of_exhaustion_is_that_of_the_last_days_pace() -> None:
    sim = Sim("2026-11-01T00:00", plan_mb=100)
    sim.live_on(5, 2 * MB)
    assert sim.budget.exhausted_utc_ms is None  # 60 MB in the month
    sim.live_on(7, 10 * MB)  # 80 of 100 MB are gone on the 13th, at 10 MB a day
    at = sim.budget.exhausted_utc_ms
    assert at is not None
    assert abs(at - ms("2026-11-15T00:00")) < DAY_MS // 2
    assert sim.said().exhausted_utc_ms == at


def test_nothing_is_predicted_from_the_first_hours_or_without_a_plan() -> None:
    sim = Sim(plan_mb=100)
    sim.live_on(0.2, 100 * MB)
    assert sim.budget.exhausted_utc_ms is None
    free = Sim(plan_mb=0)
    assert free.live_on(3, 900 * MB).exhausted_utc_ms is None
    assert (free.budget.degree, free.said().plan_bytes, free.said().live_bytes > 0) == (Degree.NONE, 0, True)


def test_what_is_given_up_first_comes_first_and_only_when_the_plan_will_not_last() -> None:
    sim, seen = Sim("2026-11-01T00:00", plan_mb=100), []
    while sim.budget.month.total < 101 * MB:
        seen.append(sim.live_on(0.25, 10 * MB).degree)
    assert sorted(seen) == seen
    assert set(seen) == {Degree.NONE, *(degree for _share, degree in DEGRADE)}
    slow = Sim("2026-11-01T00:00", plan_mb=100)
    assert slow.live_on(29, 3 * MB).degree is Degree.NONE  # 87 % are used, and it lasts
    out_at = sim.budget.exhausted_utc_ms
    assert sim.live_on(1, MB).exhausted_utc_ms == out_at, "it says when it was used up, not now"
    sim.now = ms("2026-12-01T00:00")
    assert sim.carry().degree is Degree.NONE


def test_the_backlog_is_slowed_down_and_never_stopped() -> None:
    sim = Sim("2026-11-01T00:00", plan_mb=100)
    assert sim.budget.backlog_bytes_per_s(16_000) == 16_000
    while sim.budget.degree < Degree.BACKLOG_SLOW:
        sim.live_on(0.1, 10 * MB)
    left_s = (ms("2026-12-01T00:00") - (sim.now or 0)) / 1_000
    slow = sim.budget.backlog_bytes_per_s(16_000)
    assert 5.0 <= slow < 16_000
    assert slow * left_s <= max(100 * MB - sim.budget.month.total, 5.0 * left_s)
    sim.live_on(3, 30 * MB)
    assert sim.budget.backlog_bytes_per_s(16_000) == 5.0


def test_the_card_is_written_hourly_or_after_half_a_per_cent_of_the_plan() -> None:
    sim = Sim(plan_mb=100)
    for _minute in range(24 * 60):
        sim.carry(housekeeping=100)
        sim.pass_h(1 / 60)
        sim.budget.save()
    assert 22 <= sim.notes.writes <= 24
    sim.carry(live=MB)
    writes = sim.notes.writes
    sim.budget.save()
    sim.budget.save()
    assert sim.notes.writes == writes + 1


def test_a_month_outlives_the_process_on_a_card(tmp_path: Path) -> None:
    sim = Sim()
    sim.notes = Memory(tmp_path / "documents.db")
    sim.restart()
    sim.carry(live=123, snapshot=7)
    sim.budget.save(at_once=True)
    sim.notes = Memory(tmp_path / "documents.db")
    sim.restart()
    assert sim.budget.month == Spent(live=123, snapshot=7)


json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=6),
)


@given(json | st.tuples(json, json, json, json, json, st.booleans()).map(list))
def test_worn_bits_are_a_budget_that_counts_and_can_be_said(kept: Any) -> None:
    sim = Sim()
    sim.notes.kept["budget"] = kept
    sim.restart()
    sim.carry(live=5)
    assert sim.said().live_bytes >= 5

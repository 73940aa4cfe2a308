"""Days of which the truth is known: hours by kind, in any order of delivery, and what late records can move."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import timedelta, timezone
from functools import cache
from itertools import groupby, pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from work_days import (
    DAY_MS,
    KINDS,
    MIDNIGHT,
    H,
    S,
    acted,
    day,
    each_seen,
    hours_ms,
    outline,
    seen,
    sessions,
    span,
    together,
)

from broker.work.days import local_days, sessions_of, touched
from broker.work.hours import hours_of
from broker.work.observed import Fix, Level, Observed, Sign, Start, Window, observed
from broker.work.sessions import Kind, Session, derive
from broker.work.thresholds import GAP_MS, PARKED_GAP_MS, WORK_PAUSE_MS
from broker.work.trips import joined, trips_of
from edge.sim.work import Act, Day, played
from edge.sim.work_box import Cut, Row, recorded
from wire.inputs import INPUTS

DOES = ("travelling", "working", "idling", "parked")
DAYS = [(vehicle, seed) for vehicle in KINDS for seed in range(3)]


def power_cuts(seed: int) -> list[Cut]:
    """Some hours of the box without power, a start of a minute, and another box from then on."""
    dice = random.Random(seed)
    at = sorted(MIDNIGHT + dice.randrange(H, 23 * H) for _ in range(3))
    return [
        Cut(at[0], at[0] + dice.randrange(20 * 60, 7200) * S),
        Cut(at[1], at[1] + 60 * S),
        Cut(at[2], at[2] + dice.randrange(900, 3600) * S, "box-2"),
    ]


class CutDay(NamedTuple):
    """A day with power cuts: its records, what each says, and the sessions of all."""

    rows: list[Row]
    parts: list[Observed]
    sessions: list[Session]


@cache
def cut_day(vehicle: str, seed: int) -> CutDay:
    rows = recorded(day(vehicle, seed), power_cuts(seed))
    return CutDay(rows, each_seen(rows), derive(seen(rows), span(day(vehicle, seed))))


def tolerated_ms(true_ms: int) -> float:
    return max(60 * S, 0.01 * true_ms)


def assert_right_where_known(found: Sequence[Session], told: Day) -> None:
    """Hours by kind are the truth's in all that was observed; a rest of work may be cut off by what was not."""
    unseen = {Kind.UNKNOWN, Kind.STOPPED}
    runs = [list(run) for known, run in groupby(found, key=lambda each: each.kind not in unseen) if known]
    known = [(run[0].from_ms + WORK_PAUSE_MS, run[-1].to_ms - WORK_PAUSE_MS) for run in runs]
    known = [(from_ms, to_ms) for from_ms, to_ms in known if from_ms < to_ms]
    for does in DOES:
        true_ms = told.hours_ms(does, known)
        found_ms = sum(
            Window(*one).overlap_ms(e.from_ms, e.to_ms) for one in known for e in found if e.kind == Kind(does)
        )
        assert abs(found_ms - true_ms) <= tolerated_ms(true_ms), does


# ------------------------------------------------------------------ the truth


@pytest.mark.parametrize(("vehicle", "seed"), DAYS)
def test_hours_by_kind_are_those_of_the_truth(vehicle: str, seed: int) -> None:
    told = day(vehicle, seed)
    found = sessions(told)
    assert (found[0].from_ms, found[-1].to_ms) == span(told)
    assert all(a.to_ms == b.from_ms and a.kind is not b.kind for a, b in pairwise(found))
    for does in DOES:
        true_ms = told.hours_ms(does, [span(told)])
        assert abs(hours_ms(found, does) - true_ms) <= tolerated_ms(true_ms), does
    assert hours_ms(found, "unknown") <= 10 * S
    assert hours_ms(found, "stopped") == 0


@pytest.mark.parametrize(("vehicle", "seed"), DAYS)
def test_where_a_box_had_no_power_the_hours_are_unknown_and_elsewhere_right(vehicle: str, seed: int) -> None:
    told, cuts, found = day(vehicle, seed), power_cuts(seed), cut_day(vehicle, seed).sessions
    assert_right_where_known(found, told)
    # A box that loses power while parked loses what its open interval held: one parked report, before each cut.
    lost_ms = sum(cut.to_ms - cut.from_ms for cut in cuts if cut.to_ms - cut.from_ms > PARKED_GAP_MS)
    unknown_ms = hours_ms(found, "unknown") + hours_ms(found, "stopped")
    assert lost_ms * 0.5 <= unknown_ms <= lost_ms + len(cuts) * PARKED_GAP_MS + 10 * S


def test_a_parked_day_is_no_hours_and_no_way() -> None:
    told = acted(Act("parked", 86_400))
    found = sessions(told)
    assert hours_ms(found, "parked") >= DAY_MS - 10 * S
    assert sum(each.distance_cm for each in found) == 0
    assert {each.kind for each in found} == {Kind.PARKED, Kind.UNKNOWN}


def test_the_excavator_that_never_moves_has_its_hours_from_its_inputs() -> None:
    told = acted(Act("parked", 3600), Act("idling", 600), Act("working", 7200), Act("idling", 300), Act("parked", 3600))
    assert outline(sessions(told))[:5] == [
        ("parked", 60),
        ("idling", 10),
        ("working", 120),
        ("idling", 5),
        ("parked", 60),
    ]


def test_it_has_them_under_a_roof_too_where_no_position_is_known() -> None:
    told = acted(
        Act("parked", 3600), Act("idling", 600, sky=False), Act("working", 2400, sky=False), Act("parked", 3600)
    )
    rows = recorded(told)
    alive = [Row("box-1", 2, 2, b"", at, at) for at in range(told.truth[0].from_ms, told.truth[-1].to_ms, 600 * S)]
    found = derive(seen([*rows, *alive]), span(told))
    assert abs(hours_ms(found, "working") - 2400 * S) <= S
    assert abs(sum(each.engine_on_ms for each in found) - 3000 * S) <= S
    assert abs(hours_ms(found, "unknown") - 600 * S) <= 60 * S  # engine on, and whether it went somewhere nobody saw


def raw(told_epochs: Iterable[object], *, speed: bool) -> list[Fix]:
    """Fixes of a receiver that no box has cleaned."""
    return [
        Fix(e.at_ms, e.lat_e7, e.lon_e7, e.speed_cmps if speed else None)  # type: ignore[attr-defined]
        for e in told_epochs
        if e.sky  # type: ignore[attr-defined]
    ]


@pytest.mark.parametrize("speed", [True, False])
@pytest.mark.parametrize("wander_m", [2.0, 8.0])
def test_wandering_at_rest_is_no_travel_even_without_a_box_that_holds_still(speed: bool, wander_m: float) -> None:
    told = acted(Act("idling", 6 * 3600), wander_m=wander_m)
    found = derive(observed(raw(told.epochs, speed=speed)), span(told))
    assert sum(each.distance_cm for each in found) == 0
    assert outline(found)[0] == ("stopped", 360)


@pytest.mark.parametrize("speed", [True, False])
def test_tracks_alone_give_journeys_and_stops(speed: bool) -> None:
    told = acted(Act("parked", 1800), Act("travelling", 1500, 12.0), Act("parked", 1200), Act("travelling", 900, 9.0))
    found = derive(observed(raw(told.epochs, speed=speed)), span(told))
    assert [each.kind for each in found] == [
        Kind.STOPPED,
        Kind.TRAVELLING,
        Kind.STOPPED,
        Kind.TRAVELLING,
        Kind.UNKNOWN,
    ][: len(found)]
    assert abs(hours_ms(found, "travelling") - 2400 * S) <= 60 * S
    assert abs(hours_ms(found, "stopped") - 3000 * S) <= 60 * S
    assert all(each.engine_known_ms == 0 for each in found)
    assert len(trips_of(found)) == 2


def test_a_long_tunnel_is_unknown_and_the_journey_goes_on_behind_it() -> None:
    told = acted(
        Act("parked", 900),
        Act("travelling", 600, 12.0), Act("travelling", 240, 12.0, sky=False), Act("travelling", 600, 12.0),
        Act("parked", 900),
    )  # fmt: skip
    found = sessions(told)
    assert [str(each.kind) for each in found][:5] == ["parked", "travelling", "unknown", "travelling", "parked"]
    assert abs(found[2].lasts_ms - 240 * S) <= 15 * S
    assert (found[2].began, found[2].ended) == ("last_seen", "seen_again")
    assert found[2].engine_on_ms == found[2].lasts_ms  # what was not seen of the way was heard of the ignition
    (trip,) = trips_of(found)
    assert trip.unseen_ms == found[2].lasts_ms


def test_a_short_tunnel_is_part_of_the_way() -> None:
    told = acted(
        Act("parked", 900),
        Act("travelling", 600, 12.0), Act("travelling", 40, 12.0, sky=False), Act("travelling", 600, 12.0),
        Act("parked", 900),
    )  # fmt: skip
    assert outline(sessions(told))[:3] == [("parked", 15), ("travelling", 21), ("parked", 15)]


def test_engine_hours_run_on_over_a_restart_and_not_over_an_outage() -> None:
    told = acted(Act("parked", 600), Act("working", 6 * 3600), Act("parked", 600))
    begin = MIDNIGHT + 600 * S
    restart = Cut(begin + H, begin + H + 60 * S)
    outage = Cut(begin + 3 * H, begin + 4 * H)
    found = sessions(told, restart, outage)
    on_ms = sum(each.engine_on_ms for each in found)
    assert abs(on_ms - 5 * H) <= 60 * S
    assert abs(hours_ms(found, "unknown") - H) <= 60 * S


def test_a_swapped_box_hands_over_no_level() -> None:
    told = acted(Act("working", 3600), Act("idling", 1200), Act("parked", 3600))
    found = sessions(told, Cut(MIDNIGHT + 1800 * S, MIDNIGHT + 5400 * S, "box-2"))
    assert [str(each.kind) for each in found][:3] == ["working", "unknown", "parked"]
    unknown = found[1]  # the box that lost its power took its open interval along
    assert 60 * 60 * S <= unknown.lasts_ms <= 70 * 60 * S
    assert unknown.engine_known_ms < 120 * S


# ------------------------------------------------------------------ any order


@settings(max_examples=20, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.randoms(use_true_random=False), st.sampled_from(DAYS[::4]))
def test_every_order_of_delivery_gives_the_same(dice: random.Random, key: tuple[str, int]) -> None:
    rows, _, expected = cut_day(*key)
    delivered = [*rows, *dice.choices(rows, k=len(rows) // 5)]  # and some twice
    dice.shuffle(delivered)
    assert derive(seen(delivered), span(day(*key))) == expected


@pytest.mark.slow
def test_fifty_days_in_twenty_orders() -> None:
    """What was observed is the same in each order; sessions are a function of it, and derived anew of one order."""
    for number in range(50):
        key, dice = DAYS[number % len(DAYS)], random.Random(number)
        whole = cut_day(*key)
        # Simulating a day costs forty times what deriving it does: the same ones, each time without other records.
        kept = [index for index in range(len(whole.rows)) if dice.random() < 0.9]
        rows, parts = [whole.rows[index] for index in kept], [whole.parts[index] for index in kept]
        everything = seen(rows)
        for order in range(20):
            random.Random(order).shuffle(parts)
            assert together(parts) == everything, (key, number, order)
        dice.shuffle(rows)
        assert derive(seen(rows), span(day(*key))) == derive(everything, span(day(*key))), (key, number)


def test_the_day_is_right_at_every_moment_of_its_late_delivery() -> None:
    """Half the records first: what is known then holds, and what comes later only fills the unknown."""
    told = day("ambulance", 1)
    rows = recorded(told)
    late = [row for row in rows if 10 * H <= row.from_ms - MIDNIGHT < 15 * H]
    early = [row for row in rows if row not in late]
    before = derive(seen(early), span(told))
    assert_right_where_known(before, told)
    assert hours_ms(before, "unknown") >= 4 * H
    assert derive(seen([*early, *late]), span(told)) == derive(seen(rows), span(told))


# ------------------------------------------------------------------ a year of records


class Shelf:
    """Observations of many days, read as a store is; counts what is asked for."""

    def __init__(self, everything: Observed) -> None:
        self._all = everything
        self._at = [fix.at_ms for fix in everything.fixes]
        self.fixes_read = 0

    def read(self, fixes: Window, inputs: Window) -> Observed:
        found = self._all.fixes[bisect_left(self._at, fixes.from_ms) : bisect_right(self._at, fixes.to_ms)]
        self.fixes_read += len(found)
        return observed(
            found,
            (level for level in self._all.levels if inputs.from_ms <= level.at_ms <= inputs.to_ms),
            (sign for sign in self._all.signs if sign.to_ms >= inputs.from_ms and sign.from_ms <= inputs.to_ms),
            (start for start in self._all.starts if inputs.from_ms <= start.at_ms <= inputs.to_ms),
        )


class Week:
    """Four days on end: the rows, what each says, and what all say."""

    def __init__(self, seed: int) -> None:
        acts = [act for index in range(4) for act in KINDS[sorted(KINDS)[(seed + index) % 3]](seed + index)]
        self.rows = recorded(played(acts, MIDNIGHT, seed), power_cuts(seed))
        self.parts = each_seen(self.rows)
        self.everything = seen(self.rows)
        assert together(self.parts) == self.everything
        self._sessions: dict[Window, list[Session]] = {}

    def sessions_of(self, one: Window) -> list[Session]:
        """Of a day of it."""
        if one not in self._sessions:
            self._sessions[one] = sessions_of(Shelf(self.everything).read, one)
        return self._sessions[one]


@cache
def week(seed: int) -> Week:
    return Week(seed)


WEEKS = range(2)
JAKARTA = ZoneInfo("Asia/Jakarta")
WHOLE = Window(MIDNIGHT, MIDNIGHT + 4 * DAY_MS)


@pytest.mark.parametrize("seed", WEEKS)
def test_days_derived_one_by_one_are_the_whole_cut_at_midnight(seed: int) -> None:
    whole = derive(week(seed).everything, WHOLE)
    by_day = [each for one in local_days(WHOLE, JAKARTA) for each in week(seed).sessions_of(one)]
    assert [(each.kind, each.from_ms, each.to_ms, each.distance_cm) for each in joined(by_day)] == [
        (each.kind, each.from_ms, each.to_ms, each.distance_cm) for each in whole
    ]
    assert hours_of(by_day, WHOLE) == hours_of(whole, WHOLE)


# Not shrunk: a week of records takes a tenth of a second to derive, and the first that fails says as much.
@settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.sampled_from(WEEKS), st.integers(0, 10_000), st.integers(1, 40))
def test_a_late_record_moves_nothing_beyond_its_neighbourhood(seed: int, index: int, several: int) -> None:
    whole = week(seed)
    index %= len(whole.rows)
    late, rest = whole.rows[index : index + several], [*whole.parts[:index], *whole.parts[index + several :]]
    before = Shelf(together(rest))
    moved = touched(Shelf(whole.everything).read, Window(late[0].from_ms, max(row.to_ms for row in late)))
    for one in local_days(WHOLE, JAKARTA):
        if one.overlap_ms(*moved) == 0:
            assert whole.sessions_of(one) == sessions_of(before.read, one)


def test_one_late_record_costs_a_day_and_not_the_year() -> None:
    rows, everything = week(0).rows, week(0).everything
    shelf = Shelf(everything)
    late = rows[len(rows) // 2]
    moved = touched(shelf.read, Window(late.from_ms, late.to_ms))
    assert moved.lasts_ms < 2 * DAY_MS
    assert shelf.fixes_read < len(everything.fixes) / 2


def test_a_late_record_of_a_parked_night_moves_that_night_only() -> None:
    acts = [Act("parked", 4 * 3600), Act("working", 3600), Act("parked", 20 * 3600), Act("working", 3600)]
    told = played(acts, MIDNIGHT, 1)
    rows = recorded(told)
    late = next(row for row in rows if row.from_ms > MIDNIGHT + 15 * H)
    moved = touched(Shelf(seen(rows)).read, Window(late.from_ms, late.to_ms))
    assert moved.from_ms >= MIDNIGHT + 4 * H
    assert moved.to_ms <= MIDNIGHT + 26 * H


# ------------------------------------------------------------------ days


def test_days_are_those_of_the_zone() -> None:
    days = list(local_days(Window(MIDNIGHT - H, MIDNIGHT + DAY_MS + H), JAKARTA))
    assert [one.lasts_ms for one in days] == [H, DAY_MS, H]


def test_a_day_that_the_clock_is_changed_in_has_another_length() -> None:
    spring = 1_774_738_800_000  # 2026-03-29T00:00:00+01:00 in Berlin
    (day_of_change,) = local_days(Window(spring, spring + 23 * H), ZoneInfo("Europe/Berlin"))
    assert day_of_change.lasts_ms == 23 * H
    assert len(list(local_days(Window(spring, spring + 24 * H), ZoneInfo("Europe/Berlin")))) == 2


def test_work_over_midnight_is_in_both_days_and_one_session() -> None:
    told = played([Act("parked", 3600), Act("working", 7200), Act("parked", 3600)], MIDNIGHT - 7200 * S, 1)
    shelf = Shelf(seen(recorded(told)))
    days = [sessions_of(shelf.read, one) for one in local_days(span(told), JAKARTA)]
    assert [hours_ms(one, "working") for one in days] == [H, H]
    assert outline(joined(each for one in days for each in one))[:2] == [("parked", 60), ("working", 120)]
    utc = [sessions_of(shelf.read, one) for one in local_days(span(told), timezone(timedelta(0)))]
    assert len(utc) == 1


# ------------------------------------------------------------------ small rules


def level(at_s: int, name: str, on: bool, *, edge: bool = True, source: str = "b") -> Level:
    return Level(at_s * S, source, name, on, edge)


def watched(*spans: tuple[int, int], source: str = "b") -> list[Sign]:
    return [Sign(a * S, b * S, source) for a, b in spans]


def kinds(levels: list[Level], signs: list[Sign], to_s: int, *starts: Start) -> list[tuple[str, int, int]]:
    at = [Fix(t * S, 0, 0, 0, parked=True) for t in range(0, to_s + 1, 20)]
    found = derive(observed(at, levels, signs, starts), Window(0, to_s * S))
    return [(str(each.kind), each.from_ms // S, each.to_ms // S) for each in found]


def test_an_edge_tells_how_it_stood_before_and_a_statement_does_not() -> None:
    signs = watched((0, 2000))
    assert kinds([level(1000, "ignition", True)], signs, 2000) == [("parked", 0, 1000), ("idling", 1000, 2000)]
    said = [level(1000, "ignition", True, edge=False)]
    assert kinds(said, signs, 2000) == [("stopped", 0, 1000), ("idling", 1000, 2000)]


def test_a_border_says_what_shows_it() -> None:
    levels = [level(0, "ignition", False), level(600, "ignition", True), level(900, "pto", True, edge=False)]
    at = [Fix(t * S, 0, 0, 0, parked=True) for t in range(0, 1801, 20)]
    found = derive(observed(at, levels, watched((0, 1800))), Window(-H, H))
    assert [(str(each.kind), each.began, each.ended) for each in found] == [
        ("unknown", "cut", "ignition_off"),
        ("parked", "ignition_off", "ignition_on"),
        ("idling", "ignition_on", "pto_on?"),  # a statement and no edge: it may have begun before
        ("working", "pto_on?", "last_seen"),
        ("unknown", "last_seen", "cut"),
    ]


def test_what_was_said_does_not_hold_over_an_outage() -> None:
    levels, signs = [level(0, "ignition", True)], watched((0, 600), (2000, 3000))
    assert kinds(levels, signs, 3000) == [("idling", 0, 600), ("stopped", 600, 3000)]


def test_it_holds_over_a_restart_when_it_is_said_again() -> None:
    signs, start = watched((0, 600), (700, 1200)), Start(660 * S, "b")
    again = [level(0, "ignition", True), level(700, "ignition", True, edge=False)]
    assert kinds(again, signs, 1200, start) == [("idling", 0, 1200)]
    otherwise = [level(0, "ignition", True), level(700, "ignition", False, edge=False)]
    assert kinds(otherwise, signs, 1200, start) == [("idling", 0, 600), ("stopped", 600, 700), ("parked", 700, 1200)]


def test_two_boxes_on_one_machine_know_together() -> None:
    levels = [level(0, "ignition", True), level(0, "ignition", False, edge=False, source="loose")]
    signs = [*watched((0, 900)), *watched((0, 2000), source="loose")]
    assert kinds(levels, signs, 2000) == [("idling", 0, 900), ("parked", 900, 2000)]


def test_a_key_turned_for_a_moment_is_no_session() -> None:
    levels = [level(500, "ignition", True), level(520, "ignition", False)]
    assert kinds(levels, watched((0, 2000)), 2000) == [("parked", 0, 2000)]


def test_a_gap_of_a_parked_report_is_seen_and_a_longer_one_is_not() -> None:
    for gap_ms, kind in ((PARKED_GAP_MS, Kind.STOPPED), (PARKED_GAP_MS + 1, Kind.UNKNOWN)):
        fixes = [Fix(0, 0, 0), Fix(gap_ms, 0, 0)]
        assert [each.kind for each in derive(observed(fixes), Window(0, gap_ms))] == [kind]


def test_a_gap_that_leads_elsewhere_is_not_seen() -> None:
    for gap_ms, kind in ((GAP_MS, Kind.TRAVELLING), (GAP_MS + 1, Kind.UNKNOWN)):
        fixes = [Fix(0, 0, 0), Fix(gap_ms, 0, 10_000)]  # 111 m
        assert [each.kind for each in derive(observed(fixes), Window(0, gap_ms))] == [kind]


def test_a_leap_to_the_moon_and_back_is_left_out() -> None:
    fixes = [Fix(t * S, 0, 5_000_000 if t == 300 else 0) for t in range(600)]
    found = derive(observed(fixes), Window(0, 599 * S))
    assert [(each.kind, each.distance_cm) for each in found] == [(Kind.STOPPED, 0)]


def test_nothing_observed_is_unknown() -> None:
    (nothing,) = derive(observed(), Window(0, H))
    assert (nothing.kind, nothing.place, nothing.position_ms) == (Kind.UNKNOWN, None, 0)


def test_carried_a_little_with_the_engine_off_it_was_wandering() -> None:
    there = [Fix(t * S, 0, min(max(0, t - 600), 30) * 600, 700 if 600 < t < 630 else 0) for t in range(1200)]  # 200 m
    off = [level(0, "ignition", False, edge=False)]
    found = derive(observed(there, off, watched((0, 1200))), Window(0, 1199 * S))
    assert [(each.kind, each.distance_cm) for each in found] == [(Kind.PARKED, 0)]
    alone = derive(observed(there), Window(0, 1199 * S))
    assert [each.kind for each in alone] == [Kind.STOPPED, Kind.TRAVELLING, Kind.STOPPED]


# ------------------------------------------------------------------ anything at all

AT = st.integers(0, 4 * 3600).map(lambda at_s: at_s * S)
SPANS = st.tuples(AT, st.integers(0, 1200 * S))
FIXES = st.builds(
    Fix,
    AT,
    st.integers(-30_000, 30_000),
    st.integers(-30_000, 30_000),
    st.none() | st.integers(0, 3_000),
    st.none() | AT,
    st.booleans(),
)
LEVELS = st.builds(Level, AT, st.sampled_from("ab"), st.sampled_from(INPUTS), st.booleans(), st.booleans())
SIGNS = st.builds(lambda span, box: Sign(span[0], span[0] + span[1], box), SPANS, st.sampled_from("ab"))
STARTS = st.builds(Start, AT, st.sampled_from("ab"))


@given(
    st.lists(FIXES, max_size=40),
    st.lists(LEVELS, max_size=12),
    st.lists(SIGNS, max_size=12),
    st.lists(STARTS, max_size=3),
    st.randoms(use_true_random=False),
)
def test_whatever_was_observed_the_sessions_fill_the_window_and_depend_on_no_order(
    fixes: list[Fix], levels: list[Level], signs: list[Sign], starts: list[Start], dice: random.Random
) -> None:
    window = Window(H, 3 * H)
    found = derive(observed(fixes, levels, signs, starts), window)
    assert (found[0].from_ms, found[-1].to_ms) == window
    assert all(a.to_ms == b.from_ms and a.kind is not b.kind for a, b in pairwise(found))
    for each in found:
        assert each.lasts_ms > 0
        assert 0 <= each.engine_on_ms <= each.engine_known_ms <= each.lasts_ms
        assert 0 <= each.pto_on_ms <= each.pto_known_ms <= each.lasts_ms
        assert 0 <= each.position_ms <= each.lasts_ms
        assert each.distance_cm == 0 or each.kind is Kind.TRAVELLING
    sums = hours_of(found, window)
    assert sum(sums.by_kind_ms.values()) == window.lasts_ms
    for things in (fixes, levels, signs, starts):
        things += things[:3]
        dice.shuffle(things)
    assert derive(observed(fixes, levels, signs, starts), window) == found

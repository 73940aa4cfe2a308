"""The ladder helps where it can and does no harm: the relay never cuts when it must not, in any order of events."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from edge.camera_node.recovery import (
    DAY_S,
    PACES,
    REMEDIES,
    SETTLE_S,
    STARTED_S,
    STAYS_S,
    USELESS_AFTER,
    Effect,
    Ladder,
    Situation,
    Step,
)

SEES = Situation(failure=None, reboots=True, relay=True)
FROZEN = replace(SEES, failure="frozen")
FAILURES = [*REMEDIES, "authentication", "path", "power", "codec", "covered", "moved", "dark", "blurred"]


class Box:
    """A ladder whose box can be rebooted; `kept` is its disk."""

    def __init__(self) -> None:
        self.kept: Any = None
        self.now_s = 500.0
        self.ladder = Ladder(self._keep, now_s=self.now_s)

    def _keep(self, state: dict[str, Any]) -> None:
        self.kept = json.loads(json.dumps(state))

    def reboot(self) -> None:
        """Another boot: its monotonic clock begins anew."""
        self.now_s = 3.0
        self.ladder = Ladder(self._keep, self.kept, now_s=self.now_s)

    def run(self, seconds: float, situation: Situation, *, until: Step | None = None) -> list[Step]:
        """The steps done meanwhile; ends at `until`."""
        steps, end_s = [], self.now_s + seconds
        while self.now_s < end_s:
            self.now_s += 5.0
            if step := self.ladder.turn(situation, self.now_s):
                steps.append(step)
                if step is until:
                    break
        return steps


@pytest.fixture
def box() -> Box:
    return Box()


def test_it_climbs_from_the_gentlest_step_and_waits_for_the_effect_of_each(box: Box) -> None:
    assert box.run(SETTLE_S - 5, FROZEN) == []
    assert box.run(15, FROZEN) == [Step.RESTART]
    assert box.run(PACES[Step.RESTART].effect_s - 10, FROZEN) == []
    assert box.ladder.held == "waiting"
    assert box.run(20, FROZEN) == [Step.REBOOT]
    assert box.run(PACES[Step.REBOOT].effect_s + 5, FROZEN) == [Step.CUT]
    assert box.run(3_600, FROZEN) == []
    assert box.ladder.held == "cooling_down"


def test_what_helped_is_measured_and_the_next_outage_begins_at_the_bottom(box: Box) -> None:
    box.run(600, FROZEN, until=Step.REBOOT)
    box.run(90, FROZEN)
    box.run(300, SEES)
    told = box.ladder.outcomes()
    assert [(one.step, one.after_s, one.effect) for one in told] == [
        (Step.RESTART, None, Effect(1, 0, 0.0)),
        (Step.REBOOT, 95.0, Effect(1, 1, 95.0)),
    ]
    assert told[-1].effect.helped_percent == 100
    assert box.ladder.outcomes() == [], "each is told once"
    assert box.run(600, FROZEN)[0] is Step.RESTART


def test_seeing_for_a_moment_is_no_recovery(box: Box) -> None:
    box.run(100, FROZEN, until=Step.RESTART)
    box.run(STAYS_S - 10, SEES)
    assert box.run(60, FROZEN) == [Step.REBOOT]
    assert [(one.step, one.after_s) for one in box.ladder.outcomes()] == [(Step.RESTART, None)]


def test_a_recovery_long_after_a_step_is_not_its_merit(box: Box) -> None:
    situation = replace(FROZEN, reboots=False, relay=False)
    box.run(100, situation, until=Step.RESTART)
    box.run(25, situation)
    box.now_s += 600  # nobody turned for ten minutes
    box.run(200, SEES)
    assert [(one.step, one.effect) for one in box.ladder.outcomes()] == [(Step.RESTART, Effect(1, 0, 0.0))]


def test_it_stops_when_it_does_not_help_and_a_person_may_start_it_again(box: Box) -> None:
    assert box.run(4 * DAY_S, FROZEN) == [Step.RESTART, Step.REBOOT] + [Step.CUT] * USELESS_AFTER
    assert (box.ladder.held, box.ladder.given_up) == ("given_up", [Step.CUT])
    cuts = [one for one in box.ladder.outcomes() if one.step is Step.CUT]
    assert [one.given_up for one in cuts] == [False] * (USELESS_AFTER - 1) + [True]
    assert cuts[-1].effect == Effect(USELESS_AFTER, 0, 0.0)
    box.reboot()
    assert Step.CUT not in box.run(2 * DAY_S, FROZEN)
    box.ladder.reset(box.now_s)
    assert Step.CUT in box.run(DAY_S / 12, FROZEN)


@pytest.mark.parametrize(
    ("change", "held"),
    [
        ({"watched": True}, "watched"),
        ({"updating": True}, "updating"),
        ({"elsewhere": "switch"}, "elsewhere"),
        ({"others_see": True}, "others_see"),
        ({"relay": False}, "no_remedy"),
        ({"failure": "authentication"}, "no_remedy"),
        ({"failure": "moved"}, "no_remedy"),
        ({"failure": "a word of a newer version"}, "no_remedy"),
    ],
)
def test_it_says_why_it_does_nothing(box: Box, change: dict[str, Any], held: str) -> None:
    situation = replace(SEES, failure="link")
    assert box.run(600, replace(situation, **change)) == []
    assert box.ladder.held == held


@pytest.mark.parametrize("last", ["address", "port", "no_frames"])
def test_a_camera_that_starts_is_neither_rebooted_nor_cut(box: Box, last: str) -> None:
    link = replace(SEES, failure="link")
    assert box.run(60, link) == []
    assert box.ladder.held == "starting"
    steps = box.run(STARTED_S - 65, replace(FROZEN, failure=last))
    assert steps in ([], [Step.RESTART])
    assert box.run(10, replace(FROZEN, failure=last)) != [], "it does not start"


def test_our_own_stream_is_restarted_while_somebody_watches_and_nothing_harder_is(box: Box) -> None:
    assert box.run(DAY_S / 4, replace(FROZEN, watched=True)) == [Step.RESTART]


def test_a_step_is_on_disk_before_it_is_done() -> None:
    kept: list[dict[str, Any]] = []

    def dying(state: dict[str, Any]) -> None:
        kept.append(state)
        raise KeyboardInterrupt  # killed before turn returned: nobody did the step

    ladder = Ladder(dying, now_s=0.0)
    link = replace(SEES, failure="link")
    ladder.turn(link, 1.0)
    with pytest.raises(KeyboardInterrupt):
        ladder.turn(link, 1.0 + STARTED_S)
    again = Box()
    again.kept = kept[-1]
    again.reboot()
    assert again.run(PACES[Step.CUT].cool_down_s - 60, link) == []


def test_what_is_used_up_survives_a_reboot_and_the_time_without_power_does_not_count(box: Box) -> None:
    link = replace(SEES, failure="link")
    assert box.run(STARTED_S + 5, link) == [Step.CUT]
    for _ in range(40):  # ever again before its hour is over
        box.reboot()
        assert box.run(3_000, link) == []
    assert box.run(PACES[Step.CUT].cool_down_s, link) == [Step.CUT]


# ---------------------------------------------------------------------- all orders of events


class AnyOrder(RuleBasedStateMachine):
    """A camera, a box and people doing anything in any order; the truth is kept apart from what the ladder knows."""

    @initialize(others_see=st.booleans())
    def start(self, others_see: bool = False) -> None:
        self.true_s = 0.0  # never begins anew
        self.boot_s = 0.0  # when this boot began
        self.kept: Any = None
        self.situation = replace(SEES, failure="link", others_see=others_see)
        self.failing_s: float | None = 0.0
        self.done: list[tuple[Step, float]] = []
        self.killed_before_doing = False
        self.ladder = Ladder(self._keep, now_s=0.0)

    def _keep(self, state: dict[str, Any]) -> None:
        self.kept = json.loads(json.dumps(state))

    def _turn(self) -> None:
        step = self.ladder.turn(self.situation, self.true_s - self.boot_s)
        if step is not None:
            self._must_be_allowed(step)
            self.done.append((step, self.true_s))

    def _must_be_allowed(self, step: Step) -> None:
        now = self.situation
        assert now.failure is not None, "it sees"
        assert step in REMEDIES.get(now.failure, ()), "nothing that a step mends"
        assert self.failing_s is not None
        assert self.true_s - self.failing_s >= SETTLE_S, "it may mend itself"
        assert now.elsewhere is None, "the cause is elsewhere"
        assert not now.updating, "firmware is being updated"
        assert step is not Step.RESTART or now.failure != "link"
        assert step is Step.RESTART or not now.watched, "somebody watches"
        assert step is not Step.REBOOT or now.reboots
        assert step is not Step.CUT or (now.relay and not now.others_see), "others would lose their power"
        before = [at_s for done, at_s in self.done if done is step]
        assert not before or self.true_s - max(before) >= PACES[step].cool_down_s - 1, "it cools down"
        assert sum(self.true_s - at_s < DAY_S - 1 for at_s in before) < PACES[step].daily_cap, "the daily number"
        if self.done:
            last, at_s = self.done[-1]
            assert self.true_s - at_s >= min(PACES[last].effect_s, STAYS_S) - 1, "the effect of the last is not known"

    @rule(failure=st.sampled_from([*FAILURES, *["link", "port", "frozen"] * 4]))
    def fails(self, failure: str) -> None:
        if self.situation.failure is None:
            self.failing_s = self.true_s
        self.situation = replace(self.situation, failure=failure)
        self._turn()

    @precondition(lambda self: self.situation.failure is not None)
    @rule()
    def recovers(self) -> None:
        self.situation = replace(self.situation, failure=None)
        self.failing_s = None
        self._turn()

    @rule(flag=st.sampled_from(["watched", "updating", "others_see", "others_see", "watched", "reboots", "relay"]))
    def flips(self, flag: str) -> None:
        self.situation = replace(self.situation, **{flag: not getattr(self.situation, flag)})

    @rule(cause=st.sampled_from([*[None] * 7, "switch", "power", "modem", "uplink", "booting", "credentials"]))
    def has_its_cause(self, cause: str | None) -> None:
        self.situation = replace(self.situation, elsewhere=cause)

    @rule(step_s=st.sampled_from([1.0, 5.0, 20.0]), times=st.integers(1, 60))
    def time_passes(self, step_s: float, times: int) -> None:
        for _ in range(times):
            self.true_s += step_s
            self._turn()

    @rule(hours=st.sampled_from([0.1, 0.3, 1, 2.1, 2.1, 12, 30]))
    def hours_pass(self, hours: float) -> None:
        for _ in range(round(hours * 30)):
            self.true_s += 120.0
            self._turn()

    @rule(off_s=st.sampled_from([0.0, 0.0, 30.0, 3_600.0, 200_000.0]))
    def reboots(self, off_s: float) -> None:
        self.true_s += off_s
        self.boot_s = self.true_s
        self.failing_s = None if self.situation.failure is None else self.true_s
        self.ladder = Ladder(self._keep, self.kept, now_s=0.0)

    @rule()
    def a_person_resets(self) -> None:
        self.ladder.reset(self.true_s - self.boot_s)

    @rule()
    def all_is_quiet_again_but_for_the_camera(self) -> None:
        self.situation = replace(SEES, failure="link")
        self.failing_s = self.true_s if self.failing_s is None else self.failing_s
        self.ladder.reset(self.true_s - self.boot_s)
        self._turn()

    @invariant()
    def it_can_be_kept(self) -> None:
        state = self.ladder.state(self.true_s - self.boot_s)
        assert len(json.dumps(state)) < 4_000


def test_the_relay_never_cuts_when_it_must_not() -> None:
    run_state_machine_as_test(AnyOrder, settings=settings(max_examples=80, stateful_step_count=40, deadline=None))


def test_in_that_test_the_relay_does_cut() -> None:
    run = AnyOrder()
    run.start()
    run.fails("link")
    run.hours_pass(30)
    assert [step for step, _ in run.done] == [Step.CUT] * USELESS_AFTER


words = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.sampled_from(list(Step))
inner = st.lists(words, max_size=3) | st.dictionaries(st.sampled_from(list(Step)), words)
nested = words | inner | st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list(Step)), inner)


@given(st.dictionaries(st.sampled_from(["used", "trial", "tried", "useless", "effects"]), nested) | nested)
def test_worn_bits_are_a_ladder_that_cuts_no_sooner(kept: Any) -> None:
    box = Box()
    box.kept = kept
    box.reboot()
    assert box.run(SETTLE_S - 5, replace(SEES, failure="link")) == []
    steps = box.run(DAY_S / 24, replace(SEES, failure="link"))
    assert steps in ([], [Step.CUT])

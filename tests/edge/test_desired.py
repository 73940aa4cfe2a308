"""A wanted configuration is refused, tried, kept or taken back, and a cut at any moment leaves a box that runs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from desired_child import TRIAL_S
from hypothesis import given
from hypothesis import strategies as st

from edge.desired import MOST_STARTS, SAVE_EVERY_S, Shadow, problems_in
from settings import ConfigError, Problem
from wire.errors import PeerViolation

QUICK = {"report": {"interval_s": 5.0}}


class Disk:
    """What is kept, as text; `full`: nothing is."""

    def __init__(self) -> None:
        self.text = "{}"
        self.full = False

    def load(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)
        return found

    def save(self, value: dict[str, Any]) -> bool:
        if not self.full:
            self.text = json.dumps(value)
        return not self.full


class Box:
    """One process after the other on one disk."""

    def __init__(self) -> None:
        self.disk = Disk()
        self.now_s = 0.0
        self.refuses: set[str] = set()
        self.start()

    def start(self) -> None:
        self.shadow = Shadow(self.disk, self._check, lambda: self.now_s, trial_s=TRIAL_S)
        self.running = self.shadow.begin()

    def _check(self, document: Any) -> None:
        if wrong := self.refuses & document.keys():
            raise ConfigError("unit.toml", [Problem(key=key, value="1", wanted="another") for key in sorted(wrong)])

    def hear(self, version: int, document: Any) -> bool:
        return self.shadow.hear(json.dumps({"version": version, "desired": document}).encode())

    def said(self) -> tuple[int, str, str]:
        report = self.shadow.take_report()
        assert report is not None
        told = json.loads(report[1])
        assert told["running"] == self.running
        return report[0], told["state"], told["error"]

    def take(self, version: int, document: Any) -> None:
        """All the way to `applied`."""
        assert self.hear(version, document)
        self.start()
        assert not self.shadow.turn(receipted=True)
        assert self.said() == (version, "applied", "")


@pytest.fixture
def box() -> Box:
    return Box()


def test_a_good_one_is_tried_and_kept_once_a_receipt_came(box: Box) -> None:
    assert box.running == {}
    assert box.hear(1, QUICK)
    box.start()
    assert box.running == QUICK
    assert box.shadow.take_report() is None
    assert not box.shadow.turn(receipted=True)
    assert box.said() == (1, "applied", "")
    box.now_s += 10 * TRIAL_S
    box.start()
    assert box.running == QUICK
    assert not box.shadow.turn(receipted=False)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"report": {"interval_s": 0}}, "report.interval_s is 0: must be a number from 1 to 3600 s"),
        ({"report": {"intervall_s": 5}}, "report.intervall_s"),
        ({"unit": {"id": "amb-2"}}, "unit.id"),
        ({"broker": {"ca_path": "/tmp/ca"}}, "broker.ca_path"),
        ({"shell": {"run": "rm"}}, "shell.run"),
    ],
)
def test_a_bad_one_is_refused_with_the_reason_and_the_last_good_one_stays(
    box: Box, document: dict[str, Any], said: str
) -> None:
    box.take(1, QUICK)
    assert not box.hear(2, document)
    version, state, error = box.said()
    assert (version, state) == (2, "refused")
    assert said in error
    box.start()
    assert box.running == QUICK


def test_what_does_not_go_with_the_boxs_own_file_is_refused(box: Box) -> None:
    box.refuses = {"broker"}
    assert not box.hear(1, {"broker": {"port": 8884}})
    assert box.said()[1] == "refused"


def test_one_that_cuts_the_box_off_is_taken_back_by_itself(box: Box) -> None:
    box.take(1, QUICK)
    assert box.hear(2, {"broker": {"host": "nowhere.example"}})
    box.start()
    box.now_s += TRIAL_S - 1
    assert not box.shadow.turn(receipted=False)
    box.now_s += 1
    assert box.shadow.turn(receipted=False)
    box.start()
    assert box.running == QUICK
    assert box.said() == (2, "reverted", f"no receipt within {TRIAL_S:.0f} s")
    assert not box.hear(2, {"broker": {"host": "nowhere.example"}})  # retained, it comes with every connection


def test_a_process_that_has_lived_for_long_does_not_judge_what_the_next_one_will_try(box: Box) -> None:
    box.now_s += 10 * TRIAL_S
    assert box.hear(1, QUICK)
    assert not box.shadow.turn(receipted=True)
    box.now_s += TRIAL_S
    assert not box.shadow.turn(receipted=False)
    box.start()
    assert box.running == QUICK
    assert box.shadow.take_report() is None


def test_power_cuts_do_not_make_a_trial_last_for_ever(box: Box) -> None:
    assert box.hear(1, QUICK)
    for _ in range(MOST_STARTS):
        box.start()
        assert box.running == QUICK
        box.now_s += SAVE_EVERY_S
        box.shadow.turn(receipted=False)
    box.start()
    assert box.running == {}
    assert box.said()[:2] == (1, "reverted")


def test_the_time_of_a_trial_goes_on_over_a_cut(box: Box) -> None:
    assert box.hear(1, QUICK)
    box.start()
    box.now_s += TRIAL_S - 10
    box.shadow.turn(receipted=False)
    box.start()
    box.now_s += 11
    assert box.shadow.turn(receipted=False)


def test_what_runs_already_under_a_new_version_costs_no_restart(box: Box) -> None:
    box.take(1, QUICK)
    assert not box.hear(2, QUICK)
    assert box.said() == (2, "applied", "")


def test_an_empty_one_goes_back_to_the_boxs_own_file(box: Box) -> None:
    box.take(1, QUICK)
    box.take(2, {})
    assert box.running == {}


def test_a_box_whose_card_takes_nothing_tries_nothing(box: Box) -> None:
    box.disk.full = True
    assert not box.hear(1, QUICK)
    assert box.said()[1] == "refused"


def test_one_that_a_new_firmware_can_not_run_is_given_up_and_said(box: Box) -> None:
    box.take(1, QUICK)
    box.refuses = {"report"}
    box.start()
    assert box.running == {}
    assert box.said()[:2] == (1, "refused")


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["version", "desired", "a"]), inner),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_whatever_comes_down_is_refused_or_no_configuration(payload: bytes) -> None:
    box = Box()
    try:
        assert box.shadow.hear(payload) == (box.shadow.take_report() is None)
    except PeerViolation:
        assert box.shadow.take_report() is None


@given(st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.dictionaries(
        st.sampled_from(["trial", "stable", "report", "version", "document", "starts", "spent_s", "state"]), inner
    ),
))  # fmt: skip
def test_worn_bits_never_end_a_start(kept: Any) -> None:
    disk = Disk()
    disk.text = json.dumps(kept if isinstance(kept, dict) else {})
    assert isinstance(Shadow(disk, lambda _document: None, lambda: 0.0, trial_s=TRIAL_S).begin(), dict)


def test_the_centre_may_set_reporting_and_nothing_that_a_box_is_known_by() -> None:
    assert problems_in({"report": {"tolerance_m": 0}, "profile_moving": {"drift_m": 3}, "broker": {"port": 8884}}) == []
    assert [each.key for each in problems_in({"broker": {"key_path": "/x"}, "run": {"directory": "/"}})] == [
        "broker.key_path", "run.directory",
    ]  # fmt: skip

"""While somebody updates a camera's firmware nothing disturbs it: as long as was said, over restarts, no longer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.camera_node.updating import KEEP_EVERY_S, MOST_MINUTES, Updating


class Box:
    """A box with a clock that the test moves; `kept` is its disk."""

    def __init__(self, kept: Any = None) -> None:
        self.now_s = 100.0
        self.kept = kept
        self.writes = 0
        self.updating = self.started()

    def started(self) -> Updating:
        return Updating(["gate", "yard"], self._keep, self.kept, monotonic_s=lambda: self.now_s)

    def _keep(self, state: dict[str, float]) -> None:
        self.kept, self.writes = dict(state), self.writes + 1

    def after(self, seconds: float) -> None:
        for _ in range(int(seconds / 5)):
            self.now_s += 5.0
            self.updating.turn()


def test_it_lasts_as_long_as_was_said_and_concerns_one_camera() -> None:
    box = Box()
    assert not box.updating.of("gate")
    assert box.updating.want({"camera": "gate", "minutes": 30}) == "no recovery step for 30 min"
    box.after(1_795)
    assert (box.updating.of("gate"), box.updating.of("yard")) == (True, False)
    box.after(5)
    assert not box.updating.of("gate")
    assert box.kept == {}
    assert box.writes < 40, "a card is not written each second"


def test_who_is_done_sooner_says_so_and_who_needs_longer_says_it_again() -> None:
    box = Box()
    box.updating.want({"camera": "gate", "minutes": 5})
    box.updating.want({"camera": "gate", "minutes": 10})
    box.after(595)
    assert box.updating.of("gate")
    assert box.updating.want({"camera": "gate", "minutes": 0}) == "recovery goes on"
    assert not box.updating.of("gate")


def test_a_box_that_restarts_meanwhile_still_knows_and_does_not_know_it_for_ever() -> None:
    box = Box()
    box.updating.want({"camera": "gate", "minutes": 30})
    lived_s = 0
    while box.updating.of("gate"):
        box.after(2 * KEEP_EVERY_S)
        lived_s += 2 * KEEP_EVERY_S
        box.now_s = 3.0  # another boot: its clock begins anew
        box.updating = box.started()
        assert lived_s <= 2 * 1_800
    assert lived_s >= 1_800


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"camera": "roof", "minutes": 5},
        {"camera": ["gate"], "minutes": 5},
        {"camera": "gate"},
        {"camera": "gate", "minutes": -1},
        {"camera": "gate", "minutes": MOST_MINUTES + 1},
        {"camera": "gate", "minutes": True},
        {"camera": "gate", "minutes": 1.5},
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(arguments: dict[str, Any]) -> None:
    box = Box()
    box.updating.want({"camera": "gate", "minutes": 5})
    with pytest.raises(ValueError, match=r"no such camera|minutes is"):
        box.updating.want(arguments)
    assert box.updating.of("gate")


json_ish = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["gate", "yard", "x"]), inner),
    max_leaves=6,
)


@given(json_ish)
def test_worn_bits_hold_a_camera_no_longer_than_a_person_could(kept: Any) -> None:
    box = Box(kept)
    box.after(60 * MOST_MINUTES)
    assert not box.updating.of("gate") and not box.updating.of("yard")

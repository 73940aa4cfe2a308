"""How often a refused password is shown to a camera: by all that log in to it together, and over restarts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.camera_node.onvif import SHOWN
from edge.camera_node.probing import Credentials
from edge.camera_node.refused import tries_of
from edge.camera_node.tries import TRIES_AN_HOUR, Door, Tries
from edge.memory import Memory

WRONG, RIGHT = Credentials("viewer", "wrong"), Credentials("viewer", "right")
APART_S = 3600.0 / TRIES_AN_HOUR


class Box:
    """A box that can be restarted, with a clock that the test moves."""

    def __init__(self, folder: Path) -> None:
        self.points: list[str] = []  # of the memory's writes
        self.memory = Memory(folder / "documents.db", at=self.points.append)
        self.passwords = folder / "passwords.toml"
        self.passwords.write_text('password = "wrong"')
        self.now_s = 50.0

    def started(self) -> Tries:
        return tries_of(["gate"], self.passwords, self.memory, lambda: self.now_s)["gate"]


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def test_a_box_that_starts_again_and_again_shows_a_refused_password_once(box: Box) -> None:
    shown = 0
    for _ in range(20):
        tries = box.started()
        for door in (Door.ONVIF, Door.STREAM):
            if tries.claim(WRONG, door):
                shown += 1
                tries.refused(door)
        box.now_s += 60.0
    assert shown == 1
    tries = box.started()
    box.now_s += APART_S
    assert tries.claim(WRONG)


def test_a_stream_that_lets_us_in_though_onvif_refuses_goes_on_after_a_restart(box: Box) -> None:
    tries = box.started()
    for door, said in ((Door.STREAM, tries.accepted), (Door.ONVIF, tries.refused)):
        assert tries.claim(RIGHT, door)
        said(door)
    tries = box.started()
    assert tries.claim(RIGHT, Door.STREAM) and not tries.claim(RIGHT, Door.ONVIF)
    tries.refused(Door.STREAM)
    assert not box.started().claim(RIGHT, Door.STREAM)


def test_another_file_may_hold_another_password_which_is_tried_at_once(box: Box) -> None:
    box.started().refused()
    assert not box.started().claim(RIGHT)
    box.passwords.touch()  # a copy of the same is no other one
    assert not box.started().claim(WRONG)
    box.passwords.write_text('password = "right"')
    assert box.started().claim(RIGHT)


def test_one_that_was_right_after_all_is_remembered_as_that(box: Box) -> None:
    tries = box.started()
    tries.refused()
    box.now_s += APART_S
    assert tries.claim(WRONG)
    tries.accepted()
    assert box.started().claim(WRONG)


def test_a_camera_that_refuses_for_months_costs_the_card_one_write(box: Box) -> None:
    tries = box.started()
    for _ in range(100):
        assert tries.claim(WRONG)
        tries.refused()
        box.now_s += APART_S
    assert box.points.count("memory:committed") == 1
    assert box.memory.recall("refused gate", [])[1] == APART_S


@pytest.mark.parametrize("kept", [[], [None], [None, "x"], [None, 1e300], [None, None], [None, -5.0], {"a": 1}])
def test_worn_bits_lock_nobody_out(box: Box, kept: Any) -> None:
    box.started().refused()
    file = box.memory.recall("refused gate", [])[0]
    box.memory.remember("refused gate", [file, *kept[1:]] if isinstance(kept, list) and kept else kept)
    tries = box.started()
    box.now_s += 3600.0
    assert tries.claim(WRONG)


# ---------------------------------------------------------------------- in one process


@given(st.lists(st.floats(0.0, 7200.0), max_size=200))
def test_a_refused_password_is_never_tried_more_often_than_allowed(pauses_s: list[float]) -> None:
    now_s = 0.0
    tried_s: list[float] = []
    tries = Tries(lambda: now_s)
    for pause_s in pauses_s:
        now_s += pause_s
        if tries.wait_s("key") == 0:
            tried_s.append(now_s)
            tries.refused()
    for start_s in tried_s:
        assert sum(start_s <= at_s < start_s + 3600.0 for at_s in tried_s) <= TRIES_AN_HOUR


@given(st.lists(st.tuples(st.floats(0.0, 3600.0), st.sampled_from(Door)), max_size=100), st.booleans())
def test_a_wrong_password_is_shown_less_often_than_makers_lock_an_account(
    logins: list[tuple[float, Door]], once_right: bool
) -> None:
    now_s, shown = 0.0, []
    tries = Tries(lambda: now_s)
    if once_right:  # and changed by somebody since
        for door in Door:
            tries.accepted(door)
    for pause_s, door in logins:
        now_s += pause_s
        if tries.claim("key", door):
            times = SHOWN if door is Door.ONVIF else 1
            shown += [now_s] * times
            tries.refused(door, shown=times)
    for start_s in shown:
        assert sum(start_s <= at_s < start_s + 1_800.0 for at_s in shown) < 5


def test_while_nobody_knows_a_password_it_is_tried_by_one_at_a_time() -> None:
    tries = Tries(lambda: 0.0)
    assert tries.claim("key") and not tries.claim("key", Door.ONVIF)
    tries.unheard()  # it was not reached: nobody knows yet
    assert not tries.let_in("key"), "no live view yet"
    assert tries.claim("key", Door.ONVIF)
    tries.accepted(Door.ONVIF)
    assert tries.claim("key") and tries.claim("key") and tries.claim("key", Door.ONVIF)


def test_a_stream_goes_on_though_onvif_has_another_account() -> None:
    now_s = 0.0
    tries = Tries(lambda: now_s)
    assert tries.claim("key")
    tries.accepted()
    assert tries.claim("key", Door.ONVIF)
    tries.refused(Door.ONVIF, shown=SHOWN)
    assert tries.let_in("key")
    assert tries.claim("key"), "the stream broke and is opened anew"
    tries.accepted()
    assert not tries.claim("key", Door.ONVIF), "that it may is nothing new to ONVIF"
    now_s = SHOWN * 3600.0 / TRIES_AN_HOUR
    assert tries.claim("key", Door.ONVIF)


def test_a_new_password_is_tried_at_once() -> None:
    tries = Tries(lambda: 0.0)
    assert tries.claim(None)
    tries.refused()
    assert tries.wait_s(None) > 0
    assert tries.wait_s(Credentials("viewer", "new")) == 0


def test_of_a_file_that_only_root_may_read_the_copy_that_was_handed_over_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "passwords.toml").write_text('[gate]\nuser = "viewer"\npassword = "hunter2"\n')
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    elsewhere = tmp_path / "etc" / "passwords.toml"  # no right to read it looks like this, too
    assert tries_of(["gate"], elsewhere, Memory(tmp_path / "documents.db", at=lambda _point: None)).keys() == {"gate"}

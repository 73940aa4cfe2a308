"""A refused password over restarts of the box."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge.camera_node.probing import TRIES_AN_HOUR, Credentials, Door, Tries
from edge.camera_node.refused import tries_of
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

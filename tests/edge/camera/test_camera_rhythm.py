"""A camera is silent by its own rhythm, slow by its own rate, and its score says both."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.camera_node.rhythm import UNKNOWN_SILENT_S, Rhythm


class Camera:
    """A camera that speaks as the test wants."""

    def __init__(self, rhythm: Rhythm | None = None) -> None:
        self.rhythm = rhythm or Rhythm()
        self.now_s = 1_000.0
        self.rhythm.opened(self.now_s)

    def speak(self, intervals_s: Iterable[float]) -> None:
        for interval_s in intervals_s:
            self.now_s += interval_s
            self.rhythm.keyframe(self.now_s)

    def silent_after(self, seconds: float) -> bool:
        return self.rhythm.silent(self.now_s + seconds)


@pytest.mark.parametrize("interval_s", [0.5, 1, 2, 4, 10, 30])
def test_a_camera_is_silent_by_its_own_rhythm(interval_s: float) -> None:
    camera = Camera()
    camera.speak([interval_s] * 20)
    assert not camera.silent_after(1.25 * interval_s)
    assert not camera.silent_after(2.1 * interval_s)  # one keyframe lost
    assert camera.silent_after(max(3.0 * interval_s, 3.1))


def test_a_camera_with_a_keyframe_each_four_seconds_is_not_silent_after_five() -> None:
    camera = Camera()
    camera.speak([4.0] * 10)
    assert not camera.silent_after(5)
    quick = Camera()
    quick.speak([0.5] * 10)
    assert quick.silent_after(5)


def test_one_that_is_irregular_is_given_the_time_that_it_takes() -> None:
    camera = Camera()
    camera.speak([2.0, 2.0, 2.0, 9.0, 2.0] * 6)
    assert not camera.silent_after(10)
    assert camera.silent_after(14)


def test_until_a_rhythm_is_known_it_has_half_a_minute() -> None:
    camera = Camera()
    camera.speak([1.0])
    assert not camera.silent_after(UNKNOWN_SILENT_S - 1)
    assert camera.silent_after(UNKNOWN_SILENT_S + 1)


def test_a_stall_teaches_nothing_and_is_counted_once() -> None:
    camera = Camera()
    camera.speak([1.0] * 20)
    before_s = camera.rhythm.silent_after_s
    for _ in range(5):
        assert camera.silent_after(20)
        camera.speak([21.0, 1.0, 1.0, 1.0])
    assert camera.rhythm.silent_after_s == before_s
    quality = camera.rhythm.quality(camera.now_s)
    assert (quality.stalls_an_hour, quality.score) == (5, 59)
    camera.speak([1.0] * 4_000)
    assert camera.rhythm.quality(camera.now_s).score == 100


def test_a_rhythm_that_changed_for_good_is_learned_anew() -> None:
    camera = Camera()
    camera.speak([1.0] * 64)
    camera.speak([12.0] * 8)
    assert not camera.silent_after(25)
    camera.speak([1.0] * 64)
    assert camera.silent_after(5)


def test_short_looks_do_not_teach_that_it_is_faster_than_it_is() -> None:
    camera = Camera()
    camera.speak([4.0] * 20)
    for wait_s in (0.1, 0.3, 1.2, 3.8) * 20:
        camera.rhythm.opened(camera.now_s, again=False)
        camera.speak([wait_s])
        camera.rhythm.closed()
        assert not camera.silent_after(1_000), "nobody asks it"
        camera.now_s += 60
    camera.rhythm.opened(camera.now_s, again=False)
    assert not camera.silent_after(5)
    assert camera.silent_after(11)
    assert camera.rhythm.quality(camera.now_s).reconnects_an_hour == 0


def test_reconnects_lower_the_score_for_an_hour() -> None:
    camera = Camera()
    camera.speak([1.0] * 10)
    for _ in range(3):
        camera.rhythm.opened(camera.now_s)
        camera.speak([1.0])
    assert camera.rhythm.quality(camera.now_s).reconnects_an_hour == 3
    assert camera.rhythm.quality(camera.now_s).score == 73
    camera.speak([1.0] * 3_601)
    assert camera.rhythm.quality(camera.now_s).reconnects_an_hour == 0


def test_fewer_frames_than_usual_are_slow_and_never_become_usual_by_themselves() -> None:
    camera = Camera()
    camera.speak([1.0] * 10)
    for _ in range(10):
        camera.rhythm.measured(frames_per_s=25.0, bitrate_kbps=3_900.0)
    for _ in range(1_000):
        camera.rhythm.measured(frames_per_s=5.0, bitrate_kbps=900.0)
    quality = camera.rhythm.quality(camera.now_s)
    assert (quality.expected_frames_per_s, quality.seen_frames_per_s, quality.bitrate_kbps) == (25.0, 5.0, 900.0)
    assert (quality.slow, quality.score) == (True, 20)
    camera.rhythm.accept()
    assert (camera.rhythm.quality(camera.now_s).slow, camera.rhythm.expected_frames_per_s) == (False, 5.0)


def test_what_a_camera_declares_counts_from_the_first_second() -> None:
    camera = Camera(Rhythm(declared_frames_per_s=20.0))
    camera.rhythm.measured(frames_per_s=4.0, bitrate_kbps=None)
    assert camera.rhythm.quality(camera.now_s).slow


def test_a_silent_camera_scores_nothing_and_the_next_keyframe_ends_it() -> None:
    camera = Camera()
    camera.speak([1.0] * 20)
    assert camera.rhythm.quality(camera.now_s + 60).score == 0
    camera.speak([60.0])
    assert camera.rhythm.quality(camera.now_s).score == 90


def test_what_it_learned_survives_a_reboot_in_little_space() -> None:
    camera = Camera()
    camera.speak([4.0] * 200)
    for _ in range(200):
        camera.rhythm.measured(frames_per_s=24.98765, bitrate_kbps=1.0)
    kept = json.dumps(camera.rhythm.learned())
    assert len(kept) < 2_000
    again = Camera(Rhythm(json.loads(kept)))
    assert again.rhythm.silent_after_s == camera.rhythm.silent_after_s
    assert again.rhythm.expected_frames_per_s == pytest.approx(25.0, abs=0.1)


@given(
    st.dictionaries(
        st.sampled_from(["intervals_s", "frames_per_s", "x"]), st.none() | st.lists(st.floats() | st.text())
    )
)
def test_worn_bits_are_a_rhythm(kept: dict[str, Any]) -> None:
    camera = Camera(Rhythm(kept))
    camera.speak([1.0] * 70)
    assert 3.0 <= camera.rhythm.silent_after_s <= 180.0
    assert 0 <= camera.rhythm.quality(camera.now_s).score <= 100


@given(st.lists(st.floats(0.01, 500), max_size=150))
def test_whatever_comes_when_the_bounds_hold(intervals_s: list[float]) -> None:
    camera = Camera()
    camera.speak(intervals_s)
    assert 3.0 <= camera.rhythm.silent_after_s <= 180.0
    assert not camera.silent_after(2.9)
    assert camera.silent_after(181)

"""The judge: what it says of drawn streets, that it keeps what it learned, and that no picture brings it down."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.faults import FAULTS, fault
from bench.scenes import Scene, Weather, burn_clock
from edge.camera_node.picture import CHROMA_SHAPE, LUMA_SHAPE, Picture
from edge.camera_node.verdict import KINDS, Judge

LEARNED = 16  # pictures
DAY = Weather()


@pytest.fixture(scope="module")
def street() -> list[Picture]:
    scene = Scene(3, busy_per_min=6)
    return [scene.picture(5.0 * number, DAY) for number in range(LEARNED + 30)]


@pytest.fixture(scope="module")
def taught(street: list[Picture]) -> Judge:
    judge = Judge()
    for number, picture in enumerate(street[:LEARNED]):
        judge.see(picture, 5.0 * number)
    assert judge.verdict.kind == "seeing"
    return judge


def told(judge: Judge, pictures: list[Picture], from_s: float = 5.0 * LEARNED) -> list[str]:
    """The kinds told, picture by picture, one each 5 s."""
    kinds = []
    for number, picture in enumerate(pictures):
        judge.see(picture, from_s + 5 * number)
        kinds.append(judge.verdict.kind)
    return kinds


@pytest.mark.parametrize("kind", FAULTS)
def test_a_strong_fault_is_said_with_its_name_and_its_end(kind: str, street: list[Picture], taught: Judge) -> None:
    judge = copy.deepcopy(taught)
    spoil = fault(kind, "strong", street[LEARNED - 1], np.random.default_rng(4))
    ill = [spoil(picture, 5.0 * number) for number, picture in enumerate(street[LEARNED : LEARNED + 10])]
    assert kind in told(judge, ill)
    assert judge.verdict.kind == kind
    assert judge.verdict.reason
    assert told(judge, street[LEARNED + 10 : LEARNED + 16], 5.0 * (LEARNED + 10))[-1] == "seeing"


def test_a_clock_that_ticks_over_a_frozen_picture_deceives_nobody(street: list[Picture], taught: Judge) -> None:
    judge = copy.deepcopy(taught)
    spoil = fault("frozen", "medium", street[LEARNED - 1], np.random.default_rng(4))
    assert told(judge, [spoil(street[0], 5.0 * number) for number in range(8)])[-1] == "frozen"
    assert "clock" in judge.verdict.reason


def test_it_doubts_from_the_first_sign_until_it_is_told(street: list[Picture], taught: Judge) -> None:
    judge = copy.deepcopy(taught)
    assert not judge.doubting
    spoil = fault("covered", "strong", street[LEARNED - 1], np.random.default_rng(4))
    doubts = []
    while judge.verdict.kind == "seeing":
        at_s = 5.0 * len(doubts)
        judge.see(spoil(street[LEARNED + len(doubts)], at_s), 5.0 * LEARNED + at_s)
        doubts.append(judge.doubting)
    assert len(doubts) > 1 and doubts == [True] * (len(doubts) - 1) + [False]


def test_a_healthy_street_stays_seeing(street: list[Picture], taught: Judge) -> None:
    assert set(told(copy.deepcopy(taught), street[LEARNED:])) == {"seeing"}


def test_a_step_of_exposure_at_dawn_is_no_fault_though_the_reference_is_behind() -> None:
    scene = Scene(208, busy_per_min=6)  # with a sky that turns white
    rising = [Weather(light=0.6 + 0.012 * number) for number in range(30)]
    weather = [Weather(light=0.6)] * LEARNED + rising + [Weather(light=0.97, exposure=1.3)] * 6
    judge = Judge()
    told(judge, [scene.picture(5.0 * number, each) for number, each in enumerate(weather)], 0.0)
    assert judge.verdict.kind == "seeing"


def test_a_step_of_exposure_and_rain_are_no_fault(taught: Judge) -> None:
    scene = Scene(3, busy_per_min=6)
    weather = [Weather(exposure=1.3)] * 6 + [Weather(rain=0.8, exposure=0.8)] * 8 + [DAY] * 4
    pictures = [scene.picture(5.0 * number, each) for number, each in enumerate(weather)]
    assert set(told(copy.deepcopy(taught), pictures)) == {"seeing"}


def test_poles_before_a_sky_that_turns_white_tear_no_picture() -> None:
    judge, scene = Judge(), Scene(311)
    told(judge, [scene.picture(5.0 * number, DAY) for number in range(LEARNED)], 0.0)
    bright = Weather(exposure=1.35)
    assert set(told(judge, [scene.picture(5.0 * (LEARNED + number), bright) for number in range(8)])) == {"seeing"}


def test_another_view_is_moved_and_not_covered(street: list[Picture], taught: Judge) -> None:
    elsewhere = Scene(12, busy_per_min=6)
    kinds = told(copy.deepcopy(taught), [elsewhere.picture(5.0 * number, DAY) for number in range(6)])
    assert set(kinds) == {"seeing", "moved"}


def test_paint_on_the_lens_is_a_cover(street: list[Picture], taught: Judge) -> None:
    y, x = np.ogrid[: LUMA_SHAPE[0], : LUMA_SHAPE[1]]
    paint = sum(np.exp(-((((y - 180) ** 2 + (x - at) ** 2) / (2 * 55.0**2)) ** 2)) for at in (120, 330, 540))
    share = np.clip(paint, 0, 1)

    def sprayed(picture: Picture) -> Picture:
        return replace(picture, luma=(picture.luma * (1 - share) + 80 * share).astype(np.uint8))

    kinds = told(copy.deepcopy(taught), [sprayed(picture) for picture in street[LEARNED : LEARNED + 12]])
    assert kinds[-1] == "covered"


def test_a_lorry_that_crawls_by_tears_no_picture(street: list[Picture], taught: Judge) -> None:
    def passed(picture: Picture, right_px: int) -> Picture:
        luma = picture.luma.copy()
        luma[140:340, max(0, right_px - 420) : right_px] = 215
        luma[150:200, max(0, right_px - 300) : right_px - 60] = 40
        return replace(picture, luma=luma)

    crawling = [passed(street[LEARNED + number], 240 + 100 * number) for number in range(4)]
    assert set(told(copy.deepcopy(taught), crawling)) == {"seeing"}


def test_a_frozen_picture_that_is_encoded_anew_with_its_clock_is_frozen(street: list[Picture], taught: Judge) -> None:
    random, still = np.random.default_rng(6), street[LEARNED].luma
    shown = []
    for number in range(9):
        luma = still.astype(np.int16)
        here = random.permutation(33 * 64)[:60]  # of 2304 cells: here and there a level more than in another keyframe
        for row, column in zip(3 + here // 64, here % 64, strict=True):
            luma[10 * row : 10 * row + 10, 10 * column : 10 * column + 10] += 1
        luma = luma.clip(0, 255).astype(np.uint8)
        burn_clock(luma, 5.0 * number)
        shown.append(replace(street[LEARNED], luma=luma))
    assert told(copy.deepcopy(taught), shown)[-1] == "frozen"


def test_what_it_learned_survives_a_reboot_and_finds_a_view_that_moved_meanwhile(
    street: list[Picture], taught: Judge
) -> None:
    text = json.dumps(taught.learned())
    assert len(text) < 20_000
    spoil = fault("moved", "strong", street[0], np.random.default_rng(2))
    judge = Judge(json.loads(text))
    assert told(judge, [spoil(picture, 0.0) for picture in street[:8]], 0.0)[-1] == "moved"
    assert set(told(Judge(json.loads(text)), street[:8], 0.0)) == {"seeing"}


def test_the_new_view_is_accepted_when_a_technician_says_so(street: list[Picture], taught: Judge) -> None:
    judge = copy.deepcopy(taught)
    spoil = fault("moved", "strong", street[0], np.random.default_rng(2))
    moved = [spoil(picture, 0.0) for picture in street[LEARNED:]]
    assert told(judge, moved[:8])[-1] == "moved"
    judge.accept_view()
    assert set(told(judge, moved[8:], 5.0 * (LEARNED + 8))) == {"seeing"}


@given(st.none() | st.booleans() | st.floats() | st.text() | st.dictionaries(st.text(), st.floats() | st.text()))
def test_a_spoilt_memory_is_no_memory(spoilt: Any) -> None:
    fresh = Judge().learned()
    for kept in ({"format": spoilt}, {"format": 1, "lights": {"day": spoilt}, "usual_change": "x"}):
        judge = Judge(kept)
        assert judge.learned() == fresh and judge.verdict.kind == "seeing"
    Judge({"format": 1, "lights": {"day": spoilt}, "usual_change": spoilt, "longest_still_s": 1.0})


@st.composite
def planes(draw: st.DrawFn, shape: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    low, high = sorted((draw(st.integers(0, 255)), draw(st.integers(0, 255))))
    block = draw(st.sampled_from((1, 4, 20)))
    small = random.integers(low, high + 1, (shape[0] // block, shape[1] // block), np.uint8)
    return small.repeat(block, 0).repeat(block, 1)


shapes = st.sampled_from((LUMA_SHAPE, LUMA_SHAPE, LUMA_SHAPE, LUMA_SHAPE, (180, 320), (0, 0)))
any_picture = shapes.flatmap(
    lambda shape: st.builds(
        Picture,
        planes(shape),
        planes(CHROMA_SHAPE),
        planes(CHROMA_SHAPE),
        st.just(640),
        st.just(360),
        st.booleans(),
    )
)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(any_picture, st.floats(-10, 100)), min_size=1, max_size=8))
def test_no_picture_brings_it_down(shown: list[tuple[Picture, float]]) -> None:
    judge, at_s = Judge(), 1000.0
    for picture, passed_s in shown:
        at_s += passed_s
        judge.see(picture, at_s)
        assert judge.verdict.kind in KINDS
        assert 0 <= judge.verdict.confidence_percent <= 100
    json.dumps(judge.learned(), allow_nan=False)

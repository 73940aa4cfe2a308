"""A call is said again and again, across reboots, until a command names a person who has it."""

from itertools import pairwise

import pytest

from edge.gps_unit.sos import REPEAT_LONGEST_S, Call, Sos


def said(sos: Sos, until_s: int, from_s: int = 0) -> list[int]:
    """The seconds at which it is said."""
    return [second for second in range(from_s, until_s) if sos.due(float(second))]


def test_it_is_said_at_once_and_then_ever_more_slowly_but_never_no_more() -> None:
    sos = Sos()
    assert said(sos, 100) == []
    sos.pressed("c1", 100.0)
    times = said(sos, 100_000, 100)
    assert times[:5] == [100, 110, 130, 170, 250]
    gaps = [b - a for a, b in pairwise(times[10:])]
    assert set(gaps) == {int(REPEAT_LONGEST_S)}


def test_pressed_again_it_is_the_same_call_said_at_once() -> None:
    sos = Sos()
    sos.pressed("c1", 0.0)
    assert said(sos, 35) == [0, 10, 30]
    sos.pressed("c2", 35.0)
    assert sos.due(35.0) == Call("c1", 4)


def test_only_a_person_who_names_the_call_ends_it() -> None:
    sos = Sos()
    with pytest.raises(ValueError, match="no such call"):
        sos.acknowledged({"call": "c1", "by": "Sari"})
    sos.pressed("c1", 0.0)
    for wrong in (
        {},
        {"call": "c1"},
        {"call": "c1", "by": " "},
        {"call": "c1", "by": 7},
        {"call": "c1", "by": "x" * 99},
    ):
        with pytest.raises(ValueError, match="by: wanted who"):
            sos.acknowledged(wrong)
    with pytest.raises(ValueError, match="no such call"):
        sos.acknowledged({"call": "c0", "by": "Sari"})
    assert sos.calling
    assert sos.acknowledged({"call": "c1", "by": " Sari "}) == Call("c1", 0, "Sari")
    assert not sos.calling and sos.to_be_heard
    assert said(sos, 10_000) == []
    with pytest.raises(ValueError, match="no such call"):
        sos.acknowledged({"call": "c1", "by": "Budi"})


def test_a_call_and_an_acknowledgement_not_yet_heard_survive_a_reboot() -> None:
    sos = Sos()
    sos.pressed("c1", 5000.0)
    assert sos.call is not None
    again = Sos(sos.call.kept())
    assert again.due(3.0) == Call("c1", 1), "at once, on another boot's clock"
    told = again.acknowledged({"call": "c1", "by": "Sari"})
    third = Sos(told.kept())
    assert third.to_be_heard and not third.calling
    third.heard()
    assert third.call is None


@pytest.mark.parametrize(
    "kept", [7, [], {}, {"id": 3}, {"id": "a\ud800", "times": 1, "by": None}, {"id": "", "times": 0}]
)
def test_worn_bits_are_no_call(kept: object) -> None:
    assert not Sos(kept).calling

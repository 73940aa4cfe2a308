"""What blinks: every state a technician is to tell apart looks different, and a sound ends."""

from itertools import pairwise

import pytest

from edge.gps_unit import lamps
from edge.gps_unit.lamps import ACKNOWLEDGED, LAMPS, Signs, lit, patterns, sounds

WELL = {"receiver": True, "fixed": True, "connected": True, "linked": True}


@pytest.mark.parametrize(
    ("lamp", "changes", "pattern"),
    [
        ("power", {}, "STEADY"),
        ("power", {"parked": True}, "FLASH"),
        ("power", {"low": True, "parked": True}, "SLOW"),
        ("gnss", {}, "STEADY"),
        ("gnss", {"fixed": False}, "SLOW"),
        ("gnss", {"fixed": False, "receiver": False}, "DARK"),
        ("network", {}, "STEADY"),
        ("network", {"linked": False}, "SLOW"),
        ("network", {"linked": False, "connected": False}, "DARK"),
        ("backlog", {}, "DARK"),
        ("backlog", {"rows": 3}, "FLASH"),
        ("backlog", {"rows": 3000}, "SLOW"),
        ("fault", {}, "DARK"),
        ("fault", {"wires": False}, "DOUBLE"),
        ("fault", {"receiver": False}, "DOUBLE"),
        ("fault", {"stored": False, "wires": False}, "STEADY"),
        ("fault", {"calling": True, "stored": False}, "FAST"),
    ],
)
def test_what_each_lamp_says(lamp: str, changes: dict[str, object], pattern: str) -> None:
    signs = Signs(**{**WELL, **changes})  # type: ignore[arg-type]
    assert patterns(signs)[lamp] == getattr(lamps, pattern)
    assert tuple(patterns(signs)) == LAMPS


def flanks(pattern: lamps.Pattern, seconds: float = 4.0) -> int:
    return sum(a != b for a, b in pairwise(lit(pattern, tick / 100) for tick in range(round(seconds * 100))))


def share(pattern: lamps.Pattern) -> float:
    return sum(lit(pattern, tick / 100) for tick in range(400)) / 400


def test_no_two_patterns_look_alike() -> None:
    of_all = [getattr(lamps, name) for name in ("DARK", "STEADY", "SLOW", "FAST", "FLASH", "DOUBLE")]
    looks = {(flanks(pattern), share(pattern)) for pattern in of_all}
    assert len(looks) == len(of_all), looks
    assert share(lamps.DARK) == 0 and share(lamps.STEADY) == 1 and share(lamps.SLOW) == 0.5


def test_a_sound_is_heard_once_and_ends() -> None:
    heard = [sounds(ACKNOWLEDGED, tick / 100) for tick in range(400)]
    assert heard[0] is True
    assert sum(a is not True and b is True for a, b in pairwise([None, *heard])) == 3
    end = heard.index(None)
    assert end / 100 == pytest.approx(sum(ACKNOWLEDGED), abs=0.02)
    assert set(heard[end:]) == {None}

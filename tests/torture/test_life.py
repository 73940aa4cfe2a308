"""A city's life in a soak: enough happens, nothing overlaps, and the seed tells all of it."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from torture.life import EVERY_S, OUTAGE_S, life


@given(seconds=st.floats(10.0, 100_000.0), units=st.integers(1, 20), seed=st.integers())
def test_all_of_it_is_over_in_time_and_one_thing_at_a_time(seconds: float, units: int, seed: int) -> None:
    found = life(random.Random(seed), seconds=seconds, units=units)
    assert found == life(random.Random(seed), seconds=seconds, units=units)
    ends = [one.at_s + one.lasts_s for one in found]
    assert all(begin.at_s >= end for begin, end in zip(found[1:], ends, strict=False))
    assert found[0].at_s >= 0 and ends[-1] <= seconds
    assert {one.what for one in found} == {"restart", "outage"}
    assert all(0 <= one.unit < units and 0 <= one.lasts_s <= OUTAGE_S for one in found)
    assert all(one.unit > 0 for one in found if one.what == "restart") or units == 1


def test_an_hour_has_six_of_each_a_minute_long_and_every_unit_has_its_turn() -> None:
    found = life(random.Random(1), seconds=3600.0, units=3)
    outages = [one for one in found if one.what == "outage"]
    assert len(outages) == 6 == len(found) - len(outages) == 3600 / EVERY_S
    assert {one.lasts_s for one in outages} == {60.0} and {one.unit for one in outages} == {0, 1, 2}
    assert {one.unit for one in found if one.what == "restart"} == {1, 2}

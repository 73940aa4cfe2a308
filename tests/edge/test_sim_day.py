"""A played day: every change of an input stands beside the epoch it follows, and the truth is that of the day."""

from __future__ import annotations

from itertools import pairwise

from edge.sim.day import script
from edge.sim.work import WIRED, Act, Day, Edge, ambulance_day, played

MIDNIGHT = 1_763_917_200_000  # 2025-11-24T00:00:00+07:00
HOUR_MS = 3_600_000


def test_a_script_has_every_epoch_and_every_change_of_its_stretch_once_and_in_order() -> None:
    day = played(ambulance_day(5), MIDNIGHT, 5)
    from_ms, to_ms = MIDNIGHT + 7 * HOUR_MS - 60_000, MIDNIGHT + 9 * HOUR_MS
    moments = list(script(day, from_ms, to_ms))
    assert [epoch for epoch, _ in moments] == [e for e in day.epochs if from_ms <= e.at_ms < to_ms]
    edges = [edge for _, changed in moments for edge in changed]
    assert edges == [edge for edge in day.edges if from_ms <= edge.at_ms < to_ms]
    assert {edge.name for edge in edges} == {"ignition", "beacon"}
    for (epoch, changed), (after, _) in pairwise(moments):
        assert all(edge.at_ms < after.at_ms for edge in changed)
        assert all(edge.at_ms >= epoch.at_ms for edge in changed)


def test_how_inputs_stand_and_how_long_they_were_on_is_that_of_the_acts() -> None:
    day = played([Act("parked", 600), Act("idling", 300), Act("working", 1200), Act("parked", 300)], MIDNIGHT, 1)
    assert day.levels(MIDNIGHT) == dict.fromkeys(WIRED, False)
    assert day.levels(MIDNIGHT + 700_000)["ignition"] is True
    assert day.on_ms("ignition", MIDNIGHT, MIDNIGHT + 2_400_000) == 1_500_000
    assert day.on_ms("ignition", MIDNIGHT + 700_000, MIDNIGHT + 800_000) == 100_000
    rests = 1_200_000 - day.on_ms("pto", MIDNIGHT, MIDNIGHT + 2_400_000)
    assert 0 < rests < 600_000


def test_what_is_on_at_the_end_is_on_until_then() -> None:
    day = Day(edges=[Edge(1_000, "pto", True)])
    assert day.on_ms("pto", 0, 5_000) == 4_000
    assert day.on_ms("ignition", 0, 5_000) == 0

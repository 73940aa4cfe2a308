"""The modem's ladder: in order, later each time, capped, quiet where it must be, and its effect counted."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edge.modem_ladder import DAY_S, LADDER, POWER_CYCLE, REATTACH, REBOOT, RESTART, Ladder, Seen

LOST = Seen(heard_centre=False, modem_works=False, quiet=True)
HEARD = Seen(heard_centre=True, modem_works=True, quiet=True)
DRIVING = Seen(heard_centre=False, modem_works=False, quiet=False)
CENTRE_AWAY = Seen(heard_centre=False, modem_works=True, quiet=True)


def taken(ladder: Ladder, seen: Seen, from_s: float, to_s: float) -> list[tuple[float, str]]:
    """The steps of so long, looking each minute."""
    looks = ((float(at_s), ladder.look(seen, float(at_s))) for at_s in range(int(from_s), int(to_s), 60))
    return [(at_s, step) for at_s, step in looks if step]


def test_each_step_comes_after_the_one_before_and_later() -> None:
    steps = taken(Ladder(), LOST, 0, 4000)
    assert [step for _, step in steps][:4] == [REATTACH, RESTART, POWER_CYCLE, REBOOT]
    times = [0.0, *(at_s for at_s, _ in steps[:4])]
    assert [after - before for before, after in pairwise(times)] == [180, 300, 600, 1800]


def test_a_centre_that_answers_is_left_in_peace() -> None:
    assert taken(Ladder(), HEARD, 0, 100_000) == []


def test_a_centre_that_is_away_makes_no_box_reboot_for_two_hours() -> None:
    assert taken(Ladder(), CENTRE_AWAY, 0, 7200) == []
    assert taken(Ladder(), CENTRE_AWAY, 0, 8000) != []


def test_what_drives_is_never_without_power_nor_rebooted() -> None:
    assert {step for _, step in taken(Ladder(), DRIVING, 0, DAY_S)} == {REATTACH, RESTART}


def test_the_step_that_helped_is_counted() -> None:
    ladder = Ladder()
    assert [step for _, step in taken(ladder, LOST, 0, 500)] == [REATTACH, RESTART]
    assert ladder.look(HEARD, 520.0) is None
    assert ladder.look(HEARD, 580.0) is None
    assert ladder.helped == {RESTART: 1}
    assert ladder.steps == {REATTACH: 1, RESTART: 1}
    assert [step for _, step in taken(ladder, LOST, 600, 800)] == [REATTACH]  # from the lowest rung again


def test_caps_hold_over_a_reboot() -> None:
    before = [(0.0, REBOOT), (10.0, REBOOT)]
    assert REBOOT not in {step for _, step in taken(Ladder(taken=before), LOST, 20, DAY_S / 2)}


@given(st.lists(st.tuples(st.sampled_from([LOST, HEARD, DRIVING, CENTRE_AWAY]), st.integers(1, 3600)), max_size=200))
def test_no_day_has_more_of_a_step_than_its_cap(looks: list[tuple[Seen, int]]) -> None:
    ladder, now_s, steps = Ladder(), 0.0, list[tuple[float, str]]()
    for seen, wait_s in looks:
        now_s += wait_s
        if step := ladder.look(seen, now_s):
            steps.append((now_s, step))
    for rung in LADDER:
        times = [at_s for at_s, step in steps if step == rung.name]
        for at_s in times:
            assert sum(at_s <= other < at_s + DAY_S for other in times) <= rung.most_a_day
    assert sum(ladder.helped.values()) <= sum(ladder.steps.values())

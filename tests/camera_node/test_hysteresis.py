"""A verdict stays: whatever is seen in whatever order, what is told changes no sooner than its hold time."""

from __future__ import annotations

from itertools import pairwise, product

from hypothesis import given
from hypothesis import strategies as st

from edge.camera_node.hysteresis import HOLD_S, PROOF_S, TABLE, TELLS_FAULT, Grade, Seen, Sign, State, Told

kinds_seen = st.sampled_from(("black", "covered", "moved"))
signs = st.none() | st.builds(Sign, kinds_seen, st.sampled_from(Grade), st.just("why"))
steps = st.lists(st.tuples(st.floats(0, 30), signs), max_size=60)


def test_every_state_knows_what_everything_seen_means() -> None:
    assert set(TABLE) == set(product(State, Seen))


@given(steps)
def test_what_is_told_stays_for_its_hold_time(order: list[tuple[float, Sign | None]]) -> None:
    told, at_s, changes = Told(), 0.0, []
    for passed_s, sign in order:
        at_s += passed_s
        before = told.kind
        changed = told.add(sign, at_s)
        assert changed == (told.kind != before)
        assert (told.kind != "seeing") == (told.state in TELLS_FAULT)
        if changed:
            assert told.since_s == at_s
            changes.append(at_s)
    assert all(later - earlier >= HOLD_S for earlier, later in pairwise(changes))


@given(steps)
def test_a_fault_is_told_only_of_a_kind_that_had_a_sign(order: list[tuple[float, Sign | None]]) -> None:
    told, at_s, kinds = Told(), 0.0, {"seeing"}
    for passed_s, sign in order:
        at_s += passed_s
        kinds |= {sign.kind} if sign else set()
        told.add(sign, at_s)
        assert told.kind in kinds


def test_each_grade_is_proven_in_its_time_and_heals() -> None:
    for grade in Grade:
        told = Told()
        told.add(None, 0.0)
        told_at_s = None
        for second in range(20, 140):
            if told.add(Sign("dark", grade, "why"), float(second)):
                told_at_s = second - 20
                break
        assert told_at_s is not None
        assert PROOF_S / grade.value <= told_at_s <= PROOF_S / grade.value + 1
        healed = [second for second in range(200, 260) if told.add(None, float(second))]
        assert healed == [200 + int(HOLD_S)]


def test_one_lorry_between_two_pictures_is_nothing() -> None:
    told = Told()
    for number in range(200):
        sign = Sign("covered", Grade.SURE, "a lorry") if number % 2 else None
        assert not told.add(sign, 5.0 * number)

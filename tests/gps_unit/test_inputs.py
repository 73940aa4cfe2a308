"""Wires as they count: bounces are nothing, every held level is one edge, several wires of work are one input."""

from hypothesis import given
from hypothesis import strategies as st

from edge.gps_unit.inputs import Change, Inputs, Meter, Wire
from wire.inputs import BOOM, DOOR, IGNITION, PTO


def settled(inputs: Inputs, *heard: tuple[float, str, bool], until_s: float) -> list[Change]:
    """Everything that settles when these levels are heard and the loop looks each 10 ms."""
    changes, waiting = [], list(heard)
    for tick in range(round(until_s * 100) + 1):
        now_s = tick / 100
        while waiting and waiting[0][0] <= now_s:
            at_s, name, on = waiting.pop(0)
            inputs.heard(name, on, at_s)
        changes += inputs.settled(now_s)
    return changes


def test_a_level_counts_once_it_has_held_and_a_bounce_never() -> None:
    inputs = Inputs([Wire("left", DOOR, 0.05)])
    bouncing = [(1.00, "left", True), (1.01, "left", False), (1.02, "left", True), (1.03, "left", False)]
    assert settled(inputs, (0.0, "left", False), *bouncing, (1.04, "left", True), until_s=1.08) == []
    assert inputs.settled(1.09) == [Change("left", DOOR, True, edge=True)]
    assert settled(inputs, (2.0, "left", False), (2.04, "left", True), until_s=3.0) == []


def test_the_first_level_is_no_edge_and_is_said_once_every_wire_is_known() -> None:
    inputs = Inputs([Wire("key", IGNITION, 0.05), Wire("left", DOOR, 0.5)])
    assert settled(inputs, (0.0, "key", True), (0.0, "left", False), until_s=0.3) == []
    assert not inputs.known
    assert settled(inputs, until_s=0.6) == []
    assert inputs.known
    assert inputs.levels() == [Change("key", IGNITION, True, edge=False), Change("left", DOOR, False, edge=False)]


def test_a_boom_is_work_like_a_power_take_off_and_both_are_one_input() -> None:
    inputs = Inputs([Wire("pump", PTO, 0.0), Wire("arm", BOOM, 0.0), Wire("left", DOOR, 0.0), Wire("right", DOOR, 0.0)])
    settled(inputs, *[(0.0, name, False) for name in ("pump", "arm", "left", "right")], until_s=0.1)
    both = [(1.0, "arm", True), (2.0, "pump", True), (3.0, "arm", False), (4.0, "pump", False)]
    assert settled(inputs, *both, until_s=5.0) == [
        Change("arm", PTO, True, edge=True),
        Change("pump", PTO, True, edge=True, tells=False),
        Change("arm", PTO, False, edge=True, tells=False),
        Change("pump", PTO, False, edge=True),
    ]
    assert [change.wire for change in inputs.levels()] == ["pump", "left", "right"]
    doors = settled(inputs, (6.0, "left", True), (6.0, "right", True), until_s=7.0)
    assert [(change.wire, change.tells) for change in doors] == [("left", True), ("right", True)]


LEVELS = st.lists(st.tuples(st.integers(1, 300), st.booleans()), max_size=60)


@given(LEVELS)
def test_edges_alternate_and_end_at_the_level_that_holds(steps: list[tuple[int, bool]]) -> None:
    inputs = Inputs([Wire("left", DOOR, 0.05)])
    heard, at_s = [(0.0, "left", False)], 1.0
    for step_ms, on in steps:
        at_s += step_ms / 1000
        heard.append((at_s, "left", on))
    edges = [change.on for change in settled(inputs, *heard, until_s=at_s + 1.0)]
    assert edges == [bool(n % 2 == 0) for n in range(len(edges))], "off at first, then on, off, on …"
    assert (edges[-1:] or [False]) == [heard[-1][2]]


def test_the_meter_counts_edges_and_engine_seconds_across_lives() -> None:
    meter = Meter.restored(None)
    assert [meter.edge("pump"), meter.edge("pump"), meter.edge("left")] == [1, 2, 1]
    meter.ignition(True, 100.0)
    meter.ignition(True, 150.0)
    assert meter.engine_until(160.0) == 60.0
    meter.ignition(False, 200.0)
    meter.ignition(False, 300.0)
    again = Meter.restored(meter.state(400.0))
    assert again.edge("pump") == 3
    assert again.engine_until(7.0) == 100.0


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.dictionaries(
    st.sampled_from(["edges", "engine_s", "x"]), inner), max_leaves=5))  # fmt: skip
def test_a_meter_of_worn_bits_counts_from_nothing_and_never_down(kept: object) -> None:
    meter = Meter.restored(kept)
    assert meter.engine_until(0.0) >= 0
    assert meter.edge("pump") >= 1

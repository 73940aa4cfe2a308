"""When a box goes off: flushed at once, awake while the battery bears it, warned before it does not."""

from edge.gps_unit.power import RETRY_S, SAGS_S, Act, Plan, Power, State


def acts(
    power: Power, until_s: int, *, ignition: bool | None, volts: float | None = None, from_s: int = 0
) -> list[tuple[int, Act]]:
    """(second, act) while nothing changes."""
    seconds = range(from_s, until_s)
    return [(at, act) for at in seconds for act in power.seen(float(at), ignition=ignition, supply_v=volts)]


def plan(off_after_s: float = 0.0, awake_above_v: float | None = None, low_v: float | None = None) -> Plan:
    return Plan(off_after_s=off_after_s, awake_above_v=awake_above_v, low_v=low_v, low_wait_s=300)


def test_without_wires_nothing_ever_happens() -> None:
    assert acts(Power(plan(60, 12.4, 11.8)), 10_000, ignition=None) == []


def test_ignition_off_flushes_at_once_and_goes_off_after_its_time() -> None:
    power = Power(plan(600))
    assert acts(power, 50, ignition=True) == []
    assert acts(power, 651, ignition=False, from_s=50) == [(50, Act.PARK), (650, Act.LEAVE_PARKED)]
    assert power.state is State.LEAVING
    assert acts(power, 651 + int(RETRY_S), ignition=False, from_s=651) == [(650 + int(RETRY_S), Act.LEAVE_PARKED)]


def test_the_engine_started_again_begins_anew() -> None:
    power = Power(plan(600))
    acts(power, 500, ignition=False)
    assert acts(power, 700, ignition=True, from_s=500) == []
    assert power.state is State.RUNNING
    assert acts(power, 1299, ignition=False, from_s=700) == [(700, Act.PARK)]


def test_never_off_by_itself_unless_it_was_told() -> None:
    assert acts(Power(plan()), 100_000, ignition=False) == [(0, Act.PARK)]


def test_it_stays_awake_while_the_battery_bears_it() -> None:
    power = Power(plan(600, awake_above_v=12.4))
    assert acts(power, 5000, ignition=False, volts=12.5) == [(0, Act.PARK)]
    assert acts(power, 5001, ignition=False, volts=12.3, from_s=5000) == [(5000, Act.LEAVE_PARKED)]


def test_a_low_battery_warns_waits_and_goes_off() -> None:
    power = Power(plan(low_v=11.8))
    seen = acts(power, 700, ignition=False, volts=11.5)
    warned = int(SAGS_S)
    assert seen[:2] == [(0, Act.PARK), (warned, Act.WARN)]
    assert seen[2:] == [(warned + 300 + n * int(RETRY_S), Act.LEAVE_LOW) for n in range(len(seen) - 2)]
    assert len(seen) > 3


def test_a_starter_motor_is_no_low_battery_and_one_that_recovers_is_told() -> None:
    power = Power(plan(low_v=11.8))
    assert acts(power, int(SAGS_S), ignition=True, volts=9.0) == []
    assert acts(power, 100, ignition=True, volts=13.8, from_s=int(SAGS_S)) == []
    assert acts(power, 200, ignition=True, volts=11.0, from_s=100) == [(100 + int(SAGS_S), Act.WARN)]
    assert acts(power, 300, ignition=True, volts=11.9, from_s=200) == [], "it must spring back clearly"
    assert acts(power, 301, ignition=True, volts=13.8, from_s=300) == [(300, Act.RECOVER)]
    assert power.state is State.RUNNING

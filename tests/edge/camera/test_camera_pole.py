"""Eight dead cameras on a dead switch are one alarm with one cause, and what answers again closes the right one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.camera_node.pole import BOOT_S, CAMERA_HOLD_S, CLEAR_S, COMMON, COMMON_HOLD_S, Cause, Pole, Probes, diagnose

NAMES = tuple(f"cam-{number}" for number in range(1, 9))
SEEING = dict.fromkeys(NAMES)
DARK = dict.fromkeys(NAMES, "link")
EVERY_S = 5.0


def causes(**probes: Any) -> list[tuple[str, int]]:
    """(cause, how many cameras it explains) of one look."""
    return [(str(one.cause), len(one.cameras)) for one in diagnose(Probes(**{"cameras": SEEING, **probes}))]


@pytest.mark.parametrize(
    ("probes", "found"),
    [
        ({}, []),
        ({"cameras": DARK, "switch": False}, [("switch", 8)]),
        ({"cameras": DARK, "carrier": False}, [("switch", 8)]),
        ({"cameras": DARK}, [("switch", 8)]),
        ({"cameras": DARK, "switch": True}, [("camera_power", 8)]),
        ({"cameras": DARK, "mains": False, "switch": False, "modem": False}, [("power", 8)]),
        ({"cameras": DARK, "supply_volts": 9.8}, [("power", 8)]),
        ({"supply_volts": 12.6, "mains": True, "switch": True, "modem": True, "uplink": True}, []),
        ({"mains": False}, [("power", 0)]),
        ({"modem": False, "uplink": False}, [("modem", 0)]),
        ({"modem": True, "uplink": False}, [("uplink", 0)]),
        ({"cameras": DARK, "switch": False, "modem": False}, [("switch", 8), ("modem", 0)]),
        ({"switch": False}, []),
        ({"cameras": {**DARK, "cam-1": None}, "switch": False}, [("camera", 1)] * 7),
        ({"cameras": {**SEEING, "cam-3": "link"}, "switch": True}, [("camera", 1)]),
        ({"cameras": {**SEEING, "cam-3": "link"}, "powered": {"cam-3": False}}, [("camera_power", 1)]),
        ({"cameras": {**SEEING, "cam-3": "authentication", "cam-4": "authentication"}}, [("credentials", 2)]),
        ({"cameras": {**SEEING, "cam-3": "address", "cam-4": "path"}}, [("camera", 1)] * 2),
        ({"cameras": dict.fromkeys(NAMES, "address")}, [("switch", 8)]),
        ({"cameras": dict.fromkeys(NAMES, "address"), "switch": True}, [("camera_power", 8)]),
        ({"others": {"cam-3": "it says B2"}}, [("address", 1)]),
        ({"cameras": {**SEEING, "cam-3": "path"}, "others": {"cam-3": "it says B2"}}, [("address", 1)]),
        ({"cameras": DARK, "switch": False, "others": {"cam-3": "it said B2"}}, [("switch", 8)]),
        ({"cameras": {"cam-1": "link"}}, [("camera", 1)]),
        ({"cameras": {**DARK, "cam-1": "authentication"}, "switch": False}, [("credentials", 1)] + [("camera", 1)] * 7),
        ({"cameras": dict.fromkeys(NAMES, "no_frames"), "switch": True}, [("camera", 1)] * 8),
        ({"cameras": {}, "switch": False}, [("switch", 0)]),
    ],
)
def test_the_cause_is(probes: dict[str, Any], found: list[tuple[str, int]]) -> None:
    assert causes(**probes) == found


class Site:
    """A pole that is looked at each few seconds; `said` is what began and ended."""

    def __init__(self, state: Any = None) -> None:
        self.pole = Pole(state)
        self.now_s = 1_000.0
        self.said: list[str] = []

    def look(self, seconds: float, **probes: Any) -> list[str]:
        until_s = self.now_s + seconds
        said: list[str] = []
        while self.now_s < until_s:
            self.now_s += EVERY_S
            for change in self.pole.see(Probes(**{"cameras": SEEING, **probes}), self.now_s):
                said.append(f"{'+' if change.opened else '-'}{change.alarm.key}")
        self.said += said
        return said


def test_what_starts_together_with_the_box_is_no_alarm_until_it_had_the_time_to() -> None:
    site = Site()
    site.pole = Pole(started_s=site.now_s - 30.0)
    starting = dict.fromkeys(NAMES, "address")
    assert site.look(BOOT_S - 35.0, cameras=starting) == []
    assert site.pole.elsewhere("cam-1", site.now_s) == "booting"
    assert site.look(COMMON_HOLD_S + 10.0, cameras=starting) == ["+switch"]


def test_eight_dead_cameras_on_a_dead_switch_are_one_alarm() -> None:
    site = Site()
    site.look(60)
    for count in range(9):  # they are found dead one after the other, the switch last
        site.look(EVERY_S, cameras={**SEEING, **dict.fromkeys(NAMES[:count], "link")})
    site.look(3_600, cameras=DARK, switch=False)
    assert site.said == ["+switch"]
    (alarm,) = site.pole.alarms()
    assert alarm.cameras == frozenset(NAMES)
    assert "8 cameras" in alarm.evidence


def test_the_switch_that_answers_again_closes_its_alarm_and_cameras_that_boot_are_none() -> None:
    site = Site()
    site.look(120, cameras=DARK, switch=False)
    assert site.look(CLEAR_S + 2 * EVERY_S, cameras={**DARK, "cam-1": None}, switch=True) == ["-switch"]
    assert site.look(BOOT_S - 60, cameras={**DARK, "cam-1": None}, switch=True) == []
    assert site.look(600, switch=True) == []
    assert site.said == ["+switch", "-switch"]


def test_a_camera_that_stays_dead_after_the_switch_is_an_alarm_of_its_own() -> None:
    site = Site()
    site.look(120, cameras=DARK, switch=False)
    site.look(3_600, cameras={**SEEING, "cam-5": "link"}, switch=True)
    assert site.said == ["+switch", "-switch", "+camera:cam-5"]
    site.look(600, switch=True)
    assert site.said[-1] == "-camera:cam-5"
    assert site.pole.alarms() == []


def test_late_evidence_moves_the_alarm_to_its_cause() -> None:
    site = Site()
    site.look(120, cameras=DARK)  # nobody can ask the switch yet
    site.look(BOOT_S - 10, cameras=DARK, switch=True)  # it answers; the cameras may be starting
    assert site.said == ["+switch", "-switch"]
    site.look(60, cameras=DARK, switch=True)  # they are not: their own supply, then
    assert site.said == ["+switch", "-switch", "+camera_power"]
    assert [alarm.cause for alarm in site.pole.alarms()] == [Cause.CAMERA_POWER]


def test_a_cameras_alarm_ends_with_the_reason_when_its_switch_dies() -> None:
    site = Site()
    site.look(300, cameras={**SEEING, "cam-2": "link"}, switch=True)
    site.now_s += EVERY_S
    changes = []
    for _ in range(20):
        site.now_s += EVERY_S
        changes += site.pole.see(Probes(cameras=DARK, switch=False), site.now_s)
    assert [(change.opened, change.alarm.key) for change in changes] == [(True, "switch"), (False, "camera:cam-2")]
    assert changes[1].why.startswith("it is the switch: ")


def test_power_that_comes_back_closes_power_only() -> None:
    site = Site()
    site.look(120, cameras=DARK, mains=False, switch=False, modem=False)
    site.look(600, cameras=DARK, mains=True, switch=False, modem=True)
    assert site.said == ["+power", "-power", "+switch"]


@pytest.mark.parametrize("gone_s", [EVERY_S, 120])
def test_after_power_a_pole_that_starts_within_two_minutes_is_no_other_alarm(gone_s: float) -> None:
    site = Site()
    site.look(gone_s, cameras=DARK, mains=False, switch=False, modem=False)
    assert site.pole.elsewhere("cam-1", site.now_s) == "power"
    site.look(60, cameras=DARK, mains=True, switch=False, modem=False)
    assert site.pole.elsewhere("cam-1", site.now_s) == "booting"
    site.look(60, cameras=DARK, mains=True, switch=True, modem=True, uplink=False)
    site.look(600, mains=True, switch=True, modem=True, uplink=True)
    assert site.said == ([] if gone_s < COMMON_HOLD_S else ["+power", "-power"])


def test_a_cameras_alarm_does_not_end_while_its_power_is_cut_for_it() -> None:
    site, dead = Site(), {**SEEING, "cam-2": "no_frames"}
    site.look(300, cameras=dead)
    site.look(10, cameras=dead, powered={"cam-2": False})
    site.look(BOOT_S + 60, cameras=dead, powered={"cam-2": True})
    assert site.said == ["+camera:cam-2"]


@pytest.mark.parametrize("blink_s", [EVERY_S, COMMON_HOLD_S - EVERY_S])
def test_what_is_gone_before_it_has_lasted_is_none(blink_s: float) -> None:
    site = Site()
    for _ in range(20):
        site.look(blink_s, cameras=DARK, switch=False)
        site.look(60)
    assert site.said == []


def test_an_alarm_that_flaps_is_one_alarm() -> None:
    site = Site()
    site.look(120, cameras=DARK, switch=False)
    for _ in range(20):
        site.look(CLEAR_S - EVERY_S, switch=True)
        site.look(30, cameras=DARK, switch=False)
    assert site.said == ["+switch"]


def test_alarms_survive_a_reboot_and_end_after_it() -> None:
    site = Site()
    site.look(120, cameras={**SEEING, "cam-2": "path"}, uplink=False)
    kept = json.loads(json.dumps(site.pole.state()))
    again = Site(kept)
    again.look(600, cameras={**SEEING, "cam-2": "path"})
    assert again.said == ["-uplink"]
    again.look(600)
    assert again.said == ["-uplink", "-camera:cam-2"]


def test_what_may_be_elsewhere_is_known_before_it_is_an_alarm() -> None:
    site = Site()
    assert site.pole.elsewhere("cam-1", site.now_s) is None
    site.look(EVERY_S, cameras=DARK, switch=False)
    assert site.said == []
    assert site.pole.elsewhere("cam-1", site.now_s) == "switch"
    site.look(60, cameras=DARK, switch=False)
    site.look(60, cameras={**SEEING, "cam-1": "link"}, switch=True)
    assert site.pole.elsewhere("cam-1", site.now_s) == "booting"
    site.look(BOOT_S, cameras={**SEEING, "cam-1": "link"}, switch=True)
    assert site.pole.elsewhere("cam-1", site.now_s) is None
    finding = site.pole.cause_of("cam-1")
    assert finding is not None
    assert (finding.cause, finding.evidence) == (Cause.CAMERA, "link")


def test_another_camera_at_the_address_is_an_alarm_until_the_right_one_is_back() -> None:
    site = Site()
    assert site.look(COMMON_HOLD_S, others={"cam-2": "it says B2"}) == []
    assert site.look(EVERY_S, others={"cam-2": "it says B2"}) == ["+address:cam-2"]
    assert site.pole.elsewhere("cam-2", site.now_s) == "address", "nobody reboots a camera that is not ours"
    assert site.look(CLEAR_S + 2 * EVERY_S) == ["-address:cam-2"]


failures = st.sampled_from(
    [None, "power", "link", "address", "port", "authentication", "path", "codec", "no_frames", "slow_frames"]
)
asked = st.none() | st.booleans()
looks = st.builds(
    Probes,
    cameras=st.dictionaries(st.sampled_from(NAMES), failures),
    others=st.dictionaries(st.sampled_from(NAMES), st.just("it says B2")),
    powered=st.dictionaries(st.sampled_from(NAMES), st.booleans()),
    mains=asked,
    supply_volts=st.none() | st.floats(0, 30),
    switch=asked,
    carrier=asked,
    modem=asked,
    uplink=asked,
)


@given(looks)
def test_every_failing_camera_has_exactly_one_cause(probes: Probes) -> None:
    explained = [name for one in diagnose(probes) for name in one.cameras]
    failing = {name for name, failure in probes.cameras.items() if failure is not None}
    assert sorted(explained) == sorted(failing | set(probes.others))
    keys = [one.key for one in diagnose(probes)]
    assert len(keys) == len(set(keys)), "one alarm a cause"


@given(st.lists(st.tuples(looks, st.floats(0.1, 200)), max_size=40))
def test_in_every_order_alarms_open_once_close_once_and_a_healthy_pole_has_none(
    rounds: list[tuple[Probes, float]],
) -> None:
    pole, now_s, standing = Pole(), 0.0, set()
    healthy = [(Probes(cameras=SEEING), max(CLEAR_S, CAMERA_HOLD_S))] * 4
    for probes, after_s in [*rounds, *healthy]:
        now_s += after_s
        for change in pole.see(probes, now_s):
            assert (change.alarm.key in standing) is not change.opened
            standing ^= {change.alarm.key}
        assert {alarm.key for alarm in pole.alarms()} == standing
        assert all(alarm.cause in COMMON or len(alarm.cameras) == 1 for alarm in pole.alarms())
        if Pole(json.loads(json.dumps(pole.state()))).state() != pole.state():
            raise AssertionError("what is kept is what stands")
    assert standing == set()


@given(
    st.recursive(st.none() | st.text(max_size=5) | st.integers() | st.sampled_from(list(Cause)), st.lists, max_leaves=9)
)
def test_worn_bits_are_a_pole(kept: Any) -> None:
    pole = Pole(kept)
    assert not any(change.opened for change in pole.see(Probes(cameras=SEEING), 1.0))
    pole.see(Probes(cameras=SEEING), 1_000.0)
    assert pole.alarms() == [], "whatever was kept, a pole on which all is well has no alarm for long"

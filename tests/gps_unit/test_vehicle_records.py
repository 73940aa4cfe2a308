"""Hours of a vehicle in no time: fuel told hourly and when it comes or goes, a call from press to sound, the engine."""

from pathlib import Path

import pytest
from test_record import Box

from edge.gps_unit.cab import Cab, Reading, Sounded
from edge.gps_unit.fuel import Calibration, Fuel
from edge.gps_unit.inputs import Change, Inputs
from edge.gps_unit.lamps import Signs
from edge.gps_unit.power import Plan, Power
from edge.gps_unit.vehicle import FUEL, Around, Vehicle
from edge.memory import Memory
from wire import records_pb2
from wire.inputs import DOOR, IGNITION, PANIC
from wire.kinds import KIND_EVENT

TANK_L = 200.0
NEVER_OFF = Plan(off_after_s=0, awake_above_v=None, low_v=None, low_wait_s=0)


class Cabin:
    """A vehicle's part over a real recorder, outbox and documents; the clock and the wires are the test's."""

    def __init__(self, folder: Path, box: Box) -> None:
        self.box = box
        self.memory = Memory(folder / "documents.db")
        self.cab = Cab(Inputs([]), lambda _heard: pytest.fail("the thread does not run here"))
        self.hurried: list[bool] = []
        kept_l = self.memory.recall("fuel_l", None)
        fuel = Fuel(Calibration([(0.0, 0.0), (1.0, TANK_L)]), change_l=10, burns_l_per_h=60, kept_l=kept_l)
        self.levels: dict[str, bool] = {}
        ids = iter("abcdef")
        around = Around(
            recorder=box.recorder, notes=self.memory, monotonic_s=lambda: box.now_s, signs=Signs,
            hurry=self.hurried.append, power_off=lambda: None, on_input=self.levels.__setitem__, sync=lambda: None,
            new_id=lambda: next(ids),
        )  # fmt: skip
        self.vehicle = Vehicle(around, self.cab, Power(NEVER_OFF), fuel=fuel, full_scale_v=36.3)

    def hear(self, *told: Change | Reading | Sounded, wait_s: float = 1.0) -> None:
        self.box.now_s += wait_s
        for each in told:
            self.cab.told.put(each)
        self.vehicle.turn()
        self.box.recorder.send_events()

    def tank(self, litres: float, seconds: int) -> None:
        for _ in range(seconds):
            self.hear(Reading(FUEL, litres / TANK_L, self.box.now_s + 1))

    def said(self, *names: str) -> list[tuple[str, dict[str, str]]]:
        events = [records_pb2.Event.FromString(body) for body in self.box.bodies(KIND_EVENT)]
        return [(event.name, dict(event.detail)) for event in events if event.name in names]


def test_fuel_is_told_hourly_and_when_it_comes_or_goes_also_while_the_box_was_off(tmp_path: Path) -> None:
    box = Box(tmp_path)
    cabin = Cabin(tmp_path, box)
    cabin.hear(Change("key", IGNITION, False, edge=False))
    cabin.tank(60.0, 300)
    cabin.tank(140.0, 200)
    cabin.tank(140.0, 3300)
    assert cabin.said("fuel_filled", "fuel_dropped") == [
        ("fuel_filled", {"litres": "80.0", "level_l": "140.0", "ignition": "off"})
    ]
    assert [detail["level_l"] for _, detail in cabin.said("fuel_level")] == ["60.0", "140.0"]
    cabin.vehicle.keep()
    after = Cabin(tmp_path, box)
    after.tank(100.0, 300)
    assert after.said("fuel_dropped") == [
        ("fuel_dropped", {"litres": "40.0", "level_l": "100.0", "ignition": "unknown"})
    ]
    box.outbox.close()


def test_a_call_from_the_button_to_the_sound(tmp_path: Path) -> None:
    box = Box(tmp_path)
    cabin = Cabin(tmp_path, box)
    cabin.hear(Change("panic", PANIC, False, edge=False))
    assert not any(cabin.hurried)
    cabin.hear(Change("panic", PANIC, True, edge=True), Change("panic", PANIC, False, edge=True))
    assert cabin.said("sos") == [("sos", {"call": "a", "times": "1"})]
    assert cabin.hurried[-1] and cabin.cab.signs.calling
    again = Cabin(tmp_path, box)  # killed, and begun anew
    again.hear()
    assert cabin.said("sos")[1:] == [("sos", {"call": "a", "times": "1"})]
    assert again.vehicle.acknowledge({"call": "a", "by": "Ibu Sari"}) == "acknowledged"
    again.hear()
    assert again.said("sos_acknowledged") == [("sos_acknowledged", {"call": "a", "by": "Ibu Sari"})]
    assert not again.hurried[-1] and not again.cab.signs.calling
    third = Cabin(tmp_path, box)  # killed before he had heard it
    assert third.cab._asked.qsize() == 1
    third.hear(Sounded())
    assert Cabin(tmp_path, box).cab._asked.empty()
    assert len(third.said("sos")) == 2
    box.outbox.close()


def test_a_button_that_latches_calls_once_a_start_and_not_each_hour(tmp_path: Path) -> None:
    box = Box(tmp_path)
    cabin = Cabin(tmp_path, box)
    cabin.hear(Change("panic", PANIC, True, edge=False))
    cabin.vehicle.acknowledge({"call": "a", "by": "Sari"})
    cabin.hear(Sounded())
    cabin.hear(Change("panic", PANIC, True, edge=False), wait_s=3600)
    assert len(cabin.said("sos")) == 1
    box.outbox.close()


def test_engine_seconds_count_on_and_others_hear_how_inputs_stand(tmp_path: Path) -> None:
    box = Box(tmp_path)
    cabin = Cabin(tmp_path, box)
    cabin.hear(Change("key", IGNITION, True, edge=False), Change("left", DOOR, False, edge=False))
    cabin.hear(Change("key", IGNITION, True, edge=False), wait_s=3600)
    assert cabin.said("ignition_on")[-1][1]["engine_s"] == "3600"
    after = Cabin(tmp_path, box)  # killed: what was kept within ten minutes is there
    after.hear(Change("key", IGNITION, False, edge=False))
    assert int(after.said("ignition_off")[-1][1]["engine_s"]) >= 3000
    assert cabin.levels == {IGNITION: True, DOOR: False} and after.levels == {IGNITION: False}
    box.outbox.close()

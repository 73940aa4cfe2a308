"""Switches and the relay, with gpiozero's own simulated pins and a technician who does (or does not) move them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from gpiozero import Device, DigitalInputDevice
from gpiozero.pins.mock import MockFactory

from provisioning.acceptance import words
from provisioning.acceptance.config import Inputs, Outputs
from provisioning.acceptance.pins import CameraRelay, camera_relays, inputs, outputs

PINS = {"input_ignition": 17, "input_pto": 27, "input_panic": 22}
WIRED = Inputs(ignition_gpio=17, pto_gpio=27, panic_gpio=22, within_s=1.0)


@pytest.fixture
def board() -> Iterator[MockFactory]:
    before, Device.pin_factory = Device.pin_factory, MockFactory()
    try:
        yield Device.pin_factory
    finally:
        Device.pin_factory.reset()
        Device.pin_factory = before


@dataclass
class Technician:
    """Moves the switches that work; `broken` are those whose wire is off."""

    board: MockFactory
    broken: tuple[str, ...] = ()
    ears: bool = True
    shown: list[tuple[str, bool]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    hands: list[threading.Thread] = field(default_factory=list)

    def toggle(self, name: str, seconds: float) -> None:
        if name not in self.broken:
            self.hands.append(threading.Thread(target=self._move, args=(self.board.pin(PINS[name]),)))
            self.hands[-1].start()

    def _move(self, pin: object) -> None:
        time.sleep(0.1)
        pin.drive_low()  # type: ignore[attr-defined]  # switched on pulls to ground
        time.sleep(0.1)
        pin.drive_high()  # type: ignore[attr-defined]

    def saw(self, name: str, on: bool) -> None:
        self.shown.append((name, on))

    def heard_clicks(self, of: str) -> bool:
        self.asked.append(of)
        return self.ears

    def rest(self) -> None:
        for hand in self.hands:
            hand.join()


def test_a_switch_that_goes_on_and_off_passes_and_is_shown_at_once(board: MockFactory) -> None:
    technician = Technician(board)
    lines = inputs(WIRED, technician, 10.0)
    technician.rest()
    assert [(line.name, line.verdict, line.measured) for line in lines] == [
        (name, "passed", "off on off") for name in PINS
    ]
    assert technician.shown == [(name, on) for name in PINS for on in (True, False)]


def test_a_wire_that_is_off_fails_alone(board: MockFactory) -> None:
    technician = Technician(board, broken=("input_pto",))
    lines = inputs(WIRED, technician, 10.0)
    technician.rest()
    assert [line.verdict for line in lines] == ["passed", "failed", "passed"]
    assert (lines[1].measured, lines[1].todo) == ("off", words.INPUT_DEAD)


def test_nobody_there_or_not_wired_is_skipped_with_the_reason() -> None:
    assert {line.todo for line in inputs(WIRED, None, 10.0)} == {words.NOBODY_THERE}
    assert {line.todo for line in inputs(Inputs(), None, 10.0)} == {words.NOT_WIRED}
    assert outputs(Outputs(relay_gpio=5), None)[0].todo == words.NOBODY_THERE
    assert outputs(Outputs(), None)[0].todo == words.NOT_WIRED


def test_the_relay_is_left_open_and_the_technician_has_the_last_word(board: MockFactory) -> None:
    (heard,) = outputs(Outputs(relay_gpio=5), Technician(board))
    states = [state.state for state in board.pin(5).states]
    assert heard.verdict == "passed"
    assert states.count(True) == 2 and states[-1] is False
    (silent,) = outputs(Outputs(relay_gpio=5), Technician(board, ears=False))
    assert (silent.verdict, silent.todo) == ("failed", words.RELAY_SILENT)


def test_each_relay_of_cameras_clicks_for_those_it_feeds_and_leaves_them_on(board: MockFactory) -> None:
    relays = [CameraRelay(5, active_low=False, cameras=("gate", "yard")), CameraRelay(6, True, ("mill",))]
    technician = Technician(board)
    pair, mill = camera_relays(relays, technician)
    assert [(line.of, line.verdict) for line in (pair, mill)] == [("gate yard", "passed"), ("mill", "passed")]
    assert technician.asked == ["gate yard", "mill"]
    for pin, off in ((5, False), (6, True)):  # the coil without current: the supply is on its normally closed contact
        states = [state.state for state in board.pin(pin).states]
        assert states.count(not off) >= 2 and states[-1] is off
    (silent,) = camera_relays(relays[:1], Technician(board, ears=False))
    assert (silent.verdict, silent.todo) == ("failed", words.RELAY_SILENT)
    with DigitalInputDevice(5):
        (taken,) = camera_relays(relays[:1], technician)
    assert (taken.verdict, taken.todo, taken.of) == ("failed", words.CAMERA_PIN_REFUSED, "gate yard")
    assert camera_relays(relays[:1], None)[0].todo == words.NOBODY_THERE
    assert camera_relays([], technician)[0].todo == words.NO_CAMERA_RELAY


def test_a_pin_that_another_has_is_a_line_of_the_sheet(board: MockFactory) -> None:
    with DigitalInputDevice(17):
        lines = inputs(Inputs(ignition_gpio=17), Technician(board), 10.0)
    assert (lines[0].verdict, lines[0].todo) == ("failed", words.PIN_REFUSED)
    assert "PinInUse" in str(lines[0].measured)

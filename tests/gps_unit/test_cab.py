"""The thread between pins and main loop, on gpiozero's mock pins: what is felt, sounded, blinked, and given back."""

import time
from collections.abc import Callable, Iterator
from threading import Event, Thread

import pytest
from gpiozero import Device
from gpiozero.pins.mock import MockFactory

from edge.gps_unit.cab import Cab, Refused, Sounded
from edge.gps_unit.inputs import Change, Inputs, Wire
from edge.gps_unit.lamps import ACKNOWLEDGED, TAKEN, Signs
from edge.gps_unit.pins import Board, PinRefused, Plan
from wire.inputs import PANIC

BUTTON, BUZZER, FAULT = 17, 22, 23
PLAN = Plan(wires={"red": (BUTTON, True)}, lamps={"fault": (FAULT, False)}, buzzer=(BUZZER, False))


@pytest.fixture
def pins() -> Iterator[MockFactory]:
    before, Device.pin_factory = Device.pin_factory, MockFactory()
    yield Device.pin_factory
    Device.pin_factory.close()
    Device.pin_factory = before


@pytest.fixture
def run(pins: MockFactory) -> Iterator[Callable[[Cab], None]]:
    stop, threads = Event(), []

    def begin(cab: Cab) -> None:
        thread = Thread(target=cab.run, args=(stop,), name="cab")
        threads.append(thread)
        thread.start()

    yield begin
    stop.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def made() -> Cab:
    return Cab(Inputs([Wire("red", PANIC, 0.02)]), lambda heard: Board(PLAN, heard))


def highs(pins: MockFactory, number: int) -> int:
    """How often an output went high."""
    return sum(bool(state.state) for state in pins.pin(number).states[1:])


def until(claim: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_press_is_told_and_felt_and_an_answer_is_sounded_once(pins: MockFactory, run: Callable[[Cab], None]) -> None:
    cab = made()
    run(cab)
    assert cab.told.get(timeout=20) == Change("red", PANIC, False, edge=False)
    pins.pin(BUTTON).drive_low()
    assert cab.told.get(timeout=20) == Change("red", PANIC, True, edge=True)
    until(lambda: highs(pins, BUZZER) and cab._sound is None)
    felt = highs(pins, BUZZER)
    assert felt <= len(TAKEN[::2])
    cab.acknowledge()
    assert cab.told.get(timeout=20) == Sounded()
    assert 1 <= highs(pins, BUZZER) - felt <= len(ACKNOWLEDGED[::2])


def test_a_button_pressed_before_the_box_could_look_is_felt_too(pins: MockFactory, run: Callable[[Cab], None]) -> None:
    pins.pin(BUTTON)._set_pull = lambda value: None  # who holds it is stronger than the pull
    cab = made()
    run(cab)
    assert cab.told.get(timeout=20) == Change("red", PANIC, True, edge=False)
    until(lambda: highs(pins, BUZZER))


def test_lamps_follow_the_signs_and_are_dark_at_the_end(pins: MockFactory) -> None:
    cab, stop = made(), Event()
    thread = Thread(target=cab.run, args=(stop,), name="cab")
    thread.start()
    cab.signs = Signs(receiver=True, calling=True)
    until(lambda: highs(pins, FAULT) > 2)
    stop.set()
    thread.join(20)
    assert not thread.is_alive() and not pins.pin(FAULT).state


def test_a_pin_that_is_taken_is_told_once_and_given_back(pins: MockFactory, run: Callable[[Cab], None]) -> None:
    tries: list[int] = []

    def refused(heard: object) -> Board:
        tries.append(1)
        raise PinRefused("GPIO17 is in use")

    cab = Cab(Inputs([]), refused)
    run(cab)
    assert cab.told.get(timeout=20) == Refused("GPIO17 is in use")
    assert tries == [1]

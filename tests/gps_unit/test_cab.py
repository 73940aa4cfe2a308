"""The thread between pins and main loop, on gpiozero's mock pins: what is felt, sounded, blinked, and given back."""

import time
from collections.abc import Callable, Iterator
from threading import Event, Thread

import pytest
from gpiozero import Device
from gpiozero.pins.mock import MockFactory

from edge.gps_unit.cab import Cab, Reading, Refused, Sounded
from edge.gps_unit.inputs import Change, Inputs, Wire
from edge.gps_unit.lamps import ACKNOWLEDGED, TAKEN, Signs
from edge.gps_unit.pins import Board, Level, PinRefused, Plan
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


class Hour:
    """Pins and stop of an hour that is over at once: a press of one second at 1801 s; the converter mends at 3000 s."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.opened = self.closed = self.sampled = 0
        self.lit: list[bool] = []

    def levels(self) -> list[Level]:
        return [Level("red", 1801 <= self.now_s < 1802, self.now_s)]

    def readings(self) -> dict[str, float]:
        self.sampled += 1
        if self.now_s < 3000:
            raise PinRefused("OSError: [Errno 5] Input/output error")
        return {"fuel": 0.5}

    def switch(self, name: str, on: bool) -> None:
        if name == "fault":
            self.lit.append(on)

    def close(self) -> None:
        self.closed += 1

    def is_set(self) -> bool:
        return self.now_s > 3600

    def wait(self, timeout_s: float) -> bool:
        self.now_s += timeout_s
        return self.is_set()


def test_a_converter_that_fails_blinds_no_button_and_no_lamp() -> None:
    hour = Hour()

    def opened(heard: object) -> Hour:
        hour.opened += 1
        return hour

    cab = Cab(Inputs([Wire("red", PANIC, 0.05)]), opened, monotonic_s=lambda: hour.now_s)
    cab.signs = Signs(receiver=True, calling=True)
    cab.run(hour)
    told = [cab.told.get_nowait() for _ in range(cab.told.qsize())]
    assert [Change("red", PANIC, on, edge=True) for on in (True, False)] == [
        each for each in told if isinstance(each, Change) and each.edge
    ]
    assert [each.why for each in told if isinstance(each, Refused)] == ["OSError: [Errno 5] Input/output error", None]
    assert any(isinstance(each, Reading) for each in told)
    assert (hour.opened, hour.closed) == (1, 1)
    assert hour.sampled < 3000 / 60 + 610
    assert sum(hour.lit) > 3600

"""Inputs and outputs, watched and moved while a person stands beside them: the only file that imports gpiozero."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from provisioning.acceptance import words
from provisioning.acceptance.config import Inputs, Outputs
from provisioning.acceptance.sheet import Line, demanded, skipped

LOOK_EVERY_S: Final = 0.02
CLICK_S: Final = 0.5
CLICKS: Final = 2
CHANGES: Final = 2  # on and off again, or off and on again


class Person(Protocol):
    """Who stands beside the box."""

    def toggle(self, name: str, seconds: float) -> None:
        """Ask for the switch of this line to be moved and moved back."""

    def saw(self, name: str, on: bool) -> None:
        """Say at once what the box sees."""

    def heard_clicks(self, of: str) -> bool:
        """Ask whether the relay clicked; `of` are the cameras that it feeds, "": the box's own."""


@dataclass(frozen=True, slots=True)
class Pins:
    """How a pin is opened: (number, active low) to a gpiozero device. Raises PinRefused."""

    read: Callable[[int, bool], Any]
    write: Callable[[int, bool], Any]


@dataclass(frozen=True, slots=True)
class CameraRelay:
    """A relay in the supply of these cameras: whoever closes it takes their power away."""

    gpio: int
    active_low: bool
    cameras: tuple[str, ...]


class PinRefused(Exception):
    """The pin is not there, is used by another, or the computer has none."""


def inputs(limits: Inputs, person: Person | None, within_s: float, *, pins: Pins | None = None) -> list[Line]:
    """One line a wire; without a person, or without a wire, it is skipped."""
    wires = {"ignition": limits.ignition_gpio, "pto": limits.pto_gpio, "panic": limits.panic_gpio}
    deadline_s = time.monotonic() + within_s
    return [_input(f"input_{name}", pin, limits, person, deadline_s, pins) for name, pin in wires.items()]


def outputs(limits: Outputs, person: Person | None, *, pins: Pins | None = None) -> list[Line]:
    """The relay is closed twice for half a second, and left open."""
    if limits.relay_gpio is None:
        return [skipped("output_relay", words.NOT_WIRED)]
    if person is None:
        return [skipped("output_relay", words.NOBODY_THERE)]
    try:
        heard = _clicked(limits.relay_gpio, limits.active_low, "", person, pins)
    except PinRefused as error:
        return [demanded("output_relay", str(error), False, words.PIN_REFUSED)]
    return [demanded("output_relay", "yes" if heard else "no", heard, words.RELAY_SILENT, limit="yes")]


def camera_relays(relays: Sequence[CameraRelay], person: Person | None, *, pins: Pins | None = None) -> list[Line]:
    """Each is closed twice for half a second and left open: its cameras have power then, and may restart."""
    if not relays:
        return [skipped("camera_relay", words.NO_CAMERA_RELAY)]
    return [replace(_camera_relay(each, person, pins), of=" ".join(each.cameras)) for each in relays]


def _camera_relay(relay: CameraRelay, person: Person | None, pins: Pins | None) -> Line:
    if person is None:
        return skipped("camera_relay", words.NOBODY_THERE)
    try:
        heard = _clicked(relay.gpio, relay.active_low, " ".join(relay.cameras), person, pins)
    except PinRefused as error:
        return demanded("camera_relay", str(error), False, words.CAMERA_PIN_REFUSED)
    return demanded("camera_relay", "yes" if heard else "no", heard, words.RELAY_SILENT, limit="yes")


def _clicked(gpio: int, active_low: bool, of: str, person: Person, pins: Pins | None) -> bool:
    with (pins or gpiozero_pins()).write(gpio, active_low) as relay:
        for _ in range(CLICKS):
            relay.on()
            time.sleep(CLICK_S)
            relay.off()
            time.sleep(CLICK_S)
        return person.heard_clicks(of)


def _input(
    name: str, pin: int | None, limits: Inputs, person: Person | None, deadline_s: float, pins: Pins | None
) -> Line:
    if pin is None:
        return skipped(name, words.NOT_WIRED)
    if person is None:
        return skipped(name, words.NOBODY_THERE)
    seconds = min(limits.within_s, deadline_s - time.monotonic())
    if seconds <= 0:
        return skipped(name, words.TIME_OVER)
    try:
        with (pins or gpiozero_pins()).read(pin, limits.active_low) as wire:
            person.toggle(name, seconds)
            seen = _watch(wire, seconds, lambda on: person.saw(name, on))
    except PinRefused as error:
        return demanded(name, str(error), False, words.PIN_REFUSED)
    measured = " ".join("on" if on else "off" for on in seen)
    return demanded(name, measured, len(seen) > CHANGES, words.INPUT_DEAD, limit="on off")


def _watch(wire: Any, seconds: float, say: Callable[[bool], None]) -> list[bool]:
    """Every level that was seen, the first one included, until it went there and back or the time is over."""
    deadline_s = time.monotonic() + seconds
    seen = [bool(wire.value)]
    while len(seen) <= CHANGES and time.monotonic() < deadline_s:
        level = bool(wire.value)
        if level != seen[-1]:
            seen.append(level)
            say(level)
        time.sleep(LOOK_EVERY_S)
    return seen


def gpiozero_pins() -> Pins:
    """The pins of this computer through gpiozero, which finds out what kind of computer it is."""
    # lgpio keeps a pipe in its working directory, and a technician stands anywhere.
    os.environ.setdefault("LG_WD", tempfile.gettempdir())
    from gpiozero import DigitalInputDevice, DigitalOutputDevice

    def opened(make: Callable[[], Any]) -> Any:
        try:
            return make()
        except Exception as error:  # each of its back ends (lgpio, RPi.GPIO, native) raises errors of its own
            raise PinRefused(f"{type(error).__name__}: {error}") from error

    return Pins(
        read=lambda pin, low: opened(lambda: DigitalInputDevice(pin, pull_up=low)),
        write=lambda pin, low: opened(lambda: DigitalOutputDevice(pin, active_high=not low, initial_value=False)),
    )

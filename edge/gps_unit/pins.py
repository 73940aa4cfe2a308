"""The box's pins: wires in, lamps and a buzzer out, an analogue converter: the only file here that imports gpiozero.

gpiozero takes memory with all that it brings, so it is imported when pins are opened: a box without wires never does.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, NamedTuple


class PinRefused(Exception):
    """A pin is not there, is used by another, or the computer has none."""


class Level(NamedTuple):
    """A wire's level as its pin says it, `on` meaning what the wire means, at a monotonic second."""

    wire: str
    on: bool
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which pins a box uses: names to (GPIO number, active low); channels of the MCP3008 by name."""

    wires: Mapping[str, tuple[int, bool]] = field(default_factory=dict)
    lamps: Mapping[str, tuple[int, bool]] = field(default_factory=dict)
    buzzer: tuple[int, bool] | None = None
    channels: Mapping[str, int] = field(default_factory=dict)


class Board:
    """The opened pins; edges go into `heard`, from gpiozero's own thread."""

    def __init__(self, plan: Plan, heard: "SimpleQueue[Level]") -> None:
        """Raises PinRefused, with every pin given back, when one of them cannot be had."""
        self._wires: dict[str, Any] = {}
        self._outputs: dict[str, Any] = {}
        self._channels: dict[str, Any] = {}
        try:
            self._open(plan, heard)
        except Exception as error:  # each of gpiozero's back ends (lgpio, RPi.GPIO, native) raises errors of its own
            self.close()
            raise PinRefused(f"{type(error).__name__}: {error}") from error

    def _open(self, plan: Plan, heard: "SimpleQueue[Level]") -> None:
        from gpiozero import MCP3008, DigitalInputDevice, DigitalOutputDevice

        for name, (pin, low) in plan.wires.items():
            wire = self._wires[name] = DigitalInputDevice(pin, pull_up=low)
            wire.when_activated = _put(heard, name, True)
            wire.when_deactivated = _put(heard, name, False)
        outputs = {**plan.lamps, **({"buzzer": plan.buzzer} if plan.buzzer else {})}
        for name, (pin, low) in outputs.items():
            self._outputs[name] = DigitalOutputDevice(pin, active_high=not low, initial_value=False)
        for name, channel in plan.channels.items():
            self._channels[name] = MCP3008(channel)

    def levels(self) -> list[Level]:
        """How every wire stands now."""
        now_s = time.monotonic()
        return [Level(name, bool(wire.value), now_s) for name, wire in self._wires.items()]

    def readings(self) -> dict[str, float]:
        """Every channel, 0 .. 1 of its full scale; raises PinRefused."""
        try:
            return {name: float(channel.value) for name, channel in self._channels.items()}
        except Exception as error:  # spidev's and the back ends' own
            raise PinRefused(f"{type(error).__name__}: {error}") from error

    def switch(self, name: str, on: bool) -> None:
        """A lamp, or `buzzer`; what is not wired is dark and silent."""
        if (output := self._outputs.get(name)) is not None:
            output.value = on

    def close(self) -> None:
        """Give every pin back."""
        for device in [*self._wires.values(), *self._outputs.values(), *self._channels.values()]:
            device.close()


def _put(heard: "SimpleQueue[Level]", name: str, on: bool) -> Callable[[], None]:
    def put() -> None:
        heard.put(Level(name, on, time.monotonic()))

    return put

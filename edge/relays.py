"""The relays in the supply of cameras, and of a vehicle's modem.

The supply goes over the relay's normally closed contact, so what is supplied has power while the coil has none: a box
that is dead, unplugged or rebooting leaves all of it on. A cut energises the coil for some seconds. Killed in between,
the process leaves the pin as it is, and its next start puts every pin back; systemd starts it within seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from edge.errors import DeviceLost

log = logging.getLogger(__name__)

SHORTEST_CUT_S: Final = 2.0  # capacitors hold a camera or a modem up for about one
LONGEST_CUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Coil:
    """Which output drives a relay's coil: GPIO number (BCM), and whether the board wants it low to energise."""

    gpio: int
    active_low: bool = False


class Relays:
    """One relay a name. Opens every pin with its coil off, whatever it was: all is on. Used by one thread.

    `factory` is a gpiozero pin factory; None: the one gpiozero finds on this computer. Raises DeviceLost.
    """

    def __init__(
        self, coils: Mapping[str, Coil], *, factory: Any = None, monotonic_s: Callable[[], float] = monotonic
    ) -> None:
        self._monotonic_s = monotonic_s
        self._on_again_s: dict[str, float] = {}
        self._outputs: dict[str, Any] = {}
        try:
            for name, coil in coils.items():
                self._outputs[name] = _opened(name, coil, factory)
        except DeviceLost:
            self.close()
            raise

    def cut(self, name: str, off_s: float) -> None:
        """Take the power away now; `turn` gives it back after `off_s` (2 .. 60 s). KeyError: no such relay."""
        output = self._outputs[name]
        if not SHORTEST_CUT_S <= off_s <= LONGEST_CUT_S:
            raise ValueError(f"a cut lasts {SHORTEST_CUT_S:.0f} to {LONGEST_CUT_S:.0f} s, not {off_s}")
        if name in self._on_again_s:
            return  # it is off already, and no longer than it was to be
        self._on_again_s[name] = self._monotonic_s() + off_s
        output.on()
        log.info("relay %s: power off for %.0f s", name, off_s)

    def turn(self) -> None:
        """Call at least once a second: gives the power back where it is due."""
        now_s = self._monotonic_s()
        for name in [name for name, due_s in self._on_again_s.items() if due_s <= now_s]:
            self._outputs[name].off()
            del self._on_again_s[name]
            log.info("relay %s: power on", name)

    def powered(self) -> dict[str, bool]:
        """By name, what each output says: power is on while the coil is off."""
        return {name: not output.value for name, output in self._outputs.items()}

    def close(self) -> None:
        """Power for all, and the pins given back."""
        for output in self._outputs.values():
            output.off()
            output.close()
        self._outputs.clear()
        self._on_again_s.clear()


def _opened(name: str, coil: Coil, factory: Any) -> Any:
    from gpiozero import DigitalOutputDevice  # here: a box without relays needs neither it nor its 4 MB

    try:
        return DigitalOutputDevice(coil.gpio, active_high=not coil.active_low, initial_value=False, pin_factory=factory)
    except Exception as error:  # each of its back ends (lgpio, RPi.GPIO, native) raises errors of its own
        raise DeviceLost(f"relay {name}, GPIO {coil.gpio}: {type(error).__name__}: {error}") from error

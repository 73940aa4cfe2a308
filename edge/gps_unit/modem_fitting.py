"""A modem watched by a gps_unit; imported only where one is, as a box without has no memory to spare for D-Bus."""

from __future__ import annotations

from collections.abc import Callable

from edge import modem
from edge.clock import Clock
from edge.config import UnitConfig
from edge.memory import Memory
from edge.modem_ladder import LADDER, Ladder
from edge.modem_relay import ModemRelay
from edge.modem_watch import ModemWatch
from edge.relays import Coil
from edge.uplink import Uplink


def watch(config: UnitConfig, clock: Clock, uplink: Uplink, memory: Memory, *, quiet: Callable[[], bool]) -> ModemWatch:
    """The watch of this configuration: it takes the steps that the configuration names."""

    def boottime_s() -> float:
        return clock.boottime_ms() / 1000

    def keep(taken: list[tuple[float, str]]) -> None:
        memory.remember("modem_steps", [[_utc_s(clock) - (boottime_s() - at_s), name] for at_s, name in taken])

    ladder = Ladder(
        [step for step in LADDER if step.name in config.modem.steps],
        taken=_before(memory.recall("modem_steps", []), _utc_s(clock), boottime_s()),
    )
    return ModemWatch(
        modem.look,
        modem.take,
        ladder,
        heard_centre=lambda: uplink.online,
        quiet=quiet,
        now_s=boottime_s,
        keep=keep,
        relay=relay(config),
    )


def relay(config: UnitConfig) -> ModemRelay | None:
    """The relay in the modem's supply; None where none is wired."""
    pin = config.modem.relay_pin
    return None if pin is None else ModemRelay(Coil(pin, config.modem.relay_active_low), config.modem.relay_off_s)


def _utc_s(clock: Clock) -> float:
    """UTC, or the earliest it can be: steps then seem more recent than they are, and the caps hold the longer."""
    return (clock.utc_ms() or clock.floor_utc_ms) / 1000


def _before(kept: list[object], utc_s: float, boottime_s: float) -> list[tuple[float, str]]:
    """Steps of processes and boots before, in seconds of this boot's clock; what worn bits made of them is left out."""
    found = []
    for each in kept:
        match each:
            case [int() | float() as at_s, str(name)]:
                found.append((boottime_s - max(0.0, utc_s - at_s), name))
    return found

"""A modem that a gps_unit watches, or has send a call for help; a box without has no memory to spare for D-Bus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from edge import modem
from edge.clock import Clock
from edge.config import UnitConfig
from edge.gps_unit.record import Recorder
from edge.gps_unit.sos_sms import Fallback, SosSms
from edge.memory import Memory
from edge.modem_ladder import LADDER, Ladder
from edge.modem_relay import ModemRelay
from edge.modem_watch import ModemWatch
from edge.relays import Coil
from edge.uplink import Uplink

SMS: Final = "sms"


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


def sos_sms(config: UnitConfig, clock: Clock, memory: Memory, recorder: Recorder) -> SosSms:
    """Calls for help by short message, to the number of this configuration."""

    def boottime_s() -> float:
        return clock.boottime_ms() / 1000

    def keep(sent: list[float]) -> None:
        memory.remember("sos_sms", [[_utc_s(clock) - (boottime_s() - at_s), SMS] for at_s in sent])

    def text(call: str) -> str:
        fix = recorder.last
        if fix is None or fix.boottime_ms is None:
            return f"SOS {config.unit.id}, call {call}, position not known"
        age_s = max(0, clock.boottime_ms() - fix.boottime_ms) // 1000
        return f"SOS {config.unit.id}, call {call}, at {fix.lat_deg:.5f},{fix.lon_deg:.5f}, {age_s} s ago"

    before = [at_s for at_s, _ in _before(memory.recall("sos_sms", []), _utc_s(clock), boottime_s())]
    return SosSms(
        Fallback(config.sos.sms_after_s, config.sos.sms_an_hour, before),
        lambda said: modem.send_sms(config.sos.sms_to, said),
        recorder,
        text=text,
        now_s=boottime_s,
        keep=keep,
    )


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

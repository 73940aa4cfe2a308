"""What is wired to this box, put together: only imported where something is."""

import math
from collections.abc import Callable

from edge.clock import Clock
from edge.config import UnitConfig
from edge.gps_unit.cab import Cab
from edge.gps_unit.fuel import Calibration, Fuel
from edge.gps_unit.inputs import Inputs, Wire
from edge.gps_unit.lamps import Signs
from edge.gps_unit.pins import Board, Plan
from edge.gps_unit.power import Plan as PowerPlan
from edge.gps_unit.power import Power
from edge.gps_unit.poweroff import power_off
from edge.gps_unit.receiver import Receiver
from edge.gps_unit.record import Recorder
from edge.gps_unit.vehicle import FUEL, SUPPLY, Around, Vehicle
from edge.memory import Memory
from edge.outbox import Outbox
from edge.uplink import Uplink


def plan(config: UnitConfig) -> Plan:
    """The pins of this configuration."""
    channels = {FUEL: config.fuel.channel, SUPPLY: config.supply.channel}
    return Plan(
        wires={each.name: (each.pin, each.active_low) for each in config.inputs},
        lamps={name: (pin, config.lamps.active_low) for name, pin in config.lamps.pins.items()},
        buzzer=None if config.buzzer.pin is None else (config.buzzer.pin, config.buzzer.active_low),
        channels={name: channel for name, channel in channels.items() if channel is not None},
    )


def vehicle(
    config: UnitConfig,
    clock: Clock,
    outbox: Outbox,
    uplink: Uplink,
    memory: Memory,
    recorder: Recorder,
    receiver: Receiver,
    *,
    on_input: Callable[[str, bool], None] = lambda _name, _on: None,
) -> tuple[Vehicle, Cab]:
    """The main loop's part and the thread's; `on_input` is told how each input stands."""
    pins = plan(config)
    wires = [Wire(each.name, each.kind, each.debounce_ms / 1000) for each in config.inputs]
    cab = Cab(Inputs(wires), lambda heard: Board(pins, heard))
    fuel = None
    if config.fuel.channel is not None:
        fuel = Fuel(
            Calibration(config.fuel.calibration),
            change_l=config.fuel.change_l,
            burns_l_per_h=config.fuel.burns_l_per_h,
            kept_l=_litres(memory.recall("fuel_l", None)),
        )
    power = Power(
        PowerPlan(
            off_after_s=config.power.off_after_s,
            awake_above_v=config.power.awake_above_v,
            low_v=config.power.low_v,
            low_wait_s=config.power.low_wait_s,
        )
    )
    around = Around(
        recorder=recorder,
        notes=memory,
        monotonic_s=clock.monotonic_s,
        signs=lambda: Signs(
            receiver=receiver.line is not None,
            fixed=not recorder.stale,
            connected=uplink.connected,
            linked=uplink.online,
            rows=outbox.rows,
            stored=outbox.outbox_id is not None,
        ),
        hurry=uplink.hurry,
        on_input=on_input,
        power_off=lambda: power_off(config.power.command),
    )
    return Vehicle(around, cab, power, fuel=fuel, full_scale_v=config.supply.full_scale_v), cab


def _litres(kept: object) -> float | None:
    """A level as it was kept; None when there is none, or it makes no sense (a card's worn bits)."""
    return float(kept) if isinstance(kept, int | float) and math.isfinite(kept) else None

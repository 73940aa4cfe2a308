"""Which part of a gps_unit is given to which: constructors only, nothing runs here."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge import starting
from edge.budget import Budget
from edge.clock import Clock, read_boot_id
from edge.commands import Commands, Verb
from edge.config import FIRMWARE, MissionProfile, MovingProfile, UnitConfig, WorkingProfile, load_unit
from edge.desired import Shadow
from edge.gps_unit import verbs
from edge.gps_unit.interval import OpenInterval
from edge.gps_unit.listen import Listener
from edge.gps_unit.modes import Modes, Profiles
from edge.gps_unit.motion import Policy
from edge.gps_unit.profile import Profile
from edge.gps_unit.receiver import FRAMINGS, SPEEDS, Line, Receiver
from edge.gps_unit.record import Recorder, Reporting, Tally
from edge.gps_unit.unit import Unit, leave
from edge.health import Health, Sources
from edge.memory import Memory
from edge.outbox import Outbox
from edge.service import Loop
from edge.today import Today
from edge.uplink import Uplink
from edge.wiring import CommandIds, spent, traffic
from settings import ConfigError, Problem
from wire.inputs import ACKNOWLEDGE

if TYPE_CHECKING:
    from edge.gps_unit.cab import Cab
    from edge.gps_unit.sos_sms import SosSms
    from edge.gps_unit.vehicle import Vehicle
    from edge.modem_watch import ModemWatch


def interval_path(config: UnitConfig) -> Path:
    """Where the open interval waits for its record."""
    return config.run.directory / config.unit.id / "interval"


class DesiredKept:
    """What is known of desired configuration, kept in the documents; `again` opens them anew, to look."""

    def __init__(self, memory: Memory, again: Callable[[], Memory]) -> None:
        self._memory = memory
        self._again = again

    def load(self) -> dict[str, Any]:
        """What was saved last; empty when nothing was."""
        found: dict[str, Any] = self._memory.recall("desired", {})
        return found

    def save(self, value: dict[str, Any]) -> bool:
        """Keep it, and look whether a restart would find it: a card that takes nothing says so only once."""
        self._memory.remember("desired", value)
        return bool(self._again().recall("desired", {}) == value)


def shadow(path: Path, own: UnitConfig, memory: Memory, *, at: Callable[[str], None] = lambda _point: None) -> Shadow:
    """What the centre wants of the configuration in the file at `path`."""
    return Shadow(
        DesiredKept(memory, lambda: Memory(own.documents.path)),
        lambda document: load_unit(path, document),
        time.monotonic,
        trial_s=own.remote.trial_s,
        at=at,
    )


def unit(
    config: UnitConfig,
    clock: Clock,
    outbox: Outbox,
    uplink: Uplink,
    memory: Memory,
    shadow: Shadow,
    *,
    at: Callable[[str], None] = lambda _point: None,
) -> Unit:
    """Receiver, recorder, health, commands and desired configuration of this configuration."""
    tally, policy = Tally(), Policy() if config.report.policy else None
    modes, budget = _modes(config, clock, memory), Budget(config.sim.plan, clock, memory)
    receiver = _receiver(config, clock, memory)

    # These two are asked when all that they ask is there.
    def rejected() -> dict[str, int]:
        counters = [tally.rejected, commands.rejected, clock.rejected, uplink.account().rejected]
        counters += [listener.framer.rejected, listener.epochs.rejected, policy.rejected if policy else Counter()]
        return dict(sum(counters, Counter()))

    def quiet() -> bool:
        return recorder.parked and modes.mode(parked=True) == "parked"

    modem = _modem(config, clock, uplink, memory, quiet)
    sources = Sources(
        traffic=lambda: traffic(uplink),
        rejected=rejected,
        unobserved=lambda: tally.unobserved,
        modem=modem.account if modem is not None else lambda: None,
        spent=lambda: spent(uplink),
    )
    health = Health(
        outbox, clock, sources,
        today=Today(clock, memory), firmware=FIRMWARE, disk=config.outbox.path.parent, budget=budget,
    )  # fmt: skip
    recorder = Recorder(
        _reporting(config), outbox, clock, OpenInterval(interval_path(config), at=at),
        policy=policy, health=health, appended=uplink.wake, tally=tally,
        modes=modes,
    )  # fmt: skip
    listener = Listener(
        receiver, recorder, clock,
        not_before_utc_ms=config.receiver.not_before_utc_ms,
        on_line=lambda line: memory.remember("line", [line.speed, line.framing]),
    )  # fmt: skip
    recorder.happened("boot", **starting.begun(read_boot_id(), memory), firmware=FIRMWARE)
    vehicle, cab = _vehicle(config, clock, outbox, uplink, memory, recorder, receiver, modes)
    sms = _sms(config, clock, memory, recorder, vehicle)
    commands = _commands(clock, memory, verbs.of(modes, recorder, shadow, leave), vehicle)
    return Unit(
        listener=listener, recorder=recorder, receiver=receiver, uplink=uplink, commands=commands, shadow=shadow,
        budget=budget, bulk_bytes_per_s=config.uplink.bulk_bytes_per_s, vehicle=vehicle, clock=clock, memory=memory,
        tally=tally, sms=sms, workers=_workers(modem=modem, cab=cab, sms=sms),
    )  # fmt: skip


def _receiver(config: UnitConfig, clock: Clock, memory: Memory) -> Receiver:
    return Receiver(
        str(config.receiver.tty),
        speed=config.receiver.speed,
        remembered=remembered_line(memory.recall("line", None)),
        boottime_ms=clock.boottime_ms,
    )


def _reporting(config: UnitConfig) -> Reporting:
    return Reporting(
        interval_s=config.report.interval_s,
        parked_interval_s=config.report.parked_interval_s,
        quantum=config.report.quantum,
        tolerance_m=config.report.tolerance_m,
    )


def _modes(config: UnitConfig, clock: Clock, memory: Memory) -> Modes:
    def profile(limits: MovingProfile | MissionProfile | WorkingProfile) -> Profile:
        return Profile(**{name: getattr(limits, name) for name in Profile.__slots__})

    return Modes(
        Profiles(
            moving=profile(config.profile_moving),
            mission=profile(config.profile_mission),
            working=profile(config.profile_working),
        ),
        clock.monotonic_s,
        by_interval=not config.report.profiles,
        ordered=memory.recall("mission", False),
        remember=lambda on: memory.remember("mission", on),
    )


def _modem(
    config: UnitConfig, clock: Clock, uplink: Uplink, memory: Memory, quiet: Callable[[], bool]
) -> "ModemWatch | None":
    """The modem's thread; None where no modem is watched. `quiet`: nobody needs the box this minute."""
    if not config.modem.watch:
        return None
    with _needs_dbus("modem.watch", "true", "false"):
        from edge.gps_unit import modem_fitting
    return modem_fitting.watch(config, clock, uplink, memory, quiet=quiet)


def _sms(
    config: UnitConfig, clock: Clock, memory: Memory, recorder: Recorder, vehicle: "Vehicle | None"
) -> "SosSms | None":
    """Calls for help by short message, where a number is configured and something is wired that may call."""
    if vehicle is None or not config.sos.sms_to:
        return None
    with _needs_dbus("sos.sms_to", repr(config.sos.sms_to), '""'):
        from edge.gps_unit import modem_fitting
    return modem_fitting.sos_sms(config, clock, memory, recorder)


@contextmanager
def _needs_dbus(key: str, value: str, without: str) -> Iterator[None]:
    """Around an import of modem_fitting, which only a box with a modem has memory for. Raises ConfigError."""
    try:
        yield
    except ModuleNotFoundError as error:
        wanted = f"{without}, or {error.name} installed (docs/modem.md)"
        raise ConfigError("modem", [Problem(key=key, value=value, wanted=wanted)]) from error


def _vehicle(
    config: UnitConfig,
    clock: Clock,
    outbox: Outbox,
    uplink: Uplink,
    memory: Memory,
    recorder: Recorder,
    receiver: Receiver,
    modes: Modes,
) -> "tuple[Vehicle, Cab] | tuple[None, None]":
    """What is wired to this box: the main loop's part and the thread of the pins."""
    if not wired(config):
        return None, None
    from edge.gps_unit import fitting  # a box without wires has no memory to spare for it

    return fitting.vehicle(config, clock, outbox, uplink, memory, recorder, receiver, on_input=modes.input)


def _commands(clock: Clock, memory: Memory, known: dict[str, Verb], vehicle: "Vehicle | None") -> Commands:
    """What the centre may order; calls for help come from a wire, and are acknowledged only where there is one."""
    more = {} if vehicle is None else {ACKNOWLEDGE: vehicle.acknowledge}
    return Commands(clock, CommandIds(memory), {**known, **more})


def _workers(*, modem: "ModemWatch | None", cab: "Cab | None", sms: "SosSms | None") -> dict[str, Loop]:
    """The threads beside main and uplink, by name."""
    parts = {"modem": modem, "cab": cab, "sms": sms}
    return {name: part.run for name, part in parts.items() if part is not None}


def wired(config: UnitConfig) -> bool:
    """Whether anything of the vehicle is wired to this box."""
    channels = (config.fuel.channel, config.supply.channel)
    return bool(config.inputs or config.lamps.pins or config.buzzer.pin is not None) or channels != (None, None)


def remembered_line(remembered: object) -> Line | None:
    """The receiver's line as documents keep it; None when there is none that makes sense."""
    match remembered:
        # What no scan would have found is worn bits; a port that cannot be set so would end every start.
        case [int(speed), str(framing)] if speed in SPEEDS and framing in FRAMINGS:
            return Line(speed, framing)
    return None

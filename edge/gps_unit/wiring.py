"""Which part of a gps_unit is given to which: constructors only, nothing runs here."""

import logging
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge import starting
from edge.budget import Budget
from edge.clock import Clock
from edge.commands import Commands
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
from edge.health import Health, Sources
from edge.memory import Memory
from edge.outbox import Outbox
from edge.service import Loop
from edge.today import Today
from edge.uplink import Uplink
from edge.wiring import CommandIds, spent, traffic
from settings import ConfigError, Problem
from wire import encode
from wire.errors import PeerViolation
from wire.inputs import ACKNOWLEDGE
from wire.kinds import KIND_REPORTED, KIND_RESULT

if TYPE_CHECKING:
    from edge.modem_watch import ModemWatch

log = logging.getLogger(__name__)


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


@dataclass(frozen=True, slots=True)
class Unit:
    """The parts that the main loop turns."""

    listener: Listener
    recorder: Recorder
    obey: Callable[[], None]
    cancel: Callable[[], None]
    close: Callable[[bool], None]
    workers: Mapping[str, Loop]


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
    modes = _modes(config, clock, memory)
    receiver = Receiver(
        str(config.receiver.tty),
        speed=config.receiver.speed,
        remembered=remembered_line(memory.recall("line", None)),
        boottime_ms=clock.boottime_ms,
    )

    def rejected() -> dict[str, int]:
        counters = [tally.rejected, commands.rejected, clock.rejected, uplink.account().rejected]
        counters += [listener.framer.rejected, listener.epochs.rejected, policy.rejected if policy else Counter()]
        return dict(sum(counters, Counter()))

    budget = Budget(config.sim.plan, clock, memory)
    health = Health(
        outbox,
        clock,
        Sources(
            traffic=lambda: traffic(uplink),
            rejected=rejected,
            unobserved=lambda: tally.unobserved,
            modem=lambda: watch.account() if watch is not None else None,
            spent=lambda: spent(uplink),
        ),
        today=Today(clock, memory),
        firmware=FIRMWARE,
        disk=config.outbox.path.parent,
        budget=budget,
    )
    recorder = Recorder(
        Reporting(
            interval_s=config.report.interval_s,
            parked_interval_s=config.report.parked_interval_s,
            quantum=config.report.quantum,
            tolerance_m=config.report.tolerance_m,
        ),
        outbox,
        clock,
        OpenInterval(interval_path(config), at=at),
        policy=policy,
        health=health,
        appended=uplink.wake,
        tally=tally,
        any_date=config.receiver.not_before_utc_ms is None,
        modes=modes,
    )
    watch: ModemWatch | None = None
    workers: dict[str, Loop] = {}
    if config.modem.watch:
        try:
            from edge.gps_unit import modem_fitting  # D-Bus: only for a box that has a modem
        except ModuleNotFoundError as error:
            wanted = f"false, or {error.name} installed (docs/modem.md)"
            raise ConfigError("modem", [Problem(key="modem.watch", value="true", wanted=wanted)]) from error

        def quiet() -> bool:
            return recorder.parked and modes.mode(parked=True) == "parked"

        watch = modem_fitting.watch(config, clock, uplink, memory, quiet=quiet)
        workers["modem"] = watch.run
    listener = Listener(
        receiver,
        recorder,
        clock,
        not_before_utc_ms=config.receiver.not_before_utc_ms,
        on_line=lambda line: memory.remember("line", [line.speed, line.framing]),
    )
    recorder.happened("boot", **starting.begun(clock.boot_id, memory), firmware=FIRMWARE)

    def restart(_arguments: Mapping[str, Any]) -> str:
        _leave()
        return "it ends, and systemd starts it anew"

    known = {**verbs.of(modes, recorder, shadow), "restart": restart}
    vehicle = None
    if wired(config):
        from edge.gps_unit import fitting  # a box without wires has no memory to spare for it

        vehicle, cab = fitting.vehicle(config, clock, outbox, uplink, memory, recorder, receiver, on_input=modes.input)
        workers["cab"] = cab.run
        known[ACKNOWLEDGE] = vehicle.acknowledge
    commands = Commands(clock, CommandIds(memory), known)

    def obey() -> None:
        uplink.limit_backlog(budget.backlog_bytes_per_s(config.uplink.bulk_bytes_per_s))
        if vehicle is not None:
            vehicle.turn()
            recorder.send_events()
        for payload in uplink.take_commands():
            result = commands.carry_out(payload)
            if result is not None:
                recorder.put(result, KIND_RESULT)
        for payload in uplink.take_desired():
            try:
                changed = shadow.hear(payload)
            except PeerViolation:
                tally.rejected["desired"] += 1
                continue
            if changed:
                _leave()
        if shadow.turn(receipted=uplink.online):
            _leave()
        if (report := shadow.take_report()) is not None:
            version, said = report
            recorder.put(encode.reported(at=clock.stamp(), version=version, json=said), KIND_REPORTED)

    def close(clean: bool) -> None:
        receiver.close()
        if clean:
            budget.count(spent(uplink))
            budget.save(at_once=True)
            if vehicle is not None:
                vehicle.keep()
            starting.ended(clock.boot_id, memory, "" if vehicle is None else vehicle.leaving)

    return Unit(listener, recorder, obey, receiver.cancel, close, workers)


def _leave() -> None:
    """End as if told by systemd, which starts the process anew: what is open is appended, and nothing is half done."""
    signal.raise_signal(signal.SIGTERM)


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

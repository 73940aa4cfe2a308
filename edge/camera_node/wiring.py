"""Which part of a camera node is given to which: constructors only, nothing runs here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from edge import starting
from edge.budget import Budget
from edge.camera_node.config import Camera, NodeConfig
from edge.camera_node.ear import Ear
from edge.camera_node.eye import Eye, Sight
from edge.camera_node.live import Allowed, Live
from edge.camera_node.node import Around, Lens, Node, Seen
from edge.camera_node.passwords import read_passwords
from edge.camera_node.pole import Pole
from edge.camera_node.probing import Credentials
from edge.camera_node.pushing import Pushing, Source
from edge.camera_node.reach import carried, host_and_port
from edge.camera_node.rebooting import Rebooting
from edge.camera_node.record import Recorder
from edge.camera_node.recovery import Ladder
from edge.camera_node.refused import tries_of
from edge.camera_node.snapshots import Snapshots
from edge.camera_node.switch import Switch
from edge.camera_node.tries import Tries
from edge.camera_node.updating import Updating
from edge.camera_node.watched import Watched
from edge.clock import Clock
from edge.commands import Commands
from edge.config import FIRMWARE
from edge.health import Health, Sources
from edge.memory import Memory
from edge.outbox import Outbox
from edge.relays import Coil, Relays
from edge.service import Loop
from edge.today import Today
from edge.uplink import Uplink
from edge.wiring import CommandIds, spent, traffic
from wire.kinds import KIND_RESULT

Passwords = Mapping[str, Credentials]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the process runs."""

    node: Node
    obey: Callable[[], None]
    workers: Mapping[str, Loop]
    close: Callable[[bool], None]


def parts(config: NodeConfig, clock: Clock, outbox: Outbox, uplink: Uplink, memory: Memory) -> Parts:
    """Cameras, pole, recorder, health and commands of this configuration."""
    passwords = {} if config.pole.passwords_path is None else read_passwords(config.pole.passwords_path)
    names = [camera.name for camera in config.cameras]
    seen = Seen()
    tries = tries_of(names, config.pole.passwords_path, memory)
    relays = Relays(_coils(config))
    ears = _ears(config, passwords, tries, seen, clock)
    lenses = _lenses(config, passwords, tries, seen, relays, ears, memory, clock)
    live = Live(
        names,
        _pushing(config, passwords, tries),
        _allowed(config),
        broke=lambda camera, why: recorder.happened("live_broke", camera=camera, why=why),
        monotonic_s=clock.monotonic_s,
    )
    snapshots = _snapshots(config, clock)
    budget = Budget(config.sim.plan, clock, memory)
    sources = Sources(
        traffic=lambda: traffic(uplink),
        rejected=lambda: _rejected(commands, clock, uplink, lenses, snapshots),
        unobserved=lambda: recorder.unobserved,
        spent=lambda: spent(uplink, live.sent_bytes),
    )
    recorder = Recorder(outbox, clock, _health(config, clock, outbox, memory, budget, sources), appended=uplink.wake)
    switch = None if config.pole.switch_host is None else Switch(config.pole.switch_host)
    node = Node(
        lenses,
        seen,
        pole=Pole(memory.recall("pole", None), started_s=0.0),  # monotonic seconds count from there
        relays=relays,
        live=live,
        updating=_updating(names, memory, clock),
        snapshots=snapshots,
        recorder=recorder,
        budget=budget,
        clock=clock,
        notes=memory,
        around=_around(config, switch),
    )
    commands = Commands(clock, CommandIds(memory), node.verbs())
    recorder.happened("boot", **starting.begun(clock.boot_id, memory), firmware=FIRMWARE)

    def obey() -> None:
        uplink.limit_backlog(budget.backlog_bytes_per_s(config.uplink.bulk_bytes_per_s))
        for payload in uplink.take_commands():
            result = commands.carry_out(payload)
            if result is not None:
                recorder.put(result, KIND_RESULT)

    def close(clean: bool) -> None:
        if clean:
            budget.count(spent(uplink, live.sent_bytes))
            budget.save(at_once=True)
            starting.ended(clock.boot_id, memory)

    return Parts(node, obey, _workers(lenses, ears, switch), close)


# ---------------------------------------------------------------------- each camera's


def _ears(
    config: NodeConfig, passwords: Passwords, tries: Mapping[str, Tries], seen: Seen, clock: Clock
) -> dict[str, Ear]:
    """By name, of those cameras that have ONVIF."""

    def utc() -> datetime | None:
        utc_ms = clock.utc_ms()
        return None if utc_ms is None else datetime.fromtimestamp(utc_ms / 1000, UTC)

    def ear(name: str, url: str, port: int) -> Ear:
        return Ear(name, host_and_port(url)[0], port, lambda: passwords.get(name), seen, tries[name], utc=utc)

    having = [(camera, camera.onvif_port) for camera in config.cameras]
    return {camera.name: ear(camera.name, camera.url, port) for camera, port in having if port is not None}


def _lenses(
    config: NodeConfig,
    passwords: Passwords,
    tries: Mapping[str, Tries],
    seen: Seen,
    relays: Relays,
    ears: Mapping[str, Ear],
    memory: Memory,
    clock: Clock,
) -> list[Lens]:
    learned = memory.recall("learned", {})

    def lens(camera: Camera) -> Lens:
        name, ear = camera.name, ears.get(camera.name)
        return Lens(
            watched=_watched(camera, learned.get(name)),
            eye=_eye(config, camera, passwords, tries[name], seen, relays, ear),
            ladder=_ladder(name, memory, clock),
            relay=_relay(camera),
            reboot=None if ear is None else Rebooting(ear),
        )

    return [lens(camera) for camera in config.cameras]


def _watched(camera: Camera, learned: object) -> Watched:
    kept = learned if isinstance(learned, dict) else None
    return Watched(camera.name, kept, declared_frames_per_s=camera.frames_per_s, adopted=camera.serial_number)


def _eye(
    config: NodeConfig,
    camera: Camera,
    passwords: Passwords,
    tries: Tries,
    seen: Seen,
    relays: Relays,
    ear: Ear | None,
) -> Eye:
    relay = _relay(camera)
    sight = Sight(
        camera.name,
        camera.url,
        every_s=config.pole.every_s,
        interface=config.pole.interface,
        expected_frames_per_s=camera.frames_per_s,
    )
    return Eye(
        sight,
        lambda: passwords.get(camera.name),
        seen,
        powered=lambda: None if relay is None else relays.powered().get(relay),
        serial=(lambda: None) if ear is None else ear.serial,
        tries=tries,
    )


def _ladder(camera: str, memory: Memory, clock: Clock) -> Ladder:
    name = f"ladder {camera}"
    return Ladder(lambda state: memory.remember(name, state), memory.recall(name, None), now_s=clock.monotonic_s())


def _relay(camera: Camera) -> str | None:
    return None if camera.relay_pin is None else f"gpio{camera.relay_pin}"


def _coils(config: NodeConfig) -> dict[str, Coil]:
    return {
        f"gpio{camera.relay_pin}": Coil(camera.relay_pin, camera.relay_active_low)
        for camera in config.cameras
        if camera.relay_pin is not None
    }


# ---------------------------------------------------------------------- the pole's


def _pushing(config: NodeConfig, passwords: Passwords, tries: Mapping[str, Tries]) -> Pushing:
    sources = {camera.name: Source(camera.url, camera.small_url) for camera in config.cameras}
    return Pushing(sources, passwords.get, tries, authority=config.live.ca_path or config.broker.ca_path)


def _allowed(config: NodeConfig) -> Allowed:
    schemes = ("rtsps", "rtsp") if config.live.plain else ("rtsps",)
    hosts = tuple(host.lower() for host in config.live.hosts)
    return Allowed(hosts, schemes, config.live.most_leases)


def _around(config: NodeConfig, switch: Switch | None) -> Around:
    interface = config.pole.interface
    return Around(
        switch=(lambda: None) if switch is None else switch.answers,
        carrier=(lambda: None) if interface is None else lambda: carried(interface),
    )


def _snapshots(config: NodeConfig, clock: Clock) -> Snapshots:
    return Snapshots(
        [camera.name for camera in config.cameras],
        daily_bytes=config.pictures.daily_bytes,
        interval_s=config.pictures.interval_s,
        now_s=clock.monotonic_s(),
    )


def _updating(names: list[str], memory: Memory, clock: Clock) -> Updating:
    return Updating(
        names,
        lambda state: memory.remember("updating", state),
        memory.recall("updating", {}),
        monotonic_s=clock.monotonic_s,
    )


def _health(
    config: NodeConfig, clock: Clock, outbox: Outbox, memory: Memory, budget: Budget, sources: Sources
) -> Health:
    disk = config.outbox.path.parent
    return Health(outbox, clock, sources, today=Today(clock, memory), firmware=FIRMWARE, disk=disk, budget=budget)


def _rejected(
    commands: Commands, clock: Clock, uplink: Uplink, lenses: list[Lens], snapshots: Snapshots
) -> dict[str, int]:
    """What was refused, failed or left out since the process began, by reason."""
    failures = Counter({f"camera_{why}": n for lens in lenses for why, n in lens.eye.failed.items()})
    pictures = Counter({f"snapshot_{why}": n for why, n in snapshots.left_out.items()})
    return dict(sum([commands.rejected, clock.rejected, uplink.account().rejected, failures, pictures], Counter()))


def _workers(lenses: list[Lens], ears: Mapping[str, Ear], switch: Switch | None) -> dict[str, Loop]:
    workers: dict[str, Loop] = {f"eye {lens.watched.name}": lens.eye.run for lens in lenses}
    workers |= {f"ear {name}": ear.run for name, ear in ears.items()}
    return workers if switch is None else workers | {"switch": switch.run}

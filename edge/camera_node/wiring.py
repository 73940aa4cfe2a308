"""Which part of a camera node is given to which: constructors only, nothing runs here."""

from __future__ import annotations

import queue
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from edge import starting
from edge.budget import Budget
from edge.camera_node.config import Camera, NodeConfig
from edge.camera_node.ear import Ear
from edge.camera_node.eye import Eye, Sight
from edge.camera_node.live import Allowed, Live
from edge.camera_node.node import Around, Lens, Node, Seen
from edge.camera_node.passwords import read_passwords
from edge.camera_node.pole import Pole
from edge.camera_node.probing import Credentials, Tries
from edge.camera_node.pushing import Pushing, Source
from edge.camera_node.reach import carried, host_and_port
from edge.camera_node.rebooting import Rebooting
from edge.camera_node.record import Recorder
from edge.camera_node.recovery import Ladder
from edge.camera_node.relays import Coil, Relays
from edge.camera_node.snapshots import Snapshots
from edge.camera_node.switch import Switch
from edge.camera_node.watched import Watched
from edge.clock import Clock
from edge.commands import Commands
from edge.config import FIRMWARE
from edge.health import Health, Sources
from edge.memory import Memory
from edge.outbox import Outbox
from edge.service import Loop
from edge.today import Today
from edge.uplink import Uplink
from edge.wiring import CommandIds, spent, traffic
from wire.kinds import KIND_RESULT


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
    seen: Seen = queue.Queue()
    relays = Relays(_coils(config))
    learned = memory.recall("learned", {})
    ears = {camera.name: ear for camera in config.cameras if (ear := _ear(camera, passwords, seen, clock)) is not None}
    lenses = [
        _lens(config, camera, ears.get(camera.name), passwords, learned, memory, seen, relays, clock)
        for camera in config.cameras
    ]
    names = [camera.name for camera in config.cameras]
    live = Live(names, _pushing(config, passwords), _allowed(config), monotonic_s=clock.monotonic_s)
    snapshots = Snapshots(
        names,
        daily_bytes=config.pictures.daily_bytes,
        interval_s=config.pictures.interval_s,
        now_s=clock.monotonic_s(),
    )
    budget = Budget(config.sim.plan, clock, memory)

    def rejected() -> dict[str, int]:
        failures = Counter({f"camera_{why}": n for lens in lenses for why, n in lens.eye.failed.items()})
        pictures = Counter({f"snapshot_{why}": n for why, n in snapshots.left_out.items()})
        return dict(sum([commands.rejected, clock.rejected, uplink.account().rejected, failures, pictures], Counter()))

    health = Health(
        outbox,
        clock,
        Sources(
            traffic=lambda: traffic(uplink),
            rejected=rejected,
            unobserved=lambda: recorder.unobserved,
            spent=lambda: spent(uplink, live.sent_bytes),
        ),
        today=Today(clock, memory),
        firmware=FIRMWARE,
        disk=config.outbox.path.parent,
        budget=budget,
    )
    recorder = Recorder(outbox, clock, health, appended=uplink.wake)
    switch = None if config.pole.switch_host is None else Switch(config.pole.switch_host)
    node = Node(
        lenses,
        seen,
        pole=Pole(memory.recall("pole", None)),
        relays=relays,
        live=live,
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

    workers: dict[str, Loop] = {f"eye {lens.watched.name}": lens.eye.run for lens in lenses}
    workers |= {f"ear {name}": ear.run for name, ear in ears.items()}
    if switch is not None:
        workers["switch"] = switch.run
    return Parts(node, obey, workers, close)


def _lens(
    config: NodeConfig,
    camera: Camera,
    ear: Ear | None,
    passwords: Mapping[str, Credentials],
    learned: Mapping[str, Any],
    memory: Memory,
    seen: Seen,
    relays: Relays,
    clock: Clock,
) -> Lens:
    relay, ladder_name = _relay(camera), f"ladder {camera.name}"
    sight = Sight(
        camera.name,
        camera.url,
        every_s=config.pole.every_s,
        interface=config.pole.interface,
        expected_frames_per_s=camera.frames_per_s,
        serial_number=camera.serial_number,
    )
    kept = learned.get(camera.name)
    return Lens(
        watched=Watched(
            camera.name, kept if isinstance(kept, dict) else None, declared_frames_per_s=camera.frames_per_s
        ),
        eye=Eye(
            sight,
            lambda: passwords.get(camera.name),
            seen,
            powered=lambda: None if relay is None else relays.powered().get(relay),
            serial=(lambda: None) if ear is None else ear.serial,
            tries=Tries(time.monotonic) if ear is None else ear.tries,
        ),
        ladder=Ladder(
            lambda state: memory.remember(ladder_name, state),
            memory.recall(ladder_name, None),
            now_s=clock.monotonic_s(),
        ),
        relay=relay,
        reboot=None if ear is None else Rebooting(ear),
    )


def _ear(camera: Camera, passwords: Mapping[str, Credentials], seen: Seen, clock: Clock) -> Ear | None:
    if camera.onvif_port is None:
        return None

    def utc() -> datetime | None:
        utc_ms = clock.utc_ms()
        return None if utc_ms is None else datetime.fromtimestamp(utc_ms / 1000, UTC)

    host, _ = host_and_port(camera.url)
    tries = Tries(time.monotonic)
    return Ear(camera.name, host, camera.onvif_port, lambda: passwords.get(camera.name), seen, tries, utc=utc)


def _relay(camera: Camera) -> str | None:
    return None if camera.relay_pin is None else f"gpio{camera.relay_pin}"


def _coils(config: NodeConfig) -> dict[str, Coil]:
    return {
        f"gpio{camera.relay_pin}": Coil(camera.relay_pin, camera.relay_active_low)
        for camera in config.cameras
        if camera.relay_pin is not None
    }


def _pushing(config: NodeConfig, passwords: Mapping[str, Credentials]) -> Pushing:
    sources = {camera.name: Source(camera.url, camera.small_url) for camera in config.cameras}
    return Pushing(sources, passwords.get, authority=config.live.ca_path or config.broker.ca_path)


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

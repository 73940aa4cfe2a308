"""gnss: what a receiver does, and what is done to it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from torture.box import Box
from torture.scenario import Setup, scenario
from torture.scene import Scene
from torture.underway import underway
from wire.kinds import KIND_HEALTH, KIND_TRACK

FIRST_LISTENED_AT: Final = 9_600  # edge/gps_unit/receiver.py tries it first
SPEEDS: Final = (4_800, 9_600, 19_200, 38_400, 57_600, 115_200)
# Without a sentence for 5 s the line counts as lapsed; then each other is tried until noise or 1.5 s have passed.
SPEED_FOUND_WITHIN_S: Final = 25.0
LINE_RATE_BYTES_PER_S: Final = 11_520  # 115,200 bit/s
FLOOD_EVERY_S: Final = 0.05
INSTEAD_S: Final = 7.0  # long enough for the line to count as lapsed: all speeds are hunted through, in noise
GROWTH_LIMIT_BYTES: Final = 8_000_000
STALE_AFTER_S: Final = 60.0  # edge/gps_unit/motion.py: FixWatch
TOLD_WITHIN_S: Final = 60.0  # an event that was in a backlog
UNDERWAY_BYTES: Final = 20_000  # what may still be owed when the sky goes dark: receipts, a session
DARK_ROWS: Final = 4  # fix_lost, and a health record that was due
DARK_ROWS_EVERY_S: Final = 600.0


@scenario()
def unplugged(scene: Scene) -> None:
    """A receiver pulled out and put back, also while a backlog drains and under another device, costs no due epoch."""
    box, pulls = scene.box, 0
    underway(scene, box)
    while scene.going():
        if scene.luck.random() < 0.5 or not pulls:
            box.link.cut()
            scene.fault("cut")
            scene.play(2.0)
            box.link.mend()
        before = box.port()
        box.unplug()
        scene.fault("unplug")
        pulls += 1
        scene.settle(scene.luck.uniform(0.3, 3.0))
        with occupied(before):
            box.receiver.replug()
        scene.claim("the port has another name behind its link", box.port() != before, f"{before}, {box.port()}")
        scene.play(scene.luck.uniform(2.0, 20.0))

    def told() -> bool:
        events = scene.events(box)
        return events.count("receiver_lost") >= pulls and events.count("receiver_found") > pulls

    scene.until(told, TOLD_WITHIN_S, "each loss and each return is told as an event")


@scenario(Setup(least_s=20.0))  # a lapse of 5 s, and a hunt
def another_speed(scene: Scene) -> None:
    """A receiver that is set to another speed in mid-drive is found again, and told, and nothing false is recorded."""
    box = scene.box
    box.receiver.talk_at(FIRST_LISTENED_AT)
    underway(scene, box)
    speed = FIRST_LISTENED_AT
    while scene.going():
        speed = scene.luck.choice([other for other in SPEEDS if other != speed])
        begun_s = time.monotonic()
        box.receiver.talk_at(speed)
        scene.fault(f"speed {speed}")

        if not scene.until(since(scene, box, begun_s), SPEED_FOUND_WITHIN_S, "its new speed is found"):
            break
        scene.play(scene.luck.uniform(1.0, 20.0))
    log = scene.log_of(box.name)
    scene.claim("and is said in the log", f"receiver found at {speed} 8N1" in log, log.count("receiver found"))


@scenario(Setup(least_s=12.0))
def garbage_flood(scene: Scene) -> None:
    """Random bytes at line rate, between epochs or instead of them, cost no epoch, and bring no position."""
    box = scene.box
    box.receiver.talk_at(FIRST_LISTENED_AT)
    underway(scene, box)
    before_bytes = resident_bytes(box)
    while scene.going():
        scene.fault("flood between epochs")
        flood(scene, box, 3.0)
        box.receiver.freeze()
        scene.fault("flood instead of epochs")
        flood(scene, box, INSTEAD_S)
        box.receiver.thaw()
        scene.until(since(scene, box, time.monotonic()), SPEED_FOUND_WITHIN_S, "epochs after the flood come out")
        scene.play(scene.luck.uniform(0.0, 10.0))
    grown = resident_bytes(box) - before_bytes
    scene.claim("the flood is in nobody's memory", grown < GROWTH_LIMIT_BYTES, f"{grown:,} B")


@scenario()
def dark_sky(scene: Scene) -> None:
    """A receiver that talks for long without a fix costs no rows and no bytes, and the box goes on knowing the time."""
    box = scene.box
    underway(scene, box)
    scene.settle(2.0)
    while scene.going():
        box.receiver.lose_fix()
        scene.fault("no fix")
        scene.settle(2.5)  # the last interval is recorded
        begun_s, rows, sent = time.monotonic(), scene.newest_row(box), box.link.bytes_up
        scene.settle(4.0)
        scene.play(scene.luck.uniform(1.0, 100.0))
        lasted_s = time.monotonic() - begun_s
        most = DARK_ROWS + lasted_s / DARK_ROWS_EVERY_S
        made, bytes_up = scene.newest_row(box) - rows, box.link.bytes_up - sent
        scene.claim("a dark sky makes no rows", made <= most, f"{made} in {lasted_s:.0f} s")
        scene.claim("and no traffic", bytes_up <= UNDERWAY_BYTES, f"{bytes_up:,} B in {lasted_s:.0f} s")
        if lasted_s > STALE_AFTER_S + 5.0:
            scene.until(lambda: "fix_lost" in scene.events(box), TOLD_WITHIN_S, "the fix is declared stale")
        box.receiver.find_fix()
        scene.play(2.0)
    undated = [e.seq for e in scene.entries(box) if e.utc_ms is None or e.time_doubt_s is not None]
    scene.claim("no record of it is without a time", not undated, undated[:5])


@scenario(Setup(least_s=10.0))
def stuck(scene: Scene) -> None:
    """A receiver that says one epoch again and again has it stored once, makes no rows, and its fix goes stale."""
    box = scene.box
    underway(scene, box)
    box.receiver.stick()
    scene.fault("stuck")
    scene.settle(2.5)
    begun_s, rows = time.monotonic(), scene.newest_row(box)
    while scene.going():
        scene.play(5.0)
    lasted_s = time.monotonic() - begun_s
    made = scene.newest_row(box) - rows
    most = DARK_ROWS + lasted_s / DARK_ROWS_EVERY_S
    scene.claim("repetitions make no rows", made <= most, f"{made} in {lasted_s:.0f} s")
    if lasted_s > STALE_AFTER_S + 5.0:
        scene.until(lambda: "fix_lost" in scene.events(box), TOLD_WITHIN_S, "the fix is declared stale")
    scene.stop(box.name)  # its last account goes with it
    box.receiver.unstick()
    scene.start(box.name)

    def counted() -> bool:
        return any(health.rejected_by_reason.get("repeated", 0) > 0 for health in scene.health(box))

    scene.until(counted, TOLD_WITHIN_S, "repetitions are counted")
    scene.claim("there was something to count", scene.entries(box, KIND_TRACK) and scene.entries(box, KIND_HEALTH))


# ---------------------------------------------------------------- what they share


@contextmanager
def occupied(device: Path | None) -> Iterator[None]:
    """Somebody else takes the device that has just become free."""
    ends: list[int] = []
    try:
        while device is not None and not device.exists():
            ends += os.openpty()
        yield
    finally:
        for end in ends:
            os.close(end)


def since(scene: Scene, box: Box, begun_s: float) -> Callable[[], bool]:
    """Asks whether something that was said since then is stored."""

    def stored() -> bool:
        recent = {epoch.key for epoch in list(box.told) if epoch.first_byte_s > begun_s}
        return bool(recent & scene.stored(box))

    return stored


def flood(scene: Scene, box: Box, seconds: float) -> None:
    """Random bytes at line rate for so long."""
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        box.receiver.garbage(int(LINE_RATE_BYTES_PER_S * FLOOD_EVERY_S))
        scene.settle(FLOOD_EVERY_S)


def resident_bytes(box: Box) -> int:
    """Memory of the box's process; 0 when it does not run."""
    if box.child.pid is None:
        return 0
    return int(Path(f"/proc/{box.child.pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")

"""centre: the store is sick, the bridge frozen or twice, the broker forgetful; boxes wait, and nothing is lost."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from broker.store import open_store
from stage.process import Child
from torture.scenario import Setup, scenario
from torture.scene import Scene
from torture.store_faults import full, locked, moved, small_disk

BEAT_S: Final = 2.0  # a commit waits so long
BREATH_S: Final = 0.5  # SQLite's busy handler looks again every 0.1 s: one commit gets in between two beats
SLOW_TO_SAY_S: Final = 13.0  # SQLite's busy timeout (10 s), and one try more
SAYS_WITHIN_S: Final = 15.0
YIELDS_WITHIN_S: Final = 15.0
LIVE_WITHIN_S: Final = 10.0  # a link again (within 1 s), a row each second, a commit
CONSUMER_BACK_WITHIN_S: Final = 20.0
EXIT_CONFIG: Final = 78


@scenario(Setup(boxes=2))
def slow(scene: Scene) -> None:
    """A store whose commits take two seconds costs no box a restart or a connection."""
    with undisturbed(scene):
        while scene.going():
            with locked(scene.store_path):
                scene.fault("a commit waits 2 s")
                before = last_log_id(scene)
                scene.settle(BEAT_S)
                held = last_log_id(scene) == before
            if not held:
                scene.claim("the store was slow", held=False)
            scene.settle(BREATH_S)
        scene.until(lambda: last_log_id(scene) > before, LIVE_WITHIN_S, "a slow store still takes records")


@scenario(Setup(boxes=2, least_s=SLOW_TO_SAY_S))
def hung(scene: Scene) -> None:
    """While the store hangs the bridge lives, nothing is receipted, and no box restarts or connects anew."""
    with undisturbed(scene):
        bridge_lives = len(scene.children["bridge"].lives)
        with locked(scene.store_path):
            scene.fault("the store hangs")
            scene.settle(1.0)
            before, held = last_log_id(scene), [scene.waiting(box) for box in scene.boxes]
            while scene.going():
                scene.play(1.0)
            scene.claim("nothing was stored", last_log_id(scene) == before)
            scene.claim("every box keeps what it has", all(map(int.__lt__, held, map(scene.waiting, scene.boxes))))
        scene.until(lambda: last_log_id(scene) > before, SAYS_WITHIN_S, "it goes on as soon as the store does")
        told = scene.log_of("bridge")
        scene.claim("the bridge says so once", told.count("store unavailable") == 1 == told.count("available again"))
        scene.claim("the bridge lives on", len(scene.children["bridge"].lives) == bridge_lives)


@scenario()
def killed_while_hung(scene: Scene) -> None:
    """What a bridge has heard and not committed when it is killed was never receipted: boxes still have it."""
    while scene.going():
        with locked(scene.store_path):
            scene.fault("the store hangs")
            scene.settle(2.5)
            scene.hold("bridge")
        scene.start("bridge")
        scene.play(2.0)


@scenario(Setup(boxes=2))
def gone(scene: Scene) -> None:
    """A centre that starts where its store is not there waits for it, and no box restarts."""
    lives = [len(box.child.lives) for box in scene.boxes]
    for name in ("publisher", "bridge"):
        scene.hold(name)
    away = scene.city.directory / "away"
    moved(scene.city.directory, away)
    scene.store_path.symlink_to(scene.city.directory / "not-mounted" / "store.db")
    for name in ("bridge", "publisher"):
        scene.start(name)
    scene.fault("the store is gone")
    while scene.going():
        scene.play(1.0)
    said = scene.log_of("bridge").count("store unavailable")
    scene.claim("the bridge says so once", said == 1, said)
    scene.store_path.unlink()
    moved(away, scene.city.directory)
    scene.until(lambda: "available again" in scene.log_of("bridge"), SAYS_WITHIN_S, "it goes on when the store is back")
    scene.claim("no box restarted", lives == [len(box.child.lives) for box in scene.boxes])


@scenario()
def disk_full(scene: Scene) -> None:
    """A full disk at the centre ends no process and receipts nothing, and with room again all of it is stored."""
    centre = ("publisher", "bridge")
    for name in centre:
        scene.stop(name)
    with small_disk(scene.city.directory / "disk") as disk:
        moved(scene.city.directory, disk)
        scene.store_path.symlink_to(disk / "store.db")
        try:
            for name in reversed(centre):
                scene.start(name)
            grows(scene, "the store works there")
            with full(disk):
                scene.fault("the disk is full")
                scene.settle(1.0)
                before = last_log_id(scene)
                scene.play(scene.seconds - 4.0)
                scene.claim("nothing was stored", last_log_id(scene) == before)
            scene.until(lambda: last_log_id(scene) > before, SAYS_WITHIN_S, "it goes on when there is room")
            told = scene.log_of("bridge")
            scene.claim("the bridge says it once", told.count("store unavailable") == 1, told.count("unavailable"))
        finally:
            for name in centre:
                scene.stop(name)
            scene.store_path.unlink()
            moved(disk, scene.city.directory)


@scenario()
def second_bridge(scene: Scene) -> None:
    """A second bridge with another store ends itself with exit code 78, and the first goes on."""
    config = scene.city.directory / "second.toml"
    text = scene.city.centre_config.read_text("utf-8")
    for mine, others in (("store.db", "second.db"), (str(scene.city.directory / "centre"), f"{config}-state")):
        text = text.replace(mine, others)
    config.write_text(text, "utf-8")
    command = [sys.executable, "-m", "broker", "--config", str(config), "bridge"]
    second = Child("second bridge", command, scene.city.directory / "log" / "second.log")
    first_lives = len(scene.children["bridge"].lives)
    scene.play(2.0)
    while scene.going():
        scene.fault("a second bridge")
        second.start()
        scene.until(lambda: not second.running, YIELDS_WITHIN_S)
        scene.claim("the second bridge ends with 78", second.exit_code == EXIT_CONFIG, second.tail(2))
        second.kill()
        grows(scene, "the first goes on")
        scene.play(3.0)
    scene.claim("the first was never restarted", len(scene.children["bridge"].lives) == first_lives)


@scenario()
def late_will(scene: Scene) -> None:
    """A frozen bridge whose will comes while its successor starts leaves no box silent."""
    # It cannot come later: a successor commits to the store only when the frozen one is dead, and has the same name, so
    # that the broker ends the frozen one's connection, and publishes its will, before it lets the successor in.
    command, log = scene.children["bridge"].command, scene.city.directory / "log" / "successor.log"
    while scene.going():
        successor = Child("successor", command, log)
        with scene.frozen("bridge"):
            scene.settle(1.0)
            successor.start()
            scene.until(lambda: not successor.running, 10.0, "it does not commit beside the frozen one")
            scene.hold("bridge")
        successor.start()  # as systemd does
        grows(scene, "boxes are heard again")
        scene.claim("by the successor", successor.running, successor.tail(2))
        successor.terminate()
        scene.claim("the successor stops cleanly", successor.join() and successor.exit_code == 0, successor.tail(2))
        scene.start("bridge")
        scene.play(1.0)


@scenario()
def frozen_broker(scene: Scene) -> None:
    """What the publisher had sent and the broker never took is published again, so the topics stay without a gap."""
    while scene.going():
        scene.play(2.0)
        with scene.frozen("mosquitto"):
            scene.settle(1.5)  # the bridge has stored; the publisher has written into a socket that nobody reads
            scene.hold("publisher")
            scene.hold("mosquitto")
        scene.start("mosquitto")
        scene.until(lambda: scene.consumer.connected, CONSUMER_BACK_WITHIN_S, "the consumer is back")
        scene.start("publisher")
    owed = {(box.name, key) for box in scene.boxes for key in scene.stored(box)}
    scene.until(lambda: scene.consumer.fixes() >= owed, LIVE_WITHIN_S, "all that is stored was on the topics")
    scene.claim("each topic is without a gap", not scene.consumer.gaps, f"{scene.consumer.gaps} gaps")


# ---------------------------------------------------------------- what is looked at


@contextmanager
def undisturbed(scene: Scene) -> Iterator[None]:
    """No box restarts or connects anew meanwhile."""
    scene.until(lambda: all(scene.stored(box) for box in scene.boxes), LIVE_WITHIN_S)
    lives = [len(box.child.lives) for box in scene.boxes]
    connections = [box.link.connections for box in scene.boxes]
    yield
    scene.claim("no box restarted", lives == [len(box.child.lives) for box in scene.boxes])
    scene.claim(
        "no box connected anew",
        connections == [box.link.connections for box in scene.boxes],
        [box.link.connections for box in scene.boxes],
    )


def grows(scene: Scene, claim: str) -> None:
    """Something said from now on is stored, and soon."""
    since_s = time.monotonic()

    def heard() -> bool:
        said = {epoch.key for epoch in list(scene.box.told) if epoch.first_byte_s > since_s}
        return bool(said & scene.stored(scene.box))

    scene.until(heard, LIVE_WITHIN_S, claim)


def last_log_id(scene: Scene) -> int:
    """The newest entry of the log."""
    with open_store(scene.city.store_url) as store:
        return store.last_log_id()

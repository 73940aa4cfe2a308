"""store: the central store is slow, hangs, is full, is away, or is yesterday's; boxes wait, and nothing is lost."""

from __future__ import annotations

from typing import Final

from broker.fixes import fixes_of
from broker.store import LogEntry
from torture.centre import LIVE_WITHIN_S, Key, by_seq, counted, grows, last_log_id, missing, resting, undisturbed
from torture.image import copied
from torture.scenario import Setup, scenario
from torture.scene import Scene
from torture.store_faults import full, locked, moved, small_disk
from torture.underway import connects

BEAT_S: Final = 2.0  # a commit waits so long
SEVERAL_ROWS_S: Final = 3.0
BREATH_S: Final = 0.5  # SQLite's busy handler looks again every 0.1 s: one commit gets in between two beats
SLOW_TO_SAY_S: Final = 13.0  # SQLite's busy timeout (10 s), and one try more
SAYS_WITHIN_S: Final = 15.0
AGAIN_WITHIN_S: Final = 20.0  # a start, a session, a number
LEDGER_WITHIN_S: Final = 15.0


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
        grows(scene, "rows are stored")
        scene.settle(BEAT_S)  # a bridge that has just connected would receipt nothing anyway
        before = scene.box.link.connections
        scene.box.link.cut()
        scene.settle(SEVERAL_ROWS_S)  # the first that a new session says must be one that is not stored yet
        with locked(scene.store_path):
            scene.fault("the store hangs")
            scene.box.link.mend()  # a new session's first rows are receipted as soon as they are stored
            connects(scene, scene.box, before, AGAIN_WITHIN_S, "the box is back")
            scene.settle(8.0)  # its next row, a receipt too early, and the append that deletes what it names
            scene.hold("bridge")
        scene.start("bridge")


@scenario()
def receipts_lost(scene: Scene) -> None:
    """What was committed, and whose receipts died with the bridge, is sent again and stored once."""
    while scene.going():
        grows(scene, "rows are stored")
        scene.settle(2.0)  # their receipts are gathered
        scene.kill("bridge")
        grows(scene, "the bridge is back")
        scene.kill(scene.box.name)  # it no longer waits for those receipts
        scene.until(lambda: counted(scene, "duplicate"), AGAIN_WITHIN_S, "the bridge gets them again")


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
    with small_disk(scene.city.directory / "disk") as disk:
        with resting(scene):
            moved(scene.city.directory, disk)
            scene.store_path.symlink_to(disk / "store.db")
        try:
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
            with resting(scene):
                scene.store_path.unlink()
                moved(disk, scene.city.directory)


@scenario(Setup(overtaken=True, least_s=5.0))
def restored(scene: Scene) -> None:
    """What a store lacks that was put back from yesterday's copy is named by the ledger, seq by seq."""
    home, box = scene.city.directory, scene.box
    scene.play(2.0)
    with resting(scene):
        copied(home, home / "yesterday", ("store.db",))
    scene.settle(2.0)
    scene.deliver(box)  # what the copy will lack is not on the box any more
    had = by_seq(scene)
    with resting(scene):
        copied(home / "yesterday", home, ("store.db",))
        scene.fault("the store is yesterday's")
    box.receiver.thaw()
    scene.settle(2.0)
    scene.deliver(box)
    scene.kill(box.name)  # its first word says what it holds: nothing of what the store lacks
    has = by_seq(scene)
    lost = {key: entry for key, entry in had.items() if key not in has}
    scene.lost |= {scene.known_by(fix[0], fix[1] or 0, fix[2] or 0) for one in lost.values() for fix in fixes_of(one)}
    scene.claim("the copy lacked something", lost, len(lost))
    scene.until(lambda: missing(scene) == lost.keys(), LEDGER_WITHIN_S, "the ledger names exactly what is lost")
    scene.claim("what is new is stored above all that was", ids(has, had) > max(e.log_id for e in had.values()))
    box.receiver.thaw()


def ids(has: dict[Key, LogEntry], had: dict[Key, LogEntry]) -> int:
    """The lowest log_id of what came since."""
    return min((entry.log_id for key, entry in has.items() if key not in had), default=0)

"""history: a card that went back in time, a card that became two, and numbers that must not be given twice."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from torture.box import Box
from torture.centre import grows
from torture.image import OUTBOX, WHOLE_CARD, copied, outbox_ids
from torture.scenario import Setup, scenario
from torture.scene import Scene

TOLD_APART_WITHIN_S: Final = 30.0
APPENDS_WITHIN_S: Final = 20.0  # a start, and a row each second
CLONES_WITHIN_S: Final = 120.0  # two boxes of one name take turns with the session, each with a growing pause


@scenario()
def emptied(scene: Scene) -> None:
    """A box that is killed when its outbox is empty gives no seq a second time."""
    while scene.going():
        scene.settle(2.0)
        killed_empty(scene)
        scene.box.receiver.thaw()
        scene.start(scene.box.name)
    scene.settle(2.0)


@scenario(Setup(conflicts=True, least_s=5.0))
def restored(scene: Scene) -> None:
    """An outbox put back to yesterday's copy, on whose keys the box goes on, loses nothing of either history."""
    box, home = scene.box, scene.city.outbox_path(scene.box.name).parent
    files = scene.luck.choice([OUTBOX, WHOLE_CARD])
    scene.settle(2.0)
    scene.stop("bridge")
    scene.settle(1.5)
    scene.stop(box.name)  # some of it is stored, some waits
    copied(home, home / "yesterday", files)
    before = outbox_ids(home / "outbox.db")

    scene.start("bridge")
    scene.start(box.name)
    grows(scene, "it goes on")
    killed_empty(scene)  # what waits on a card is lost with the card
    unknown_to_it = scene.newest_row(box)
    scene.hold("bridge")  # or its first receipt would say how far the other history had come
    copied(home / "yesterday", home, files)
    scene.fault(f"put back {' '.join(files)}")
    box.receiver.thaw()
    scene.start(box.name)
    beyond = scene.until(lambda: scene.newest_row(box) > unknown_to_it + 1, APPENDS_WITHIN_S)
    scene.claim("it appends under keys that are taken, and beyond", beyond, scene.newest_row(box))
    scene.start("bridge")
    scene.until(lambda: scene.conflicts() > 0, TOLD_APART_WITHIN_S, "the store tells the two histories apart")
    scene.until(
        lambda: outbox_ids(home / "outbox.db")[:-1] == before, TOLD_APART_WITHIN_S, "the box opens a new outbox_id"
    )


@scenario()
def leftover(scene: Scene) -> None:
    """An interval whose record was committed when its box was killed is not appended a second time."""
    while scene.going():
        scene.die_at(scene.box.name, "cut:begun", scene.luck.randint(2, 3))  # committed, and still in its file
        scene.start(scene.box.name)
        scene.settle(3.0)


@scenario(Setup(boxes=2, conflicts=True))
def cloned(scene: Scene) -> None:
    """A card cloned into a second box, both on the road under one name, loses nothing of either."""
    first, second = scene.boxes
    scene.settle(2.0)
    killed_empty(scene, second)  # its own card is thrown away
    scene.stop("bridge")  # or a receipt would tell the clone what the first one has sent
    scene.settle(1.5)
    scene.stop(first.name)
    clone(scene, first, second)
    scene.start(first.name)
    scene.start(second.name)
    second.receiver.thaw()
    scene.settle(5.0)
    scene.start("bridge")
    scene.until(lambda: scene.conflicts() > 0, CLONES_WITHIN_S, "the store tells the two histories apart")
    scene.until(lambda: len({outbox_ids(outbox(scene, box))[-1] for box in scene.boxes}) == 2, CLONES_WITHIN_S)
    while scene.going():
        scene.play(1.0)
    for one, other in ((first, second), (second, first)):  # they take each other's session, until one is found
        other.link.cut()
        scene.kill(one.name)  # it no longer waits for receipts that the other one got
        owed = scene.owed(one)
        scene.until(lambda: owed <= scene.stored(one), CLONES_WITHIN_S, f"{one.name} delivers")  # noqa: B023
        other.link.mend()
    apart = outbox_ids(outbox(scene, first))[-1] != outbox_ids(outbox(scene, second))[-1]
    scene.claim("each goes on under an outbox_id of its own", apart)


def clone(scene: Scene, first: Box, second: Box) -> None:
    """The second box's card is a copy of the first one's: its name, its certificate, its outbox."""
    home, others = outbox(scene, first).parent, outbox(scene, second).parent
    copied(home, others, WHOLE_CARD)
    config = scene.city.unit_config(second.name)
    text = scene.city.unit_config(first.name).read_text("utf-8").replace(f"{home}/", f"{others}/")
    config.write_text(text.replace(f"port = {first.link.port}", f"port = {second.link.port}"), "utf-8")
    second.units = {first.name, second.name}
    first.units = {first.name}
    scene.fault("card cloned")


def outbox(scene: Scene, box: Box) -> Path:
    """The file of a box's outbox."""
    return scene.city.outbox_path(box.name)


def killed_empty(scene: Scene, box: Box | None = None) -> None:
    """SIGKILL of a box when all that it ever appended is stored, receipted and deleted; its receiver is silent."""
    box = box or scene.box
    scene.deliver(box)
    scene.hold(box.name)
    scene.claim("it was empty when it was killed", not scene.waiting(box), scene.waiting(box))

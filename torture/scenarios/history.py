"""history: a card that went back in time, a card that became two, and numbers that must not be given twice."""

from __future__ import annotations

from typing import Final

from torture.centre import grows
from torture.image import OUTBOX, WHOLE_CARD, copied, outbox_ids
from torture.scenario import Setup, scenario
from torture.scene import Scene

TOLD_APART_WITHIN_S: Final = 30.0
APPENDS_WITHIN_S: Final = 20.0  # a start, and a row each second


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


def killed_empty(scene: Scene) -> None:
    """SIGKILL of the box when all that it ever appended is stored, receipted and deleted; its receiver is silent."""
    box = scene.box
    scene.deliver(box)
    scene.hold(box.name)
    scene.claim("it was empty when it was killed", not scene.waiting(box), scene.waiting(box))

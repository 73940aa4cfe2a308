"""disk: a box's card is full, read-only, failing or damaged; it is a file system of our own."""

from __future__ import annotations

import errno
from collections.abc import Callable

from edge.sim.card import SimulatedCard
from torture.scenario import Setup, scenario
from torture.scene import Scene

DATABASE, LOG = "outbox.db", "outbox.db-wal"
CARD = Setup(card=True, least_s=12.0)
# What cannot be recorded or read back may be missing, if it is named: as shed rows or as unobserved epochs.
NAMED = Setup(card=True, named=True, least_s=12.0)


def card_of(scene: Scene) -> SimulatedCard:
    """The first box's card."""
    assert scene.box.card is not None
    return scene.box.card


def for_a_while(scene: Scene, what: str, begin: Callable[[], None], end: Callable[[], None]) -> None:
    """The fault comes and goes; the box lives through it and records again afterwards."""
    scene.play(3.0)
    lives = len(scene.box.child.lives)
    begin()
    scene.fault(what)
    scene.play(max(4.0, scene.seconds - 8.0))
    end()
    told = len(scene.box.told)
    scene.settle(3.0)
    newest = {epoch.key for epoch in scene.box.told[told : told + 5]}
    scene.until(lambda: newest & scene.stored(scene.box), 60.0, "what is told after the fault is stored")
    scene.claim("the box lived through it", len(scene.box.child.lives) == lives, len(scene.box.child.lives))


@scenario(NAMED)
def full(scene: Scene) -> None:
    """A full card: the newest is still taken as long as anything can go for it, and what is given up is named."""
    card = card_of(scene)
    for_a_while(scene, "card full", card.fill, card.free)


@scenario(NAMED)
def full_without_a_link(scene: Scene) -> None:
    """A card that is full during an outage gives up no record that it does not name."""
    card = card_of(scene)
    scene.play(3.0)
    scene.box.link.cut()
    scene.play(1.0)
    card.fill()
    scene.fault("card full")
    scene.play(6.0)
    card.free()
    scene.box.link.mend()


@scenario(NAMED)
def read_only(scene: Scene) -> None:
    """A card that the kernel has remounted read-only: nothing that was accepted is lost, the rest is counted."""
    card = card_of(scene)
    for_a_while(scene, "remounted read-only", card.remount_read_only, card.remount_read_write)


@scenario(NAMED)
def writes_fail(scene: Scene) -> None:
    """Writes that fail with EIO: nothing that was accepted is lost, the rest is counted, and the box says so."""
    card = card_of(scene)
    for_a_while(scene, "EIO", lambda: card.fail_writes(number=errno.EIO), card.mend)
    scene.until(lambda: "outbox_refused" in scene.events(scene.box), 60.0, "the event outbox_refused is told")


@scenario(NAMED)
def corrupt_page(scene: Scene) -> None:
    """Pages of the outbox that rot during an outage cost the rows that stood on them, each named as corrupt."""
    scene.play(2.0)
    scene.box.link.cut()
    scene.play(5.0)
    card = card_of(scene)
    for page in (3, 5):
        card.corrupt_page(DATABASE, page, scene.luck)
        scene.fault("corrupt page")
    scene.kill(scene.box.name)
    scene.play(4.0)
    scene.box.link.mend()


@scenario(NAMED)
def truncated_log(scene: Scene) -> None:
    """A write-ahead log that loses its end under the running box: what it held is held elsewhere, or named."""
    scene.play(2.0)
    scene.box.link.cut()
    scene.play(5.0)
    path = scene.city.outbox_path(scene.box.name).with_name(LOG)
    card_of(scene).truncate(LOG, path.stat().st_size // 2)
    scene.fault("truncated log")
    scene.play(4.0)
    scene.box.link.mend()


@scenario(CARD)
def deleted_while_open(scene: Scene) -> None:
    """An outbox file that somebody deletes while it is open is written to its name again, with all that was in it."""
    scene.play(2.0)
    scene.box.link.cut()
    scene.play(4.0)
    for name in (DATABASE, LOG):
        card_of(scene).delete(name)
    scene.fault("deleted")
    scene.play(4.0)
    scene.box.link.mend()
    scene.until(lambda: "outbox_put_back" in scene.events(scene.box), 60.0, "the event outbox_put_back is told")

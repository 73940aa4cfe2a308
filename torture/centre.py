"""What scenarios do to the centre, and what they see of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from broker.config import load_centre
from broker.presence import read_presence
from broker.store import LogEntry, open_store
from torture.ear import Ear
from torture.scene import Scene
from torture.scenery import WITNESS
from wire.topics import bridge_state, desired

LIVE_WITHIN_S: Final = 10.0  # a link again (within 1 s), a row each second, a commit
RETAINED_COMES_S: Final = 0.5  # after the SUBACK

Key = tuple[int, int]  # outbox_id, seq


@contextmanager
def resting(scene: Scene) -> Iterator[None]:
    """Bridge and publisher do not run meanwhile."""
    for name in ("publisher", "bridge"):
        scene.stop(name)
    yield
    for name in ("bridge", "publisher"):
        scene.start(name)


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


def counted(scene: Scene, what: str) -> int:
    """What this life of the bridge has counted under names that begin so, as it last said in its presence file."""
    _, counters = read_presence(load_centre(scene.city.centre_config).presence_path)
    return sum(count for name, count in counters.items() if name.startswith(what))


def last_log_id(scene: Scene) -> int:
    """The newest entry of the log."""
    with open_store(scene.city.store_url) as store:
        return store.last_log_id()


def by_seq(scene: Scene) -> dict[Key, LogEntry]:
    """What the store has of the first box."""
    return {(entry.outbox_id, entry.seq): entry for entry in scene.entries(scene.box)}


def missing(scene: Scene) -> set[Key]:
    """What the ledger says is missing of the first box."""
    with open_store(scene.city.store_url) as store:
        accounts = [account for account in store.ledger() if account.unit == scene.box.name]
    return {(a.outbox_id, seq) for a in accounts for first, last in a.missing for seq in range(first, last + 1)}


def retained(scene: Scene, parked: str) -> set[str]:
    """Topics whose retained message a unit and a consumer get that subscribe now; none where they find no broker."""
    found = set()
    for name, filters in ((parked, (desired(parked), bridge_state("+"))), (WITNESS, ("city/v1/+/+/state",))):
        try:
            with Ear(scene.city, *filters, name=name) as ear:
                scene.settle(RETAINED_COMES_S)
        except OSError:  # the broker is on its way
            return set()
        found |= {message.topic for message in ear.heard if message.retained and message.payload}
    return found

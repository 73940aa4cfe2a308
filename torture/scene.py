"""A small city that drives, and everything the suite knows of it: what scenarios act on.

Real gps_units on ptys, each behind a link of its own, real Mosquitto over TLS, bridge, publisher, and a recording
consumer. A process that ends by itself is started again, as systemd would, and is remembered.
"""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from broker.clean import read_body
from broker.fixes import fixes_of
from broker.store import LogEntry, StoreUnavailable, open_store
from edge.outbox_reader import OutboxReader
from stage.process import Child
from torture.account import Key, Opened, due
from torture.box import Box, Doorkeeper
from torture.consumer import Consumer, KnownBy, by_place, by_time
from torture.points import died_there, start_to_die
from torture.report import Claim
from torture.scenario import EVERY_EPOCH, Setup, Unready, merged
from torture.scenery import Scenery
from wire.kinds import KIND_EVENT, KIND_HEALTH

WATCH_EVERY_S: Final = 0.05
APPEND_WITHIN_S: Final = 1.5  # a card of FUSE on a busy machine
LISTENING_WITHIN_S: Final = 20.0
DIE_WITHIN_S: Final = 60.0  # a start, a link, a number of the crowded bridge, on a busy machine
MANY_ROWS: Final = 10_000
DELIVER_WITHIN_S: Final = 30.0
NEW_SESSION_S: Final = 8.0  # connected again within 1 s, a receipt at once, rows deleted alone 5 s later
LAST_EPOCH_S: Final = 2.5  # longer than a receiver is silent inside an epoch: the last one is complete


class Scene:
    """One city under fire; `with Scene(...) as scene` starts it, and leaves nothing running."""

    def __init__(
        self,
        directory: Path,
        setup: Setup,
        *,
        seed: str,
        seconds: float,
        log: Path | None = None,
        speed: float = 1.0,
        said: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`seconds`: how long the fault may last. `log`: a real receiver's log to drive by instead of our own drive."""
        self.luck: Final = random.Random(seed)
        self.seconds: Final = seconds
        self.setup: Final = setup
        self.said: Final = said
        self.claims: list[Claim] = []
        self.faults: Counter[str] = Counter()
        self.ended_by_itself: list[str] = []
        self.lost: set[Key] = set()  # epochs that the centre had, and lost with its store; the ledger has to name them
        self.known_by: KnownBy = by_place if log is None else by_time
        self.over_s: float | None = None
        self._held: set[str] = set()
        self._until_s = float("inf")
        if log is not None and (setup.clock or setup.said is not None):
            raise Unready("plays a drive of its own, no log")
        self._scenery = Scenery(
            directory,
            setup,
            luck=self.luck,
            known_by=self.known_by,
            log=log.read_bytes() if log is not None else None,
            speed=speed,
        )
        self.city: Final = self._scenery.city
        self.boxes: Final = self._scenery.boxes
        self.centre_clock: Final = self._scenery.centre_clock
        self.consumer: Final = Consumer(self.city, self.known_by)
        self.doorkeeper: Final = Doorkeeper(self.boxes)

    # ---------------------------------------------------------------- what a scenario may ask

    @property
    def box(self) -> Box:
        """The only box, or the first."""
        return self.boxes[0]

    @property
    def children(self) -> dict[str, Child]:
        """Every process by name: mosquitto, bridge, publisher, and the boxes'."""
        return self.city.children

    @property
    def store_path(self) -> Path:
        """The file of the central store."""
        return self.city.directory / "store.db"

    def going(self) -> bool:
        """Whether there is time left for faults."""
        return time.monotonic() < self._until_s

    def play(self, seconds: float) -> None:
        """Let the city live so long (never beyond the end of the time for faults)."""
        self._wait(lambda: False, max(0.0, min(seconds, self._until_s - time.monotonic())))

    def settle(self, seconds: float) -> None:
        """Let the city live so long, whatever the time."""
        self._wait(lambda: False, seconds)

    def until(self, true: Callable[[], object], within_s: float, claim: str = "") -> bool:
        """Wait until it is true; whether it was in time. With `claim` that is held against the scenario."""
        begun_s = time.monotonic()
        held = self._wait(true, within_s)
        if claim:
            self.claim(claim, held, f"{time.monotonic() - begun_s:.1f} s of {within_s:g} s")
        return held

    def claim(self, what: str, held: object, seen: object = "") -> None:
        """Something that must be true here."""
        self.claims.append(Claim(what, bool(held), str(seen)))
        self.said(f"{what}: {'yes' if held else 'NO'} {seen}")

    def fault(self, what: str) -> None:
        """Count a fault that was just made."""
        self.faults[what] += 1
        self.said(what)

    def deliver(self, box: Box) -> None:
        """Its receiver falls silent (until `receiver.thaw()`), and all that the box has is stored and deleted."""
        box.receiver.freeze()
        self.settle(LAST_EPOCH_S)
        self.stop(box.name)
        newest = self.newest_row(box)
        self.start(box.name)  # knows of no parcel on its way, whose receipt it would wait for
        self.until(lambda: not self.waiting(box, newest), DELIVER_WITHIN_S)
        self.until(lambda: self._receipted_anew(box), 2 * DELIVER_WITHIN_S, f"{box.name} delivers all it has")

    def _receipted_anew(self, box: Box) -> bool:
        """Receipts of live rows are gathered for a minute, but for a new session's first, which brings them all."""
        box.link.cut()
        box.link.mend()
        return self._wait(lambda: not self.waiting(box), NEW_SESSION_S)

    def kill(self, name: str, away_s: float = 0.0) -> None:
        """SIGKILL, and start again after a while."""
        self.hold(name)
        self.settle(away_s)
        self.start(name)

    def hold(self, name: str) -> None:
        """SIGKILL, and stay away until `start`."""
        self._held.add(name)
        self.children[name].kill()
        self.fault(f"kill {name}")

    def stop(self, name: str) -> bool:
        """A clean stop, and stay away until `start`; whether it ended by itself in time, with exit code 0."""
        self._held.add(name)
        self.children[name].terminate()
        clean = self.children[name].join() and self.children[name].exit_code == 0
        if not clean:
            self.claim(f"{name} stops cleanly within 5 s", held=False, seen=self.children[name].tail(3))
        return clean

    def cut_power(self, box: Box) -> None:
        """The box loses power and comes back: killed, what was not synced left to luck, what is in memory gone."""
        assert box.card is not None, "the scene has no cards: Setup(card=True)"
        self._held.add(box.name)
        at_s = box.card.power_cut(self.luck, [box.child.pid])
        box.child.struck(at_s - self._may_lose_s())
        self.fault("power cut")
        self.start(box.name)

    def _may_lose_s(self) -> float:
        """What a power cut may take (I1): one report interval, and the time until it is on the card."""
        settings = merged(EVERY_EPOCH, self.setup.settings)
        return float(str(settings["report"]["interval_s"])) + APPEND_WITHIN_S

    def die_at(self, name: str, point: str, nth: int = 1) -> None:
        """SIGKILL, then a life that ends by its own hand at the nth passing of a commit point; away until `start`."""
        self._held.add(name)
        child = self.children[name]
        start_to_die(child, point, nth)
        self._wait(lambda: not child.running, DIE_WITHIN_S)
        there = died_there(child, point, nth)
        child.kill()
        self.claim(f"{name} passes {point} {nth} times, and dies there", there, "" if there else child.tail(3))
        self.fault(point)

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """SIGSTOP: it lives, its connections stand, and nothing moves; SIGCONT at the end, if it still lives."""
        child = self.children[name]
        child.send(signal.SIGSTOP)
        self.fault(f"freeze {name}")
        try:
            yield
        finally:
            child.send(signal.SIGCONT)

    def start(self, name: str) -> None:
        """Start it, and keep it running from now on."""
        self.children[name].start()
        self._held.discard(name)

    # ---------------------------------------------------------------- what the centre has

    def entries(self, box: Box, kind: int | None = None) -> list[LogEntry]:
        """Records of a box that the store has, as they are now."""
        with open_store(self.city.store_url) as store:
            found = [e for unit in sorted(box.units) for e in store.recorded(unit)]
        return [e for e in found if kind is None or e.kind == kind]

    def events(self, box: Box) -> list[str]:
        """Names of the events of a box that the store has, in order of recording."""
        return [read_body(entry).name for entry in self.entries(box, KIND_EVENT)]

    def health(self, box: Box) -> list[Any]:
        """Health records of a box that the store has, decoded, in order of recording."""
        return [read_body(entry) for entry in self.entries(box, KIND_HEALTH)]

    def stored(self, box: Box) -> set[Key]:
        """Keys of the fixes of a box that the store has; none while there is no store."""
        try:
            found = [fix for entry in self.entries(box) for fix in fixes_of(entry)]
        except StoreUnavailable:
            return set()
        return {self.known_by(utc_ms, lat or 0, lon or 0) for utc_ms, lat, lon, *_ in found}

    def newest_row(self, box: Box) -> int:
        """Row id of the newest row of a box's outbox."""
        with closing(OutboxReader(self.city.outbox_path(box.name))) as reader:
            return reader.newest_id()

    def waiting(self, box: Box, up_to: int | None = None) -> int:
        """Rows that a box's outbox holds, up to that row id."""
        with closing(OutboxReader(self.city.outbox_path(box.name))) as reader:
            if up_to is None:
                return reader.waiting()[0]
            return sum(row.id <= up_to for row in reader.above(0, MANY_ROWS))

    def opened(self, box: Box) -> list[Opened]:
        """When a process of the box had its port open, and the past that was put into its outbox by the suite."""
        return [*box.past, *self.doorkeeper.opened(box)]

    def owed(self, box: Box) -> set[Key]:
        """Keys of the epochs that a box was told so far and that nothing may lose."""
        return due(list(box.told), self.opened(box))

    def reboot(self, box: Box) -> None:
        """A clean stop, and a start in another boot: what was in memory is gone."""
        assert box.boot is not None
        self.stop(box.name)
        box.boot.again()
        self.city.forget_run(box.name)
        self.fault("reboot")
        self.start(box.name)

    def late_s(self, box: Box, since_s: float, until_s: float = float("inf")) -> list[float]:
        """How late live positions were: of tracks that came in that time, the newest fix, if said in that time too."""
        said = {epoch.key: epoch.last_byte_s for epoch in list(box.told)}
        came = [t for t in self.consumer.tracks() if t.unit == box.name and since_s <= t.at_s < until_s]
        return [t.at_s - said[t.keys[-1]] for t in came if said.get(t.keys[-1], 0.0) >= since_s]

    def conflicts(self) -> int:
        """Records that the store has under keys that were taken."""
        with open_store(self.city.store_url) as store:
            return sum(account.conflicts for account in store.ledger())

    def log_of(self, name: str) -> str:
        """All that a process has logged."""
        path = self.children[name].log_path
        return path.read_text("utf-8", "replace") if path.exists() else ""

    # ---------------------------------------------------------------- its life

    def __enter__(self) -> Scene:
        try:
            self._begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _begin(self) -> None:
        self.city.start_centre()
        self.consumer.start()
        self.doorkeeper.start()
        for box in self.boxes:
            self.start(box.name)
        for name in ("mosquitto", "bridge", "publisher"):
            self._held.discard(name)
        listening = self._wait(lambda: all(self._listens(box) for box in self.boxes), LISTENING_WITHIN_S)
        if not listening:
            raise RuntimeError(f"no box listens: {self.children[self.box.name].tail()}")
        for box in self.boxes:
            box.drive()
        self._until_s = time.monotonic() + self.seconds

    def __exit__(self, *_: object) -> None:
        for box in self.boxes:
            box.close()
        self.consumer.stop()
        self.doorkeeper.stop()
        self._held.update(self.children)
        self.city.stop()
        self._scenery.close()

    def _listens(self, box: Box) -> bool:
        return bool(self.doorkeeper.opened(box))

    def _wait(self, true: Callable[[], object], within_s: float) -> bool:
        deadline = time.monotonic() + within_s
        while not (held := true()) and (left_s := deadline - time.monotonic()) > 0:
            self._keep()
            time.sleep(min(WATCH_EVERY_S, left_s))
        return bool(held)

    def _keep(self) -> None:
        """What systemd does: a process that ended is started again; here it is remembered, too."""
        for child in self.city.ended():
            if child.name not in self._held:
                self.ended_by_itself.append(f"{child.name} with {child.exit_code}: {child.tail(2)}")
                child.start()

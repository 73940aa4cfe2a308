"""The bridge: parcels from the broker into the store, receipts back; presence, desired configuration and commands.

Threads: the network thread of each of two connections (one always reads and only queues, one writes receipts), the
committer, and the desk (main), which does everything that is not a parcel and never waits for the store.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from broker.bridge_figures import bridge_figures
from broker.bridge_state import BridgeState
from broker.calls import Calls
from broker.committer import LISTEN_LONG_S, Committer
from broker.desk import NOBODY, Desk, DownConnected, Notice, ReaderConnected
from broker.downlink import Downlink
from broker.figure import Figure
from broker.lanes import Lanes, Queued
from broker.mqtt import Endpoint, Link
from broker.notes import Notes
from broker.receipts import Receipts
from broker.stopping import Stop
from broker.store import Store, StoreVersion
from running.turns import LoopStop
from settings import EXIT_CONFIG
from wire.errors import PantauError
from wire.topics import bridge_state

log = logging.getLogger(__name__)

# Everything a unit publishes, and what bridges say of themselves. QoS 0 for parcels: the receipt is the only
# acknowledgement that counts.
SUBSCRIPTIONS: Final = (
    ("pantau/v1/+/up", 0),
    ("pantau/v1/+/bulk", 0),
    ("pantau/v1/+/birth", 1),
    ("pantau/v1/bridge/+/state", 1),
)
EXIT_CLEAN: Final = 0
EXIT_FAILED: Final = 1
NOTICE_LIMIT_BYTES: Final = 4096
# Of the 5 s a stop may take: for the running commit, for the last words, for a broker that takes none.
COMMIT_WITHIN_S: Final = 2.5
SAY_WITHIN_S: Final = 1.0
BREAK_OFF_S: Final = 0.5
STORE_SLOW_S: Final = 5.0  # a commit that takes so long is worth a word


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeSettings:
    """What a bridge needs to know; `reader` and `receipts` are two certificates."""

    name: str
    reader: Endpoint
    receipts: Endpoint
    presence_path: Path
    downlink_path: Path


class Bridge:
    """One bridge; `run` returns its exit code. `open_store` is called in the committing thread, `remember` there after
    each commit."""

    def __init__(
        self,
        settings: BridgeSettings,
        open_store: Callable[[], Store],
        stop: Stop,
        *,
        receipts: Receipts | None = None,
        remember: Callable[[Store], None] = lambda _store: None,
        at: Callable[[str], None] = lambda _point: None,
        loop: Callable[[str], LoopStop] | None = None,
    ) -> None:
        """`loop` gives each of its four threads, by name, what it asks at every turn."""
        self._loop = loop or (lambda _name: LoopStop(stop))
        self._settings = settings
        self._at = at
        self._stop = stop
        self._notes = Notes()
        self._notices_too_long = 0
        self._lanes = Lanes()
        self._down = Link(
            settings.receipts, f"{settings.name}-receipts", connected=lambda: self._notes.put(DownConnected())
        )
        self._links = {"receipts": self._down}
        self._desk: Desk | None = None
        self._store_ids: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._committer = Committer(
            self._lanes,
            open_store,
            self._down.publish,
            self._notes.put,
            opened=self._store_ids.put,
            receipts=receipts,
            remember=remember,
            at=at,
        )
        self._failures: list[Exception] = []
        self.stuck = False  # a thread did not end: only the process's end will end it

    def run(self) -> int:
        """Until stopped, until a thread fails, or until another bridge with another store turns out to live.

        On the way out the running commit is finished, the receipts owed are sent and the bridge says offline.
        """
        committing = self._thread("committer", lambda: self._committer.run(self._loop("committer")))
        desk = self._loop("desk")
        store_id = self._wait_for_store(desk)
        if store_id is None:
            self._join([committing], COMMIT_WITHIN_S)
            return self._exit_code()
        mine = BridgeState(online=True, session=int(time.time() * 1000), store_id=store_id)
        reader = self._links["reader"] = self._reader(mine)
        reading = self._thread("reader", lambda: reader.run(self._loop("reader")))
        receipting = self._thread("receipts", lambda: self._down.run(self._loop("receipts")))
        try:
            yields = self._sit_at_desk(mine, reader, desk, committing)
        finally:
            self._end(committing)
            self._down.close()
            receipting.join(SAY_WITHIN_S / 2)  # a receipt that came after the last word would overrule it
            reader.publish(bridge_state(self._settings.name), replace(mine, online=False).encode(), qos=1, retain=True)
            reader.close()
            self._join([reading, receipting], SAY_WITHIN_S / 2, at_last=[reader.break_off, self._down.break_off])
        return EXIT_CONFIG if yields else self._exit_code()

    def _reader_connected(self) -> None:
        """On the network thread, before anything is heard on the new connection."""
        self._committer.listen_first()
        self._notes.put(ReaderConnected())

    def _reader(self, mine: BridgeState) -> Link:
        return Link(
            self._settings.reader,
            self._settings.name,
            subscriptions=SUBSCRIPTIONS,
            received=self._received,
            connected=self._reader_connected,
            will=(bridge_state(self._settings.name), replace(mine, online=False).encode()),
        )

    def _received(self, topic: str, payload: bytes, retained: bool) -> None:
        """On the network thread, for every publish: only queue it (paho itself takes 20 us a message already)."""
        if topic.endswith("/up"):
            self._lanes.live.put(Queued(topic, payload, time.monotonic()))
        elif topic.endswith("/bulk"):
            self._lanes.bulk.put(Queued(topic, payload, time.monotonic()))
        elif len(payload) <= NOTICE_LIMIT_BYTES:
            self._notes.put(Notice(topic, payload, retained))
            return
        else:
            self._notices_too_long += 1
            return
        if not self._committer.woken.is_set():
            self._committer.woken.set()

    def _wait_for_store(self, desk: LoopStop) -> int | None:
        """The store's identity; nothing is said to anybody before there is a store."""
        while not desk.is_set():
            try:
                return self._store_ids.get(timeout=0.2)
            except queue.Empty:
                continue
        return None

    def _end(self, committing: threading.Thread) -> None:
        """Once the running commit is finished, if it can be."""
        self._stop.set()
        if not self.stuck:
            self._join([committing], COMMIT_WITHIN_S)

    def _sit_at_desk(self, mine: BridgeState, reader: Link, loop: LoopStop, committing: threading.Thread) -> bool:
        topic, state = bridge_state(self._settings.name), mine.encode()

        def publish_state() -> None:
            reader.publish(topic, state, qos=1, retain=True)

        path = self._settings.downlink_path
        with loop.elsewhere():
            downlink, calls = Downlink(path), Calls(path)
        with downlink, calls:
            desk = self._desk = Desk(
                mine,
                self._settings.name,
                self._notes,
                send=self._down.publish,
                publish_state=publish_state,
                wary=lambda: self._committer.listen_first(LISTEN_LONG_S),
                presence_path=self._settings.presence_path,
                downlink=downlink,
                calls=calls,
                counters=self.counters,
                away=loop.elsewhere,
                at=self._at,
            )
            yields = desk.run(loop)
            self._end(committing)
            desk.last_words()
            return yields

    @property
    def ready(self) -> bool:
        """Whether it takes parcels; callable from any thread."""
        reader = self._links.get("reader")
        return self._desk is not None and reader is not None and reader.subscribed

    def status(self) -> str:
        """What `systemctl status` shows of it; callable from any thread."""
        desk, begun_s = self._desk, self._committer.tally.begun_mono_s
        if desk is None:
            return "waiting for the store"
        if begun_s is not None and (waits_s := time.monotonic() - begun_s) > STORE_SLOW_S:
            return f"the store does not answer, for {waits_s:.0f} s now; nothing is receipted"
        if not self.ready:
            return "waiting for the broker"
        return f"{desk.fleet.online} units online; {self._committer.counters['rows']} rows stored since the start"

    def counters(self) -> dict[str, int]:
        """What was counted so far, by reason; callable from any thread."""
        dropped = {
            "dropped_live": self._lanes.live.dropped,
            "dropped_bulk": self._lanes.bulk.dropped,
            "dropped_notices": self._notes.dropped_notices + self._notices_too_long,
            "dropped_words": self._notes.dropped_words,
        }
        return {**self._committer.counters, **dropped}

    def figures(self) -> list[Figure]:
        """Everything the bridge counts, as of now; callable from any thread, and never waits for one."""
        desk, now_s = self._desk, time.monotonic()
        return bridge_figures(
            counters={**self.counters(), **(dict(desk.counters) if desk else {})},
            tally=self._committer.tally,
            lanes=self._lanes,
            fleet=desk.fleet if desk else NOBODY,
            slot_distance_s=self._committer.slot_distance_s(now_s),
            connected={name: link.online for name, link in dict(self._links).items()},
            now_mono_s=now_s,
        )

    def _thread(self, name: str, run: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                run()
            except PantauError as error:
                self._failures.append(error)
                log.error("%s failed: %s", name, error)
            except Exception as error:  # whatever a thread dies of is logged, and ends the process
                self._failures.append(error)
                log.exception("%s failed", name)
            finally:
                self._stop.set()  # the first to end stops the rest

        thread = threading.Thread(target=guarded, name=f"bridge-{name}")
        thread.start()
        return thread

    def _join(
        self, threads: list[threading.Thread], within_s: float, *, at_last: Sequence[Callable[[], None]] = ()
    ) -> None:
        """Wait for the threads; `at_last` is done to those that do not end. Who still runs then is `stuck`."""
        deadline_s = time.monotonic() + within_s
        for thread in threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        for act in at_last:
            act()
        for thread in threads:
            thread.join(BREAK_OFF_S if at_last else 0.0)
            if thread.is_alive():
                log.error("%s does not end", thread.name)
                self.stuck = True

    def _exit_code(self) -> int:
        if any(isinstance(failure, StoreVersion) for failure in self._failures):
            return EXIT_CONFIG  # a store of a newer pantau: starting again does not help
        return EXIT_FAILED if self._failures or self.stuck else EXIT_CLEAN

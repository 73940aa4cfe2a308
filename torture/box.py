"""One box of a scene: its receiver on a pty, its link to the broker, its process, and what its port was told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from edge.sim.card import SimulatedCard
from edge.sim.link import SimulatedLink
from edge.sim.nmea import Epoch as Said
from edge.sim.receiver import SimulatedReceiver, Written
from stage.namespace import Link, NamespaceRefused
from stage.process import Child
from torture.account import Epoch, Key, Opened
from torture.boot import Boot
from torture.consumer import KnownBy
from torture.cpu_queue import CpuQueue
from torture.drive import place_of
from torture.os_clock import OsClock
from torture.scenario import Unready
from torture.waiting import waits_for_a_byte

LOOK_EVERY_S: Final = 0.02
# Opening a serial port throws away what came before: the epoch after it is the first due one. That is done when the
# process first waits for a byte; on a busy machine it may come long after the open itself.
OPEN_MARGIN_S: Final = 0.05
# A process that waits for a simulated card sleeps, too, so there its first sleep says nothing: the port is opened, the
# documents are read, what came before is thrown away. On a busy machine the card answers in tenths of a second.
CARD_MARGIN_S: Final = 1.5


class Box:
    """A unit on the road; its faults are verbs of its `receiver`, `link`, `card`, `child`, `clock` and `boot`.

    `dated` says of what was written to its port when the box must take it to be: as it was said, unless that cannot be.
    """

    def __init__(self, name: str, said: Iterator[Said], tty: Path, link: SimulatedLink, known_by: KnownBy) -> None:
        self.name = name
        self.units = {name}  # under which the centre knows it; a card that was cloned makes them two
        self.link = link
        self.told: list[Epoch] = []
        self.child: Child
        self.receiver = SimulatedReceiver(said, link=tty, on_written=self._wrote)
        self.card: SimulatedCard | None = None
        self.unplugged_s: list[float] = []
        self.past: list[Opened] = []
        self.clock: OsClock | None = None
        self.boot: Boot | None = None
        self.dated: Callable[[Written], int | None] = lambda written: written.utc_ms
        self.network: Link | None = None
        self._tty = tty
        self._known_by = known_by
        self._quiet = threading.Event()
        self._player = threading.Thread(target=self.receiver.play, args=(self._quiet,), name=f"receiver {name}")

    def drive(self) -> None:
        """The receiver begins to talk."""
        self._player.start()

    def unplug(self) -> None:
        """Pull the receiver's plug; `receiver.replug()` puts it back."""
        self.unplugged_s.append(time.monotonic())
        self.receiver.unplug()

    def mend(self) -> None:
        """Link, network and plug are whole; the receiver and the clock stay as they are."""
        self.link.mend()
        self.receiver.replug()

    def lose(self, percent: int) -> None:
        """Its network loses so many of a hundred packets each way. Raises Unready where it cannot."""
        if self.network is None:
            raise Unready("the scene has no network: Setup(network=True)")
        try:
            self.network.lose(percent)
        except NamespaceRefused as refused:
            raise Unready(str(refused)) from refused

    def silence(self) -> None:
        """The receiver falls silent for good."""
        self._quiet.set()
        if self._player.is_alive():
            self._player.join()

    def close(self) -> None:
        """Nothing of it is left."""
        self.silence()
        self.receiver.close()

    def key(self, utc_ms: int | None, lat_e7: int, lon_e7: int) -> Key:
        """What a fix is known by."""
        return self._known_by(utc_ms, lat_e7, lon_e7)

    def port(self) -> Path | None:
        """The device behind its tty; None while it is unplugged."""
        try:
            return self._tty.resolve() if self._tty.exists() else None
        except OSError:  # its card has no power at this moment
            return None

    def _wrote(self, written: Written) -> None:
        place = place_of(written.data)
        if not (written.valid and written.whole and place):
            return
        utc_ms = self.dated(written)
        key = self._known_by(utc_ms, *place)
        self.told.append(Epoch(key, written.first_mono_s, written.last_mono_s, utc_ms))


class Doorkeeper(threading.Thread):
    """Sees from outside when a unit's process has its port open: its file descriptors, 50 times a second."""

    def __init__(self, boxes: list[Box]) -> None:
        super().__init__(name="doorkeeper")
        self._boxes = boxes
        self._stop_asked = threading.Event()
        self._spans: dict[str, list[tuple[float, float | None]]] = {box.name: [] for box in boxes}
        self._held: dict[str, tuple[int, Path]] = {}
        self._queue = CpuQueue()
        self._waited_s: dict[str, dict[float, float]] = {box.name: {} for box in boxes}  # by the span's begin

    def run(self) -> None:
        while not self._stop_asked.wait(LOOK_EVERY_S):
            for box in self._boxes:
                self._look(box)

    def stop(self) -> None:
        self._stop_asked.set()
        if self.is_alive():
            self.join()

    def opened(self, box: Box) -> list[Opened]:
        """Each span in which one life of the box's process had one device open, ended at the latest by its death."""
        found = []
        for since, until in self._spans[box.name]:
            # The account of a life may end before the life: what a power cut may take is not due.
            begun_before = [end for begun, end in box.child.lives if begun <= since]
            ends = [end for end in begun_before[-1:] if end is not None]
            ends += [at for at in box.unplugged_s if at >= since] + ([] if until is None else [until])
            waited_s = self._waited_s[box.name].get(since, 0.0)
            found.append(Opened(since, min(ends, default=float("inf")), waited_s))
        return found

    def _look(self, box: Box) -> None:
        """A span ends when process or device is another one; the look before the last is when it surely was open."""
        pid, port = box.child.pid, box.port()
        before = self._held.get(box.name)
        now = (pid, port) if pid is not None and port is not None and _has_open(pid, port) else None
        if now is not None and now != before and not waits_for_a_byte(now[0]):
            now = None
        if now == before:
            if now is not None:
                self._queue.look(now[0])
            return
        spans, now_s = self._spans[box.name], time.monotonic()
        if before is not None:
            spans[-1] = (spans[-1][0], now_s - 2 * LOOK_EVERY_S)
            self._waited_s[box.name][spans[-1][0]] = self._queue.waited_s(before[0])
            del self._held[box.name]
        if now is not None:
            spans.append((now_s + (OPEN_MARGIN_S if box.card is None else CARD_MARGIN_S), None))
            self._held[box.name] = now


def _has_open(pid: int, tty: Path) -> bool:
    try:
        return any(fd.resolve() == tty for fd in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False

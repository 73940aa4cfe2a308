"""One box of a scene: its receiver on a pty, its link to the broker, its process, and what its port was told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from edge.sim.link import SimulatedLink
from edge.sim.nmea import Epoch as Said
from edge.sim.receiver import SimulatedReceiver, Written
from stage.process import Child
from torture.account import Epoch, Opened
from torture.consumer import KnownBy
from torture.drive import place_of

LOOK_EVERY_S: Final = 0.02
# Opening a serial port throws away what came before: the epoch after it is the first due one.
OPEN_MARGIN_S: Final = 0.05


class Box:
    """A unit on the road; the verbs of its faults are those of its `receiver`, `link` and `child`."""

    def __init__(self, name: str, said: Iterator[Said], tty: Path, link: SimulatedLink, known_by: KnownBy) -> None:
        self.name = name
        self.units = {name}  # under which the centre knows it; a card that was cloned makes them two
        self.link = link
        self.told: list[Epoch] = []
        self.child: Child
        self.receiver = SimulatedReceiver(said, link=tty, on_written=self._wrote)
        self.unplugged_s: list[float] = []
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

    def silence(self) -> None:
        """The receiver falls silent for good."""
        self._quiet.set()
        if self._player.is_alive():
            self._player.join()

    def close(self) -> None:
        """Nothing of it is left."""
        self.silence()
        self.receiver.close()

    def port(self) -> Path | None:
        """The device behind its tty; None while it is unplugged."""
        return self._tty.resolve() if self._tty.exists() else None

    def _wrote(self, written: Written) -> None:
        place = place_of(written.data)
        if not (written.valid and written.whole and place):
            return
        utc_ms = written.utc_ms
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
            ends = [end for begun, end in box.child.lives if end is not None and begun <= since <= end]
            ends += [at for at in box.unplugged_s if at >= since] + ([] if until is None else [until])
            found.append(Opened(since, min(ends, default=float("inf"))))
        return found

    def _look(self, box: Box) -> None:
        """A span ends when process or device is another one; the look before the last is when it surely was open."""
        pid, port = box.child.pid, box.port()
        open_now = pid is not None and port is not None and _has_open(pid, port)
        now = (pid, port) if pid is not None and port is not None and open_now else None
        before = self._held.get(box.name)
        if now == before:
            return
        spans, now_s = self._spans[box.name], time.monotonic()
        if before is not None:
            spans[-1] = (spans[-1][0], now_s - 2 * LOOK_EVERY_S)
            del self._held[box.name]
        if now is not None:
            spans.append((now_s + OPEN_MARGIN_S, None))
            self._held[box.name] = now


def _has_open(pid: int, tty: Path) -> bool:
    try:
        return any(fd.resolve() == tty for fd in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False

"""A GNSS receiver on a pty, with the verbs a real one lacks: unplug it, take its satellites away, make it rave."""

import fcntl
import os
import random
import select
import struct
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from edge.sim.drive import drive
from edge.sim.nmea import Epoch, Observation, epochs_of, restamped, say
from edge.sim.uart import heard, speed_of

# How long the pty may be full (nobody reads) before the bytes are lost, as a UART loses them.
FULL_S = 0.2
# A log with a hole of hours is not waited for.
LONGEST_WAIT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One epoch as it went into the port: its bytes and times, whether it had a fix, whether all of it was heard.

    `utc_ms` is what was said, `step_ms` how far `step_clock` had moved that.
    `first_mono_s` and `last_mono_s` are CLOCK_MONOTONIC just before the first and just after the last byte.
    """

    utc_ms: int | None
    valid: bool
    first_mono_s: float
    last_mono_s: float
    whole: bool
    data: bytes = b""
    step_ms: int = 0


class Stop(Protocol):
    """What ends a play; `threading.Event` is one."""

    def is_set(self) -> bool:
        """True when the play should end."""

    def wait(self, timeout: float) -> bool:
        """Sleep up to `timeout` seconds; True when the play should end."""


def synthetic(utc_ms: int, *, seed: int = 0, speed: float = 1.0, cold_start: bool = True) -> Iterator[Epoch]:
    """The synthetic Jakarta drive as a receiver says it, from `utc_ms` on; without end."""
    for index, seen in enumerate(drive(utc_ms, seed=seed, speed=speed, cold_start=cold_start)):
        yield Epoch(at_s=index / speed, utc_ms=seen.utc_ms, valid=seen.lat_deg is not None, data=say(seen))


def recorded(
    log: bytes, utc_ms: int, *, speed: float = 1.0, as_recorded: bool = False, loop: bool = False
) -> Iterator[Epoch]:
    """A log's epochs at the log's own pace times `speed`; restamped from `utc_ms` on unless `as_recorded`."""
    begin_s = 0.0
    while True:
        at_s = last_s = 0.0
        for epoch in epochs_of(log):
            at_s += min(epoch.at_s - last_s, LONGEST_WAIT_S)
            last_s = epoch.at_s
            played = replace(epoch, at_s=(begin_s + at_s) / speed)
            yield played if as_recorded else restamped(played, utc_ms + round(played.at_s * 1000))
        begin_s += at_s + 1.0
        if not loop:
            return


class SimulatedReceiver:
    """Plays epochs into a pty. `tty` is where to listen, and stays the same after a replug when `link` is given."""

    def __init__(
        self,
        epochs: Iterator[Epoch],
        *,
        link: Path | None = None,
        on_written: Callable[[Written], None] = lambda _: None,
    ) -> None:
        self._epochs = epochs
        self._link = link
        self._on_written = on_written
        self._guard = threading.Lock()
        self._ends: tuple[int, int] | None = None
        self._fix = True
        self._frozen = False
        self._step_ms = 0
        self._speed: int | None = None
        self._said: Epoch | None = None
        self._stuck = False
        self._noise = random.Random(0)
        self.tty = Path()
        self.replug()

    def play(self, stop: Stop) -> None:
        """Say epoch after epoch at its time until the source ends or `stop` is set."""
        begin = time.monotonic()
        for epoch in self._epochs:
            late_s = begin + epoch.at_s - time.monotonic()
            if stop.wait(late_s) if late_s > 0 else stop.is_set():
                return
            self.say(epoch)

    @property
    def unread_bytes(self) -> int:
        """What waits in the port for whoever listens; 0 without a port."""
        with self._guard:
            if self._ends is None:
                return 0
            (count,) = struct.unpack("i", fcntl.ioctl(self._ends[1], termios.FIONREAD, b"\0" * 4))
            return int(count)

    # ------------------------------------------------------------------ verbs

    def lose_fix(self) -> None:
        """From now on: no satellites."""
        self._fix = False

    def find_fix(self) -> None:
        """Satellites again."""
        self._fix = True

    def freeze(self) -> None:
        """Say nothing more, with the port still there."""
        self._frozen = True

    def thaw(self) -> None:
        """Talk again."""
        self._frozen = False

    def stick(self) -> None:
        """From now on: the last epoch again and again, as a receiver does whose firmware has stopped."""
        self._stuck = True

    def unstick(self) -> None:
        """Go on."""
        self._stuck = False

    def talk_at(self, bits_per_s: int | None) -> None:
        """Talk at this speed: who listens at another one hears what a UART makes of it. None: every speed is right."""
        self._speed = bits_per_s

    def step_clock(self, seconds: float) -> None:
        """Say times that are this much later (or earlier) than before."""
        self._step_ms += round(seconds * 1000)

    def garbage(self, size_bytes: int) -> None:
        """Send random bytes."""
        with self._guard:
            self._send(self._as_heard(self._noise.randbytes(size_bytes)))

    def unplug(self) -> None:
        """Pull the plug: the port is gone."""
        with self._guard:
            if self._ends is not None:
                for end in self._ends:
                    os.close(end)
                self._ends = None
                if self._link is not None:
                    self._link.unlink(missing_ok=True)

    def replug(self) -> None:
        """Plug it in: a port is there, behind the same link."""
        with self._guard:
            if self._ends is not None:
                return
            self._ends = master, slave = os.openpty()
            tty.setraw(slave)
            os.set_blocking(master, False)
            self.tty = Path(os.ttyname(slave))
            if self._link is not None:
                beside = self._link.with_name(self._link.name + ".new")
                beside.unlink(missing_ok=True)
                beside.symlink_to(self.tty)
                beside.replace(self._link)
                self.tty = self._link

    close = unplug

    # ------------------------------------------------------------------ talking

    def say(self, epoch: Epoch) -> None:
        """Say one epoch now, as the verbs have left the receiver."""
        if self._frozen:
            return
        if self._stuck and self._said is not None:
            epoch = self._said
        self._said = epoch
        step_ms = self._step_ms
        if step_ms and epoch.utc_ms is not None:
            epoch = restamped(epoch, epoch.utc_ms + step_ms)
        if not self._fix:
            dark = b"" if epoch.utc_ms is None else say(Observation(utc_ms=epoch.utc_ms))
            epoch = replace(epoch, valid=False, data=dark)
        with self._guard:
            first = time.monotonic()
            garbled = self._as_heard(epoch.data)
            whole = self._send(garbled) and garbled == epoch.data
            last = time.monotonic()
        self._on_written(
            Written(
                utc_ms=epoch.utc_ms,
                valid=epoch.valid,
                first_mono_s=first,
                last_mono_s=last,
                whole=whole,
                data=epoch.data,
                step_ms=step_ms,
            )
        )

    def _as_heard(self, data: bytes) -> bytes:
        if self._speed is None or self._ends is None:
            return data
        return heard(data, self._speed, speed_of(self._ends[1]) or self._speed)

    def _send(self, data: bytes) -> bool:
        """All of it, or False when the port is gone or nobody makes room."""
        if self._ends is None:
            return False
        left = memoryview(data)
        while left:
            if not select.select([], [self._ends[0]], [], FULL_S)[1]:
                return False
            try:
                left = left[os.write(self._ends[0], left) :]
            except BlockingIOError:
                continue
        return True

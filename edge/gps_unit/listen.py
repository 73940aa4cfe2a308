"""From the receiver's bytes to epochs: the main loop of a gps_unit, one thread and plain calls."""

import logging
from collections.abc import Callable
from typing import Protocol

from edge.clock import Clock
from edge.errors import DeviceLost
from edge.gps_unit.fix import EpochAssembler, Fix
from edge.gps_unit.nmea import Framer
from edge.gps_unit.receiver import Heard, Line
from edge.gps_unit.record import Recorder
from edge.service import Stop

log = logging.getLogger(__name__)

# After this silence the open epoch is complete: longer than any pause inside one (0.9 s of a burst at 4800 bit/s),
# shorter than the wait for the next one of a slow receiver, and of a log's end or a pulled plug.
IDLE_S = 1.5
# At a stop the last epoch is taken only when it has certainly ended: else the next process would get its other half.
STOP_IDLE_S = 0.3

# A replugged receiver is found again within two seconds; a failed open costs microseconds.
REOPEN_FIRST_S = 0.25
REOPEN_LONGEST_S = 2.0


class Source(Protocol):
    """The receiver as the loop sees it."""

    @property
    def line(self) -> Line | None:
        """Speed and framing, once known."""

    def read(self) -> Heard:
        """The next bytes, or none; raises DeviceLost."""

    def understood(self) -> bool:
        """What was read held a sentence; True when the line was just found."""


class Listener:
    """The receiver's side of the loop: bytes to epochs, and what happened to the port."""

    def __init__(
        self,
        source: Source,
        recorder: Recorder,
        clock: Clock,
        *,
        not_before_utc_ms: int | None,
        on_line: Callable[[Line], None] = lambda _: None,
    ) -> None:
        self.framer = Framer()
        self._on_line = on_line
        self.epochs = EpochAssembler(not_before_utc_ms)
        self._source = source
        self._recorder = recorder
        self._clock = clock
        self._heard_mono_s: float | None = None
        self._lost_mono_s: float | None = None
        self._reopen_s = REOPEN_FIRST_S

    def listen(self) -> float:
        """Read once, and take what it brought; seconds to wait before the next read."""
        try:
            heard = self._source.read()
        except DeviceLost as error:
            return self._lost(error)
        self._reopen_s = REOPEN_FIRST_S
        sentences = self.framer.feed(heard.data)
        if sentences and self._source.understood():
            self._found()
        for sentence in sentences:
            self._take(self.epochs.feed(sentence, heard.boottime_ms))
        if heard.data:
            self._heard_mono_s = self._clock.monotonic_s()
        elif self.idle_s() >= IDLE_S:
            self._take(self.epochs.flush())
        return 0.0

    def stop(self) -> None:
        """Take the last epoch when it has certainly ended."""
        if self.idle_s() >= STOP_IDLE_S:
            self._take(self.epochs.flush())

    def idle_s(self) -> float:
        """Seconds since the last byte; 0 when there was none."""
        return 0.0 if self._heard_mono_s is None else self._clock.monotonic_s() - self._heard_mono_s

    def _take(self, fix: Fix | None) -> None:
        if fix is not None:
            self._recorder.take(fix)

    def _lost(self, error: DeviceLost) -> float:
        self._take(self.epochs.flush())
        if self._lost_mono_s is None:
            self._lost_mono_s = self._clock.monotonic_s()
            log.warning("receiver lost: %s", error)
            self._recorder.happened("receiver_lost", reason=str(error))
        wait_s, self._reopen_s = self._reopen_s, min(self._reopen_s * 2, REOPEN_LONGEST_S)
        return wait_s

    def _found(self) -> None:
        away_s = 0.0 if self._lost_mono_s is None else self._clock.monotonic_s() - self._lost_mono_s
        self._lost_mono_s = None
        log.info("receiver found at %s, away for %.0f s", self._source.line, away_s)
        self._recorder.happened("receiver_found", line=str(self._source.line))
        if self._source.line is not None:
            self._on_line(self._source.line)


def record(listener: Listener, recorder: Recorder, turned: Callable[[], None], stop: Stop) -> None:
    """The main loop: listen, append what is due, until stopped; then the open interval becomes a record."""
    recorder.begin()
    while not stop.is_set():
        wait_s = listener.listen()
        recorder.turn()
        turned()
        if wait_s:
            stop.wait(wait_s)
    listener.stop()
    recorder.end()

"""How a process of a box lives: who is told to stop, who is waited for, and that main feeds the watchdog.

It is fed only while every loop keeps asking its `Stop` (running/turns.py), so a loop that hangs is found, and a sick
centre, which hangs nobody, never restarts a box.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from running.systemd import Systemd
from running.turns import LoopStop, Stop, StopSwitch, Watchdog
from settings import EXIT_CONFIG, ConfigError

log = logging.getLogger(__name__)

EXIT_CLEAN = 0
EXIT_FAILED = 1

# What a technician waits for after `systemctl stop` before pulling the plug; TimeoutStopSec in packaging/ is above it.
STOP_WITHIN_S = 5.0

# As long as a start may take, which reads through the same outbox: TimeoutStartSec in packaging/.
AWAY_AT_MOST_S = 900.0

__all__ = ["AWAY_AT_MOST_S", "EXIT_CLEAN", "EXIT_FAILED", "STOP_WITHIN_S", "Loop", "Stop", "away", "exit_code", "run"]

Loop = Callable[[Stop], None]


class _Crew:
    """The worker threads: the first to fail stops the rest."""

    def __init__(self, switch: StopSwitch) -> None:
        self._switch = switch
        self._threads: list[threading.Thread] = []
        self.failed = False

    def start(self, name: str, loop: Loop, stop: LoopStop) -> None:
        """Run a worker's loop in a thread of its own."""
        thread = threading.Thread(target=self.work, args=(name, loop, stop), name=name)
        self._threads.append(thread)
        thread.start()

    def work(self, name: str, loop: Loop, stop: LoopStop) -> None:
        """Run one loop to its end in this thread; log why it failed, and stop the others either way."""
        try:
            loop(stop)
            if not self._switch.is_set():
                log.error("%s ended by itself", name)
                self.failed = True
        except Exception:  # the one broad except: whatever a loop dies of is logged, and ends the process
            log.exception("%s failed", name)
            self.failed = True
        finally:
            self._switch.set()

    def join(self, deadline_mono_s: float) -> list[str]:
        """Wait for all until the deadline; names of those who will not end."""
        for thread in self._threads:
            thread.join(max(0.0, deadline_mono_s - time.monotonic()))
        return [thread.name for thread in self._threads if thread.is_alive()]


def run(
    main: Loop,
    workers: Mapping[str, Loop],
    *,
    on_stop: Sequence[Callable[[], None]] = (),
    leave: Callable[[int], None] = os._exit,
) -> int:
    """Run `main` here and each worker in a thread until a signal or the first end; the exit code.

    `on_stop` wake loops that wait for something else; called once, from a signal handler too, so they take no lock.
    A worker that has not ended STOP_WITHIN_S after the stop is named, and the process leaves without it.
    """
    switch, systemd = StopSwitch(on_stop), Systemd()
    crew = _Crew(switch)
    stops = {name: LoopStop(switch) for name in workers}
    watchdog = Watchdog(systemd, stops)
    before = {number: signal.signal(number, _asked(switch)) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        for name, worker in workers.items():
            crew.start(name, worker, stops[name])
        systemd.notify("READY=1")
        crew.work("main", main, LoopStop(switch, time.monotonic, watchdog.feed))
        systemd.notify("STOPPING=1")
        if stuck := crew.join((switch.set_mono_s or time.monotonic()) + STOP_WITHIN_S):
            log.error("did not stop within %.0f s: %s", STOP_WITHIN_S, ", ".join(stuck))
            leave(EXIT_FAILED)
        return EXIT_FAILED if crew.failed or stuck else EXIT_CLEAN
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        systemd.close()
        switch.close()


@contextmanager
def away(at_most_s: float = AWAY_AT_MOST_S) -> Iterator[None]:
    """Around what may rightly keep main for minutes, as a large outbox that is salvaged: a thread feeds in its place.

    No longer than `at_most_s`, so that a card that hangs for ever is found.
    """
    systemd, back = Systemd(), threading.Event()
    feeder = threading.Thread(target=_feed, args=(systemd, back, time.monotonic() + at_most_s), name="away")
    feeder.start()
    try:
        yield
    finally:
        back.set()
        feeder.join()
        systemd.close()


def _feed(systemd: Systemd, back: threading.Event, until_mono_s: float) -> None:
    if systemd.watchdog_s is None:
        return
    # Not at once: whoever is away again and again for a moment must not hide a loop that hangs.
    while not back.wait(systemd.watchdog_s / 3) and time.monotonic() < until_mono_s:
        systemd.notify("WATCHDOG=1")


def _asked(switch: StopSwitch) -> Callable[[int, FrameType | None], None]:
    def handler(_number: int, _frame: FrameType | None) -> None:
        switch.set()

    return handler


def exit_code(main: Callable[[], int]) -> int:
    """The exit code of a whole process: `main`'s own, or 78 with every problem on stderr."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    try:
        return main()
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_CONFIG

"""How a process of ours lives under systemd: who is told to stop, who is waited for, and what feeds the watchdog.

Each loop is given a `Stop`. Asking it is how a loop shows that it turned: the watchdog is fed only while every loop
keeps asking, so a loop that hangs is found, and a sick centre, which hangs nobody, never restarts a box.
"""

import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Protocol

from settings import EXIT_CONFIG, ConfigError

log = logging.getLogger(__name__)

EXIT_CLEAN = 0
EXIT_FAILED = 1

# What a technician waits for after `systemctl stop` before pulling the plug; TimeoutStopSec in packaging/ is above it.
STOP_WITHIN_S = 5.0

# The longest a loop may be busy between two questions; the longest honest one is the uplink's pause of 20 s.
TURN_WITHIN_S = 60.0


class Stop(Protocol):
    """What a loop asks at every turn."""

    def is_set(self) -> bool:
        """True when the loop should end."""

    def wait(self, timeout_s: float) -> bool:
        """Sleep up to `timeout_s` or until asked to stop; True when the loop should end."""


Loop = Callable[[Stop], None]


class StopSwitch:
    """A stop flag on a pipe: `set` takes no lock, so a signal handler may call it in the middle of anything.

    `on_set` are called once, in whichever thread or handler it was: they only wake somebody.
    """

    def __init__(self, on_set: Sequence[Callable[[], None]] = ()) -> None:
        self._reader, self._writer = os.pipe()
        self._on_set = on_set
        self.set_mono_s: float | None = None

    def set(self) -> None:
        """Ask every loop to end."""
        if self.set_mono_s is None:
            self.set_mono_s = time.monotonic()
            os.write(self._writer, b".")
            for wake in self._on_set:
                wake()

    def is_set(self) -> bool:
        """True once `set` was called."""
        return self.set_mono_s is not None

    def wait(self, timeout_s: float) -> bool:
        """Sleep up to `timeout_s` or until set; the byte stays in the pipe, so every thread is woken."""
        if self.set_mono_s is None:
            select.select([self._reader], [], [], max(0.0, timeout_s))
        return self.is_set()

    def close(self) -> None:
        """Give the pipe back."""
        os.close(self._reader)
        os.close(self._writer)


class LoopStop:
    """One loop's `Stop`: remembers by when the loop has to ask again."""

    def __init__(
        self, switch: StopSwitch, monotonic_s: Callable[[], float], on_turn: Callable[[], None] = lambda: None
    ) -> None:
        self._switch = switch
        self._monotonic_s = monotonic_s
        self._on_turn = on_turn
        self.due_mono_s = monotonic_s() + TURN_WITHIN_S

    def is_set(self) -> bool:
        """True when the loop should end; the loop has turned."""
        self._turned(0.0)
        return self._switch.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Sleep up to `timeout_s`; True when the loop should end. A long sleep asked for is not a hang."""
        self._turned(timeout_s)
        stopped = self._switch.wait(timeout_s)
        self._turned(0.0)
        return stopped

    def _turned(self, sleep_s: float) -> None:
        self.due_mono_s = self._monotonic_s() + sleep_s + TURN_WITHIN_S
        self._on_turn()


class Systemd:
    """The service manager's side: sd_notify(3) datagrams; does nothing when nobody listens."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) if address else None
        watched = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        usec = environment.get("WATCHDOG_USEC", "")
        self.watchdog_s = int(usec) / 1e6 if watched and usec.isdecimal() and int(usec) else None

    def notify(self, state: str) -> None:
        """Send one state, e.g. `READY=1`; a manager that is not there is none of our trouble."""
        if self._socket is None:
            return
        try:
            self._socket.sendto(state.encode(), self._address)
        except OSError as error:
            log.debug("sd_notify %s: %s", state, error)

    def close(self) -> None:
        """Give the socket back."""
        if self._socket is not None:
            self._socket.close()


class Watchdog:
    """Feeds the manager's watchdog from the main loop while no other loop is overdue."""

    def __init__(self, systemd: Systemd, monotonic_s: Callable[[], float]) -> None:
        self._systemd = systemd
        self._monotonic_s = monotonic_s
        self._loops: dict[str, LoopStop] = {}
        self._overdue: set[str] = set()
        self._next_mono_s = 0.0

    def watch(self, loops: Mapping[str, LoopStop]) -> None:
        """These loops have to turn from now on."""
        self._loops = dict(loops)

    def main_turned(self) -> None:
        """Called at each turn of the main loop; sends at most three times in a watchdog period."""
        now = self._monotonic_s()
        if self._systemd.watchdog_s is None or now < self._next_mono_s:
            return
        overdue = {name for name, loop in self._loops.items() if loop.due_mono_s < now}
        for name in overdue - self._overdue:
            log.error("%s has not turned for %.0f s; the watchdog goes unfed", name, TURN_WITHIN_S)
        self._overdue = overdue
        if not overdue:
            self._systemd.notify("WATCHDOG=1")
            self._next_mono_s = now + self._systemd.watchdog_s / 3


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

    `on_stop` wake loops that wait for something else; called once, from a signal handler too.
    A worker that has not ended STOP_WITHIN_S after the stop is named, and the process leaves without it.
    """
    switch, systemd = StopSwitch(on_stop), Systemd()
    watchdog = Watchdog(systemd, time.monotonic)
    crew = _Crew(switch)
    stops = {name: LoopStop(switch, time.monotonic) for name in workers}
    watchdog.watch(stops)
    before = {number: signal.signal(number, _asked(switch)) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        for name, worker in workers.items():
            crew.start(name, worker, stops[name])
        systemd.notify("READY=1")
        crew.work("main", main, LoopStop(switch, time.monotonic, watchdog.main_turned))
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

"""Loops that show that they turn, and the watchdog that is fed while all of them do.

Each loop is given a `Stop`. Asking it is how a loop shows that it turned. A loop that hangs is found; a sick centre, a
broker that is away or a store that hangs is no hang of ours, and restarts nobody (I9).
"""

import logging
import os
import select
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from running.systemd import Systemd

log = logging.getLogger(__name__)

# The longest a loop may be busy between two questions; the longest honest one is the uplink's pause of 20 s.
TURN_WITHIN_S = 60.0

# Around whatever waits for a disk, a store or a name server: as long as that takes nobody counts (`Turns.elsewhere`).
Away = Callable[[], AbstractContextManager[None]]


class Stop(Protocol):
    """What a loop asks at every turn."""

    def is_set(self) -> bool:
        """True when the loop should end."""

    def wait(self, timeout_s: float, /) -> bool:
        """Sleep up to `timeout_s` or until asked to stop; True when the loop should end."""


class StopSwitch:
    """A stop flag on a pipe: `set` takes no lock, so a signal handler may call it in the middle of anything.

    `on_set` are called once, in whichever thread or handler it was: they only wake somebody, and take no lock either.
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
        """Give the pipe back; no loop may ask any more."""
        os.close(self._reader)
        os.close(self._writer)


class Turns:
    """One loop's turns: by when it has to turn again. Told by that loop's thread, read by any."""

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._away = 0
        self.due_mono_s = monotonic_s() + TURN_WITHIN_S

    def turned(self, sleep_s: float = 0.0) -> None:
        """The loop has turned, and may sleep so long before it does again. A long sleep asked for is not a hang."""
        if not self._away:
            self.due_mono_s = self._monotonic_s() + sleep_s + TURN_WITHIN_S

    def ended(self) -> None:
        """The loop is over, and nobody waits for its next turn."""
        self.due_mono_s = float("inf")

    @contextmanager
    def elsewhere(self) -> Iterator[None]:
        """While in it the loop waits for what is not its own; coming back from there is a turn."""
        self._away += 1
        self.due_mono_s = float("inf")
        try:
            yield
        finally:
            self._away -= 1
            self.turned()


class LoopStop(Turns):
    """The `Stop` that is given to one loop: each question is a turn."""

    def __init__(
        self,
        switch: Stop,
        monotonic_s: Callable[[], float] = time.monotonic,
        on_turn: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(monotonic_s)
        self._switch = switch
        self._on_turn = on_turn

    def is_set(self) -> bool:
        """True when the loop should end; the loop has turned."""
        self.turned()
        return self._switch.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Sleep up to `timeout_s`; True when the loop should end."""
        self.turned(timeout_s)
        stopped = self._switch.wait(timeout_s)
        self.turned()
        return stopped

    def turned(self, sleep_s: float = 0.0) -> None:
        """See Turns; whoever wanted to know of it is told."""
        super().turned(sleep_s)
        self._on_turn()


class Watchdog:
    """Feeds the manager's watchdog while no loop is overdue."""

    def __init__(
        self, systemd: Systemd, loops: Mapping[str, Turns], monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        """`loops` have to turn; more may be put into the mapping."""
        self._systemd = systemd
        self._loops = loops
        self._monotonic_s = monotonic_s
        self._overdue: set[str] = set()
        self._next_mono_s = 0.0

    def overdue(self) -> bool:
        """Whether a loop does not turn any more; said once of each."""
        now = self._monotonic_s()
        overdue = {name for name, loop in dict(self._loops).items() if loop.due_mono_s < now}
        for name in overdue - self._overdue:
            log.error("%s has not turned for %.0f s; the watchdog goes unfed", name, TURN_WITHIN_S)
        self._overdue = overdue
        return bool(overdue)

    def feed(self) -> None:
        """Called again and again; sends at most three times in a watchdog period."""
        now = self._monotonic_s()
        if self._systemd.watchdog_s is None or now < self._next_mono_s or self.overdue():
            return
        self._systemd.notify("WATCHDOG=1")
        self._next_mono_s = now + self._systemd.watchdog_s / 3

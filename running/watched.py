"""A process of the centre as the service manager sees it, told from a thread of its own.

At the edge the main loop feeds the watchdog itself (edge/service.py). Here any loop may be waiting for a store that
hangs, and the watchdog has to be fed all the same.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from running.systemd import Systemd
from running.turns import LoopStop, StopSwitch, Watchdog

LOOK_EVERY_S = 0.2
STATUS_EVERY_S = 5.0
# Who waits for the start (apt, a boot) is not held up by a broker that is away: so long after it the process is ready
# for its broker to come, and its status says what it waits for. Below TimeoutStartSec in packaging/.
READY_WITHIN_S = 60.0


class Watched:
    """READY=1, WATCHDOG=1, STATUS= and STOPPING=1 as they become true, while the process is in `telling`."""

    def __init__(
        self,
        switch: StopSwitch,
        *,
        environment: Mapping[str, str] = os.environ,
        ready_within_s: float = READY_WITHIN_S,
    ) -> None:
        self._switch = switch
        self._systemd = Systemd(environment)
        self._loops: dict[str, LoopStop] = {}
        self._watchdog = Watchdog(self._systemd, self._loops)
        self._ready_by_mono_s = time.monotonic() + ready_within_s

    def loop(self, name: str) -> LoopStop:
        """That loop's stop, the same one each time; it has to turn from the first time on."""
        return self._loops.setdefault(name, LoopStop(self._switch))

    @contextmanager
    def telling(self, *, ready: Callable[[], bool], status: Callable[[], str]) -> Iterator[None]:
        """Tell the manager until the end of the block, which sets the switch.

        `ready` and `status` are asked by the thread that tells, and must not wait for anything.
        """
        if not self._systemd.listens:
            yield
            return
        thread = threading.Thread(target=self._tell, args=(ready, status), name="systemd")
        thread.start()
        try:
            yield
        finally:
            self._switch.set()
            thread.join()
            self._systemd.close()

    def _tell(self, ready: Callable[[], bool], status: Callable[[], str]) -> None:
        is_ready, said, say_mono_s = False, "", 0.0
        while not self._switch.wait(LOOK_EVERY_S):
            now_s = time.monotonic()
            if is_ready:
                self._watchdog.feed()
            elif ready() or (now_s >= self._ready_by_mono_s and not self._watchdog.overdue()):
                self._systemd.notify("READY=1")
                is_ready, say_mono_s = True, now_s
            if now_s >= say_mono_s and (new := status()) != said:
                said, say_mono_s = new, now_s + STATUS_EVERY_S
                self._systemd.notify(f"STATUS={said}")
        self._systemd.notify("STOPPING=1")

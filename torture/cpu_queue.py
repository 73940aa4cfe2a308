"""How long a process was kept waiting for a CPU just before it died, as the kernel and our own lateness tell."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import Final

WINDOW_S: Final = 1.5  # an epoch a second: what the last of them and its following one waited


class CpuQueue:
    """Samples of several processes; `look` at each while it lives, as often as the answer is to be exact."""

    def __init__(self) -> None:
        self._samples: dict[int, deque[tuple[float, float]]] = {}

    def look(self, pid: int) -> None:
        """Note how long its main thread has waited until now; a process that is gone is left as it was."""
        delay_s = _run_delay_s(pid)
        if delay_s is None:
            return
        now_s = time.monotonic()
        samples = self._samples.setdefault(pid, deque())
        samples.append((now_s, delay_s))
        while samples[0][0] < now_s - WINDOW_S:
            samples.popleft()

    def waited_s(self, pid: int) -> float:
        """Of the last WINDOW_S before the last look; what it waits for at that moment shows in the looks' own gaps.

        The kernel adds a wait when it is over. One that a kill has ended is never added, but whoever looked was then
        on the same CPUs, and was late by as much.
        """
        samples = self._samples.pop(pid, deque())
        if len(samples) < 2:
            return 0.0
        gaps_s = [later[0] - earlier[0] for earlier, later in zip(samples, list(samples)[1:], strict=False)]
        usual_s = sorted(gaps_s)[len(gaps_s) // 2]
        return max(samples[-1][1] - samples[0][1], max(gaps_s) - usual_s, time.monotonic() - samples[-1][0] - usual_s)


def _run_delay_s(pid: int) -> float | None:
    """Seconds on a run queue so far (the kernel's sched-stats.rst: /proc/PID/schedstat, second field, in ns)."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text("ascii").split()[1]) / 1e9
    except (OSError, IndexError):
        return None

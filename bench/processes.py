"""What a process has used, from the kernel."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_CPUCLOCK_SCHED: Final = 2  # linux/posix-timers.h: what clock_getcpuclockid(3) gives for a whole process


def cpu_s(pid: int | None) -> float:
    """User and system seconds so far, of all threads, those that have ended too; in nanoseconds, not in ticks."""
    if pid is None:
        raise ProcessLookupError("not running")
    return time.clock_gettime(~pid << 3 | _CPUCLOCK_SCHED)


def rss_mb(pid: int | None) -> float:
    """Resident memory, 10^6 bytes (proc(5): statm, field 2)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES / 1e6


def peak_rss_mb(pid: int | None) -> float:
    """The most that was ever resident, 10^6 bytes (proc(5): status, VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6


def pss_mb(pid: int | None) -> float:
    """Proportional memory, 10^6 bytes: what others share of it is theirs in equal parts (proc(5): smaps_rollup)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6

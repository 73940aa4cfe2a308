"""What a process holds and a file takes, from the kernel (Linux: proc(5))."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
# Fields of /proc/PID/stat, counted from after the name, which may hold anything (proc(5): 14, 15, 20).
_UTIME, _STIME, _THREADS = 11, 12, 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauges:
    """One process at one instant: memory in 10^6 bytes (PSS: shared pages divided among those who share them)."""

    rss_mb: float
    pss_mb: float
    fds: int
    threads: int
    cpu_s: float


def of_process(pid: int) -> Gauges | None:
    """Its gauges now; None when it is gone."""
    here = Path(f"/proc/{pid}")
    try:
        memory = (here / "smaps_rollup").read_text()
        fds = len(os.listdir(here / "fd"))  # noqa: PTH208 - not worth a Path each
        stat = (here / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return Gauges(
        rss_mb=_mb(memory, "Rss"),
        pss_mb=_mb(memory, "Pss"),
        fds=fds,
        threads=int(stat[_THREADS]),
        cpu_s=(int(stat[_UTIME]) + int(stat[_STIME])) / _TICKS_PER_S,
    )


def of_file(path: Path) -> float:
    """Its size in 10^6 bytes; a file that is not there takes nothing."""
    try:
        return path.stat().st_size / 1e6
    except FileNotFoundError:
        return 0.0


def of_pages(path: Path) -> float:
    """What a SQLite file holds in 10^6 bytes, wherever its pages are: in the file or still in the WAL."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10.0)) as db:
        (count,), (size_bytes,) = (db.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
    return float(count * size_bytes / 1e6)


def _mb(rollup: str, name: str) -> float:
    line = next((line for line in rollup.splitlines() if line.startswith(f"{name}:")), None)
    if line is None:  # a process that is just ending has no memory left to tell of
        return 0.0
    return int(line.split()[1]) * 1024 / 1e6

"""The series of a soak: processes and files looked at again and again, latencies taken window by window."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from stage.process import Child
from torture import gauges
from torture.drift import STORE, Series
from torture.latency import Latency
from torture.slope import Point

CITY: Final = "city"  # whose latency it is: all units together

_Lives = dict[int, list[Point]]  # by the number of the life of a process; a file has one


class Recorder:
    """Looks at `children` and `files` (by name) when it is told to; times are seconds since the begin."""

    def __init__(self, children: Mapping[str, Child], files: Mapping[str, Path]) -> None:
        self._children = children
        self._files = files
        self._series: dict[tuple[str, str], _Lives] = {}
        self._cpu: dict[tuple[str, int], Point] = {}

    def look(self, at_s: float) -> None:
        """One point of everything that is there now."""
        for name, child in self._children.items():
            pid, life = child.pid, len(child.lives)
            seen = None if pid is None else gauges.of_process(pid)
            if seen is not None:
                for measure in ("rss_mb", "pss_mb", "fds", "threads"):
                    self._add(name, measure, life, at_s, getattr(seen, measure))
                self._add_cpu(name, life, at_s, seen.cpu_s)
        for name, path in self._files.items():
            self._add(name, "file_mb", 1, at_s, gauges.of_file(path))
            self._add(name, "wal_mb", 1, at_s, gauges.of_file(path.with_name(f"{path.name}-wal")))
            if name == STORE:
                self._add(name, "pages_mb", 1, at_s, gauges.of_pages(path))

    def take(self, latency: Latency, at_s: float) -> None:
        """One point of the latency since it was taken last."""
        if (taken := latency.taken()) is not None:
            for measure, value in zip(("latency_p50_s", "latency_p99_s"), taken, strict=True):
                self._add(CITY, measure, 1, at_s, value)

    def series(self) -> list[Series]:
        """All of it so far, in the order in which it was first seen."""
        return [
            Series(of, measure, tuple(tuple(lives[number]) for number in sorted(lives)))
            for (of, measure), lives in self._series.items()
        ]

    def _add(self, of: str, measure: str, life: int, at_s: float, value: float) -> None:
        self._series.setdefault((of, measure), {}).setdefault(life, []).append((at_s, value))

    def _add_cpu(self, name: str, life: int, at_s: float, cpu_s: float) -> None:
        """Share of a core since the last look, which is why a life's first point is missing."""
        before = self._cpu.get((name, life))
        self._cpu[name, life] = (at_s, cpu_s)
        if before is not None and at_s > before[0]:
            self._add(name, "cpu", life, at_s, 100 * (cpu_s - before[1]) / (at_s - before[0]))

"""What the committing thread counts: once a group, by lane. Nothing here is called for a row or a fix."""

from __future__ import annotations

from collections import Counter
from typing import Final

from broker.figure import Histogram

LIVE: Final = "live"
BULK: Final = "bulk"
LANES: Final = (LIVE, BULK)
STORED: Final = "stored"  # its bytes were not here before
DUPLICATE: Final = "duplicate"
POISON: Final = "poison"  # the store's code stumbled over it: not stored, not receipted
OUTCOMES: Final = (STORED, DUPLICATE, POISON)

# A quiet commit is 1 ms on an SSD and 10 on a spinning disk; from 1 s on live positions are late; a lock is waited for
# 10 s.
COMMIT_BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ROWS_BOUNDS: Final = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000)


class Tally:
    """Counts of one committer. It alone writes them; each value only grows, so that any thread may read any of them."""

    def __init__(self) -> None:
        self.rows: Counter[tuple[str, ...]] = Counter({(lane, outcome): 0 for lane in LANES for outcome in OUTCOMES})
        self.parcels: Counter[str] = Counter(dict.fromkeys(LANES, 0))
        self.commit_s = Histogram(COMMIT_BOUNDS_S)
        self.rows_a_commit = Histogram(ROWS_BOUNDS)
        self.begun_mono_s: float | None = None  # the running commit, its retries included
        self.committed_mono_s: float | None = None  # the last one

    def group(self, lane: str, parcels: int, rows: int, odd: Counter[str]) -> None:
        """One lane's part of a committed group; `odd` counts those of its rows that are not plainly stored."""
        self.parcels[lane] += parcels
        for outcome, count in odd.items():
            self.rows[lane, outcome] += count
        self.rows[lane, STORED] += rows - odd.total()

    def committed(self, rows: int, took_s: float, now_mono_s: float) -> None:
        """A group's transaction has returned; one without rows had nothing to commit."""
        if rows:
            self.commit_s.add(took_s)
            self.rows_a_commit.add(rows)
            self.committed_mono_s = now_mono_s
        self.begun_mono_s = None

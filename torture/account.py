"""The suite's own account of what was put in, and its comparison with what is stored. Pure.

It shares nothing with the code under test: an epoch is what was written to the pty, stored is what the export says.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

DUE_AFTER_S: Final = 0.2  # invariant I1: last byte and the next epoch's first were written this long before the kill

TALKING_WITHIN_S: Final = 1.0  # the longest pause between epochs that the suite plays, unless there is no fix


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch as it was played: receiver time in Unix ms, and when (monotonic s) its bytes were written."""

    utc_ms: int
    first_byte_s: float
    last_byte_s: float


@dataclass(frozen=True, slots=True)
class Opened:
    """The port was open to one process in [from_s, to_s); to_s is when it was killed or stopped."""

    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the epochs of one unit."""

    played: int
    due: int
    stored: int
    due_missing: tuple[int, ...]
    twice: tuple[int, ...]
    foreign: tuple[int, ...]
    unobserved: int

    @property
    def holds(self) -> bool:
        """Every due epoch exactly once, every other at most once, nothing that was not played."""
        return not (self.due_missing or self.twice or self.foreign)


def due(epochs: Sequence[Epoch], opened: Sequence[Opened]) -> set[int]:
    """UTC of the epochs no kill may lose: played whole, and the next one begun, while one process had the port."""
    found = set()
    for epoch, following in itertools.pairwise(epochs):
        if any(o.from_s <= epoch.first_byte_s and following.first_byte_s + DUE_AFTER_S <= o.to_s for o in opened):
            found.add(epoch.utc_ms)
    return found


def compare(epochs: Sequence[Epoch], opened: Sequence[Opened], stored_utc_ms: Iterable[int]) -> Verdict:
    """Hold the stored epochs of one unit against what was played to it."""
    played = {e.utc_ms for e in epochs}
    must = due(epochs, opened)
    stored = Counter(stored_utc_ms)
    return Verdict(
        played=len(played),
        due=len(must),
        stored=len(stored),
        due_missing=tuple(sorted(must - stored.keys())),
        twice=tuple(sorted(t for t, n in stored.items() if n > 1)),
        foreign=tuple(sorted(stored.keys() - played)),
        unobserved=len(played - must - stored.keys()),
    )


def restart_to_first_epoch_s(
    started_s: Sequence[float], epochs: Sequence[Epoch], stored_utc_ms: Iterable[int]
) -> list[float]:
    """For each start: seconds until the last byte of the first stored epoch that was begun after it.

    A start during which the receiver had no fix to tell (a tunnel) measures the tunnel, and is left out.
    """
    stored = set(stored_utc_ms)
    found = []
    for at, until in zip(started_s, [*started_s[1:], float("inf")], strict=True):
        said = [e for e in epochs if at <= e.first_byte_s < until]
        first = next((e for e in said if e.utc_ms in stored), None)
        if first is not None and said[0].first_byte_s - at <= TALKING_WITHIN_S:
            found.append(first.last_byte_s - at)
    return found

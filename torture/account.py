"""The suite's own account of what was put in, and its comparison with what is stored. Pure.

It shares nothing with the code under test: an epoch is what was written to the pty, stored is what the export says.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

DUE_AFTER_S: Final = 0.2  # invariant I1: last byte and the next epoch's first were written this long before the kill

TALKING_WITHIN_S: Final = 1.0  # the longest pause between epochs that the suite plays, unless there is no fix

Key = Hashable  # what an epoch is known by: the place it names, or its time where places repeat (a recorded drive)


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch as it was played: its key, when (monotonic s) its bytes were written, and its UTC in Unix ms."""

    key: Key
    first_byte_s: float
    last_byte_s: float
    utc_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """The port was open to one process in [from_s, to_s); to_s is when it was killed or stopped.

    `waited_s`: how long, of the time just before, the machine kept it waiting for a CPU; it could not read then.
    """

    from_s: float
    to_s: float
    waited_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Stored:
    """One fix that the centre has: the key it is known by, and its UTC in Unix ms (None: not known)."""

    key: Key
    utc_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the epochs of one unit."""

    played: int
    due: int
    stored: int
    due_missing: tuple[Key, ...]
    twice: tuple[Key, ...]
    foreign: tuple[Key, ...]
    unobserved: int
    wrong_time: tuple[Key, ...] = ()

    @property
    def holds(self) -> bool:
        """Every due epoch exactly once, every other at most once, nothing that was not played, each at its time."""
        return not (self.due_missing or self.twice or self.foreign or self.wrong_time)


def due(epochs: Sequence[Epoch], opened: Sequence[Opened]) -> set[Key]:
    """Keys of the epochs no kill may lose: played whole, and the next one begun, while one process had the port."""
    found = set()
    for epoch, following in itertools.pairwise(epochs):
        begun_s, told_s = epoch.first_byte_s, following.first_byte_s + DUE_AFTER_S
        if any(o.from_s <= begun_s and told_s + o.waited_s <= o.to_s for o in opened):
            found.add(epoch.key)
    return found


def compare(
    epochs: Sequence[Epoch], opened: Sequence[Opened], stored: Iterable[Stored], *, tolerance_ms: int | None = None
) -> Verdict:
    """Hold the stored epochs of one unit against what was played to it; `tolerance_ms` None: times are not judged."""
    played = {e.key: e.utc_ms for e in epochs}
    must = due(epochs, opened)
    found = list(stored)
    times = Counter(s.key for s in found)
    return Verdict(
        played=len(played),
        due=len(must),
        stored=len(times),
        due_missing=_sorted(must - times.keys()),
        twice=_sorted(key for key, n in times.items() if n > 1),
        foreign=_sorted(times.keys() - played.keys()),
        unobserved=len(played.keys() - must - times.keys()),
        wrong_time=() if tolerance_ms is None else _sorted(_at_another_time(found, played, tolerance_ms)),
    )


def restart_to_first_epoch_s(
    started_s: Sequence[float], epochs: Sequence[Epoch], stored: Iterable[Stored]
) -> list[float]:
    """For each start: seconds until the last byte of the first stored epoch that was begun after it.

    A start during which the receiver had no fix to tell (a tunnel) measures the tunnel, and is left out.
    """
    keys = {s.key for s in stored}
    found = []
    for at, until in zip(started_s, [*started_s[1:], float("inf")], strict=True):
        said = [e for e in epochs if at <= e.first_byte_s < until]
        first = next((e for e in said if e.key in keys), None)
        if first is not None and said[0].first_byte_s - at <= TALKING_WITHIN_S:
            found.append(first.last_byte_s - at)
    return found


def _at_another_time(found: Iterable[Stored], played: dict[Key, int | None], tolerance_ms: int) -> set[Key]:
    wrong = set()
    for one in found:
        said_ms = played.get(one.key)
        if said_ms is not None and (one.utc_ms is None or abs(one.utc_ms - said_ms) > tolerance_ms):
            wrong.add(one.key)
    return wrong


def _sorted(keys: Iterable[Key]) -> tuple[Key, ...]:
    return tuple(sorted(keys, key=repr))

"""How long it takes from a receiver's port to a consumer of the clean topics, while nothing is in the way. Pure.

From the last byte of the newest epoch of a row, written to the pty, to the row's message at the consumer: in it are
the wait for the next epoch (which is how an epoch is known to be whole), the rest of the report interval, append and
sync, the link, broker, bridge, commit, publisher, broker again, and this process's own reading. What was under way
while its unit was cut off or restarting is backlog, and left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torture.account import Epoch, Key


@dataclass(slots=True)
class _Away:
    """A unit was away: since when, when the way was free again, and when the first row written after that arrived."""

    since_s: float
    free_s: float = math.inf
    until_s: float = math.inf


class Latency:
    """Of all units; times are monotonic seconds."""

    def __init__(self) -> None:
        self.rows = 0
        self._written: dict[tuple[str, Key], float] = {}
        self._told: dict[str, int] = {}
        self._away: dict[str, list[_Away]] = {}
        self._window: list[float] = []

    def put_in(self, unit: str, epochs: Sequence[Epoch]) -> None:
        """All epochs of a unit so far, again and again: the new ones are taken."""
        taken = self._told.get(unit, 0)
        for epoch in epochs[taken:]:
            self._written[unit, epoch.key] = epoch.last_byte_s
        self._told[unit] = max(taken, len(epochs))

    def away(self, unit: str, at_s: float) -> None:
        """From now on nothing of it may arrive."""
        self._away.setdefault(unit, []).append(_Away(at_s))

    def free(self, unit: str, at_s: float) -> None:
        """Nothing is in its way any more; what is written after it has been heard of again is live."""
        self._away[unit][-1].free_s = at_s

    def heard(self, unit: str, keys: Iterable[Key], at_s: float) -> None:
        """A row of these epochs arrived."""
        times = [self._written.pop((unit, key), None) for key in keys]
        newest_s = max((at for at in times if at is not None), default=None)
        if newest_s is None:
            return
        spans = self._away.get(unit, [])
        for span in spans:
            if span.free_s <= newest_s:
                span.until_s = min(span.until_s, at_s)
        if not any(span.since_s <= at_s and newest_s <= span.until_s for span in spans):
            self._window.append(at_s - newest_s)
            self.rows += 1

    def taken(self) -> tuple[float, float] | None:
        """p50 and p99 (s) of the rows since it was asked last; None when there were none."""
        window = sorted(self._window)
        self._window.clear()
        return (quantile(window, 0.5), quantile(window, 0.99)) if window else None


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

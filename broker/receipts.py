"""Which receipts go when, pure: live rows gathered for 60 s, alarms, bulk parcels, asks and first words at once.

A receipt names the bytes that are stored: beside each range goes the XOR of its rows' checks, so that a cloned card's
twin does not take it for its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

# 28 B a fix on the air against 42 when each live row is receipted at once; beyond 60 s reconnects duplicate more.
GATHER_S: Final = 60.0
# A key gathers no more than this: one hostile unit must not make the bridge hold its rows' numbers for a minute.
GATHER_ROWS: Final = 1000

Key = tuple[str, int]  # unit, outbox_id


@dataclass(slots=True)
class Gathered:
    """What one outbox of one unit will be told."""

    first_mono_s: float
    checks: dict[int, int] = field(default_factory=dict)  # seq -> check of the stored row
    refused: set[int] = field(default_factory=set)
    bulk_after_ms: int | None = None
    new_outbox: bool = False

    def ranges(self) -> list[tuple[int, int]]:
        """The stored seqs as inclusive pairs, ascending."""
        return [(first, last) for first, last, _ in self._runs()]

    def range_checks(self) -> list[int]:
        """One per range: the XOR of its rows' checks."""
        return [check for _, _, check in self._runs()]

    def highest_seq(self) -> int:
        """The highest stored seq named, 0 when none."""
        return max(self.checks, default=0)

    def _runs(self) -> Iterator[tuple[int, int, int]]:
        first = last = combined = 0
        for seq in sorted(self.checks):
            if last and seq == last + 1:
                last, combined = seq, combined ^ self.checks[seq]
                continue
            if last:
                yield first, last, combined
            first = last = seq
            combined = self.checks[seq]
        if last:
            yield first, last, combined


class Receipts:
    """Everything stored and not yet receipted; lives in memory only: a lost one is asked for again by a resend."""

    def __init__(self, gather_s: float = GATHER_S) -> None:
        self._gather_s = gather_s
        self._waiting: dict[Key, Gathered] = {}  # in the order they are due
        self._at_once: dict[Key, None] = {}
        self._greeted: dict[str, int] = {}

    def stored(self, unit: str, outbox_id: int, checks: dict[int, int], *, now_mono_s: float) -> Gathered:
        """These rows (seq -> check) are committed; the caller may say more on what it gets back."""
        gathered = self._waiting.get((unit, outbox_id))
        if gathered is None:
            gathered = self._waiting[unit, outbox_id] = Gathered(now_mono_s)
        gathered.checks.update(checks)
        if len(gathered.checks) >= GATHER_ROWS:
            self.hurry(unit, outbox_id)
        return gathered

    def hurry(self, unit: str, outbox_id: int) -> None:
        """This one goes with the next sending."""
        self._at_once[unit, outbox_id] = None

    def greets(self, unit: str, session: int | None) -> bool:
        """Whether this is the first parcel of a session: until its receipt the unit does not trust the link."""
        if session is None or self._greeted.get(unit) == session:
            return False
        self._greeted[unit] = session
        return True

    def due(self, now_mono_s: float) -> list[tuple[Key, Gathered]]:
        """Take out what goes now."""
        keys = dict(self._at_once)
        self._at_once.clear()
        for key, gathered in self._waiting.items():
            if gathered.first_mono_s + self._gather_s > now_mono_s:
                break
            keys[key] = None
        return [(key, self._waiting.pop(key)) for key in keys]

    def all(self) -> list[tuple[Key, Gathered]]:
        """Take out everything: the bridge is about to stop."""
        everything = list(self._waiting.items())
        self._waiting.clear()
        self._at_once.clear()
        return everything

    def wait_s(self, now_mono_s: float) -> float | None:
        """Seconds until something is due; None when nothing waits."""
        if self._at_once:
            return 0.0
        for gathered in self._waiting.values():
            return max(0.0, gathered.first_mono_s + self._gather_s - now_mono_s)
        return None

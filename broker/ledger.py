"""The balance of one outbox: every seq a unit has accepted is stored, or shed, or held, or missing. Pure.

missing(s) = [1, s) - stored - shed - held, judged only against the newest health record (seq s): what came after
it is not judged yet. Each seq counts once: stored beats shed, shed beats held.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from wire.ranges import Ranges


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One outbox's balance, in records: produced = stored + shed + held + missing + unjudged.

    produced is the highest seq anybody has named; expired are those of stored whose bodies were purged; conflicts
    came under keys that were taken and are stored besides; missing are (first, last) ranges of seqs.
    """

    unit: str
    outbox_id: int
    produced: int
    stored: int
    shed_by_reason: Mapping[str, int]
    held: int
    unjudged: int
    expired: int
    conflicts: int
    missing: tuple[tuple[int, int], ...]

    @property
    def missing_count(self) -> int:
        """How many records are missing."""
        return sum(last - first + 1 for first, last in self.missing)


def balance(
    *,
    unit: str,
    outbox_id: int,
    stored: Ranges,
    shed: Mapping[str, Ranges],
    held: Ranges,
    below_seq: int,
    expired: int = 0,
    conflicts: int = 0,
) -> Account:
    """Draw the balance. held and below_seq are of the newest health record: 0 = there is none, nothing is judged."""
    produced = max(below_seq - 1, stored.highest(), held.highest(), *(gone.highest() for gone in shed.values()), 0)
    left = Ranges([(1, produced)] if produced else []).minus(stored)
    shed_by_reason = {}
    for reason in sorted(shed):
        after = left.minus(shed[reason])
        shed_by_reason[reason] = left.count() - after.count()
        left = after
    after = left.minus(held)
    held_count, left = left.count() - after.count(), after
    missing = Ranges(left)
    if produced >= max(below_seq, 1):
        missing.remove(max(below_seq, 1), produced)
    return Account(
        unit=unit,
        outbox_id=outbox_id,
        produced=produced,
        stored=stored.count(),
        shed_by_reason=shed_by_reason,
        held=held_count,
        unjudged=left.count() - missing.count(),
        expired=expired,
        conflicts=conflicts,
        missing=tuple(missing),
    )

"""Row ids of the file against (outbox_id, seq) of the contract: pure arithmetic, and its copy beside the file.

A row belongs to the last outbox whose first_id <= its id, and its seq is id - first_id + 1. So a new outbox_id costs
one line, and nothing is renumbered or copied, in salvage either.
"""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edge.disk import Disk
from wire.ranges import MAX_SEQ, Ranges


@dataclass(frozen=True, slots=True)
class OutboxIds:
    """(first_id, outbox_id) of every outbox the file ever was, ascending."""

    opened: tuple[tuple[int, int], ...]

    @property
    def newest(self) -> int:
        """The outbox_id that new rows get; IndexError when there is none yet."""
        return self.opened[-1][1]

    def names(self) -> frozenset[int]:
        """All outbox_ids."""
        return frozenset(outbox_id for _, outbox_id in self.opened)

    def of(self, row_id: int) -> tuple[int, int]:
        """(outbox_id, seq) of a row."""
        first_id, outbox_id = self.opened[bisect_right(self.opened, (row_id, MAX_SEQ)) - 1]
        return outbox_id, row_id - first_id + 1

    def spans(self, next_id: int) -> Iterable[tuple[int, int, int]]:
        """(outbox_id, first_id, last_id) of each outbox; the newest one ends before `next_id`, and may be empty."""
        ends = [first_id for first_id, _ in self.opened[1:]] + [next_id]
        for (first_id, outbox_id), end in zip(self.opened, ends, strict=True):
            yield outbox_id, first_id, end - 1

    def ids_of(self, outbox_id: int, seqs: Ranges) -> Ranges:
        """The row ids of these seqs; what the outbox never had is left out (a receipt may be nonsense)."""
        ids = Ranges()
        for name, first_id, last_id in self.spans(MAX_SEQ):
            if name == outbox_id:
                for first, last in seqs:
                    low, high = first + first_id - 1, min(last + first_id - 1, last_id)
                    if low <= high:
                        ids.add(low, high)
        return ids

    def seqs_of(self, ids: Ranges, next_id: int) -> dict[int, Ranges]:
        """Row ids as seqs by outbox_id; every outbox is there, an empty one too."""
        seqs = {outbox_id: Ranges() for _, outbox_id in self.opened}
        for outbox_id, first_id, last_id in self.spans(next_id):
            for low, high in ids:
                first, last = max(low, first_id), min(high, last_id)
                if first <= last:
                    seqs[outbox_id].add(first - first_id + 1, last - first_id + 1)
        return seqs

    def with_new(self, first_id: int, outbox_id: int) -> OutboxIds:
        """One outbox more."""
        return OutboxIds((*self.opened, (first_id, outbox_id)))


def draw_outbox_id(used: Iterable[int]) -> int:
    """A random 32-bit identity, never 0, never one of `used`."""
    taken = {0, *used}
    while (outbox_id := int.from_bytes(os.urandom(4), "little")) in taken:
        pass
    return outbox_id


@dataclass(frozen=True, slots=True)
class IdsCopy:
    """What lies beside the file: every outbox of it, and a row id that none has reached yet."""

    ids: OutboxIds
    below_id: int


def read_copy(path: Path) -> IdsCopy | None:
    """The copy beside the file; None when there is none or it is damaged (then the file alone knows)."""
    try:
        content = json.loads(path.read_bytes())
        opened = tuple((int(first_id), int(outbox_id)) for first_id, outbox_id in content["outboxes"])
        below_id = int(content["below_id"])
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    firsts = [first_id for first_id, _ in opened]
    rising = bool(firsts) and firsts == sorted(set(firsts)) and len({name for _, name in opened}) == len(opened)
    sound = rising and all(0 < n < MAX_SEQ and 0 < i < 1 << 32 for n, i in opened)
    return IdsCopy(OutboxIds(opened), below_id) if sound and 0 < below_id < MAX_SEQ else None


def write_copy(disk: Disk, path: Path, copy: IdsCopy) -> None:
    """Durable when it returns. An outbox whose file vanished can then still be named as lost, seq by seq."""
    disk.write(path, json.dumps({"outboxes": copy.ids.opened, "below_id": copy.below_id}).encode())

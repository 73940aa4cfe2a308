"""What a tombstone names, and how a newer one swallows older ones: pure.

Swallowing is always safe, sent or not. The newer one's content is a superset of the older one's, and it names the
older row itself as gone, reason `swallowed`. Had the older one reached the store already, its own seq is stored, and
stored beats shed; had it not, nothing is missing. The union of both at the store is the newer one.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from wire.errors import PeerViolation
from wire.fields import BYTES, FIXED32, read_fields, read_packed
from wire.ranges import Ranges

SHED: Final = "shed"
CORRUPT: Final = "corrupt"
REFUSED: Final = "refused"
SWALLOWED: Final = "swallowed"  # a tombstone whose content lives on in a newer one: nothing was lost

MAX_GONE_RANGES: Final = 4_000  # about 12 kB: a tombstone still fits one bulk parcel of 16 kB

Gone: TypeAlias = dict[tuple[int, str], Ranges]  # (outbox_id, reason) -> seqs


def put(gone: Gone, outbox_id: int, reason: str, seqs: Ranges) -> None:
    """Add seqs to what is gone."""
    known = gone.get((outbox_id, reason))
    gone[outbox_id, reason] = seqs if known is None else known.union(seqs)


def put_all(gone: Gone, more: Gone) -> None:
    """Add all of another tombstone."""
    for (outbox_id, reason), seqs in more.items():
        put(gone, outbox_id, reason, seqs)


def range_count(gone: Gone) -> int:
    """How many ranges a tombstone of this would carry."""
    return sum(len(seqs) for seqs in gone.values())


def read_tombstone(body: bytes) -> Gone:
    """What one of our own tombstones names; PeerViolation when the bytes are none."""
    gone: Gone = {}
    for field, wire_type, value in read_fields(body):
        if field == 2 and wire_type == BYTES and isinstance(value, bytes):
            outbox_id, reason, ranges = 0, "", []
            for inner, inner_type, content in read_fields(value):
                if inner == 1 and inner_type == FIXED32 and isinstance(content, int):
                    outbox_id = content
                elif inner == 2 and isinstance(content, bytes):
                    ranges += read_packed(content)
                elif inner == 3 and isinstance(content, bytes):
                    reason = content.decode("utf-8", "replace")
            if not outbox_id:
                raise PeerViolation("tombstone without outbox_id")
            put(gone, outbox_id, reason, Ranges.unpack(ranges))
    return gone

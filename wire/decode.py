"""The centre's side of records.proto, on the official library: parcels apart, bodies read, receipts written."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import accumulate
from operator import xor
from typing import NamedTuple

from google.protobuf.message import Message

from wire import records_pb2
from wire.encode import check
from wire.errors import PeerViolation
from wire.kinds import (
    KIND_ANCHOR,
    KIND_CAMERA,
    KIND_EVENT,
    KIND_HEALTH,
    KIND_REPORTED,
    KIND_RESULT,
    KIND_SNAPSHOT,
    KIND_TOMBSTONE,
    KIND_TRACK,
)
from wire.pack import MOST_RATIO, may_be_packed, unpack_rows
from wire.ranges import MAX_SEQ, Ranges
from wire.track import Track, decode_track, parsed

__all__ = [
    "MAX_PARCEL_BYTES",
    "MAX_ROWS",
    "Parcel",
    "Row",
    "Track",
    "decode_body",
    "decode_parcel",
    "decode_track",
    "encode_receipt",
]

# A bulk parcel is 16 kB, a snapshot some hundred; this is what one payload may cost in memory, plain or unpacked.
MAX_PARCEL_BYTES = 1 << 20
MAX_ROWS = 5_000  # sixteen kB of tracks are some hundred; each costs the centre 40 us
_COLUMN_TAGS_BYTES = 64

_MESSAGES: dict[int, type[Message]] = {
    KIND_EVENT: records_pb2.Event,
    KIND_HEALTH: records_pb2.Health,
    KIND_CAMERA: records_pb2.Camera,
    KIND_SNAPSHOT: records_pb2.Snapshot,
    KIND_RESULT: records_pb2.Result,
    KIND_REPORTED: records_pb2.Reported,
    KIND_TOMBSTONE: records_pb2.Tombstone,
    KIND_ANCHOR: records_pb2.Anchor,
}


class Row(NamedTuple):  # one for every row: a frozen dataclass takes four times as long to make
    """One record as it came, its check proven; `kind` and `cls` may be of a newer contract."""

    seq: int
    cls: int
    kind: int
    check: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What one publish carried; `refused` are the seqs of rows whose check did not hold."""

    outbox_id: int
    session: int | None = None
    boot_id: int | None = None
    sent_boottime_ms: int | None = None
    waiting_bytes: int = 0
    rows: list[Row] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)


def decode_parcel(payload: bytes) -> Parcel:
    """The parcel in a payload; PeerViolation when its envelope does not hold."""
    if len(payload) > MAX_PARCEL_BYTES:
        raise PeerViolation("parcel too long")
    message = parsed(records_pb2.Parcel, payload)
    if not message.outbox_id:
        raise PeerViolation("parcel without outbox_id")
    rows, refused = _rows(message)
    return Parcel(
        outbox_id=message.outbox_id,
        session=message.session or None,
        boot_id=message.boot_id or None,
        sent_boottime_ms=message.sent_boottime_ms or None,
        waiting_bytes=message.waiting_bytes,
        rows=rows,
        refused=refused,
    )


def _rows(message: records_pb2.Parcel) -> tuple[list[Row], list[int]]:
    if message.packed_rows:
        if message.rows:
            raise PeerViolation("rows both plain and packed")
        return _packed_rows(message.packed_rows)
    rows, refused = [], []
    seqs = _seqs([row.seq_step for row in message.rows[: MAX_ROWS + 1]])
    for seq, row in zip(seqs, message.rows, strict=True):
        body = row.body
        if check(body) == row.check:
            rows.append(Row(seq, row.cls, row.kind, row.check, body))
        else:
            refused.append(seq)
    return rows, refused


def _packed_rows(packed: bytes) -> tuple[list[Row], list[int]]:
    """Rows out of their columns: all of them, or all refused when the checks do not add up."""
    limit_bytes = min(MAX_PARCEL_BYTES, len(packed) * MOST_RATIO + _COLUMN_TAGS_BYTES)
    columns = parsed(records_pb2.Rows, unpack_rows(packed, limit_bytes))
    joined = columns.bodies  # once: the library copies it each time it is asked
    if not may_be_packed(len(packed), len(columns.seq_steps), len(joined)):
        raise PeerViolation("packed rows: too many in too few bytes")
    seqs = _seqs(columns.seq_steps)
    ends = list(accumulate(columns.lengths))
    classes, kinds = _padded(columns.classes, len(seqs)), _padded(columns.kinds, len(seqs))
    if len(ends) != len(seqs) or (ends[-1] if ends else 0) != len(joined):
        raise PeerViolation("packed rows: columns of unlike length")
    bodies = [joined[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    checks = [check(body) for body in bodies]
    if reduce(xor, checks, 0) != columns.checks:
        return [], seqs
    return [Row(*row) for row in zip(seqs, classes, kinds, checks, bodies, strict=True)], []


def _seqs(steps: Sequence[int]) -> list[int]:
    if len(steps) > MAX_ROWS:
        raise PeerViolation("too many rows")
    seqs = list(accumulate(steps))
    if seqs and not 1 <= min(seqs) <= max(seqs) <= MAX_SEQ:
        raise PeerViolation("seq out of range")
    return seqs


def _padded(numbers: Sequence[int], count: int) -> list[int]:
    if len(numbers) > count:
        raise PeerViolation("packed rows: columns of unlike length")
    return [*numbers] + [0] * (count - len(numbers))


def decode_body(kind: int, body: bytes) -> Message | Track:
    """A record's body as its Track or protobuf message; PeerViolation when damaged or of a kind not known here."""
    if kind == KIND_TRACK:
        return decode_track(body)
    if kind not in _MESSAGES:
        raise PeerViolation(f"kind {kind} is not of this contract")
    return parsed(_MESSAGES[kind], body)


def encode_receipt(
    outbox_id: int,
    ranges: Ranges,
    checks: Sequence[int],
    *,
    utc_ms: int,
    store_id: int,
    bulk_after_ms: int | None = None,
    new_outbox: bool = False,
    high_seq: int = 0,
    refused: Sequence[int] = (),
) -> bytes:
    """The receipt for `ranges` with the XOR of the checks of each range's rows; ValueError when they do not pair up."""
    if len(checks) != len(ranges):
        raise ValueError(f"{len(ranges)} ranges and {len(checks)} checks")
    return records_pb2.Receipt(
        outbox_id=outbox_id,
        ranges=ranges.pack(),
        checks=checks,
        utc_ms=utc_ms,
        store_id=store_id,
        bulk_after_ms=bulk_after_ms,
        new_outbox=new_outbox,
        high_seq=high_seq,
        refused=refused,
    ).SerializeToString()

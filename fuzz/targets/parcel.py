"""A parcel gives rows whose bytes check, within bounded memory, or is refused; its receipt is one the unit can read."""

from __future__ import annotations

import lzma
from collections.abc import Mapping

from fuzz.claims import MENDED
from fuzz.forms import behind, either, fields_changed
from wire import encode
from wire.decode import MAX_PARCEL_BYTES, MAX_ROWS, Parcel, decode_parcel, encode_receipt
from wire.errors import PeerViolation
from wire.kinds import CLASS_ALARM, KIND_EVENT, KIND_TRACK
from wire.pack import may_be_packed, pack_rows, unpack_rows
from wire.ranges import MAX_SEQ, Ranges
from wire.receipt import decode_receipt

MAX_BYTES = 4096
form = either(fields_changed, behind(1, fields_changed))
PACKED = 2  # a first byte: what follows is the LZMA stream of a packed parcel


def hold(data: bytes) -> None:
    """The payload as it came, or with what follows its first byte as packed rows, packed here or as they came."""
    parcel = _decoded(_payload(data))
    if parcel is None:
        return
    assert 0 < parcel.outbox_id < 1 << 32
    assert len(parcel.rows) + len(parcel.refused) <= MAX_ROWS
    assert sum(len(row.body) for row in parcel.rows) <= MAX_PARCEL_BYTES
    for row in parcel.rows:
        assert 1 <= row.seq <= MAX_SEQ
        assert encode.check(row.body) == row.check
    assert all(1 <= seq <= MAX_SEQ for seq in parcel.refused)
    _check_receipt(parcel)
    _check_again(parcel)


def _payload(data: bytes) -> bytes:
    if data[:1] == bytes([MENDED]):
        return encode.packed_parcel(1, pack_rows(data[1:]))
    if data[:1] == bytes([PACKED]):
        return encode.packed_parcel(1, data[1:])
    return data


def _decoded(payload: bytes) -> Parcel | None:
    try:
        return decode_parcel(payload)
    except PeerViolation:
        return None


def _check_receipt(parcel: Parcel) -> None:
    """What the bridge would answer if all of it were stored."""
    checks = {row.seq: row.check for row in parcel.rows}
    ranges = Ranges((seq, seq) for seq in sorted(checks))
    of_each = [0] * len(ranges)
    for index, (first, last) in enumerate(ranges):
        for seq in range(first, last + 1):
            of_each[index] ^= checks[seq]
    refused = sorted(set(parcel.refused))
    payload = encode_receipt(parcel.outbox_id, ranges, of_each, utc_ms=1, store_id=1, refused=refused)
    receipt = decode_receipt(payload)
    assert (receipt.ranges, receipt.checks, receipt.refused) == (ranges, of_each, refused)


def _check_again(parcel: Parcel) -> None:
    """The same rows in both forms of a parcel are the same rows (a newer contract may have negative numbers)."""
    if any(row.cls < 0 or row.kind < 0 for row in parcel.rows):
        return
    rows = [(row.seq, row.cls, row.kind, row.check, row.body) for row in parcel.rows]
    if rows:
        message = encode.rows_message(rows)
        assert unpack_rows(pack_rows(message), MAX_PARCEL_BYTES) == message
        packed = pack_rows(message)
        if may_be_packed(len(packed), len(rows), sum(len(row.body) for row in parcel.rows)):
            assert decode_parcel(encode.packed_parcel(parcel.outbox_id, packed)).rows == parcel.rows
    assert decode_parcel(encode.parcel(parcel.outbox_id, rows)).rows == parcel.rows


def seeds() -> Mapping[str, bytes]:
    """Parcels of both lanes as a box sends them, and a bomb."""
    bodies = [b"", b"\x08\x01", b"event" * 10, bytes(range(200))]
    rows = [
        (9 - n, CLASS_ALARM if n == 2 else 0, KIND_EVENT if n == 2 else KIND_TRACK, encode.check(body), body)
        for n, body in enumerate(bodies)
    ]
    stamps = {"waiting_bytes": 4000, "session": 3, "boot_id": 7, "sent_boottime_ms": 99_000}
    message = encode.rows_message(rows)
    bad = [*rows[:2], (1, 0, 0, 1, b"x")]
    bomb = lzma.compress(bytes(1 << 19), lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16}])
    return {
        "live": encode.parcel(0xB0C5, rows[:1], **stamps),
        "rows": encode.parcel(0xB0C5, rows),
        "bulk": encode.packed_parcel(0xB0C5, pack_rows(message), **stamps),
        "rows-to-pack": bytes([MENDED]) + message,
        "stream": bytes([PACKED]) + pack_rows(message),
        "bomb": bytes([PACKED]) + bomb,
        "refused": encode.parcel(0xB0C5, bad),
        "refused-packed": bytes([MENDED]) + encode.rows_message(bad),
    }

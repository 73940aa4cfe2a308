"""No receipt deletes a row but one whose bytes it names, or raises more than the clock's floor."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial, reduce
from operator import xor

from google.protobuf.message import DecodeError

from edge.clock import BUILT_UTC_MS, YEARS_20_MS
from fuzz.box import NOW_UTC_MS, StillClock
from fuzz.box_uplink import UNIT, Asked, rows, uplink
from fuzz.claims import MENDED
from fuzz.forms import behind, either, fields_changed
from fuzz.images import NEW_ID, OLD_ID, ROWS_OF_EACH
from wire import records_pb2, topics
from wire.decode import encode_receipt
from wire.errors import PeerViolation
from wire.ranges import MAX_SEQ, Ranges
from wire.receipt import decode_receipt

MAX_BYTES = 1024
form = either(fields_changed, behind(1, fields_changed))
TIMES = 5  # one more than a row is refused before it is given up


def hold(data: bytes) -> None:
    """The receipt as it came, or with checks that are right; heard again and again by a unit with rows in flight."""
    payload = _mended(data[1:]) if data[:1] == bytes([MENDED]) else data
    _check_decoding(payload)
    clock, asked = StillClock(), Asked()
    unit = uplink(clock, asked)
    unit._sending.connected(clock.monotonic_s())
    flown = set()
    for _ in range(TIMES):
        while (out := unit._sending.next_parcel(clock.monotonic_s())) is not None:
            flown |= {row.id for row in out.packed.rows}
        unit._heard(topics.receipt(UNIT), payload)
        clock.pass_s(1.0)
    named = _named(payload)
    assert set(asked.stored.seqs()) <= named, "only rows whose bytes it names"
    assert set(asked.refused.seqs()) <= flown
    assert asked.new_outboxes <= 1
    assert BUILT_UTC_MS <= clock.floor_utc_ms <= BUILT_UTC_MS + YEARS_20_MS


def _check_decoding(payload: bytes) -> None:
    """What the unit's own reader takes is sound, and is what the official library reads."""
    try:
        receipt = decode_receipt(payload)
    except PeerViolation:
        return
    assert receipt.outbox_id
    assert len(receipt.checks) == len(receipt.ranges)
    assert receipt.ranges.highest() <= MAX_SEQ
    assert all(1 <= seq <= MAX_SEQ for seq in receipt.refused)
    message = records_pb2.Receipt.FromString(payload)
    assert (message.outbox_id, list(message.ranges)) == (receipt.outbox_id, receipt.ranges.pack())
    assert (list(message.checks), list(message.refused)) == (receipt.checks, receipt.refused)
    assert (message.utc_ms, message.store_id) == (receipt.utc_ms, receipt.store_id)
    assert (message.new_outbox, message.high_seq) == (receipt.new_outbox, receipt.high_seq)
    assert (message.bulk_after_ms if message.HasField("bulk_after_ms") else None) == receipt.bulk_after_ms


def _named(payload: bytes) -> set[int]:
    """Row ids that the receipt truly names, found the plain way: all rows of a range are here, the check is theirs."""
    try:
        message = records_pb2.Receipt.FromString(payload)
        ranges = Ranges.unpack(list(message.ranges))
    except (DecodeError, PeerViolation):
        return set()
    found: set[int] = set()
    for (first, last), check in zip(ranges, message.checks, strict=False):
        if last - first >= 2 * ROWS_OF_EACH:
            continue
        these = [rows().get((message.outbox_id, seq)) for seq in range(first, last + 1)]
        known = [row for row in these if row is not None]
        if len(known) == len(these) and reduce(xor, (row.check for row in known), 0) == check:
            found |= {row.id for row in known}
    return found


def _mended(payload: bytes) -> bytes:
    """The receipt with a check for each range, right where the rows are ours; as it is when it is none."""
    try:
        message = records_pb2.Receipt.FromString(payload)
        ranges = Ranges.unpack(list(message.ranges))
    except (DecodeError, PeerViolation):
        return payload
    del message.checks[:]
    for first, last in ranges:
        some = (rows().get((message.outbox_id, seq)) for seq in range(first, min(last, first + 100) + 1))
        message.checks.append(reduce(xor, (row.check for row in some if row is not None), 0))
    return message.SerializeToString()


def seeds() -> Mapping[str, bytes]:
    """Receipts as the bridge writes them: for our rows, for others', with everything else a receipt can say."""
    ours = rows()
    last = ours[NEW_ID, ROWS_OF_EACH]
    whole = Ranges([(1, 3), (5, 6)])
    checks = [reduce(xor, (ours[NEW_ID, seq].check for seq in range(first, end + 1)), 0) for first, end in whole]
    one = Ranges([(6, 6)])

    said = partial(encode_receipt, utc_ms=NOW_UTC_MS, store_id=9)
    return {
        "stored": said(NEW_ID, whole, checks, bulk_after_ms=250),
        "stored-mended": bytes([MENDED]) + said(OLD_ID, Ranges([(1, 6)]), [0]),
        "one": said(NEW_ID, one, [last.check]),
        "other-bytes": said(NEW_ID, one, [last.check ^ 1]),
        "refused": said(NEW_ID, Ranges(), [], refused=[6, 1, 99]),
        "overtaken": said(NEW_ID, Ranges(), [], high_seq=10**6, new_outbox=True),
        "unknown": said(5, Ranges([(1, 6)]), [1]),
    }

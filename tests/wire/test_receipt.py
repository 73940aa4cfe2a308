"""Receipts: what the centre writes is what the unit reads, and nothing is deleted by a broken one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import fields, records_pb2
from wire.decode import encode_receipt
from wire.errors import PeerViolation
from wire.ranges import MAX_SEQ, Ranges
from wire.receipt import Receipt, decode_receipt

uint32 = st.integers(0, 2**32 - 1)
uint64 = st.integers(0, 2**64 - 1)
ranges = st.lists(st.integers(1, 60), max_size=10).map(lambda seqs: Ranges((seq, seq) for seq in seqs))


@st.composite
def receipts(draw: st.DrawFn) -> dict[str, object]:
    confirmed = draw(ranges)
    return {
        "outbox_id": draw(st.integers(1, 2**32 - 1)),
        "ranges": confirmed,
        "checks": draw(st.lists(uint32, min_size=len(confirmed), max_size=len(confirmed))),
        "utc_ms": draw(uint64),
        "store_id": draw(uint32),
        "bulk_after_ms": draw(st.none() | uint32),
        "new_outbox": draw(st.booleans()),
        "high_seq": draw(st.integers(0, MAX_SEQ)),
        "refused": draw(st.lists(st.integers(1, MAX_SEQ), max_size=5)),
    }


@given(receipts())
def test_what_the_centre_writes_is_what_the_unit_reads(named: dict[str, object]) -> None:
    receipt = decode_receipt(encode_receipt(**named))  # type: ignore[arg-type]
    assert {name: getattr(receipt, name) for name in named} == named


@given(receipts(), st.integers(10, 2**29 - 1), uint64 | st.binary(max_size=20))
def test_fields_of_a_newer_contract_are_passed_over(named: dict[str, object], field: int, value: int | bytes) -> None:
    unknown = fields.octets(field, value, True) if isinstance(value, bytes) else fields.unsigned(field, value, True)
    receipt = decode_receipt(unknown + encode_receipt(**named))  # type: ignore[arg-type]
    assert {name: getattr(receipt, name) for name in named} == named


@given(st.integers(1, 40), st.data())
def test_numbers_sent_one_by_one_read_like_packed_ones(seq: int, data: st.DataObject) -> None:
    unpacked = fields.unsigned(2, seq) + fields.unsigned(2, 1) + b"\x1d\x07\x00\x00\x00" + fields.unsigned(9, 5)
    receipt = decode_receipt(fields.fixed32(1, 9) + unpacked)
    assert (list(receipt.ranges), receipt.checks, receipt.refused) == ([(seq, seq)], [7], [5])


@given(st.binary(max_size=100))
def test_garbage_is_a_receipt_or_a_violation(payload: bytes) -> None:
    read_or_refuse(payload)


@given(receipts(), st.data())
def test_a_damaged_receipt_is_sound_or_a_violation(named: dict[str, object], data: st.DataObject) -> None:
    payload = bytearray(encode_receipt(**named))  # type: ignore[arg-type]
    at = data.draw(st.integers(0, len(payload) - 1))
    payload[at] ^= data.draw(st.integers(1, 255))
    read_or_refuse(bytes(payload))
    read_or_refuse(bytes(payload[:at]))


@given(st.binary(max_size=100) | st.builds(records_pb2.Receipt.SerializeToString, st.builds(records_pb2.Receipt)))
def test_the_unit_reads_no_receipt_the_official_library_would_not(payload: bytes) -> None:
    receipt = read_or_refuse(payload)
    if receipt is not None:
        message = records_pb2.Receipt.FromString(payload)
        assert message.outbox_id == receipt.outbox_id
        assert list(message.ranges) == receipt.ranges.pack()
        assert list(message.checks) == receipt.checks
        assert (message.utc_ms, message.store_id) == (receipt.utc_ms, receipt.store_id)


def read_or_refuse(payload: bytes) -> Receipt | None:
    try:
        receipt = decode_receipt(payload)
    except PeerViolation:
        return None
    assert receipt.outbox_id
    assert len(receipt.checks) == len(receipt.ranges)
    assert receipt.ranges.highest() <= MAX_SEQ
    return receipt


@pytest.mark.parametrize(
    "message",
    [
        records_pb2.Receipt(utc_ms=1),
        records_pb2.Receipt(outbox_id=1, ranges=[1, 3], checks=[]),
        records_pb2.Receipt(outbox_id=1, ranges=[1, 3], checks=[1, 2]),
        records_pb2.Receipt(outbox_id=1, ranges=[1], checks=[1]),
        records_pb2.Receipt(outbox_id=1, ranges=[1, MAX_SEQ + 1], checks=[1]),
        records_pb2.Receipt(outbox_id=1, high_seq=MAX_SEQ + 1),
        records_pb2.Receipt(outbox_id=1, refused=[0]),
        records_pb2.Receipt(outbox_id=1, refused=range(1, 20_000)),
    ],
    ids=lambda message: str(message)[:40].replace("\n", " "),
)
def test_a_receipt_that_does_not_hold_deletes_nothing(message: records_pb2.Receipt) -> None:
    with pytest.raises(PeerViolation):
        decode_receipt(message.SerializeToString())


def test_the_centre_pairs_every_range_with_a_check() -> None:
    with pytest.raises(ValueError, match="checks"):
        encode_receipt(1, Ranges([(1, 2)]), [], utc_ms=0, store_id=0)

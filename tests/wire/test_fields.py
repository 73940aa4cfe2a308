"""The encoding itself, against the official library's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import fields, records_pb2
from wire.errors import PeerViolation

uint64 = st.integers(0, 2**64 - 1) | st.sampled_from([2**k + d for k in range(64) for d in (-1, 0) if 2**k + d < 2**64])
sint64 = st.integers(-(2**63), 2**63 - 1)


@given(uint64)
def test_a_varint_comes_back(number: int) -> None:
    data = fields.varint(number)
    assert fields.read_varint(data, 0) == (number, len(data))
    assert data == records_pb2.Parcel(waiting_bytes=number).SerializeToString()[1:] or number == 0


@pytest.mark.parametrize("number", [-1, 2**64])
def test_what_is_no_64_bit_number_is_not_encoded(number: int) -> None:
    with pytest.raises(ValueError, match="64-bit"):
        fields.varint(number)


@given(st.lists(sint64, max_size=20))
def test_packed_signed_is_the_official_one(numbers: list[int]) -> None:
    assert fields.packed_signed(3, numbers) == records_pb2.Track(time=numbers).SerializeToString()


@given(st.lists(uint64, max_size=20))
def test_packed_unsigned_is_the_official_one_and_comes_back(numbers: list[int]) -> None:
    data = fields.packed_unsigned(2, numbers)
    assert data == records_pb2.Receipt(ranges=numbers).SerializeToString()
    for field, wire_type, value in fields.read_fields(data):
        assert (field, wire_type) == (2, fields.BYTES)
        assert isinstance(value, bytes)
        assert fields.read_packed(value) == numbers


@given(st.binary(max_size=100))
def test_garbage_is_fields_or_a_violation(data: bytes) -> None:
    try:
        read = fields.read_fields(data)
    except PeerViolation:
        return
    assert len(read) <= len(data)


@given(st.binary(max_size=100))
def test_garbage_is_numbers_or_a_violation(data: bytes) -> None:
    try:
        numbers = fields.read_packed(data)
    except PeerViolation:
        return
    assert len(numbers) <= len(data)
    assert all(0 <= number < 2**64 for number in numbers)


@pytest.mark.parametrize(
    "data",
    [
        b"\x80",  # a varint that does not end
        b"\x08" + b"\xff" * 10 + b"\x01",  # one of eleven bytes
        b"\x00\x01",  # field number 0
        b"\x0b",  # a group
        b"\x0a\x05abc",  # three bytes of five
        b"\x0d\x01\x02",  # half a fixed32
    ],
)
def test_broken_fields_are_a_violation(data: bytes) -> None:
    with pytest.raises(PeerViolation):
        fields.read_fields(data)

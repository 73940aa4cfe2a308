"""Parcels: the envelope holds or is refused, whatever comes, within bounded memory."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import encode, fields, records_pb2
from wire.columns import encode_track
from wire.decode import MAX_PARCEL_BYTES, MAX_ROWS, Row, decode_parcel
from wire.errors import PeerViolation
from wire.pack import pack_rows
from wire.ranges import MAX_SEQ

bodies = st.binary(max_size=60)
seqs = st.integers(1, MAX_SEQ) | st.integers(1, 100)
wire_rows = st.lists(
    st.tuples(seqs, st.integers(0, 6), st.integers(0, 12), bodies).map(
        lambda row: (row[0], row[1], row[2], encode.check(row[3]), row[3])
    ),
    max_size=8,
)
stamps = st.fixed_dictionaries(
    {},
    optional={
        "waiting_bytes": st.integers(0, 2**64 - 1),
        "session": st.integers(0, 2**32 - 1),
        "boot_id": st.integers(0, 2**64 - 1),
        "sent_boottime_ms": st.integers(0, 2**64 - 1),
    },
)
outbox_ids = st.integers(1, 2**32 - 1)
MEGABYTE = bytes(1_000_000)
ONE_ROW = encode.rows_message([(1, 0, 0, 0, b"")])


def packed(rows: records_pb2.Rows) -> bytes:
    return encode.packed_parcel(1, pack_rows(rows.SerializeToString()))


def ten_fixes() -> bytes:
    """Ten eight-field fixes at 1 Hz of a car that turns and brakes."""
    places = [(-61_754_000 + 900 * i + i**2, 1_068_272_000 + 70 * i, 800 + 10 * (i % 3)) for i in range(10)]
    others = [(1200 - 7 * i * i, 1700 + 61 * i, 90 + 10 * (i % 2), 12 + i % 2) for i in range(10)]
    return encode_track(
        [(1_800_000_000_000 + 1000 * i, *place, *others[i]) for i, place in enumerate(places)],
    )


@given(outbox_ids, wire_rows, stamps)
def test_a_parcel_is_the_official_librarys_and_comes_back(
    outbox_id: int, rows: list[tuple[int, int, int, int, bytes]], stamps: dict[str, int]
) -> None:
    payload = encode.parcel(outbox_id, rows, **stamps)
    assert records_pb2.Parcel.FromString(payload).SerializeToString(deterministic=True) == payload
    parcel = decode_parcel(payload)
    assert parcel.rows == [Row(*row) for row in rows]
    assert (parcel.outbox_id, parcel.refused) == (outbox_id, [])
    assert parcel.waiting_bytes == stamps.get("waiting_bytes", 0)
    for name in ("session", "boot_id", "sent_boottime_ms"):
        assert getattr(parcel, name) == (stamps.get(name) or None)


@given(outbox_ids, wire_rows.filter(bool), stamps)
def test_packed_rows_are_the_same_rows(
    outbox_id: int, rows: list[tuple[int, int, int, int, bytes]], stamps: dict[str, int]
) -> None:
    message = encode.rows_message(rows)
    assert records_pb2.Rows.FromString(message).SerializeToString(deterministic=True) == message
    payload = encode.packed_parcel(outbox_id, pack_rows(message), **stamps)
    assert records_pb2.Parcel.FromString(payload).SerializeToString(deterministic=True) == payload
    assert decode_parcel(payload) == decode_parcel(encode.parcel(outbox_id, rows, **stamps))


def test_a_live_parcel_has_at_most_eighteen_bytes_of_envelope() -> None:
    body = ten_fixes()
    payload = encode.parcel(0x89ABCDEF, [(1_000_000, 0, 0, encode.check(body), body)])
    assert len(payload) - len(body) <= 18


@given(wire_rows.filter(bool), st.data())
def test_a_row_whose_check_fails_is_refused_and_the_others_are_not(
    rows: list[tuple[int, int, int, int, bytes]], data: st.DataObject
) -> None:
    bad = data.draw(st.integers(0, len(rows) - 1))
    seq, cls, kind, check, body = rows[bad]
    sent = [*rows[:bad], (seq, cls, kind, check ^ 1, body), *rows[bad + 1 :]]
    parcel = decode_parcel(encode.parcel(1, sent))
    assert parcel.refused == [seq]
    assert parcel.rows == [Row(*row) for row in rows[:bad] + rows[bad + 1 :]]


@given(st.binary(max_size=200))
def test_garbage_is_a_parcel_or_a_violation(payload: bytes) -> None:
    read_or_refuse(payload)


@given(wire_rows.filter(bool), st.booleans(), st.data())
def test_a_damaged_parcel_gives_sound_rows_or_a_violation(
    rows: list[tuple[int, int, int, int, bytes]], packed: bool, data: st.DataObject
) -> None:
    plain = encode.rows_message(rows)
    payload = bytearray(encode.packed_parcel(1, pack_rows(plain)) if packed else encode.parcel(1, rows))
    at = data.draw(st.integers(0, len(payload) - 1))
    payload[at] ^= data.draw(st.integers(1, 255))
    read_or_refuse(bytes(payload))
    read_or_refuse(bytes(payload[:at]))


def read_or_refuse(payload: bytes) -> None:
    try:
        parcel = decode_parcel(payload)
    except PeerViolation:
        return
    assert parcel.outbox_id
    assert all(1 <= row.seq <= MAX_SEQ and encode.check(row.body) == row.check for row in parcel.rows)


@given(
    wire_rows,
    st.integers(16, 2**29 - 1),
    st.integers(0, 2**64 - 1) | st.binary(max_size=20),
)
def test_fields_of_a_newer_contract_are_passed_over(
    rows: list[tuple[int, int, int, int, bytes]], field: int, value: int | bytes
) -> None:
    unknown = fields.octets(field, value, True) if isinstance(value, bytes) else fields.unsigned(field, value, True)
    assert decode_parcel(encode.parcel(1, rows) + unknown).rows == [Row(*row) for row in rows]


@pytest.mark.parametrize(
    "payload",
    [
        encode.parcel(0, []),  # no outbox
        encode.parcel(1, [(0, 0, 0, 0, b"")]),  # seq 0
        records_pb2.Parcel(outbox_id=1, rows=[records_pb2.Row(seq_step=-1)]).SerializeToString(),
        records_pb2.Parcel(outbox_id=1, rows=[records_pb2.Row(seq_step=2**63 - 1)] * 2).SerializeToString(),
        encode.packed_parcel(1, b"not packed"),
        encode.packed_parcel(1, pack_rows(ONE_ROW)[:-1]),  # cut off
        encode.packed_parcel(1, pack_rows(ONE_ROW) + b"more"),
        encode.packed_parcel(1, pack_rows(b"garbage")),
        encode.parcel(1, [(1, 0, 0, 0, b"")]) + fields.octets(3, pack_rows(ONE_ROW)),
        packed(records_pb2.Rows(seq_steps=[0], lengths=[0])),
        packed(records_pb2.Rows(seq_steps=[1, 1], lengths=[0])),
        packed(records_pb2.Rows(seq_steps=[1], lengths=[2**32 - 1], bodies=b"short")),
        packed(records_pb2.Rows(seq_steps=[1], lengths=[1], bodies=b"long")),
        packed(records_pb2.Rows(seq_steps=[1], lengths=[0], kinds=["KIND_EVENT"] * 2)),
        packed(records_pb2.Rows(seq_steps=[1] * (MAX_ROWS + 1), lengths=[0] * (MAX_ROWS + 1))),
        encode.parcel(1, [(seq + 1, 0, 0, 0, b"") for seq in range(MAX_ROWS + 1)]),
        encode.parcel(1, [(1, 0, 0, 0, bytes(MAX_PARCEL_BYTES))]),
        packed(records_pb2.Rows(seq_steps=[1] * MAX_ROWS, lengths=[0] * MAX_ROWS)),  # 70 bytes
        packed(
            records_pb2.Rows(seq_steps=[1], lengths=[10**6], bodies=bytes(10**6), checks=encode.check(bytes(10**6)))
        ),
    ],
    ids=lambda payload: payload[:12].hex(),
)
def test_an_envelope_that_does_not_hold_is_a_violation(payload: bytes) -> None:
    with pytest.raises(PeerViolation):
        decode_parcel(payload)


def test_packed_rows_whose_checks_do_not_add_up_are_all_refused() -> None:
    rows = [(seq, 0, 0, encode.check(b"x"), b"x") for seq in (9, 8, 7)]
    bad = [*rows[:2], (7, 0, 0, encode.check(b"y"), b"x")]
    parcel = decode_parcel(encode.packed_parcel(1, pack_rows(encode.rows_message(bad))))
    assert (parcel.rows, parcel.refused) == ([], [9, 8, 7])


@given(wire_rows, st.binary(max_size=100))
def test_garbage_that_was_packed_gives_sound_rows_or_a_violation(
    rows: list[tuple[int, int, int, int, bytes]], garbage: bytes
) -> None:
    read_or_refuse(encode.packed_parcel(1, pack_rows(garbage)))
    read_or_refuse(encode.packed_parcel(1, pack_rows(encode.rows_message(rows) + garbage)))


def test_a_bomb_costs_bounded_memory() -> None:
    bomb = pack_rows(bytes(256 << 20))
    assert len(bomb) < MAX_PARCEL_BYTES
    tracemalloc.start()
    with pytest.raises(PeerViolation, match="too long"):
        decode_parcel(encode.packed_parcel(1, bomb))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 * MAX_PARCEL_BYTES


def test_a_backlog_packs() -> None:
    body = ten_fixes()
    rows = [(seq, 0, 0, encode.check(body), body) for seq in range(500, 0, -1)]
    plain = encode.rows_message(rows)
    assert len(pack_rows(plain)) < len(plain) / 20

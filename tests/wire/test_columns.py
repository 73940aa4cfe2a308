"""Tracks: what the unit encodes is what the centre reads, canonical, and never a wrong position from a damaged one."""

from __future__ import annotations

import csv
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wire import records_pb2
from wire.columns import COURSE, HIGHEST, LOWEST, MAX_FIXES, encode_track
from wire.decode import Track, decode_track
from wire.errors import PeerViolation

Fix8 = tuple[int, int, int, int | None, int | None, int | None, int | None, int | None]
LOSSLESS = (0, 0, 0, 0, 0, 0)


def within(column: int) -> st.SearchStrategy[int]:
    top = HIGHEST[column] - 1 if column == COURSE else HIGHEST[column]  # 360.00 deg is 0
    return st.integers(LOWEST[column], top) | st.sampled_from([0, LOWEST[column], top, top // 1000 * 1000])


def any_fix() -> st.SearchStrategy[Fix8]:
    known = [within(column) for column in range(8)]
    return st.tuples(*known[:3], *(st.none() | values for values in known[3:]))


def drives() -> st.SearchStrategy[list[Fix8]]:
    """Fixes a second apart with small steps: what the columns are made for."""
    start = st.tuples(within(0).map(lambda t: t // 2), st.integers(-80, 80), st.integers(-170, 170))
    steps = st.lists(st.tuples(st.integers(-5000, 5000), st.integers(0, 3000)), min_size=1, max_size=20)
    return st.builds(
        lambda at, moves: [
            (at[0] + 1000 * i, at[1] * 10**7 + move, at[2] * 10**7 - move, 100, speed, move % 36000, 90, 8)
            for i, (move, speed) in enumerate(moves)
        ],
        start,
        steps,
    )


def fixes_of(track: Track) -> list[Fix8]:
    columns = (track.times_ms, track.lat_e7, track.lon_e7, track.alt_cm)
    others = (track.speed_cmps, track.course_cdeg, track.hdop_c, track.sats)
    return list(zip(*columns, *others, strict=True))


def standing(count: int) -> list[Fix8]:
    return [(1_800_000_000_000 + 1000 * i, -61_754_000, 1_068_272_000, 800, 0, 0, 90, 12) for i in range(count)]


@given(st.lists(any_fix(), min_size=1, max_size=30) | drives(), st.none() | st.integers(1, 2**64 - 1))
@example(standing(1), None)
@example(standing(10), 5)
def test_every_lossless_track_comes_back_equal(fixes: list[Fix8], boot_id: int | None) -> None:
    track = decode_track(encode_track(fixes, boot_id=boot_id))
    assert fixes_of(track) == fixes
    assert track.boot_id == boot_id


@given(
    st.lists(any_fix(), min_size=1, max_size=30) | drives(),
    st.tuples(*[st.integers(0, 3)] * 6),
    st.integers(0, 1000),
    st.booleans(),
    st.data(),
)
def test_the_bytes_are_those_of_the_official_library(
    fixes: list[Fix8], scales: tuple[int, ...], observed: int, parked: bool, data: st.DataObject
) -> None:
    estimated = sorted(data.draw(st.sets(st.integers(0, len(fixes) - 1))))
    body = encode_track(fixes, scales=scales, observed=observed, estimated=estimated, parked=parked)  # type: ignore[arg-type]
    message = records_pb2.Track.FromString(body)
    message.DiscardUnknownFields()
    assert message.SerializeToString(deterministic=True) == body
    track = decode_track(body)
    assert track.estimated == estimated
    assert track.parked == parked
    assert track.observed == max(observed, len(fixes))


@given(st.lists(any_fix(), min_size=1, max_size=20), st.tuples(*[st.integers(0, 3)] * 6))
def test_quantised_values_are_the_nearest_multiples_half_to_even(fixes: list[Fix8], scales: tuple[int, ...]) -> None:
    got = fixes_of(decode_track(encode_track(fixes, scales=scales)))  # type: ignore[arg-type]
    exponents = (scales[0], scales[1], scales[1], *scales[2:], 0)
    for fix, back in zip(fixes, got, strict=True):
        for column, (value, read) in enumerate(zip(fix, back, strict=True)):
            quantum = 10 ** exponents[column]
            wanted = None if value is None else round(Fraction(value, quantum)) * quantum
            assert read == (wanted % 36_000 if column == COURSE and wanted is not None else wanted)


def test_a_full_turn_is_no_turn() -> None:
    fixes = [
        (1_800_000_000_000 + i, 0, 0, None, None, course, None, None) for i, course in enumerate((35_999, 1, 36_000))
    ]
    assert decode_track(encode_track(fixes)).course_cdeg == [35_999, 1, 0]


def test_a_column_nobody_knows_costs_nothing_and_zero_is_not_unknown() -> None:
    zero = decode_track(encode_track([(1_800_000_000_000, 0, 0, 0, 0, 0, 0, 0)]))
    unknown = decode_track(encode_track([(1_800_000_000_000, 0, 0, None, None, None, None, None)]))
    assert (zero.alt_cm, zero.sats, unknown.alt_cm, unknown.sats) == ([0], [0], [None], [None])


def test_a_parked_minute_is_small() -> None:
    assert len(encode_track(standing(60), parked=True)) <= 52


@pytest.mark.parametrize("fixes", [[], standing(MAX_FIXES + 1)])
def test_a_track_has_a_bounded_number_of_fixes(fixes: list[Fix8]) -> None:
    with pytest.raises(ValueError, match="fixes"):
        encode_track(fixes)


@pytest.mark.parametrize("boot_id", [0, -1, 2**64])
def test_a_boots_clock_without_its_boot_is_not_encoded(boot_id: int) -> None:
    with pytest.raises(ValueError, match="boot_id"):
        encode_track(standing(1), boot_id=boot_id)


@pytest.mark.parametrize("column", range(8))
def test_what_the_centre_would_refuse_is_not_encoded(column: int) -> None:
    fix = list(standing(1)[0])
    for value in (LOWEST[column] - 1, HIGHEST[column] + 1):
        with pytest.raises(ValueError, match="beyond"):
            encode_track([(*fix[:column], value, *fix[column + 1 :])])  # type: ignore[list-item]


@given(st.binary(max_size=200))
def test_garbage_is_a_track_or_a_violation(body: bytes) -> None:
    read_or_refuse(body)


@given(st.lists(any_fix(), min_size=1, max_size=12), st.data())
def test_a_damaged_track_is_a_sound_track_or_a_violation(fixes: list[Fix8], data: st.DataObject) -> None:
    body = bytearray(encode_track(fixes))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= data.draw(st.integers(1, 255))
    read_or_refuse(bytes(body))
    read_or_refuse(bytes(body[:at]))


column_numbers = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=6)


@given(
    st.builds(
        records_pb2.Track,
        count=st.integers(0, 6) | st.integers(0, 2**32 - 1),
        layout=st.integers(0, 2**32 - 1) | st.just(0),
        **dict.fromkeys(("time", "lat", "lon", "alt", "speed", "course", "hdop", "sats", "joined"), column_numbers),
        missing=st.lists(
            st.builds(records_pb2.Missing, column=st.integers(0, 12), bitmap=st.binary(max_size=3)), max_size=3
        ),
        estimated=st.lists(st.integers(0, 10), max_size=3),
    )
)
def test_an_absurd_track_is_a_sound_track_or_a_violation(message: records_pb2.Track) -> None:
    read_or_refuse(message.SerializeToString())


def read_or_refuse(body: bytes) -> None:
    """Nothing but PeerViolation, and what is read lies within the limits, all columns equally long."""
    try:
        track = decode_track(body)
    except PeerViolation:
        return
    fixes = fixes_of(track)
    assert 1 <= len(fixes) <= MAX_FIXES
    for fix in fixes:
        for column, value in enumerate(fix):
            assert value is None if column > 2 and value is None else LOWEST[column] <= value <= HIGHEST[column]  # type: ignore[operator]
    assert all(index < len(fixes) for index in track.estimated)


def test_a_few_bytes_do_not_unfold_into_many_fixes() -> None:
    message = records_pb2.Track(count=2**32 - 1, time=[0], lat=[0], lon=[0])
    with pytest.raises(PeerViolation, match="fixes"):
        decode_track(message.SerializeToString())


def test_a_newer_contract_reads_as_far_as_it_is_known() -> None:
    newer = encode_track(standing(3)) + b"\xa2\x06\x03new"  # field 100
    assert fixes_of(decode_track(newer)) == standing(3)


def test_real_drives_come_back_equal(real_data: Path) -> None:
    for path in sorted((real_data / "tracks").glob("*.csv")):
        fixes = read_track(path)
        for start in range(0, len(fixes), 60):
            rows = fixes[start : start + 60]
            assert fixes_of(decode_track(encode_track(rows, scales=LOSSLESS))) == rows, path.name


def read_track(path: Path) -> list[Fix8]:
    units = (("alt_m", 100), ("speed_mps", 100), ("course_deg", 100), ("hdop", 100), ("sats", 1))
    with path.open(newline="") as lines:
        return [
            (
                int(row["unix_ms"]),
                round(float(row["lat_deg"]) * 1e7),
                round(float(row["lon_deg"]) * 1e7),
                *(round(float(row[name]) * factor) if row[name] else None for name, factor in units),
            )  # type: ignore[misc]
            for row in csv.DictReader(lines)
        ]

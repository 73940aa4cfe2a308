"""Bytes a fix of the track encoding over real drives: rows of 10 and 60, plain and packed as in the bulk lane."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bench.drives import Fix8, NoRealData, full_drives
from bench.report import Figure, show
from wire import encode
from wire.columns import encode_track
from wire.decode import decode_track
from wire.pack import pack_rows
from wire.thin import thin

PARCEL_BYTES: Final = 16_000  # uplink.md's bulk parcel
HOUR_FIXES: Final = 3600
TOLERANCE_M: Final = 2.5
HONEST: Final = (3, 1, 2, 1, 2, 1)  # 1 s, 1e-6 deg, 1 m, 0.1 m/s, 1 deg, 0.1 HDOP
OUTBOX_ID: Final = 0x89ABCDEF

WireRow = tuple[int, int, int, int, bytes]


@dataclass(frozen=True, slots=True)
class Way:
    """One way to record a drive."""

    name: str
    scales: tuple[int, int, int, int, int, int] | None = None
    tolerance_m: float = 0.0
    reach_plain: str | None = None


WAYS: Final = (
    Way("lossless", reach_plain="< 11.3"),
    Way("quantised", HONEST),
    Way("quantised, thinned", HONEST, TOLERANCE_M),
)


def rows_of(fixes: Sequence[Fix8], per_row: int, way: Way) -> list[WireRow]:
    """The drive's rows as an outbox holds them."""
    rows = []
    for seq, start in enumerate(range(0, len(fixes), per_row), 1):
        chunk = fixes[start : start + per_row]
        kept = [chunk[index] for index in thin([fix[:3] for fix in chunk], way.tolerance_m)]
        body = encode_track(kept, scales=way.scales, observed=len(chunk))
        rows.append((seq, 0, 0, encode.check(body), body))
    return rows


def parcels(rows: Sequence[WireRow], limit_bytes: int) -> Iterator[int]:
    """Sizes of packed parcels, newest to oldest, each of as many rows as fit into the limit."""
    end = len(rows)
    while end:
        low, high = 1, end
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if packed_bytes(rows[end - middle : end]) <= limit_bytes else (low, middle - 1)
        yield packed_bytes(rows[end - low : end])
        end -= low


def packed_bytes(rows: Sequence[WireRow], pack: Callable[[bytes], bytes] = pack_rows) -> int:
    """The size of one packed parcel of these rows, newest first."""
    return len(encode.packed_parcel(OUTBOX_ID, pack(encode.rows_message(rows[::-1]))))


def by_the_hour(rows: Sequence[WireRow], per_row: int, pack: Callable[[bytes], bytes]) -> int:
    """All rows in packed parcels of an hour each."""
    step = HOUR_FIXES // per_row
    return sum(packed_bytes(rows[at : at + step], pack) for at in range(0, len(rows), step))


def deflated(rows_message: bytes) -> bytes:
    """Raw deflate at its best, to compare with."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9)
    return packer.compress(rows_message) + packer.flush()


def sizes(drives: Sequence[Sequence[Fix8]], way: Way, per_row: int) -> Iterator[Figure]:
    """Bytes an epoch observed, one way and one length of row."""
    outboxes = [rows_of(fixes, per_row, way) for fixes in drives]
    observed = sum(len(fixes) for fixes in drives)
    count = sum(len(rows) for rows in outboxes)
    plain = sum(len(row[4]) for rows in outboxes for row in rows)
    live = sum(len(encode.parcel(OUTBOX_ID, [row])) for rows in outboxes for row in rows)
    for name, total in (
        ("rows plain", plain),
        ("live parcels, a row each", live),
        ("packed by 16 kB", sum(size for rows in outboxes for size in parcels(rows, PARCEL_BYTES))),
        ("packed by the hour", sum(by_the_hour(rows, per_row, pack_rows) for rows in outboxes)),
        ("deflated by the hour", sum(by_the_hour(rows, per_row, deflated) for rows in outboxes)),
    ):
        reach = way.reach_plain if (name, per_row) == ("rows plain", 10) else None
        yield Figure(f"{way.name}, {per_row} a row: {name}", total / observed, "B a fix observed", reach)
    if per_row == 10:
        yield Figure(f"{way.name}: envelope of a live parcel", (live - plain) / count, "B", "<= 18")


def speeds(drives: Sequence[Sequence[Fix8]]) -> Iterator[Figure]:
    """CPU of encoding and decoding rows of ten; the best of five passes, for a machine that does other things too."""
    chunks = [fixes[at : at + 10] for fixes in drives for at in range(0, len(fixes), 10)]
    bodies = [encode_track(chunk) for chunk in chunks]
    fixes = sum(len(chunk) for chunk in chunks)
    encoding = min(cpu_s(lambda: [encode_track(chunk) for chunk in chunks]) for _ in range(5))
    decoding = min(cpu_s(lambda: [decode_track(body) for body in bodies]) for _ in range(5))
    yield Figure("encode, rows of 10", 1e6 * encoding / fixes, "us CPU a fix")
    yield Figure("decode, rows of 10", fixes / decoding, "fixes a CPU second", ">= 400,000")


def cpu_s(work: Callable[[], object]) -> float:
    """CPU seconds of this process that `work` takes."""
    began = time.process_time()
    work()
    return time.process_time() - began


def main(argv: list[str]) -> int:
    """Measure and print; exit 1 when there are no real drives here."""
    try:
        drives = list(full_drives().values())
    except NoRealData as error:
        print(error)
        return 1
    figures = [figure for way in WAYS for per_row in (10, 60) for figure in sizes(drives, way, per_row)]
    observed = sum(len(fixes) for fixes in drives)
    conditions = f"{len(drives)} real drives at 1 Hz, {observed} fixes of eight fields; thinned to {TOLERANCE_M} m"
    show("codec", [*figures, *speeds(drives)], as_json="--json" in argv, conditions=conditions)
    return 0

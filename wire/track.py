"""A Track's bytes as columns of base units, at the centre: the official library parses, accumulate adds up."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple, TypeVar

from google.protobuf.message import DecodeError, Message

from wire import records_pb2
from wire.columns import (
    ALT,
    COLUMNS,
    COURSE,
    EPOCH_MS,
    FIRST_FIELD,
    FULL_TURN_CDEG,
    HIGHEST,
    LAST_TWICE,
    LAT,
    LON,
    LOWEST,
    MAX_FIXES,
    TIME,
    scale_exponent,
)
from wire.errors import PeerViolation

M = TypeVar("M", bound=Message)
Column = Sequence[int | None]

_NAMES = ("time", "lat", "lon", "alt", "speed", "course", "hdop", "sats")
_OWN_FIELDS = list(enumerate(_NAMES))
_NOTHING: list[int] = []
_SPARSE = range(ALT, COLUMNS)


class Track(NamedTuple):
    """Fixes of one interval, column by column in base units, every list `len(times_ms)` long; None = not known.

    Times are Unix ms, or CLOCK_BOOTTIME ms of `boot_id` when that is not None. `estimated` holds indexes. A frozen
    dataclass would cost 5 % of the decoding.
    """

    times_ms: list[int]
    lat_e7: list[int]
    lon_e7: list[int]
    alt_cm: Column
    speed_cmps: Column
    course_cdeg: Column
    hdop_c: Column
    sats: Column
    boot_id: int | None
    estimated: list[int]
    observed: int
    parked: bool


def parsed(kind: type[M], data: bytes) -> M:
    """A message of that kind; PeerViolation when the bytes are none."""
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise PeerViolation(f"no {kind.__name__}: {error}") from error


def decode_track(body: bytes) -> Track:
    """The track in a record's body; PeerViolation when a column does not fit its count or its limits."""
    message = parsed(records_pb2.Track, body)
    count = message.count
    if not 1 <= count <= MAX_FIXES:
        raise PeerViolation(f"a track of {count} fixes")
    joined_columns, quanta = _layout(message.layout)
    steps = _steps(message, joined_columns, count)
    boot_id = message.boot_id or None
    shift = 0 if boot_id else EPOCH_MS
    absent = _absent(message, joined_columns, count) if message.missing else {}
    alt, speed, course, hdop, sats = [
        _values(column, steps[column], count, quanta[column])
        if steps[column] and column not in absent
        else _sparse(column, steps[column], count, quanta[column], absent.get(column))
        for column in _SPARSE
    ]
    return Track(
        _values(TIME, steps[TIME], count, quanta[TIME], shift),
        _values(LAT, steps[LAT], count, quanta[LAT]),
        _values(LON, steps[LON], count, quanta[LON]),
        alt,
        speed,
        course,
        hdop,
        sats,
        boot_id,
        _estimated(message, count),
        message.observed or count,
        message.parked,
    )


@lru_cache(maxsize=1024)
def _layout(layout: int) -> tuple[list[int], list[int]]:
    """Which columns stand in joined, and every column's quantum in base units."""
    joined = [column for column in range(COLUMNS) if layout >> column & 1]
    return joined, [10 ** scale_exponent(layout, column) for column in range(COLUMNS)]


def _steps(message: records_pb2.Track, joined_columns: list[int], count: int) -> list[list[int]]:
    """The differences of each column, wherever they stand."""
    joined = message.joined[:]
    if len(joined) != count * len(joined_columns):
        raise PeerViolation("joined columns do not fit their count")
    steps = [_NOTHING if column in joined_columns else getattr(message, name)[:] for column, name in _OWN_FIELDS]
    at = len(joined_columns)
    for first, column in zip(joined, joined_columns, strict=False):
        steps[column] = [first, *joined[at : at + count - 1]]
        at += count - 1
    return steps


def _values(column: int, steps: list[int], count: int, quantum: int, shift: int = 0) -> list[int]:
    """The `count` values whose differences `steps` are, in base units, within the column's limits."""
    short = count - len(steps)
    if short:
        if short < 0 or not steps:
            raise PeerViolation(f"{_NAMES[column]}: {len(steps)} values for {count} fixes")
        steps += [0] * short
    if column <= LAST_TWICE:
        first = steps.pop(0)
        values = list(accumulate(accumulate(steps), initial=first))
    else:
        values = list(accumulate(steps))
        if column == COURSE:
            turn = FULL_TURN_CDEG // quantum
            return [value % turn * quantum for value in values]
    if shift:
        values = [value * quantum + shift for value in values]
    elif quantum > 1:
        values = [value * quantum for value in values]
    if min(values) < LOWEST[column] or max(values) > HIGHEST[column]:
        raise PeerViolation(f"{_NAMES[column]} beyond its limits")
    return values


def _sparse(column: int, steps: list[int], count: int, quantum: int, absent: set[int] | None) -> Column:
    """The values of a column that all fixes (`absent` None) or some lack."""
    if absent is None:
        return [None] * count
    present = iter(_values(column, steps, count - len(absent), quantum))
    return [None if index in absent else next(present) for index in range(count)]


def _absent(message: records_pb2.Track, joined_columns: list[int], count: int) -> dict[int, set[int]]:
    """Column by column, the indexes of the fixes that lack it."""
    out: dict[int, set[int]] = {}
    for missing in message.missing:
        column = missing.column - FIRST_FIELD
        bits = int.from_bytes(missing.bitmap, "little")
        if column not in _SPARSE or column in joined_columns or column in out:
            raise PeerViolation("missing: no column, or one that has all")
        if bits.bit_length() > count or not 0 < bits.bit_count() < count:
            raise PeerViolation("missing: does not fit the count")
        out[column] = {index for index in range(count) if bits >> index & 1}
    return out


def _estimated(message: records_pb2.Track, count: int) -> list[int]:
    estimated = message.estimated[:]
    if estimated and (len(estimated) > count or max(estimated) >= count):
        raise PeerViolation("estimated: no such fix")
    return estimated

"""A Track's bytes as columns of base units, at the centre: the official library parses, accumulate adds up."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeVar

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
    LAT,
    LON,
    LOWEST,
    MAX_FIXES,
    TIME,
    TWICE,
    scale_exponent,
)
from wire.errors import PeerViolation

M = TypeVar("M", bound=Message)
Column = list[int | None]

_OWN_FIELDS = ("time", "lat", "lon", "alt", "speed", "course", "hdop", "sats")
_ALWAYS = (TIME, LAT, LON)
_JOINED = (1 << COLUMNS) - 1  # the bits of Track.layout that say which columns stand in joined


@dataclass(frozen=True, slots=True)
class Track:
    """Fixes of one interval, column by column in base units, every list `len(times_ms)` long; None = not known.

    Times are Unix ms, or CLOCK_BOOTTIME ms of `boot_id` when that is not None. `estimated` holds indexes.
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
    layout = message.layout
    shift = 0 if message.boot_id else EPOCH_MS
    lacking = _lacking(message, count) if message.missing else {}
    columns = []
    for column, steps in enumerate(_steps(message, count)):
        absent = lacking.get(column, ())
        values = _values(column, steps, count - len(absent), layout, shift)
        columns.append(_scattered(values, absent, count) if absent else values or [None] * count)
    return Track(
        *columns,
        boot_id=message.boot_id or None,
        estimated=_estimated(message, count),
        observed=message.observed or count,
        parked=message.parked,
    )


def _steps(message: records_pb2.Track, count: int) -> Iterator[list[int]]:
    """The differences of each column, wherever they stand."""
    layout = message.layout
    joined = message.joined[:]
    if len(joined) != count * (layout & _JOINED).bit_count():
        raise PeerViolation("joined columns do not fit their count")
    at = 0
    for column, name in enumerate(_OWN_FIELDS):
        steps = getattr(message, name)[:]
        if layout >> column & 1:
            if steps:
                raise PeerViolation(f"{name} stands twice")
            steps = joined[at : at + count]
            at += count
        yield steps


def _values(column: int, steps: list[int], count: int, layout: int, shift: int) -> list[int]:
    """The `count` values whose differences `steps` are, in base units; empty when the column is absent."""
    name = _OWN_FIELDS[column]
    if not steps:
        if column in _ALWAYS:
            raise PeerViolation(f"a track without {name}")
        return steps
    if len(steps) > count:
        raise PeerViolation(f"{name} has more values than fixes")
    steps += [0] * (count - len(steps))
    if column in TWICE:
        steps[1:] = accumulate(steps[1:])
    values = list(accumulate(steps))
    quantum = 10 ** scale_exponent(layout, column)
    if column == TIME:
        values = [value * quantum + shift for value in values]
    elif column == COURSE:
        turn = FULL_TURN_CDEG // quantum
        values = [value % turn * quantum for value in values]
    elif quantum > 1:
        values = [value * quantum for value in values]
    if min(values) < LOWEST[column] or max(values) > HIGHEST[column]:
        raise PeerViolation(f"{name} beyond its limits")
    return values


def _lacking(message: records_pb2.Track, count: int) -> dict[int, set[int]]:
    """Column by column, the indexes of fixes that lack it."""
    out: dict[int, set[int]] = {}
    for missing in message.missing:
        column = missing.column - FIRST_FIELD
        bits = int.from_bytes(missing.bitmap, "little")
        if not ALT <= column < COLUMNS or column in out or message.layout >> column & 1:
            raise PeerViolation("missing: no column, or one that has all")
        if bits.bit_length() > count or not 0 < bits.bit_count() < count:
            raise PeerViolation("missing: does not fit the count")
        out[column] = {index for index in range(count) if bits >> index & 1}
    return out


def _scattered(values: list[int], absent: set[int], count: int) -> Column:
    if not values:
        raise PeerViolation("missing: a column without any value")
    present = iter(values)
    return [None if index in absent else next(present) for index in range(count)]


def _estimated(message: records_pb2.Track, count: int) -> list[int]:
    estimated = message.estimated[:]
    if estimated and (len(estimated) > count or max(estimated) >= count):
        raise PeerViolation("estimated: no such fix")
    return estimated

"""A Track's bytes as columns of base units, at the centre: the official library parses, accumulate adds up."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any, NamedTuple, TypeVar

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
    LOWEST,
    MAX_FIXES,
    TIME,
    scale_exponent,
)
from wire.errors import PeerViolation

M = TypeVar("M", bound=Message)
Column = Sequence[int | None]
Planned = tuple[int, str, int | None, int]

_NAMES = ("time", "lat", "lon", "alt", "speed", "course", "hdop", "sats")
_NOTHING: list[int] = []
_ALL_THERE: dict[int, set[int]] = {}
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
    plan, joined_count = _layout(message.layout)
    joined = message.joined[:]  # once: each slice of the library's own is a new list of new numbers
    if len(joined) != count * joined_count:
        raise PeerViolation("joined columns do not fit their count")
    absent = _absent(message, plan, count) if message.missing else _ALL_THERE
    boot_id = message.boot_id or None
    at = joined_count  # of the first joined column's second value
    columns: list[Any] = []
    for column, name, place, quantum in plan:
        if place is not None:
            end = at + count - 1
            columns.append(_values(column, joined[place], joined[at:end], quantum, boot_id))
            at = end
        elif column in absent:
            columns.append(_sparse(column, getattr(message, name)[:], count, quantum, absent[column]))
        else:
            columns.append(_own(column, getattr(message, name)[:], count, quantum, boot_id))
    return Track._make((*columns, boot_id, _estimated(message, count), message.observed or count, message.parked))


@lru_cache(maxsize=1024)
def _layout(layout: int) -> tuple[list[Planned], int]:
    """Column by column its number, name, place among the joined ones (None: a field of its own) and quantum."""
    joined = [column for column in range(COLUMNS) if layout >> column & 1]
    plan = [
        (column, name, joined.index(column) if column in joined else None, 10 ** scale_exponent(layout, column))
        for column, name in enumerate(_NAMES)
    ]
    return plan, len(joined)


def _values(column: int, first: int, steps: list[int], quantum: int, boot_id: int | None = None) -> list[int]:
    """The values from `first` on whose differences `steps` are, in base units, within the column's limits."""
    if column == TIME and boot_id is None:
        first += EPOCH_MS // quantum
    sums = accumulate(accumulate(steps) if column <= LAST_TWICE else steps, initial=first)
    if column == COURSE:
        turn = FULL_TURN_CDEG // quantum
        return [value % turn * quantum for value in sums]
    values = [value * quantum for value in sums] if quantum > 1 else list(sums)
    if min(values) < LOWEST[column] or max(values) > HIGHEST[column]:
        raise PeerViolation(f"{_NAMES[column]} beyond its limits")
    return values


def _own(column: int, sent: list[int], count: int, quantum: int, boot_id: int | None = None) -> Column:
    """The `count` values of a field of its own, of which the zeros at the end are not sent."""
    if len(sent) == 1:  # it stays the same
        return _values(column, sent[0], _NOTHING, quantum, boot_id) * count
    if not sent and column in _SPARSE:
        return [None] * count
    if not 1 <= len(sent) <= count:
        raise PeerViolation(f"{_NAMES[column]}: {len(sent)} values for {count} fixes")
    return _values(column, sent[0], sent[1:] + [0] * (count - len(sent)), quantum, boot_id)


def _sparse(column: int, sent: list[int], count: int, quantum: int, absent: set[int]) -> Column:
    """The values of a column that some fixes lack."""
    if not sent:
        raise PeerViolation(f"{_NAMES[column]}: no values")
    present = iter(_own(column, sent, count - len(absent), quantum))
    return [None if index in absent else next(present) for index in range(count)]


def _absent(message: records_pb2.Track, plan: list[Planned], count: int) -> dict[int, set[int]]:
    """Column by column, the indexes of the fixes that lack it."""
    out: dict[int, set[int]] = {}
    for missing in message.missing:
        column = missing.column - FIRST_FIELD
        bits = int.from_bytes(missing.bitmap, "little")
        if column not in _SPARSE or plan[column][2] is not None or column in out:
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

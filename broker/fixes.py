"""Fixes out of log entries, in base units and in order: what `pantau export` writes. Pure."""

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from typing import NamedTuple

from broker.clean import fix_times
from broker.store.values import UNDECODED, LogEntry
from wire.kinds import KIND_TRACK
from wire.track import decode_track

# (unix_ms | None, lat_e7, lon_e7, alt_cm, speed_cmps, course_cdeg, hdop_c, sats): the columns of wire.columns
Columns = tuple[int | None, ...]


class _Waiting(NamedTuple):
    """A fix and what orders it; the last two only make equal keys comparable."""

    unix_ms: int
    seq: int
    outbox_id: int
    conflict: int
    position: int
    columns: Columns


def fixes_of(entry: LogEntry) -> list[Columns]:
    """The fixes of a track entry, of any other entry none; a time is None while it is not known."""
    if entry.kind != KIND_TRACK or entry.flags & UNDECODED:
        return []
    track = decode_track(entry.body)
    times = fix_times(entry, track)
    return list(
        zip(
            times,
            track.lat_e7,
            track.lon_e7,
            track.alt_cm,
            track.speed_cmps,
            track.course_cdeg,
            track.hdop_c,
            track.sats,
            strict=True,
        )
    )


def in_time_order(entries: Iterable[LogEntry]) -> Iterator[Columns]:
    """All fixes by time, then seq; entries come by utc_ms, undated ones last. Holds only what overlaps."""
    waiting: list[_Waiting] = []
    for entry in entries:
        while waiting and (entry.utc_ms is None or waiting[0].unix_ms < entry.utc_ms):
            yield heappop(waiting).columns
        for index, columns in enumerate(fixes_of(entry)):
            if columns[0] is None:
                yield columns
            else:
                heappush(waiting, _Waiting(columns[0], entry.seq, entry.outbox_id, entry.conflict, index, columns))
    while waiting:
        yield heappop(waiting).columns


def within(fixes: Iterable[Columns], from_utc_ms: int | None, to_utc_ms: int | None) -> Iterator[Columns]:
    """Those with from <= time < to; with a bound given, none whose time is not known."""
    for columns in fixes:
        unix_ms = columns[0]
        if from_utc_ms is not None and (unix_ms is None or unix_ms < from_utc_ms):
            continue
        if to_utc_ms is not None and (unix_ms is None or unix_ms >= to_utc_ms):
            continue
        yield columns

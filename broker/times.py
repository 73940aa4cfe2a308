"""When a record was made, when it does not say so itself: anchors, parcel stamps, neighbours. Pure.

A record without UTC carries the kernel's boot id and CLOCK_BOOTTIME. In this order, the first that can: an anchor of
that boot, the stamps of a parcel of that boot, bounds from the records before and after it in its outbox.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

# A record dated later than this after its arrival is stored and flagged, and moves nothing: a receiver's week error or
# a spoofed date jumps by weeks, a wrong clock at the centre by less than a day (C46).
FUTURE_MS = 86_400_000


class ClockPoint(NamedTuple):
    """At boottime_ms of a boot it was utc_ms."""

    boottime_ms: int
    utc_ms: int


class Dated(NamedTuple):
    """A UTC range in Unix ms; doubt_s is None when it is exact, else the truth lies within ± doubt_s."""

    utc_ms: int
    utc_to_ms: int
    doubt_s: float | None


def in_future(utc_ms: int, received_utc_ms: int) -> bool:
    """Whether a record claims to come from more than a day after it arrived."""
    return utc_ms > received_utc_ms + FUTURE_MS


def by_clock(boottime_ms: int, points: Sequence[ClockPoint]) -> int | None:
    """UTC of an instant of a boot from its clock points in boottime order; None without any.

    The first point at or after the instant decides: a clock becomes sane after the records that lack UTC were made.
    """
    if not points:
        return None
    at = bisect_left(points, boottime_ms, key=lambda point: point.boottime_ms)
    point = points[min(at, len(points) - 1)]
    return point.utc_ms + boottime_ms - point.boottime_ms


def by_neighbours(lasted_ms: int, not_before_ms: int | None, not_after_ms: int) -> Dated | None:
    """The middle of where a record of that length can lie between its neighbours; None without one before it."""
    if not_before_ms is None:
        return None
    slack_ms = max(0, not_after_ms - not_before_ms - lasted_ms)
    utc_ms = min(not_before_ms, not_after_ms) + slack_ms // 2
    return Dated(utc_ms, utc_ms + lasted_ms, (slack_ms + 1) // 2 / 1000)


def tighter(old: ClockPoint | None, new: ClockPoint) -> bool:
    """Whether a parcel's stamp tells a boot's clock better by a second or more: a link only ever adds delay."""
    if old is None:
        return True
    return (old.utc_ms - old.boottime_ms) - (new.utc_ms - new.boottime_ms) >= 1000

"""Sessions of a stretch of time out of a year of records: how much around it has to be read, and what a late one moves.

A session of one day may begin in the one before, and what an input said may be a day old. So a stretch is read with
what lies around it: inputs as far as they hold, positions until a long stand or a gap parts them from the rest.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Final

from broker.work.areas import Areas
from broker.work.motion import credible, quiet
from broker.work.observed import Level, Observed, Window
from broker.work.sessions import Session, derive
from broker.work.thresholds import LEVEL_HOLDS_MS, PARKED_GAP_MS, STOP_MS, WIDE_MS
from broker.work.visits import Visit, visits, within

# What reads: all fixes of the first stretch, and what is known of inputs and of boxes in the second.
Read = Callable[[Window, Window], Observed]

_FIRST_MARGIN_MS: Final = 3_600_000
_LONGEST_DAY_MS: Final = 26 * 3_600_000  # a day in which the clock is set back


def sessions_of(read: Read, window: Window) -> list[Session]:
    """The sessions within the window, as they would be if everything ever recorded had been read."""
    return derive(_with_context(read, window), window)


def visits_of(read: Read, window: Window, areas: Areas) -> list[Visit]:
    """When it was in which area within the window."""
    return within(visits(credible(_with_context(read, window).fixes), areas), window)


def touched(read: Read, late: Window) -> Window:
    """How far a record that came late, of that stretch of time, can have moved anything."""
    seen = _with_context(read, Window(late.from_ms, late.to_ms + 1))
    before_ms, after_ms = _quiet_around(seen, late)
    from_ms = late.from_ms - LEVEL_HOLDS_MS if before_ms is None else before_ms
    to_ms = late.to_ms + LEVEL_HOLDS_MS if after_ms is None else after_ms
    for said in _by_input(seen.levels):
        before = [level.at_ms for level in said if level.at_ms < late.from_ms - PARKED_GAP_MS]
        after = [level.at_ms for level in said if level.at_ms > late.to_ms + PARKED_GAP_MS]
        from_ms = min(from_ms, before[-1] if before else late.from_ms - LEVEL_HOLDS_MS)
        to_ms = max(to_ms, after[0] if after else late.to_ms + LEVEL_HOLDS_MS)
    return Window(from_ms - PARKED_GAP_MS, to_ms + PARKED_GAP_MS)


def local_days(window: Window, zone: tzinfo) -> Iterator[Window]:
    """The window cut at local midnights; a day of 23 or 25 hours is one."""
    day = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=window.from_ms)
    local = day.astimezone(zone).date()
    borders = [window.from_ms]
    while True:
        local += timedelta(days=1)
        midnight = datetime(local.year, local.month, local.day, tzinfo=zone)
        at_ms = (midnight.astimezone(UTC) - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)
        if at_ms >= window.to_ms:
            break
        borders.append(at_ms)
    for from_ms, to_ms in pairwise([*borders, window.to_ms]):
        yield Window(from_ms, to_ms)


def whole_days(window: Window, zone: tzinfo) -> list[Window]:
    """The local days that a window touches, from midnight to midnight."""
    first_ms = window.from_ms - _LONGEST_DAY_MS
    around = list(local_days(Window(first_ms, window.to_ms + _LONGEST_DAY_MS), zone))
    return [day for day in around[1:-1] if day.overlap_ms(window.from_ms, max(window.to_ms, window.from_ms + 1))]


def _with_context(read: Read, window: Window) -> Observed:
    inputs = Window(window.from_ms - LEVEL_HOLDS_MS, window.to_ms + LEVEL_HOLDS_MS)
    before_ms = after_ms = _FIRST_MARGIN_MS
    while True:
        seen = read(Window(window.from_ms - before_ms, window.to_ms + after_ms), inputs)
        quiet_before, quiet_after = _quiet_around(seen, window)
        enough_before = quiet_before is not None or before_ms == LEVEL_HOLDS_MS
        enough_after = quiet_after is not None or after_ms == LEVEL_HOLDS_MS
        if enough_before and enough_after:
            return seen
        # Each side by itself: after what has just come there is nothing, and that needs no more of what was before.
        before_ms = before_ms if enough_before else min(5 * before_ms, LEVEL_HOLDS_MS)
        after_ms = after_ms if enough_after else min(5 * after_ms, LEVEL_HOLDS_MS)


def _quiet_around(seen: Observed, window: Window) -> tuple[int | None, int | None]:
    """The nearest instants before and after that nothing within the window can reach over; None where there is none.

    Only fixes from outside the window are asked: what is late, and what may still come, must not decide.
    """
    at = [fix.at_ms for fix in seen.fixes]
    before, after = bisect_left(at, window.from_ms), bisect_right(at, window.to_ms)
    # Whether the fix next to the window is credible, the window has a say in.
    left = list(quiet(credible(seen.fixes[:before])[:-1]))
    right = list(quiet(credible(seen.fixes[after:])[1:]))
    firm_ms = STOP_MS + WIDE_MS
    return (
        max(left[-1][0], left[-1][1] - firm_ms) if left else None,
        min(right[0][1], right[0][0] + firm_ms) if right else None,
    )


def _by_input(levels: Iterable[Level]) -> list[list[Level]]:
    out: dict[tuple[str, str], list[Level]] = {}
    for level in levels:
        out.setdefault((level.source, level.name), []).append(level)
    return list(out.values())

"""When an asset was in which area, with hysteresis, and through which it went between two fixes. Pure."""

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from broker.work.areas import Area, Areas
from broker.work.observed import Fix, Window
from broker.work.shapes import Point, on_the_way
from broker.work.thresholds import AREA_BAND_CM, AREA_RETURN_MS


class Visit(NamedTuple):
    """It was in the area from from_ms to to_ms, on the straight ways between its fixes.

    `doubt_ms`: the longest time between two fixes that a border of it lies between. `entered`, `left`: it came from, or
    went to, the outside; otherwise nothing was known before, or afterwards.
    """

    area: str
    from_ms: int
    to_ms: int
    entered: bool
    left: bool
    doubt_ms: int
    corridor: bool


class _Stay(NamedTuple):
    """A stretch inside, as the straight ways between fixes have it."""

    from_ms: int
    to_ms: int
    deepest_cm: float
    doubt_ms: int


def visits(fixes: Sequence[Fix], areas: Areas) -> list[Visit]:
    """All visits, by time; `fixes` are credible ones in order."""
    stays: dict[Area, list[_Stay]] = {}
    for a, b in itertools.pairwise(fixes):
        for area in areas.near(_at(a), _at(b)):
            for stay in _inside(area, a, b):
                _append(stays.setdefault(area, []), stay)
    found = [visit for area, held in stays.items() for visit in _visits(area, held, fixes)]
    return sorted(found, key=lambda visit: (visit.from_ms, visit.area, visit.to_ms))


def within(found: Sequence[Visit], window: Window) -> list[Visit]:
    """The visits of a window; one that began before it or goes on after it has not entered or left there."""
    return [
        visit._replace(
            from_ms=max(visit.from_ms, window.from_ms),
            to_ms=min(visit.to_ms, window.to_ms),
            entered=visit.entered and visit.from_ms >= window.from_ms,
            left=visit.left and visit.to_ms <= window.to_ms,
        )
        for visit in found
        if visit.from_ms < window.to_ms and window.from_ms < visit.to_ms
    ]


def _at(fix: Fix) -> Point:
    return fix.lat_e7, fix.lon_e7


def _inside(area: Area, a: Fix, b: Fix) -> Iterator[_Stay]:
    """The parts of one step that lie inside."""
    lasts_ms = b.at_ms - a.at_ms
    depth_a, depth_b = area.shape.depth_cm(_at(a)), area.shape.depth_cm(_at(b))
    parts = [0.0, *area.shape.crossings(_at(a), _at(b)), 1.0]
    inside = depth_a >= 0
    for begin, end in itertools.pairwise(parts):
        if inside:
            crossed = begin > 0 or end < 1
            from_ms, to_ms = a.at_ms + round(lasts_ms * begin), a.at_ms + round(lasts_ms * end)
            if begin > 0 and end < 1:  # through and out again between two fixes: as deep as the middle of it
                deepest_cm = area.shape.depth_cm(on_the_way(_at(a), _at(b), (begin + end) / 2))
            else:
                deepest_cm = max(depth_a if begin == 0 else 0, depth_b if end == 1 else 0)
            yield _Stay(from_ms, to_ms, deepest_cm, lasts_ms if crossed else 0)
        inside = not inside


def _append(stays: list[_Stay], stay: _Stay) -> None:
    last = stays[-1] if stays else None
    if last is not None and last.to_ms >= stay.from_ms:
        stays[-1] = _Stay(
            last.from_ms,
            max(last.to_ms, stay.to_ms),
            max(last.deepest_cm, stay.deepest_cm),
            max(last.doubt_ms, stay.doubt_ms),
        )
    else:
        stays.append(stay)


def _visits(area: Area, stays: Sequence[_Stay], fixes: Sequence[Fix]) -> Iterator[Visit]:
    """Stays with no more than a look outside between them are one; one that only touches the border is none."""
    whole: list[_Stay] = []
    for stay in stays:
        if whole and _same(area, whole[-1], stay, fixes):
            stay = stay._replace(from_ms=whole[-1].to_ms)
            _append(whole, stay)
        else:
            whole.append(stay)
    for stay in whole:
        # A corridor may be narrower than the band: who drives along its border is in it.
        if area.corridor or stay.deepest_cm >= AREA_BAND_CM or stay.to_ms - stay.from_ms >= AREA_RETURN_MS:
            entered, left = stay.from_ms > fixes[0].at_ms, stay.to_ms < fixes[-1].at_ms
            yield Visit(area.name, stay.from_ms, stay.to_ms, entered, left, stay.doubt_ms, area.corridor)


def _same(area: Area, a: _Stay, b: _Stay, fixes: Sequence[Fix]) -> bool:
    """Whether it was outside for a moment only and never farther than the band."""
    if b.from_ms - a.to_ms > AREA_RETURN_MS:
        return False
    first, last = _between(fixes, a.to_ms, b.from_ms)
    return all(area.shape.depth_cm(_at(fix)) > -AREA_BAND_CM for fix in fixes[first:last])


def _between(fixes: Sequence[Fix], from_ms: int, to_ms: int) -> tuple[int, int]:
    return bisect_left(fixes, from_ms, key=lambda fix: fix.at_ms), bisect_right(fixes, to_ms, key=lambda fix: fix.at_ms)

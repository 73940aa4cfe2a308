"""Fixes that may go because the way between the others tells them: TD-TR with a guaranteed tolerance. Portable.

Meratnia and de By, 2004: like Douglas and Peucker, but a fix's error is its distance from where the straight line is at
the fix's own time. So a stop, a corner and a change of speed keep the fixes that show them.
"""

from math import cos, pi, sqrt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Point = tuple[int, int, int]  # time_ms, lat_e7, lon_e7

# The most metres 1e-7 deg can be, of latitude and (times the cosine) of longitude: WGS 84's radius of curvature at the
# pole, 6,399,593.6 m. Elsewhere it is up to 1 % less, so the tolerance holds on the ellipsoid and not only on a sphere.
M_PER_E7 = 6_399_593.626 * pi / 180 / 1e7
_RADIANS_PER_E7 = pi / 180 / 1e7
_HALF_TURN_E7 = 1_800_000_000
_TURN_E7 = 2 * _HALF_TURN_E7


def thin(points: "Sequence[Point]", tolerance_m: float) -> list[int]:
    """Indexes of the points to keep, ascending; the first and the last always are, and all when the tolerance is 0.

    Every point left out is at most `tolerance_m` from the line between its kept neighbours at its own time. Where time
    does not go on (a double, a step back) no line is drawn: the points on both sides are kept.
    """
    if tolerance_m <= 0 or len(points) < 3:
        return list(range(len(points)))
    kept = [False] * len(points)
    open_spans = _spans(points)
    while open_spans:
        first, last = open_spans.pop()
        kept[first] = kept[last] = True
        worst, error_m = _worst(points, first, last)
        if error_m > tolerance_m:
            open_spans.append((first, worst))
            open_spans.append((worst, last))
    return [index for index, keep in enumerate(kept) if keep]


def _spans(points: "Sequence[Point]") -> list[tuple[int, int]]:
    """First and last index of every stretch in which time strictly grows."""
    spans = []
    first = 0
    for index in range(1, len(points)):
        if points[index][0] <= points[index - 1][0]:
            spans.append((first, index - 1))
            first = index
    spans.append((first, len(points) - 1))
    return spans


def _worst(points: "Sequence[Point]", first: int, last: int) -> tuple[int, float]:
    """The point strictly between that is farthest from the line, and how far; (first, 0.0) when there is none."""
    worst, most_m = first, 0.0
    for index in range(first + 1, last):
        error_m = synchronous_error_m(points[first], points[index], points[last])
        if error_m > most_m:
            worst, most_m = index, error_m
    return worst, most_m


def synchronous_error_m(before: "Point", point: "Point", after: "Point") -> float:
    """How far `point` is from the line before-after at its own time, in metres; before < point < after in time.

    Differences stay whole numbers until the last division, so that a board with short floats gets the same answer.
    """
    span_ms = after[0] - before[0]
    part_ms = point[0] - before[0]
    lat = (point[1] - before[1]) * span_ms - (after[1] - before[1]) * part_ms
    lon = _turned(point[2] - before[2]) * span_ms - _turned(after[2] - before[2]) * part_ms
    lon = (lon + _HALF_TURN_E7 * span_ms) % (_TURN_E7 * span_ms) - _HALF_TURN_E7 * span_ms
    north_m = lat / span_ms * M_PER_E7
    east_m = lon / span_ms * M_PER_E7 * cos(point[1] * _RADIANS_PER_E7)
    return sqrt(north_m * north_m + east_m * east_m)


def _turned(lon_e7: int) -> int:
    """A difference of longitudes the shorter way round, over the antimeridian where it must."""
    return (lon_e7 + _HALF_TURN_E7) % _TURN_E7 - _HALF_TURN_E7

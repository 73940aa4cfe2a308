"""Polygons and corridors on the ground: inside or not, how deep, and where a straight way crosses the border. Pure.

Whole numbers of 1e-7 deg wherever sides are decided, so that a point is on the same side whoever asks. A city is small:
no shape may cross the antimeridian.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import cos, hypot
from typing import Final, NamedTuple, Protocol

from broker.work.ground import CM_PER_E7, RADIANS_PER_E7

Point = tuple[int, int]  # lat_e7, lon_e7
Ring = Sequence[Point]


class Box(NamedTuple):
    """The smallest upright box around something, 1e-7 deg."""

    south: int
    west: int
    north: int
    east: int


class Shape(Protocol):
    """What an area is made of."""

    @property
    def box(self) -> Box:
        """Nothing outside of it is inside."""

    def depth_cm(self, at: Point) -> float:
        """How far inside its border a point is; negative outside."""

    def crossings(self, a: Point, b: Point) -> list[float]:
        """Where the straight way from a to b crosses the border, parts of the way in order, strictly between."""


@dataclass(frozen=True, slots=True)
class Polygon:
    """Rings of which the last point joins the first: what an odd number of them surrounds is inside (holes are not)."""

    rings: Sequence[Ring]
    box: Box

    def contains(self, at: Point) -> bool:
        """Whether a ray to the east crosses the border an odd number of times."""
        inside = False
        for a, b in self._edges():
            if (a[0] > at[0]) != (b[0] > at[0]):
                # The side of the edge the point is on, without dividing.
                side = (at[1] - a[1]) * (b[0] - a[0]) - (b[1] - a[1]) * (at[0] - a[0])
                if (side < 0) == (b[0] > a[0]):
                    inside = not inside
        return inside

    def depth_cm(self, at: Point) -> float:
        """How far inside its border a point is; negative outside."""
        off_cm = min(apart_from_cm(at, a, b) for a, b in self._edges())
        return off_cm if self.contains(at) else -off_cm

    def crossings(self, a: Point, b: Point) -> list[float]:
        """Where the straight way from a to b crosses the border."""
        return sorted(part for c, d in self._edges() if (part := _crossing(a, b, c, d)) is not None)

    def _edges(self) -> Iterator[tuple[Point, Point]]:
        for ring in self.rings:
            yield from pairwise(ring)
            yield ring[-1], ring[0]


@dataclass(frozen=True, slots=True)
class Corridor:
    """All that is within half_width_cm of a line: the route that a vehicle is to keep to."""

    line: Sequence[Point]
    half_width_cm: int
    box: Box

    def depth_cm(self, at: Point) -> float:
        """How far inside its border a point is; negative outside."""
        return self.half_width_cm - min(apart_from_cm(at, a, b) for a, b in pairwise(self.line))

    def crossings(self, a: Point, b: Point) -> list[float]:
        """Where the way enters or leaves it: once, or not; a route crossed at right angles is not kept to."""
        inside = self.depth_cm(a) >= 0
        if inside == (self.depth_cm(b) >= 0):
            return []
        low, high = 0.0, 1.0
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            if (self.depth_cm(on_the_way(a, b, middle)) >= 0) == inside:
                low = middle
            else:
                high = middle
        return [high]


_HALVINGS: Final = 20  # a millionth of the way


def around(points: Sequence[Point], margin_cm: int = 0) -> Box:
    """The box of points, with a margin."""
    lats, lons = [lat for lat, _ in points], [lon for _, lon in points]
    widest = max(abs(min(lats)), abs(max(lats)))
    north = round(margin_cm / CM_PER_E7)
    east = round(margin_cm / CM_PER_E7 / max(0.01, cos(widest * RADIANS_PER_E7)))
    return Box(min(lats) - north, min(lons) - east, max(lats) + north, max(lons) + east)


def apart_from_cm(at: Point, a: Point, b: Point) -> float:
    """Centimetres from a point to the nearest of the straight line a-b."""
    narrow = cos(at[0] * RADIANS_PER_E7)
    ay, ax = a[0] - at[0], (a[1] - at[1]) * narrow
    dy, dx = b[0] - a[0], (b[1] - a[1]) * narrow
    square = dx * dx + dy * dy
    part = 0.0 if square == 0 else min(1.0, max(0.0, -(ax * dx + ay * dy) / square))
    return CM_PER_E7 * hypot(ax + part * dx, ay + part * dy)


def _crossing(a: Point, b: Point, c: Point, d: Point) -> float | None:
    """Which part of the way a-b lies before the edge c-d; None when it does not cross it.

    A way that goes through a corner crosses one of its two edges: an edge has the southern of its ends, not the other.
    """
    of_c, of_d = _side(a, b, c), _side(a, b, d)
    if (of_c < 0) == (of_d < 0):
        return None
    of_a, of_b = _side(c, d, a), _side(c, d, b)
    if (of_a < 0) == (of_b < 0):
        return None
    return of_a / (of_a - of_b)


def _side(a: Point, b: Point, at: Point) -> int:
    return (b[1] - a[1]) * (at[0] - a[0]) - (b[0] - a[0]) * (at[1] - a[1])


def on_the_way(a: Point, b: Point, part: float) -> Point:
    """The point that so large a part of the straight way from a to b leads to."""
    return round(a[0] + (b[0] - a[0]) * part), round(a[1] + (b[1] - a[1]) * part)

"""Areas and corridors that a city brings as GeoJSON, and which of them hold a place."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from broker.work.shapes import Box, Corridor, Point, Polygon, Shape, around
from wire.errors import PantauError
from wire.topics import valid_name

# What a feature's name may be called: ours, and what Indonesia's own data say.
_NAMES: Final = ("name", "nama", "NAMOBJ", "id", "kode")
_WIDTH: Final = "width_m"
_OFFICE: Final = "office"
_LONGEST_TOPIC: Final = 31
_CELL_E7: Final = 100_000  # 0.01 deg, 1.1 km: a kelurahan of Jakarta is about 2.5 km2


class BadAreas(PantauError, ValueError):
    """The file is no GeoJSON of polygons and lines, with names; one line says what is wrong with it."""


@dataclass(frozen=True, slots=True, eq=False)
class Area:
    """A polygon or a corridor with its name; each is itself only, two of one name are two.

    `office`: who is told of what enters and leaves it; None = the agency of what does.
    """

    name: str
    shape: Shape
    corridor: bool
    office: str | None = None

    @property
    def topic_name(self) -> str:
        """Its name as a level of a topic: `Kelurahan Gondangdia` is `kelurahan-gondangdia`."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")[:_LONGEST_TOPIC].rstrip("-") or "unnamed"


class Areas:
    """All of them, found by place."""

    def __init__(self, areas: Iterable[Area] = ()) -> None:
        self.all = tuple(areas)
        self._cells: dict[tuple[int, int], list[Area]] = {}
        for area in self.all:
            for cell in _cells(area.shape.box):
                self._cells.setdefault(cell, []).append(area)

    def at(self, place: Point) -> list[str]:
        """The names of the areas that hold a place, in order."""
        near = self._cells.get((place[0] // _CELL_E7, place[1] // _CELL_E7), ())
        return sorted({area.name for area in near if area.shape.depth_cm(place) >= 0})

    def near(self, a: Point, b: Point) -> Sequence[Area]:
        """Those that the straight way from a to b may touch."""
        first, second = (a[0] // _CELL_E7, a[1] // _CELL_E7), (b[0] // _CELL_E7, b[1] // _CELL_E7)
        if first == second:
            return self._cells.get(first, ())
        found: dict[int, Area] = {}
        for cell in _cells(around([a, b])):
            found.update((id(area), area) for area in self._cells.get(cell, ()))
        return sorted(found.values(), key=lambda area: area.name)


def read_areas(text: str, source: str) -> list[Area]:
    """The areas of a FeatureCollection; a line needs its `width_m`. Raises BadAreas, which names the source."""
    try:
        features = json.loads(text)["features"]
        return [
            area
            for number, feature in enumerate(features, 1)
            for area in _areas(feature, f"{source}: feature {number}")
        ]
    except json.JSONDecodeError as error:
        raise BadAreas(f"{source}: no JSON: {error}") from error
    except (KeyError, TypeError) as error:
        raise BadAreas(f"{source}: no GeoJSON FeatureCollection") from error


def _areas(feature: Any, source: str) -> Iterator[Area]:
    properties, geometry = feature.get("properties") or {}, feature.get("geometry") or {}
    name = next((str(properties[key]) for key in _NAMES if properties.get(key)), None)
    if name is None:
        raise BadAreas(f"{source}: no name; wanted a property {', '.join(_NAMES)}")
    office = properties.get(_OFFICE)
    if office is not None and not (isinstance(office, str) and valid_name(office)):
        raise BadAreas(f"{source} ({name}): {_OFFICE} is {office!r}; wanted [a-z0-9][a-z0-9-]{{0,30}}")
    kind, coordinates = geometry.get("type"), geometry.get("coordinates") or []
    try:
        if kind == "Polygon":
            yield Area(name, _polygon(coordinates), corridor=False, office=office)
        elif kind == "MultiPolygon":
            yield from (Area(name, _polygon(rings), corridor=False, office=office) for rings in coordinates)
        elif kind == "LineString":
            yield Area(name, _corridor(coordinates, properties.get(_WIDTH)), corridor=True, office=office)
        else:
            raise BadAreas(f"{source} ({name}): a {kind}; wanted Polygon, MultiPolygon or LineString")
    except (TypeError, ValueError, IndexError) as error:
        raise error if isinstance(error, BadAreas) else BadAreas(f"{source} ({name}): {error}") from error


def _polygon(rings: Any) -> Polygon:
    points = [_points(ring) for ring in rings]
    if not points or any(len(ring) < 3 for ring in points):
        raise ValueError("a ring of fewer than three points")
    return Polygon(points, around([point for ring in points for point in ring]))


def _corridor(line: Any, width_m: Any) -> Corridor:
    points = _points(line)
    if len(points) < 2:
        raise ValueError("a line of fewer than two points")
    if not isinstance(width_m, int | float) or width_m <= 0:
        raise ValueError(f"{_WIDTH} is {width_m!r}; a corridor is so many metres wide, from side to side")
    half_cm = round(width_m * 50)
    return Corridor(points, half_cm, around(points, half_cm))


def _points(positions: Any) -> list[Point]:
    """GeoJSON's [lon, lat] as 1e-7 deg, without the closing point."""
    points = [(round(position[1] * 1e7), round(position[0] * 1e7)) for position in positions]
    if any(abs(lat) > 900_000_000 or abs(lon) > 1_800_000_000 for lat, lon in points):
        raise ValueError("a position that is not on this earth; GeoJSON has the longitude first")
    return points[:-1] if len(points) > 1 and points[0] == points[-1] else points


def _cells(box: Box) -> Iterator[tuple[int, int]]:
    for lat in range(box.south // _CELL_E7, box.north // _CELL_E7 + 1):
        for lon in range(box.west // _CELL_E7, box.east // _CELL_E7 + 1):
            yield lat, lon

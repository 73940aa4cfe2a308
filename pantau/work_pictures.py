"""A day as a bar and a way as a map, each one SVG. Pure.

SVG of our own for the reasons of torture/plot.py, and because no plotting library knows a bar of kinds over a day.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from math import cos, radians, sqrt
from typing import Final
from xml.etree import ElementTree as ET

from broker.work.areas import Area, Areas
from broker.work.ground import CM_PER_E7, apart_cm
from broker.work.observed import Fix, Window
from broker.work.sessions import Kind, Place, Session
from broker.work.shapes import Corridor, Point, Polygon
from wire.thin import thin

WIDTH: Final = 960
_LEFT, _RIGHT = 46, 10
_CURVE_HEIGHT, _BAR_HEIGHT, _TICKS_HEIGHT, _LEGEND_HEIGHT = 110, 34, 20, 26
_MAP_HEIGHT, _MAP_MARGIN = 620, 40
_MOST_TICKS: Final = 13
_MAP_TOLERANCE_M: Final = 5.0  # less than a pixel of a city's way

# Okabe and Ito's palette, which the colour-blind tell apart, too; what was not seen is no colour but stripes.
COLOURS: Final = {
    Kind.TRAVELLING: "#0072b2",
    Kind.WORKING: "#d55e00",
    Kind.IDLING: "#e6b800",
    Kind.STOPPED: "#56b4e9",
    Kind.PARKED: "#9aa3ad",
    Kind.UNKNOWN: "url(#unseen)",
}
_STRIPES: Final = "#b04a7a"
_STYLE: Final = """
svg { color-scheme: light dark }
text { font: 11px system-ui, sans-serif; fill: #1f2328 }
.paper { fill: #ffffff }
.grid { stroke: #d8dde3; stroke-width: 1 }
.curve { fill: none; stroke: #1f2328; stroke-width: 1 }
.area { fill: #d8dde3; fill-opacity: .35; stroke: #9aa3ad; stroke-width: 1 }
.route { fill: none; stroke: #9aa3ad; stroke-opacity: .4; stroke-linejoin: round }
.stand { stroke: #1f2328; stroke-width: 1; fill-opacity: .8 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .paper { fill: #0d1117 }
  .grid { stroke: #343b44 }
  .curve, .stand { stroke: #e6edf3 }
}
@media print { .paper { fill: none } }
"""


def day_bar(sessions: Sequence[Session], fixes: Sequence[Fix], window: Window, zone: tzinfo) -> ET.Element:
    """What it did from the window's begin to its end, below how fast it was; hours are those of the zone."""
    height = _CURVE_HEIGHT + _BAR_HEIGHT + _TICKS_HEIGHT + _LEGEND_HEIGHT
    root = _root(height, "what it did, over the day")
    for at_ms, text in _ticks(window, zone):
        x = _x(at_ms, window)
        ET.SubElement(
            root, "line", {"class": "grid"}, x1=f"{x:.1f}", x2=f"{x:.1f}", y1="8", y2=str(height - _LEGEND_HEIGHT - 14)
        )
        if x < WIDTH - 20:
            _text(root, x, height - _LEGEND_HEIGHT - 3, text, "middle")
    _curve(root, fixes, window)
    for session in sessions:
        x, end = _x(session.from_ms, window), _x(session.to_ms, window)
        bar = ET.SubElement(
            root, "rect", x=f"{x:.2f}", y=str(_CURVE_HEIGHT), width=f"{max(0.3, end - x):.2f}", height=str(_BAR_HEIGHT),
            fill=COLOURS[session.kind],
        )  # fmt: skip
        ET.SubElement(
            bar, "title"
        ).text = f"{session.kind} {_clock(session.from_ms, zone)} - {_clock(session.to_ms, zone)}"
    _legend(root, sessions, height - 8)
    return root


def way_map(sessions: Sequence[Session], fixes: Sequence[Fix], areas: Areas) -> ET.Element:
    """The way it went, north up, with a circle wherever it stood: the larger, the longer. Areas it was near, too."""
    root = _root(_MAP_HEIGHT + _LEGEND_HEIGHT, "the way it went")
    if not fixes:
        _text(root, WIDTH / 2, _MAP_HEIGHT / 2, "no position is known", "middle")
        return root
    paper = _Paper([(fix.lat_e7, fix.lon_e7) for fix in fixes])
    shown = [area for area in areas.all if paper.shows(area.shape.box)]
    for area in shown:
        _area(root, area.name, area.shape, paper)
    for session in sessions:
        if session.kind in (Kind.TRAVELLING, Kind.UNKNOWN):
            _way(root, session, fixes, paper)
    for session in sessions:
        if session.kind not in (Kind.TRAVELLING, Kind.UNKNOWN) and session.place is not None:
            _stand(root, session, session.place, paper)
    for area in shown:
        _name(root, area, paper)
    _scale(root, paper)
    _legend(root, sessions, _MAP_HEIGHT + _LEGEND_HEIGHT - 8)
    return root


def svg_text(root: ET.Element) -> str:
    """The picture as a file of its own."""
    return ET.tostring(root, encoding="unicode") + "\n"


def _root(height: int, title: str) -> ET.Element:
    root = ET.Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {height}", role="img")
    ET.SubElement(root, "title").text = title
    ET.SubElement(root, "style").text = _STYLE
    stripes = ET.SubElement(
        ET.SubElement(root, "defs"), "pattern", id="unseen", width="6", height="6", patternUnits="userSpaceOnUse",
        patternTransform="rotate(45)",
    )  # fmt: skip
    ET.SubElement(stripes, "rect", width="2", height="6", fill=_STRIPES)
    ET.SubElement(root, "rect", {"class": "paper"}, width=str(WIDTH), height=str(height))
    return root


def _text(parent: ET.Element, x: float, y: float, text: str, anchor: str = "start") -> None:
    ET.SubElement(parent, "text", {"text-anchor": anchor}, x=f"{x:.1f}", y=f"{y:.1f}").text = text


def _line(root: ET.Element, cls: str, begin: tuple[float, float], end: tuple[float, float]) -> None:
    x1, y1, x2, y2 = (f"{value:.1f}" for value in (*begin, *end))
    ET.SubElement(root, "line", {"class": cls}, x1=x1, y1=y1, x2=x2, y2=y2)


def _legend(root: ET.Element, sessions: Sequence[Session], y: float) -> None:
    for index, kind in enumerate(kind for kind in Kind if any(session.kind is kind for session in sessions)):
        x = _LEFT + 110 * index
        ET.SubElement(root, "rect", x=str(x), y=f"{y - 9:.0f}", width="12", height="10", fill=COLOURS[kind])
        _text(root, x + 17, y, str(kind))


# ---------------------------------------------------------------------- the bar


def _x(at_ms: int, window: Window) -> float:
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * (at_ms - window.from_ms) / max(1, window.lasts_ms)


def _clock(at_ms: int, zone: tzinfo) -> str:
    return f"{(datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=at_ms)).astimezone(zone):%H:%M:%S}"


def _ticks(window: Window, zone: tzinfo) -> Iterator[tuple[int, str]]:
    """About ten instants at round local times."""
    step_min = next(
        (step for step in (1, 2, 5, 10, 15, 30, 60, 120, 180) if window.lasts_ms / 60_000 / step <= 13), 360
    )
    first = (datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=window.from_ms)).astimezone(zone)
    at = first.replace(minute=0, second=0, microsecond=0, hour=0)
    while True:
        at += timedelta(minutes=step_min)
        at_ms = (at.astimezone(UTC) - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)
        if at_ms > window.to_ms:
            return
        if at_ms > window.from_ms:
            yield at_ms, f"{at:%H:%M}"


def _curve(root: ET.Element, fixes: Sequence[Fix], window: Window) -> None:
    """The fastest of each pixel, km/h."""
    fastest: dict[int, float] = {}
    for a, b in pairwise(fixes):
        lasts_ms = b.at_ms - a.at_ms
        if lasts_ms > 60_000:
            continue
        cmps = (
            apart_cm(a.lat_e7, a.lon_e7, b.lat_e7, b.lon_e7) * 1000 / lasts_ms if b.speed_cmps is None else b.speed_cmps
        )
        x = round(_x(b.at_ms, window))
        fastest[x] = max(fastest.get(x, 0.0), cmps * 0.036)
    top = max(20.0, *fastest.values()) if fastest else 20.0
    bottom = _CURVE_HEIGHT - 6
    for kmh in range(0, int(top) + 1, 20 if top <= 80 else 40):
        y = bottom - (bottom - 18) * kmh / top
        ET.SubElement(
            root, "line", {"class": "grid"}, x1=str(_LEFT), x2=str(WIDTH - _RIGHT), y1=f"{y:.1f}", y2=f"{y:.1f}"
        )
        _text(root, _LEFT - 5, y + 4, f"{kmh}", "end")
    _text(root, 2, 10, "km/h")
    run: list[str] = []
    last = None
    for x in sorted(fastest):
        if last is not None and x - last > 3:
            _curved(root, run)
            run = []
        run.append(f"{x},{bottom - (bottom - 18) * fastest[x] / top:.1f}")
        last = x
    _curved(root, run)


def _curved(root: ET.Element, points: Sequence[str]) -> None:
    if points:
        ET.SubElement(root, "polyline", {"class": "curve"}, points=" ".join(points))


# ---------------------------------------------------------------------- the map


class _Paper:
    """Positions as pixels, with the same scale in both directions."""

    def __init__(self, places: Sequence[Point]) -> None:
        lats, lons = [lat for lat, _ in places], [lon for _, lon in places]
        self._north, self._west = max(lats), min(lons)
        self._narrow = cos(radians((max(lats) + min(lats)) / 2e7))
        tall, wide = max(lats) - min(lats), (max(lons) - min(lons)) * self._narrow
        inner_wide, inner_tall = WIDTH - 2 * _MAP_MARGIN, _MAP_HEIGHT - 2 * _MAP_MARGIN
        smallest = 30_000 / CM_PER_E7  # 300 m: a parked day is not the wandering of its receiver, blown up
        self.px_per_e7 = min(inner_wide / max(wide, smallest), inner_tall / max(tall, smallest))
        self._left = (WIDTH - wide * self.px_per_e7) / 2
        self._top = (_MAP_HEIGHT - tall * self.px_per_e7) / 2

    def at(self, place: Point) -> tuple[float, float]:
        """Pixels from the left and from the top."""
        lat, lon = place
        x = self._left + (lon - self._west) * self._narrow * self.px_per_e7
        return x, self._top + (self._north - lat) * self.px_per_e7

    def shows(self, box: tuple[int, int, int, int]) -> bool:
        """Whether any of a box (south, west, north, east) is on it."""
        left, bottom = self.at((box[0], box[1]))
        right, top = self.at((box[2], box[3]))
        return right > 0 and left < WIDTH and bottom > 0 and top < _MAP_HEIGHT

    def points(self, places: Sequence[Point]) -> str:
        """As an SVG's polyline has them."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in map(self.at, places))


def _area(root: ET.Element, name: str, shape: object, paper: _Paper) -> None:
    if isinstance(shape, Polygon):
        lines = [f"M{paper.points(ring)}z" for ring in shape.rings]
        drawn = ET.SubElement(root, "path", {"class": "area", "fill-rule": "evenodd"}, d=" ".join(lines))
        ET.SubElement(drawn, "title").text = name
    elif isinstance(shape, Corridor):
        wide = 2 * shape.half_width_cm / CM_PER_E7 * paper.px_per_e7
        drawn = ET.SubElement(root, "polyline", {"class": "route"}, points=paper.points(shape.line))
        drawn.set("stroke-width", f"{wide:.1f}")
        ET.SubElement(drawn, "title").text = name


def _name(root: ET.Element, area: Area, paper: _Paper) -> None:
    """Above everything else, a little above its middle, where most often a circle is."""
    box = area.shape.box
    x, y = paper.at(((box.south + box.north) // 2, (box.west + box.east) // 2))
    if not area.corridor and 20 < x < WIDTH - 20 and 32 < y < _MAP_HEIGHT - 12:
        _text(root, x, y - 22, area.name, "middle")


def _way(root: ET.Element, session: Session, fixes: Sequence[Fix], paper: _Paper) -> None:
    within = [(fix.at_ms, fix.lat_e7, fix.lon_e7) for fix in fixes if session.from_ms <= fix.at_ms <= session.to_ms]
    kept = thin(within, _MAP_TOLERANCE_M)
    if len(kept) < 2:
        return
    seen = session.kind is Kind.TRAVELLING
    drawn = ET.SubElement(
        root, "polyline", points=paper.points([within[index][1:] for index in kept]), fill="none",
        stroke=COLOURS[Kind.TRAVELLING] if seen else _STRIPES,
    )  # fmt: skip
    drawn.set("stroke-width", "2" if seen else "1.5")
    if not seen:
        drawn.set("stroke-dasharray", "4 4")


def _stand(root: ET.Element, session: Session, place: Place, paper: _Paper) -> None:
    x, y = paper.at(place)
    radius = min(18.0, 3 + sqrt(session.lasts_ms / 60_000))
    circle = ET.SubElement(root, "circle", {"class": "stand"}, cx=f"{x:.1f}", cy=f"{y:.1f}", r=f"{radius:.1f}")
    circle.set("fill", COLOURS[session.kind])
    ET.SubElement(circle, "title").text = f"{session.kind}, {round(session.lasts_ms / 60_000)} min"


def _scale(root: ET.Element, paper: _Paper) -> None:
    px_per_m = 100 / CM_PER_E7 * paper.px_per_e7
    metres = next(m for m in (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 50_000, 10**9) if m * px_per_m >= 60)
    end = WIDTH - 20
    y = _MAP_HEIGHT - 12
    ET.SubElement(
        root, "line", {"class": "curve"}, x1=f"{end - metres * px_per_m:.1f}", x2=str(end), y1=str(y), y2=str(y)
    )
    _text(root, end, y - 5, f"{metres} m" if metres < 1000 else f"{metres // 1000} km", "end")

"""Series as one SVG of small multiples: a panel a measure, a line a process. Pure.

Our own few lines of SVG: pygal and leather have one palette for a document, which neither gives a process the same
colour in every panel nor follows the reader's light or dark page; matplotlib is 100 MB of numpy and fonts for nine
panels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET

from torture.slope import Life, Point

WIDTH, COLUMNS, PANEL_WIDTH, PANEL_HEIGHT = 960, 2, 470, 200
HEAD_HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 56, 52, 10, 28, 30
MOST_POINTS: Final = 400  # a line has no more: as many as the panel has pixels
TICKS: Final = 4

# Okabe and Ito's palette (the colour-blind tell it apart, too) without its yellow and black: readable on both pages.
PALETTE: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#b8860b", "#7a6ff0", "#888888")
DASHES: Final = ("", "5 3", "1.5 2.5")

STYLE: Final = """
svg { color-scheme: light dark }
text { font: 11px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 12px }
.head { font-weight: 600; font-size: 14px }
.paper { fill: #ffffff }
.grid { stroke: #d8dde3; stroke-width: 1 }
.band { fill: #f2e6c8 }
.line { fill: none; stroke-width: 1.4; stroke-linejoin: round }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .paper { fill: #0d1117 }
  .grid { stroke: #343b44 }
  .band { fill: #3a3116 }
}
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: who it is (its colour), which of `Panel.kinds` (its dashes), and its values, life by life."""

    of: str
    lives: tuple[Life, ...]
    kind: int = 0


@dataclass(frozen=True, slots=True)
class Panel:
    """One small chart; `kinds` are what solid, dashed and dotted lines are, when there is more than one."""

    title: str
    unit: str
    lines: tuple[Line, ...]
    kinds: tuple[str, ...] = ()


def svg(title: str, panels: Sequence[Panel], bands: Iterable[tuple[float, float]] = ()) -> str:
    """The document; x is seconds since the begin, `bands` (from, to) are shaded in every panel."""
    until_s = max((at for p in panels for line in p.lines for life in line.lives for at, _ in life), default=0.0) or 1.0
    names = list(dict.fromkeys(line.of for panel in panels for line in panel.lines))
    height = HEAD_HEIGHT + PANEL_HEIGHT * math.ceil(len(panels) / COLUMNS)
    root = ET.Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {height}", role="img")
    ET.SubElement(root, "title").text = title
    ET.SubElement(root, "style").text = STYLE
    _rect(root, 0, 0, WIDTH, height, "paper")
    _text(root, 10, 20, title, "head")
    _legend(root, names)
    colours = {name: PALETTE[index % len(PALETTE)] for index, name in enumerate(names)}
    for index, panel in enumerate(panels):
        row, column = divmod(index, COLUMNS)
        place = f"translate({10 + column * PANEL_WIDTH} {HEAD_HEIGHT + row * PANEL_HEIGHT})"
        _panel(ET.SubElement(root, "g", transform=place), panel, until_s, colours, bands)
    return ET.tostring(root, encoding="unicode")


def _legend(root: ET.Element, names: Sequence[str]) -> None:
    x = 10.0
    for index, name in enumerate(names):
        line = ET.SubElement(root, "path", {"class": "line", "d": f"M{x:.0f} 38h16"})
        line.set("stroke", PALETTE[index % len(PALETTE)])
        _text(root, x + 20, 42, name)
        x += 34 + 6.2 * len(name)


def _panel(
    g: ET.Element, panel: Panel, until_s: float, colours: dict[str, str], bands: Iterable[tuple[float, float]]
) -> None:
    width, height = PANEL_WIDTH - LEFT - RIGHT, PANEL_HEIGHT - TOP - BOTTOM
    highest = max((v for line in panel.lines for life in line.lives for _, v in life if math.isfinite(v)), default=0.0)
    y_step = nice_step(highest or 1.0)
    top = y_step * max(1, math.ceil((highest or 1.0) / y_step))
    said = ", ".join(f"{kind} {how}" for kind, how in zip(panel.kinds, ("solid", "dashed", "dotted"), strict=False))
    title = ", ".join(word for word in (panel.title, panel.unit) if word)
    _text(g, LEFT, 16, f"{title} ({said})" if said else title, "title")

    def across(at_s: float) -> float:
        return LEFT + width * at_s / until_s

    def up(value: float) -> float:
        return TOP + height * (1 - value / top)

    for from_s, to_s in bands:
        if from_s < until_s:
            _rect(g, across(from_s), TOP, max(1.0, across(min(to_s, until_s)) - across(from_s)), height, "band")
    for value in _ticks(top, y_step):
        ET.SubElement(g, "path", {"class": "grid", "d": f"M{LEFT} {up(value):.1f}h{width}"})
        _text(g, LEFT - 5, up(value) + 4, number(value), anchor="end")
    x_unit, per_s = ("h", 3600.0) if until_s >= 7200 else ("min", 60.0) if until_s >= 120 else ("s", 1.0)
    for value in _ticks(until_s / per_s, nice_step(until_s / per_s)):
        _text(g, across(value * per_s), TOP + height + 14, number(value), anchor="middle")
    _text(g, LEFT + width, TOP + height + 26, f"time, {x_unit}", anchor="end")
    for line in panel.lines:
        for life in line.lives:
            if points := [(across(at), up(value)) for at, value in peaks(life)]:
                drawn = ET.SubElement(g, "polyline", {"class": "line", "stroke": colours[line.of]})
                drawn.set("points", " ".join(f"{x:.1f},{y:.1f}" for x, y in points))
                if dash := DASHES[line.kind % len(DASHES)]:
                    drawn.set("stroke-dasharray", dash)


def peaks(life: Life, most: int = MOST_POINTS) -> list[Point]:
    """At most so many points, each the highest of its neighbours; what is no number is left out."""
    finite = [point for point in life if math.isfinite(point[1])]
    each = max(1, math.ceil(len(finite) / most))
    return [max(finite[begin : begin + each], key=lambda point: point[1]) for begin in range(0, len(finite), each)]


def nice_step(span: float) -> float:
    """A distance between ticks of 1, 2 or 5 times a power of ten, about TICKS of them in the span (above 0)."""
    power = 10.0 ** math.floor(math.log10(span / TICKS))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power * TICKS >= span * 0.999)


def number(value: float) -> str:
    """A tick's label."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.6g}"


def _ticks(top: float, step: float) -> list[float]:
    return [step * index for index in range(math.floor(top / step * 1.0001) + 1)]


def _text(parent: ET.Element, x: float, y: float, words: str, of: str = "", anchor: str = "start") -> None:
    found = ET.SubElement(parent, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor})
    found.text = words
    if of:
        found.set("class", of)


def _rect(parent: ET.Element, x: float, y: float, width: float, height: float, of: str) -> None:
    ET.SubElement(
        parent,
        "rect",
        {"class": of, "x": f"{x:.1f}", "y": f"{y:.1f}", "width": f"{width:.1f}", "height": f"{height:.1f}"},
    )

"""`python -m bench.profiles_picture FOLDER`: what a live map shows of a real drive, as profiles.svg in that folder.

Five minutes out of the middle of one drive, in metres from where they begin: whose way it was, and where, is nobody's
business. Above the way and the reports, below how far the map is off at each second.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, radians
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from bench.drives import NoRealData, full_drives
from bench.profiles import INTERVAL, REACH_ERROR_M, default, fixes_of, on_the_air
from bench.report import percentile
from edge.config import MovingProfile
from edge.gps_unit.fix import Fix
from edge.gps_unit.motion import distance_m, elapsed_s
from edge.gps_unit.profile import Profile, news, reckoned

DRIVE: Final = "car_munich_2009"
LASTS: Final = 300  # fixes
MOST_M: Final = 80.0  # of the curves
WIDTH, MAP_HEIGHT, CURVE_HEIGHT, LEGEND_HEIGHT = 960, 420, 150, 44
LEFT, MARGIN = 46, 24
_M_PER_DEG: Final = 111_195.0
# Okabe and Ito's palette, as in pantau/work_pictures.py.
MOVING, BEAT = "#0072b2", "#d55e00"
_STYLE: Final = """
svg { color-scheme: light dark }
text { font: 11px system-ui, sans-serif; fill: #1f2328 }
.paper { fill: #ffffff }
.grid { stroke: #d8dde3; stroke-width: 1 }
.true { fill: none; stroke: #9aa3ad; stroke-width: 6; stroke-linejoin: round; stroke-opacity: .5 }
.shown { fill: none; stroke-width: 1.3; stroke-linejoin: round }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .paper { fill: #0d1117 }
  .grid { stroke: #343b44 }
}
"""


@dataclass(frozen=True, slots=True)
class Live:
    """What a map shows at each fix, and at which fixes it was told."""

    places: list[Fix]
    off_m: list[float]
    reported: list[int]


def live(profile: Profile, fixes: Sequence[Fix]) -> Live:
    """A map that goes on by speed and course, over these fixes; the report of an instant comes too late for it."""
    found = Live([], [], [])
    last = told = fixes[0]
    for at, fix in enumerate(fixes):
        place = reckoned(told, elapsed_s(told, fix))
        found.places.append(place)
        found.off_m.append(distance_m(place, fix))
        if at == 0 or news(profile, last, fix):
            last, told = fix, on_the_air(fix)
            found.reported.append(at)
    return found


def picture(fixes: Sequence[Fix]) -> str:
    """The SVG."""
    height = MAP_HEIGHT + CURVE_HEIGHT + LEGEND_HEIGHT
    root = ET.Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {height}", role="img")
    ET.SubElement(root, "title").text = "a real drive, and what a live map shows of it"
    ET.SubElement(root, "style").text = _STYLE
    ET.SubElement(root, "rect", {"class": "paper"}, width=str(WIDTH), height=str(height))
    moving, beat = live(default(MovingProfile), fixes), live(INTERVAL, fixes)
    _way(root, fixes, moving, beat)
    _curves(root, moving, beat)
    for row, (colour, name, shown) in enumerate((
        (MOVING, "profile_moving", moving),
        (BEAT, "every 10 s", beat),
    )):  # fmt: skip
        y = height - 26 + 16 * row
        ET.SubElement(root, "circle", cx=str(LEFT + 6), cy=f"{y - 4}", r="4", fill=colour)
        share = 100 * len(shown.reported) / len(fixes)
        off_m = percentile(shown.off_m, 95)
        told = f"{len(shown.reported)} reports, {share:.0f} % of the fixes; 95 % of the time within {off_m:.0f} m"
        _text(root, LEFT + 17, y, f"{name}: {told}")
    return ET.tostring(root, encoding="unicode") + "\n"


def _way(root: ET.Element, fixes: Sequence[Fix], moving: Live, beat: Live) -> None:
    first = fixes[0]
    narrow = cos(radians(first.lat_deg))

    def metres(fix: Fix) -> tuple[float, float]:
        return (fix.lon_deg - first.lon_deg) * narrow * _M_PER_DEG, (first.lat_deg - fix.lat_deg) * _M_PER_DEG

    true = [metres(fix) for fix in fixes]
    west, north = min(x for x, _ in true), min(y for _, y in true)
    wide, tall = max(x for x, _ in true) - west, max(y for _, y in true) - north
    px_per_m = min((WIDTH - 2 * MARGIN) / wide, (MAP_HEIGHT - 2 * MARGIN) / tall)
    left, top = (WIDTH - wide * px_per_m) / 2, (MAP_HEIGHT - tall * px_per_m) / 2

    def drawn(fix: Fix) -> tuple[float, float]:
        x, y = metres(fix)
        return left + (x - west) * px_per_m, top + (y - north) * px_per_m

    def line(places: Sequence[Fix]) -> str:
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in map(drawn, places))

    ET.SubElement(root, "polyline", {"class": "true"}, points=line(fixes))
    for shown, colour in ((beat, BEAT), (moving, MOVING)):
        ET.SubElement(root, "polyline", {"class": "shown"}, points=line(shown.places), stroke=colour)
        for at in shown.reported:
            x, y = drawn(fixes[at])
            ET.SubElement(root, "circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="2.6", fill=colour)
    metres_shown = next(m for m in (50, 100, 200, 500, 1000, 2000) if m * px_per_m >= 60)
    end, y = WIDTH - 20, MAP_HEIGHT - 12
    _line(root, end - metres_shown * px_per_m, end, y)
    _text(root, end, y - 5, f"{metres_shown} m", "end")


def _curves(root: ET.Element, moving: Live, beat: Live) -> None:
    bottom = MAP_HEIGHT + CURVE_HEIGHT - 18
    tall = CURVE_HEIGHT - 36

    def y(off_m: float) -> float:
        return bottom - tall * min(off_m, MOST_M) / MOST_M

    for off_m in (0, REACH_ERROR_M, 40, MOST_M):
        _line(root, LEFT, WIDTH - 10, y(off_m))
        _text(root, LEFT - 5, y(off_m) + 4, f"{off_m:.0f} m", "end")
    per_fix = (WIDTH - 10 - LEFT) / (len(moving.off_m) - 1)
    for shown, colour in ((beat, BEAT), (moving, MOVING)):
        points = " ".join(f"{LEFT + per_fix * at:.1f},{y(off):.1f}" for at, off in enumerate(shown.off_m))
        ET.SubElement(root, "polyline", {"class": "shown"}, points=points, stroke=colour)
    for minute in range((len(moving.off_m) - 1) // 60 + 1):
        anchor = "middle" if minute else "start"
        _text(root, LEFT + per_fix * 60 * minute, bottom + 13, f"{minute} min", anchor)


def _line(root: ET.Element, x1: float, x2: float, y: float) -> None:
    ET.SubElement(root, "line", {"class": "grid"}, x1=f"{x1:.1f}", x2=f"{x2:.1f}", y1=f"{y:.1f}", y2=f"{y:.1f}")


def _text(root: ET.Element, x: float, y: float, text: str, anchor: str = "start") -> None:
    ET.SubElement(root, "text", {"text-anchor": anchor}, x=f"{x:.1f}", y=f"{y:.1f}").text = text


def main(argv: list[str]) -> int:
    """Draw it; 2 when there is no folder, or no drive."""
    if len(argv) != 1:
        print("usage: python -m bench.profiles_picture FOLDER", file=sys.stderr)
        return 2
    try:
        drive = full_drives()[DRIVE]
    except NoRealData as error:
        print(f"profiles: {error}", file=sys.stderr)
        return 2
    middle = len(drive) // 2
    (Path(argv[0]) / "profiles.svg").write_text(picture(fixes_of(drive[middle - LASTS : middle])), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""When a fix is news for whoever looks at a map now. Policy, pure: a fix and the last one reported in, a reason out.

Thinning (wire/thin.py) decides which fixes the track keeps, looking back over an interval; a profile decides when the
interval ends before its time, so that the map is told at once. Nothing is left out for it: the fixes between two
reports are thinned as ever, and with tolerance 0 all of them are kept.

A map that draws a moving vehicle between two reports goes on from the last one by its speed and course. The box knows
what such a map shows, and reports when that is `drift_m` off (Wolfson, Sistla, Chamberlain and Yesha, "Updating and
Querying Databases that Track Mobile Units", 1999). The other limits are for maps that only hold the last position.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, radians, sin
from typing import Final

from edge.gps_unit.fix import Fix
from edge.gps_unit.motion import distance_m, elapsed_s

# Below this a receiver's course is noise. corpus: at 1 m/s it swings by 40 deg between two epochs.
COURSE_FROM_MPS: Final = 2.0
# No map goes on drawing for ever; beyond this the last position stands still.
RECKONED_S: Final = 60.0
_METRES_PER_DEG: Final = 111_195.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How much must have changed since the last report to make another one; 0 switches a limit off."""

    period_s: float = 0.0
    distance_m: float = 0.0
    angle_deg: float = 0.0
    speed_mps: float = 0.0
    drift_m: float = 0.0


# A fix a second, whatever else: each is news.
BURST: Final = Profile(period_s=0.5)


def news(profile: Profile, last: Fix | None, fix: Fix) -> str | None:
    """Why `fix` is to be reported at once, `last` being the last one reported: period, distance, angle, speed, drift.

    None: it can wait. The first fix of all is news, and so is the change between standing and moving.
    """
    if last is None:
        return "first"
    if fix.parked != last.parked:
        return "standing"
    if _at_least(elapsed_s(last, fix), profile.period_s):
        return "period"
    if _at_least(distance_m(last, fix), profile.distance_m):
        return "distance"
    if _at_least(turned_deg(last, fix), profile.angle_deg):
        return "angle"
    known = last.speed_mps is not None and fix.speed_mps is not None
    if known and _at_least(abs((fix.speed_mps or 0.0) - (last.speed_mps or 0.0)), profile.speed_mps):
        return "speed"
    if _at_least(distance_m(reckoned(last, elapsed_s(last, fix)), fix), profile.drift_m):
        return "drift"
    return None


def turned_deg(before: Fix, after: Fix) -> float:
    """By how much the course changed, 0 to 180 degrees, over north too; 0 where either is not known or is noise."""
    known = before.course_deg is not None and after.course_deg is not None
    slowest_mps = min(before.speed_mps or 0.0, after.speed_mps or 0.0)
    if not known or slowest_mps < COURSE_FROM_MPS:
        return 0.0
    assert before.course_deg is not None and after.course_deg is not None
    return abs((after.course_deg - before.course_deg + 180.0) % 360.0 - 180.0)


def reckoned(last: Fix, after_s: float) -> Fix:
    """Where a map that was told `last` shows the vehicle `after_s` later: ahead by speed and course, else still there.

    A course below COURSE_FROM_MPS is noise, and moves nothing.
    """
    if last.course_deg is None or (last.speed_mps or 0.0) < COURSE_FROM_MPS or last.parked:
        return last
    ahead_m = (last.speed_mps or 0.0) * min(after_s, RECKONED_S)
    course = radians(last.course_deg)
    north_deg = ahead_m * cos(course) / _METRES_PER_DEG
    # At the poles there is no east; a vehicle there has other troubles.
    east_deg = ahead_m * sin(course) / (_METRES_PER_DEG * max(cos(radians(last.lat_deg)), 1e-6))
    return replace(last, lat_deg=last.lat_deg + north_deg, lon_deg=(last.lon_deg + east_deg + 180.0) % 360.0 - 180.0)


def _at_least(value: float, limit: float) -> bool:
    return 0.0 < limit <= value

"""The live error of the default profiles over real drives: where a map shows a vehicle against where it is.

Live error: at every fix of the drive (1 Hz), the distance from the fix to what a map shows that has the reports made
before that instant, a second old at least; the report that the fix itself may cause comes too late for it. `held` is
a map that leaves the vehicle at the last reported position, `reckoned` one that goes on from there by the reported
speed and course, for a minute at most. Reports are quantised as they are on the air. What the link adds is not in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.drives import Fix8, NoRealData, full_drives
from bench.report import Figure, median, percentile, show, skipped
from edge.config import MissionProfile, MovingProfile
from edge.gps_unit.fix import Fix
from edge.gps_unit.motion import distance_m, elapsed_s
from edge.gps_unit.profile import Profile, news, reckoned

INTERVAL = Profile(period_s=10.0)  # the report interval alone: what there was before there were profiles
REACH_ERROR_M, REACH_PERCENT = 8.0, 20.0


@dataclass(frozen=True, slots=True)
class Shown:
    """One drive under one profile: metres off at each fix, and which of the fixes were reported."""

    held_m: list[float]
    reckoned_m: list[float]
    reported: list[int]


def fixes_of(drive: Sequence[Fix8]) -> list[Fix]:
    """A drive as the receiver's epochs."""
    return [
        Fix(
            utc_ms=time_ms,
            time_of_day_ms=None,
            boottime_ms=None,
            lat_deg=lat / 1e7,
            lon_deg=lon / 1e7,
            speed_mps=None if speed is None else speed / 100,
            course_deg=None if course is None else course / 100,
        )
        for time_ms, lat, lon, _, speed, course, _, _ in drive
    ]


def on_the_air(fix: Fix) -> Fix:
    """What of it a map gets: 1e-6 deg, 0.1 m/s, 1 deg (the quantum `receiver`)."""
    return Fix(
        utc_ms=fix.utc_ms,
        time_of_day_ms=None,
        boottime_ms=None,
        lat_deg=round(fix.lat_deg, 6),
        lon_deg=round(fix.lon_deg, 6),
        speed_mps=None if fix.speed_mps is None else round(fix.speed_mps, 1),
        course_deg=None if fix.course_deg is None else round(fix.course_deg) % 360.0,
    )


def shown(profile: Profile, fixes: Sequence[Fix]) -> Shown:
    """The drive as a live map shows it."""
    found = Shown([], [], [])
    last, told = None, None
    for at, fix in enumerate(fixes):
        if told is not None:
            found.held_m.append(distance_m(told, fix))
            found.reckoned_m.append(distance_m(reckoned(told, elapsed_s(told, fix)), fix))
        if news(profile, last, fix):
            last, told = fix, on_the_air(fix)
            found.reported.append(at)
    return found


def default(table: type[MovingProfile | MissionProfile]) -> Profile:
    """A profile with the defaults of its table of the configuration."""
    limits = table()
    return Profile(**{name: getattr(limits, name) for name in Profile.__slots__})


def figures(name: str, profile: Profile, drives: Mapping[str, Sequence[Fix]], *, promised: bool) -> list[Figure]:
    """One profile over all drives, and the drive it does worst on."""
    each = {drive: shown(profile, fixes) for drive, fixes in drives.items()}
    held = [metres for one in each.values() for metres in one.held_m]
    ahead = [metres for one in each.values() for metres in one.reckoned_m]
    share = 100 * sum(len(one.reported) for one in each.values()) / sum(map(len, drives.values()))
    worst = max(each, key=lambda drive: percentile(each[drive].reckoned_m, 95))
    return [
        Figure(f"{name}: fixes reported", share, "%", f"<= {REACH_PERCENT:g}" if promised else None),
        Figure(f"{name}: reckoned, median", median(ahead), "m"),
        Figure(f"{name}: reckoned, p95", percentile(ahead, 95), "m", f"<= {REACH_ERROR_M:g}" if promised else None),
        Figure(f"{name}: reckoned, p99", percentile(ahead, 99), "m"),
        Figure(f"{name}: reckoned, p95 of the worst drive", percentile(each[worst].reckoned_m, 95), "m", note=worst),
        Figure(f"{name}: held, p95", percentile(held, 95), "m"),
    ]


def main(argv: list[str]) -> int:
    """Measure and print."""
    as_json = "--json" in argv
    try:
        drives = {name: fixes_of(drive) for name, drive in full_drives().items()}
    except NoRealData as error:
        return skipped("profiles", str(error), as_json=as_json)
    found = [
        *figures("moving", default(MovingProfile), drives, promised=True),
        *figures("mission", default(MissionProfile), drives, promised=False),
        *figures("the interval alone", INTERVAL, drives, promised=False),
    ]
    count = sum(map(len, drives.values()))
    show("profiles", found, as_json=as_json, conditions=f"{len(drives)} real drives at 1 Hz, {count} fixes")
    return 0

"""Who is nearest to a place, how much of that is certain, and why others are left out. Pure.

A straight line says who *may* be there first; a river or a one-way street may say otherwise. So the distance is asked
of a `Router`, and `StraightLine` is the one there is; one that knows roads is one small class more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from math import asin, cos, radians, sin, sqrt
from typing import Any, Final, NamedTuple, Protocol

from broker.presence import Presence

# Mean radius R1 of the WGS 84 ellipsoid, (2a + b) / 3 (Moritz 2000, Geodetic Reference System 1980).
EARTH_RADIUS_M: Final = 6_371_008.8
STALE_S: Final = 1_300.0  # a parked vehicle reports each 10 minutes (decision 12): two of these were missed
OLD_S: Final = 60.0  # at 40 km/h somebody else's place by now
CLOCKS_DIFFER_S: Final = 60.0
MOST: Final = 5
OTHER_KIND: Final = "other_kind"


class Point(NamedTuple):
    """A place, WGS 84 degrees."""

    lat_deg: float
    lon_deg: float


class Router(Protocol):
    """Says how far it is; may ask somebody else, and raise ConnectionError when that one is not there."""

    name: str

    def distance_m(self, start: Point, end: Point) -> float:
        """Metres from start to end on its ways."""


class StraightLine:
    """The great circle: no way is shorter."""

    name = "straight_line"

    def distance_m(self, start: Point, end: Point) -> float:
        """Metres; see `haversine_m`."""
        return haversine_m(start, end)


class Question(NamedTuple):
    """Who is near `place`: of that kind and of these agencies; None = any."""

    place: Point
    kind: str | None = None
    agencies: frozenset[str] | None = None
    most: int = MOST
    stale_s: float = STALE_S


class Candidate(NamedTuple):
    """One that may go; `uncertain` says in short words what is not known about it."""

    agency: str
    asset: str
    kind: str | None
    unit: str
    distance_m: float
    fix_age_s: float
    lat_deg: float
    lon_deg: float
    course_deg: float | None
    speed_mps: float | None
    status: str
    uncertain: tuple[str, ...]


class LeftOut(NamedTuple):
    """One that was not offered: reason is stale, no_position, no_fix, offline, future_date or other_kind."""

    agency: str
    asset: str
    kind: str | None
    reason: str
    fix_age_s: float | None


class Answer(NamedTuple):
    """The nearest first; `further` were as good and only further off than the last one."""

    candidates: Sequence[Candidate]
    further: int
    left_out: Sequence[LeftOut]


def haversine_m(start: Point, end: Point) -> float:
    """Great-circle distance in metres on a sphere of the mean Earth radius, 6,371,008.8 m, at most 0.6 % off.

    The haversine formula (R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68, 1984, p. 159): exact to
    rounding for near places too, and right across the meridian of 180°.
    """
    lat_a, lat_b = radians(start.lat_deg), radians(end.lat_deg)
    half_lat, half_lon = (lat_b - lat_a) / 2, radians(end.lon_deg - start.lon_deg) / 2
    h = sin(half_lat) ** 2 + cos(lat_a) * cos(lat_b) * sin(half_lon) ** 2
    return 2 * EARTH_RADIUS_M * asin(min(1.0, sqrt(h)))


def nearest(
    question: Question,
    states: Iterable[Mapping[str, Any]],
    presences: Mapping[str, Presence],
    *,
    now_utc_ms: int,
    router: Router | None = None,
) -> Answer:
    """Judge every state (as `city/v1/.../state` says it) of the agencies asked for; raises what the router raises."""
    way = router or StraightLine()
    able: list[Candidate] = []
    left_out: list[LeftOut] = []
    for state in states:
        if question.agencies is not None and state["agency"] not in question.agencies:
            continue
        age_s = _age_s(state["fix_utc"], now_utc_ms)
        presence = presences.get(state["unit"])
        reason = _reason(question, state, presence, age_s)
        if reason is not None or age_s is None:
            said = LeftOut(state["agency"], state["asset"], state["kind"], reason or "no_position", age_s)
            left_out.append(said)
        else:
            able.append(_candidate(question, state, presence, age_s, way))
    able.sort(key=lambda each: (each.distance_m, each.fix_age_s, each.agency, each.asset))
    left_out.sort(key=lambda each: (each.reason, each.agency, each.asset))
    return Answer(able[: question.most], max(0, len(able) - question.most), left_out)


def _reason(question: Question, state: Mapping[str, Any], presence: Presence | None, age_s: float | None) -> str | None:
    """Why it is no candidate; what a dispatcher cannot mend comes first."""
    if question.kind is not None and _plain(state["kind"]) != _plain(question.kind):
        return OTHER_KIND
    if state["geometry"] is None or age_s is None:
        return "no_position"
    if presence is not None and not presence.online:
        return "offline"
    if state["status"] == "no_fix":
        return "no_fix"
    if age_s < -CLOCKS_DIFFER_S:
        return "future_date"
    return "stale" if age_s > question.stale_s else None


def _candidate(
    question: Question, state: Mapping[str, Any], presence: Presence | None, age_s: float, way: Router
) -> Candidate:
    lon_deg, lat_deg = state["geometry"]["coordinates"]
    doubts = {
        "as the crow flies": way.name == StraightLine.name,
        "old fix": age_s > OLD_S,
        "position estimated": state["estimated"],
        "link not known": presence is None,
        "speed not known": state["status"] == "unknown",
        "kind not known": state["kind"] is None,
    }
    return Candidate(
        agency=state["agency"],
        asset=state["asset"],
        kind=state["kind"],
        unit=state["unit"],
        distance_m=round(way.distance_m(Point(lat_deg, lon_deg), question.place), 1),
        fix_age_s=age_s,
        lat_deg=lat_deg,
        lon_deg=lon_deg,
        course_deg=state["course_deg"],
        speed_mps=state["speed_mps"],
        status=state["status"],
        uncertain=tuple(name for name, holds in doubts.items() if holds),
    )


def _plain(kind: str | None) -> str:
    return (kind or "").replace("_", "-").lower()


def _age_s(fix_utc: str | None, now_utc_ms: int) -> float | None:
    return None if fix_utc is None else round(now_utc_ms / 1000 - datetime.fromisoformat(fix_utc).timestamp(), 1)

"""What is said of an asset's day on the clean topics, and what a correction takes back. Pure.

A session or notice has an id made from its content: the same thing has the same id in every order of arrival, and
something else has another one. So telling again is harmless, and a correction names what it replaces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import orjson

from broker.clean import Message, point, utc_text
from broker.work.areas import Area, Areas
from broker.work.hours import Hours
from broker.work.observed import Window
from broker.work.sessions import Place, Session
from broker.work.visits import Visit
from wire.topics import area_notice, city

WORK, HOURS, NOTICE = "work", "hours", "notice"
ENTERED, LEFT = "entered", "left"

# An entry or exit that was told within this of another one of the same area is the one that a correction moves.
_MOVED_MS: Final = 3_600_000

Json = dict[str, Any]


class Said(NamedTuple):
    """One thing to be said: on which topic, under which id, and what; the message adds revision and corrections."""

    what: str
    id: str
    topic: str
    from_ms: int
    to_ms: int
    body: Json


class Told(NamedTuple):
    """What was said before; `live` is False once it was taken back."""

    said: Said
    revision: int
    live: bool


class Telling(NamedTuple):
    """What is to be said now: `said` with its revision, in the place of the ids in `corrects`, or taken back."""

    said: Said
    revision: int
    corrects: tuple[str, ...] = ()
    withdrawn: bool = False

    @property
    def message(self) -> Message:
        """The publish; hours are retained by whoever knows which day is the newest."""
        content = {
            "id": self.said.id,
            "revision": self.revision,
            "corrects": self.corrects,
            "withdrawn": self.withdrawn,
            **self.said.body,
        }
        return Message(self.said.topic, orjson.dumps(content), 1, False)


class Who(NamedTuple):
    """Whose day, and by whose midnights."""

    agency: str
    asset: str
    zone: ZoneInfo


def work_said(who: Who, day: Window, session: Session, areas: Areas) -> Said:
    """A session of that day."""
    body = {
        **_whose(who, day),
        "kind": str(session.kind),
        "from_utc": utc_text(session.from_ms),
        "to_utc": utc_text(session.to_ms),
        **session.figures(),
        "geometry": _point(session.place),
        "geometry_after": _point(session.place_after),
        "areas": [] if session.place is None else areas.at(session.place),
    }
    topic = city(who.agency, who.asset, WORK)
    return Said(WORK, _id(topic, body), topic, session.from_ms, session.to_ms, body)


def hours_said(who: Who, day: Window, hours: Hours, *, complete: bool) -> Said:
    """The sums of that day; its id is the day's, so that each telling replaces the one before."""
    whose = _whose(who, day)
    body = {
        **whose,
        "from_utc": utc_text(hours.from_ms),
        "to_utc": utc_text(hours.to_ms),
        "complete": complete,
        **{f"{kind}_s": ms / 1000 for kind, ms in hours.by_kind_ms.items()},
        "engine_on_s": hours.engine_on_ms / 1000,
        "engine_unknown_s": (hours.lasts_ms - hours.engine_known_ms) / 1000,
        "pto_on_s": hours.pto_on_ms / 1000,
        "distance_m": hours.distance_cm / 100,
        "observed_percent": round(hours.observed_percent, 1),
    }
    return Said(HOURS, whose["day"], city(who.agency, who.asset, HOURS), day.from_ms, day.to_ms, body)


def notices_said(who: Who, day: Window, visit: Visit, area: Area) -> Iterator[Said]:
    """That it entered, and that it left, as far as either was seen."""
    topic = area_notice(area.office or who.agency, area.topic_name)
    for event, at_ms, seen in ((ENTERED, visit.from_ms, visit.entered), (LEFT, visit.to_ms, visit.left)):
        if seen:
            body = {
                **_whose(who, day),
                "area": visit.area,
                "corridor": visit.corridor,
                "event": event,
                "at_utc": utc_text(at_ms),
                "doubt_s": visit.doubt_ms / 1000,
            }
            yield Said(NOTICE, _id(topic, body), topic, at_ms, at_ms, body)


def tellings(told: Mapping[str, Told], now: Sequence[Said]) -> list[Telling]:
    """What has to be said so that whoever heard all of `told` (by id, of one day) knows `now`; nothing when it does."""
    wanted = {said.id: said for said in now}
    gone = [each for each in told.values() if each.live and each.said.id not in wanted]
    out: list[Telling] = []
    replaced: set[str] = set()
    for said in wanted.values():
        before = told.get(said.id)
        if before is not None and before.live and before.said == said:
            continue
        takes = [each for each in gone if _replaces(said, each.said)]
        replaced.update(each.said.id for each in takes)
        earlier = [each.revision for each in (*takes, *([before] if before else []))]
        revision = max(earlier, default=-1) + 1
        out.append(Telling(said, revision, tuple(sorted(each.said.id for each in takes))))
    taken_back = [each for each in gone if each.said.id not in replaced]
    return [*(Telling(each.said, each.revision + 1, withdrawn=True) for each in taken_back), *out]


def after(told: Mapping[str, Told], saying: Iterable[Telling]) -> dict[str, Told]:
    """What was told once `saying` was; only what it changes."""
    changed: dict[str, Told] = {}
    for each in saying:
        changed[each.said.id] = Told(each.said, each.revision, not each.withdrawn)
        for gone in each.corrects:
            changed[gone] = told[gone]._replace(live=False)
    return changed


def _replaces(said: Said, before: Said) -> bool:
    """Whether something new stands where something told before stood."""
    if said.what != before.what or said.topic != before.topic:
        return False
    if said.what == NOTICE:
        same = said.body["area"] == before.body["area"] and said.body["event"] == before.body["event"]
        return same and abs(said.from_ms - before.from_ms) < _MOVED_MS
    return said.from_ms < before.to_ms and before.from_ms < said.to_ms


def _whose(who: Who, day: Window) -> Json:
    begin = (datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=day.from_ms)).astimezone(who.zone)
    return {"agency": who.agency, "asset": who.asset, "day": f"{begin:%Y-%m-%d}", "timezone": who.zone.key}


def _point(place: Place | None) -> Json | None:
    return None if place is None else point(*place)


def _id(topic: str, body: Json) -> str:
    return blake2b(topic.encode() + orjson.dumps(body, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()

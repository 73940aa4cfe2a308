"""The hours of one asset as a page to print: a line a day, a bar a day, the way of all of them. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, NamedTuple
from xml.etree import ElementTree as ET

from broker.work.areas import Areas
from broker.work.hours import Hours
from broker.work.observed import Fix, Window
from broker.work.sessions import Kind, Session
from pantau.work_pictures import day_bar, way_map
from pantau.work_told import lasting, where

_STYLE: Final = """
body { font: 14px system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse; margin: 1em 0 }
th, td { padding: .15em .8em .15em 0; text-align: left; vertical-align: top }
.number { text-align: right; font-variant-numeric: tabular-nums }
tr { border-bottom: 1px solid #d8dde3 }
figure { margin: 1em 0; break-inside: avoid }
h2 { margin-top: 2em; break-after: avoid }
@media print { body { margin: 0; max-width: none } }
"""
_LEAST_MS: Final = 60_000  # shorter sessions are in the sums and in the JSON


class PageDay(NamedTuple):
    """One day of the page."""

    name: str
    window: Window
    sessions: Sequence[Session]
    fixes: Sequence[Fix]
    hours: Hours


def page(asset: str, days: Sequence[PageDay], zone: tzinfo, zone_name: str, areas: Areas) -> str:
    """HTML without anything from elsewhere, so that it can be kept and sent."""
    root = ET.Element("html", lang="en")
    head = ET.SubElement(root, "head")
    ET.SubElement(head, "meta", charset="utf-8")
    ET.SubElement(head, "title").text = f"{asset}: hours"
    ET.SubElement(head, "style").text = _STYLE
    body = ET.SubElement(root, "body")
    ET.SubElement(body, "h1").text = asset
    ET.SubElement(body, "p").text = (
        f"From {days[0].name} to {days[-1].name}, days of {zone_name}. What was not observed is counted as unknown, "
        "not as standing; docs/work.md says what the kinds mean."
    )
    _sums(body, days)
    for day in days:
        _day(body, day, zone, areas)
    return "<!doctype html>\n" + ET.tostring(root, encoding="unicode", method="html") + "\n"


def _sums(body: ET.Element, days: Sequence[PageDay]) -> None:
    kinds = [kind for kind in Kind if any(day.hours.by_kind_ms[kind] for day in days)]
    rows = [
        [
            day.name,
            *(lasting(day.hours.by_kind_ms[kind]) for kind in kinds),
            lasting(day.hours.engine_on_ms),
            lasting(day.hours.pto_on_ms),
            f"{day.hours.distance_cm / 100_000:.1f}",
            f"{day.hours.observed_percent:.0f} %",
        ]
        for day in days
    ]
    _table(body, ["day", *map(str, kinds), "engine on", "pto on", "km", "observed"], rows)


def _day(body: ET.Element, day: PageDay, zone: tzinfo, areas: Areas) -> None:
    ET.SubElement(body, "h2").text = day.name
    ET.SubElement(body, "figure").append(day_bar(day.sessions, day.fixes, day.window, zone))
    if any(session.kind is Kind.TRAVELLING for session in day.sessions):
        ET.SubElement(body, "figure").append(way_map(day.sessions, day.fixes, areas))
    rows = [
        [
            _clock(session.from_ms, zone),
            _clock(session.to_ms, zone),
            lasting(session.lasts_ms),
            str(session.kind),
            f"{session.distance_cm / 100_000:.1f}" if session.distance_cm else "",
            where(session.place, areas),
            f"{session.began} / {session.ended}",
        ]
        for session in day.sessions
        if session.lasts_ms >= _LEAST_MS
    ]
    _table(body, ["from", "to", "lasts", "does", "km", "where", "shown by"], rows)


def _table(body: ET.Element, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = ET.SubElement(body, "table")
    head = ET.SubElement(table, "tr")
    for text in heads:
        ET.SubElement(head, "th").text = text
    for row in rows:
        line = ET.SubElement(table, "tr")
        for text in row:
            number = text[:1].isdigit()
            ET.SubElement(line, "td", {"class": "number"} if number else {}).text = text


def _clock(at_ms: int, zone: tzinfo) -> str:
    return f"{(datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=at_ms)).astimezone(zone):%H:%M}"

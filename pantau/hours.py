"""`pantau hours`: where assets worked and how long, day by day or month by month, out of the central store."""

import csv
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import BadParameter, Exit, Option

from pantau.sessions import AreaFiles, Timezone
from pantau.store import AsJson, StoreUrl, opened
from pantau.work_told import (
    DEFAULT_ZONE,
    HOURS_COLUMNS,
    Json,
    hours_cells,
    hours_json,
    hours_table,
    session_json,
    sessions_table,
    trip_json,
    visit_json,
    zone_of,
)

if TYPE_CHECKING:
    from broker.store import Store
    from broker.work.areas import Areas
    from broker.work.days import Read
    from broker.work.hours import Hours
    from broker.work.observed import Window
    from broker.work.reading import Day


class By(StrEnum):
    """What one line sums up."""

    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class _Done:
    """What one asset did in all the days asked for."""

    asset: str
    days: Sequence["Day"]


def hours(
    store_url: StoreUrl,
    from_: Annotated[str, Option("--from", metavar="D", help="The first day, such as 2026-11-23, in the time zone.")],
    to: Annotated[
        str | None, Option("--to", metavar="D", help="Up to, but not including, this day; without it, one day.")
    ] = None,
    asset: Annotated[str | None, Option(help="One vehicle or machine, whichever box it had.")] = None,
    agency: Annotated[str | None, Option(help="Every asset that served this agency within the days.")] = None,
    by: Annotated[By, Option(help="One line a day, or one a month.")] = By.DAY,
    areas: AreaFiles = None,
    timezone: Timezone = DEFAULT_ZONE,
    as_csv: Annotated[bool, Option("--csv", help="CSV, durations in seconds.")] = False,
    as_json: AsJson = False,
    page: Annotated[
        Path | None, Option(metavar="HTML", help="Write a page to print, of one asset: a bar and the way of each day.")
    ] = None,
) -> None:
    """Hours travelling, working in place, idling, parked, not known; engine hours, kilometres, and how much was seen.

    Derived anew from the stored records, so that what arrived late is in it. One day of one asset is told session by
    session; JSON has sessions, trips and stops of all days. docs/work.md says how to read it.
    """
    if (asset is None) == (agency is None):
        raise BadParameter("wanted --asset A or --agency G")
    if page is not None and asset is None:
        raise BadParameter("--page is of one asset: wanted --asset A")
    zone = zone_of(timezone)
    known = _areas(areas or ())
    with opened(store_url) as store:
        window = _window(_day(from_), _day(to) if to else None, zone)
        done = [_done(store, name, agency, window, zone, known) for name in _assets(store, asset, agency, window)]
        if asset is not None and all(day.unseen for day in done[0].days):
            _doubt(store, asset)
        if page is not None:
            from broker.work.reading import reader

            _write_page(page, done[0], reader(store, done[0].asset), zone, timezone, known)
    if as_json:
        print(json.dumps([_json(each, by, zone, known) for each in done], indent=2))
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(HOURS_COLUMNS)
        writer.writerows(hours_cells(each.asset, sums, zone) for each in done for _, sums in _sums(each, by, zone))
    else:
        _show(done, by, zone, known)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadParameter(f"{text!r} is no day: wanted one such as 2026-11-23") from error


def _window(first: date, end: date | None, zone: tzinfo) -> "Window":
    """From local midnight to local midnight, but not beyond now: what is to come is not unknown."""
    from broker.work.observed import Window

    until = end or first + timedelta(days=1)
    if until <= first:
        raise BadParameter("--to must be after --from; it is the first day that is not counted")
    now_ms = time.time_ns() // 1_000_000
    window = Window(_midnight_ms(first, zone), min(now_ms, _midnight_ms(until, zone)))
    if window.lasts_ms <= 0:
        raise BadParameter(f"{first} has not begun")
    return window


def _midnight_ms(day: date, zone: tzinfo) -> int:
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    return (midnight.astimezone(UTC) - datetime.fromtimestamp(0, UTC)) // timedelta(milliseconds=1)


def _assets(store: "Store", asset: str | None, agency: str | None, window: "Window") -> list[str]:
    if asset is not None:
        return [asset]
    names = {
        held.asset
        for held in store.assignments()
        if held.agency == agency
        and held.from_utc_ms < window.to_ms
        and (held.to_utc_ms is None or held.to_utc_ms > window.from_ms)
    }
    if not names:
        print(f"no unit was assigned to an agency {agency} in these days", file=sys.stderr)
    return sorted(names)


def _areas(paths: Sequence[Path]) -> "Areas":
    from broker.work.areas import BadAreas
    from pantau.work_files import BadFile, areas_of

    try:
        return areas_of(paths)
    except (BadFile, BadAreas) as error:
        print(f"pantau hours: {error}", file=sys.stderr)
        raise Exit(2) from error


def _done(store: "Store", asset: str, agency: str | None, window: "Window", zone: tzinfo, areas: "Areas") -> _Done:
    from broker.work.reading import days_of, reader

    return _Done(asset, days_of(reader(store, asset, agency), window, zone, areas))


def _doubt(store: "Store", asset: str) -> None:
    """A name that is spelled wrong looks like a machine that nobody saw: say which it is."""
    known = {held.asset for held in store.assignments()}
    doubt = "" if asset in known else f"; no unit was ever assigned to an asset {asset}"
    print(f"nothing is stored of {asset} in these days{doubt}", file=sys.stderr)


def _name(day: "Day", by: By, zone: tzinfo) -> str:
    at = (datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=day.window.from_ms)).astimezone(zone)
    return f"{at:%Y-%m-%d}" if by is By.DAY else f"{at:%Y-%m}"


def _sums(done: _Done, by: By, zone: tzinfo) -> Iterator[tuple[str, "Hours"]]:
    """Line by line: the day or month, and its sums."""
    from itertools import groupby

    from broker.work.hours import hours_of
    from broker.work.observed import Window

    for name, grouped in groupby(done.days, key=lambda day: _name(day, by, zone)):
        days = list(grouped)
        window = Window(days[0].window.from_ms, days[-1].window.to_ms)
        yield name, hours_of((session for day in days for session in day.sessions), window)


def _write_page(path: Path, done: _Done, read: "Read", zone: tzinfo, zone_name: str, areas: "Areas") -> None:
    from broker.work.hours import hours_of
    from broker.work.motion import credible
    from pantau.work_page import PageDay, page

    days = [
        PageDay(name, day.window, day.sessions, credible(read(day.window, day.window).fixes), hours)
        for day in done.days
        for name, hours in [(_name(day, By.DAY, zone), hours_of(day.sessions, day.window))]
    ]
    try:
        path.write_text(page(done.asset, days, zone, zone_name, areas), "utf-8")
    except OSError as error:
        print(f"pantau hours: {path}: {error.strerror}", file=sys.stderr)
        raise Exit(2) from error


def _json(done: _Done, by: By, zone: tzinfo, areas: "Areas") -> Json:
    from broker.work.sessions import Kind
    from broker.work.trips import joined, trips_of

    whole = joined(session for day in done.days for session in day.sessions)
    still = (Kind.WORKING, Kind.IDLING, Kind.STOPPED, Kind.PARKED)
    return {
        "asset": done.asset,
        "hours": [{by.value: name, **hours_json(sums, zone)} for name, sums in _sums(done, by, zone)],
        "sessions": [session_json(each, zone, areas) for each in whole],
        "trips": [trip_json(trip, zone) for trip in trips_of(whole)],
        "stops": [session_json(each, zone, areas) for each in whole if each.kind in still],
        "visits": [visit_json(visit, zone) for day in done.days for visit in day.visits],
    }


def _show(done: Sequence[_Done], by: By, zone: tzinfo, areas: "Areas") -> None:
    """The hours; of one asset's one day also what it did, where and from when to when."""
    from broker.work.hours import hours_of
    from broker.work.observed import Window
    from pantau.tables import print_table

    rows = []
    for each in done:
        lines = list(_sums(each, by, zone))
        rows += [(each.asset, name, sums) for name, sums in lines]
        if len(lines) > 1:
            whole = Window(each.days[0].window.from_ms, each.days[-1].window.to_ms)
            rows.append((each.asset, "in all", hours_of((s for day in each.days for s in day.sessions), whole)))
    print_table(hours_table(rows))
    if len(done) == 1 and len(done[0].days) == 1:
        print()
        print_table(sessions_table(done[0].days[0].sessions, zone, areas))

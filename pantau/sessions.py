"""`pantau sessions`: what a vehicle or machine did, out of files and without a store."""

import json
import sys
from pathlib import Path
from typing import Annotated

from typer import BadParameter, Exit, Option

from pantau.store import AsJson
from pantau.work_told import (
    DEFAULT_ZONE,
    hours_json,
    hours_table,
    session_json,
    sessions_table,
    trip_json,
    visit_json,
    zone_of,
)

Timezone = Annotated[str, Option(metavar="ZONE", help="Whose midnights cut the days, and whose time is shown.")]

AreaFiles = Annotated[
    list[Path] | None,
    Option(metavar="GEOJSON", help="Polygons with a name, and lines with a name and width_m; may be given again."),
]


def sessions(
    track: Annotated[
        Path | None, Option(metavar="CSV", help="Fixes, as `pantau export` and `pantau decode` write them.")
    ] = None,
    inputs: Annotated[
        Path | None,
        Option(
            metavar="CSV", help="unix_ms,event[,why]: ignition_on, ignition_off, pto_on, pto_off, boot; docs/work.md."
        ),
    ] = None,
    areas: AreaFiles = None,
    bar: Annotated[Path | None, Option(metavar="SVG", help="Draw what it did and how fast it was.")] = None,
    way: Annotated[Path | None, Option("--map", metavar="SVG", help="Draw the way it went and where it stood.")] = None,
    timezone: Timezone = DEFAULT_ZONE,
    as_json: AsJson = False,
) -> None:
    """Say when it travelled, worked in place, idled, stood, and when nobody knows: from a track, its inputs, or both.

    The order of the rows says nothing, and rows that come twice count once. Without inputs nobody knows of the engine:
    a long stand is `stopped`.
    """
    from broker.work.areas import BadAreas
    from broker.work.hours import hours_of
    from broker.work.motion import credible
    from broker.work.observed import Window
    from broker.work.sessions import derive
    from broker.work.trips import trips_of
    from broker.work.visits import visits
    from pantau.work_files import BadFile, areas_of, read_files
    from pantau.work_pictures import day_bar, svg_text, way_map

    if track is None and inputs is None:
        raise BadParameter("wanted --track CSV, --inputs CSV or both")
    zone = zone_of(timezone)
    try:
        seen, left_out = read_files(track, inputs)
        known = areas_of(areas or ())
    except (BadFile, BadAreas) as error:
        print(f"pantau sessions: {error}", file=sys.stderr)
        raise Exit(2) from error
    window = seen.extent or Window(0, 0)
    found = derive(seen, window) if window.lasts_ms else []
    hours = hours_of(found, window)
    fixes = credible(seen.fixes)
    if bar is not None:
        _write(bar, svg_text(day_bar(found, fixes, window, zone)))
    if way is not None:
        _write(way, svg_text(way_map(found, fixes, known)))
    for reason, count in sorted(left_out.items()):
        print(f"pantau sessions: {count} rows left out: {reason}", file=sys.stderr)
    if as_json:
        told = {
            "timezone": timezone,
            "sessions": [session_json(each, zone, known) for each in found],
            "trips": [trip_json(trip, zone) for trip in trips_of(found)],
            "visits": [visit_json(visit, zone) for visit in visits(fixes, known)],
            "hours": hours_json(hours, zone),
        }
        print(json.dumps(told, indent=2))
        return
    from pantau.tables import print_table

    print_table(sessions_table(found, zone, known))
    if found:
        print()
        print_table(hours_table([("", "in all", hours)]))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        print(f"pantau sessions: {path}: {error.strerror}", file=sys.stderr)
        raise Exit(2) from error

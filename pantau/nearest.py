"""`pantau nearest`: who is nearest to a place, what is uncertain about it, and why others are left out."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Exit, Option

from pantau.plain import plain
from pantau.store import AsJson

if TYPE_CHECKING:
    from broker.nearest import Answer


def nearest(
    lat: Annotated[float, Argument(min=-90, max=90, help="Latitude in degrees; south is negative.")],
    lon: Annotated[float, Argument(min=-180, max=180, help="Longitude in degrees.")],
    config: Annotated[Path, Option(help="The centre's configuration: its store and presence are read.")] = Path(
        "/etc/pantau/centre.toml"
    ),
    kind: Annotated[str | None, Option(help="Only this kind, such as ambulance.")] = None,
    agency: Annotated[list[str] | None, Option(help="Only this agency; may be given more than once.")] = None,
    most: Annotated[int, Option("--max", min=1, help="How many candidates.")] = 5,
    stale_s: Annotated[float, Option("--stale", min=1, help="Seconds after which a fix is too old to send by.")] = 1300,
    as_json: AsJson = False,
) -> None:
    """Show who is nearest: distance in a straight line, age of the fix, heading, status, and what is uncertain.

    Who has no good position now, is offline or of another kind is named with the reason. South of the equator write
    `pantau nearest -- -6.1754 106.8272`, options first. Exit 1 when there is no candidate.
    """
    from broker.config import load_centre
    from broker.nearest import Point, Question
    from broker.nearest import nearest as judged
    from pantau.watch import from_store

    centre = load_centre(str(config))
    asked = Question(Point(lat, lon), kind, frozenset(agency) if agency else None, most, stale_s)
    with from_store(centre.store.url, centre.presence_path) as source:
        states, presences = source()
        answer = judged(asked, states, presences, now_utc_ms=time.time_ns() // 1_000_000)
    if as_json:
        print(json.dumps(as_document(answer), indent=2))
    else:
        _show(answer)
    if not answer.candidates:
        raise Exit(1)


def as_document(answer: "Answer") -> dict[str, object]:
    """The answer as JSON says it."""
    return {
        "candidates": [each._asdict() for each in answer.candidates],
        "further": answer.further,
        "left_out": [each._asdict() for each in answer.left_out],
    }


def _show(answer: "Answer") -> None:
    from rich.table import Table

    from pantau.tables import print_table

    near = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("agency", "asset", "kind", "distance", "fix age", "heading", "status", "uncertain"):
        near.add_column(heading, justify="right" if heading in ("distance", "fix age", "heading") else "left")
    for each in answer.candidates:
        heading = "–" if each.course_deg is None else f"{each.course_deg:.0f}°"
        near.add_row(
            each.agency, each.asset, each.kind or "–", f"{each.distance_m:,.0f} m", f"{max(0.0, each.fix_age_s):.0f} s",
            heading, each.status, ", ".join(each.uncertain) or "–",
        )  # fmt: skip
    print_table(near)
    if answer.further:
        print(f"and {answer.further} further off")
    if answer.left_out:
        print("\nleft out:")
        for left in answer.left_out:
            age = "" if left.fix_age_s is None else f", fix {left.fix_age_s:.0f} s old"
            print(f"  {plain(left.agency)} {plain(left.asset)}: {left.reason.replace('_', ' ')}{age}")

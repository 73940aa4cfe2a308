"""How sessions, trips, stops and hours are told: as JSON with units in its names, as CSV, as tables."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from typer import BadParameter

if TYPE_CHECKING:
    from rich.table import Table

    from broker.work.areas import Areas
    from broker.work.hours import Hours
    from broker.work.sessions import Place, Session
    from broker.work.trips import Trip
    from broker.work.visits import Visit

Json = dict[str, Any]

DEFAULT_ZONE = "Asia/Jakarta"
HOURS_COLUMNS = (
    "asset", "from", "to", "travelling_s", "working_s", "idling_s", "stopped_s", "parked_s", "unknown_s",
    "engine_on_s", "engine_unknown_s", "pto_on_s", "distance_m", "observed_percent",
)  # fmt: skip


def zone_of(name: str) -> tzinfo:
    """The time zone of that name; BadParameter when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadParameter(f"no time zone {name!r}: wanted one such as {DEFAULT_ZONE}") from error


def local_text(unix_ms: int, zone: tzinfo) -> str:
    """`2026-11-23T06:00:00+07:00`."""
    return _local(unix_ms, zone).isoformat(timespec="seconds")


def _local(unix_ms: int, zone: tzinfo) -> datetime:
    return (datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=unix_ms)).astimezone(zone)


def lasting(ms: int) -> str:
    """`6 h 40 min`, `12 min`, `40 s`; nothing of nothing."""
    if ms < 60_000:
        return f"{round(ms / 1000)} s" if ms >= 500 else ""
    hours, minutes = divmod(round(ms / 60_000), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


def session_json(session: "Session", zone: tzinfo, areas: "Areas | None" = None) -> Json:
    """One session; with `areas`, also in which of them it stood, or began to go."""
    return {
        "kind": str(session.kind),
        "from": local_text(session.from_ms, zone),
        "to": local_text(session.to_ms, zone),
        **session.figures(),
        "place": place_json(session.place),
        "place_after": place_json(session.place_after),
        **({} if areas is None else {"areas": names_at(session.place, areas)}),
    }


def names_at(place: "Place | None", areas: "Areas") -> list[str]:
    """The areas that hold a place."""
    return [] if place is None else areas.at(place)


def visit_json(visit: "Visit", zone: tzinfo) -> Json:
    """One visit of an area, or one stretch within a corridor."""
    return {
        "area": visit.area,
        "corridor": visit.corridor,
        "from": local_text(visit.from_ms, zone),
        "to": local_text(visit.to_ms, zone),
        "entered": visit.entered,
        "left": visit.left,
        "doubt_s": visit.doubt_ms / 1000,
    }


def trip_json(trip: "Trip", zone: tzinfo) -> Json:
    """One trip."""
    return {
        "from": local_text(trip.from_ms, zone),
        "to": local_text(trip.to_ms, zone),
        "lasts_s": trip.lasts_ms / 1000,
        "unseen_s": trip.unseen_ms / 1000,
        "distance_m": trip.distance_cm / 100,
        "place": place_json(trip.place),
        "place_after": place_json(trip.place_after),
    }


def place_json(place: "Place | None") -> Json | None:
    """A position in degrees."""
    return None if place is None else {"lat_deg": place.lat_e7 / 1e7, "lon_deg": place.lon_e7 / 1e7}


def hours_json(hours: "Hours", zone: tzinfo) -> Json:
    """The sums of one stretch; the same names as the columns of the CSV."""
    return {
        "from": local_text(hours.from_ms, zone),
        "to": local_text(hours.to_ms, zone),
        **{f"{kind}_s": ms / 1000 for kind, ms in hours.by_kind_ms.items()},
        "engine_on_s": hours.engine_on_ms / 1000,
        "engine_unknown_s": (hours.lasts_ms - hours.engine_known_ms) / 1000,
        "pto_on_s": hours.pto_on_ms / 1000,
        "distance_m": hours.distance_cm / 100,
        "observed_percent": round(hours.observed_percent, 1),
    }


def hours_cells(asset: str, hours: "Hours", zone: tzinfo) -> list[str]:
    """One line of the CSV of HOURS_COLUMNS."""
    told = {"asset": asset, **hours_json(hours, zone)}
    return [f"{told[name]:g}" if isinstance(told[name], float) else str(told[name]) for name in HOURS_COLUMNS]


def sessions_table(sessions: Iterable["Session"], zone: tzinfo, areas: "Areas") -> "Table":
    """What it did, line by line; where, by the areas' names or in degrees."""
    table = _table(("from", "to"), ("lasts",), ("does",), ("km",), ("began by", "ended by", "where"))
    for session in sessions:
        begin, end = _local(session.from_ms, zone), _local(session.to_ms, zone)
        table.add_row(
            f"{begin:%Y-%m-%d %H:%M:%S}",
            f"{end:%H:%M:%S}" if begin.date() == end.date() else f"{end:%Y-%m-%d %H:%M:%S}",
            lasting(session.lasts_ms),
            str(session.kind),
            _km(session.distance_cm),
            session.began,
            session.ended,
            where(session.place, areas),
        )
    return table


def hours_table(rows: Sequence[tuple[str, str, "Hours"]]) -> "Table":
    """Hours by kind: (asset, day or month, hours) each line."""
    kinds = ("travelling", "working", "idling", "stopped", "parked", "unknown")
    table = _table(("asset", "when"), (*kinds, "engine on", "pto on", "km", "observed"), (), (), ())
    for asset, when, hours in rows:
        by_kind = {str(kind): ms for kind, ms in hours.by_kind_ms.items()}
        table.add_row(
            asset,
            when,
            *(lasting(by_kind[kind]) for kind in kinds),
            lasting(hours.engine_on_ms),
            lasting(hours.pto_on_ms),
            _km(hours.distance_cm),
            f"{hours.observed_percent:.0f} %",
        )
    return table


def _table(left: tuple[str, ...], right: tuple[str, ...], *more: tuple[str, ...]) -> "Table":
    """Columns by turns to the left and to the right."""
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for index, columns in enumerate((left, right, *more)):
        for column in columns:
            table.add_column(column, justify="right" if index % 2 else "left", no_wrap=True)
    return table


def _km(cm: int) -> str:
    return f"{cm / 100_000:.1f}" if cm else ""


def where(place: "Place | None", areas: "Areas") -> str:
    """The names of the areas that hold a place, else its degrees; empty when it is not known."""
    if place is None:
        return ""
    return ", ".join(areas.at(place)) or f"{place.lat_e7 / 1e7:.5f} {place.lon_e7 / 1e7:.5f}"

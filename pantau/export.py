"""`pantau export`: the fixes of a unit or asset out of the central store, as `pantau decode` writes them."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile
from typing import TYPE_CHECKING, Annotated, NamedTuple

from typer import BadParameter, Option

from pantau.rows import HEADER, csv_row, json_row
from pantau.store import StoreUrl, instant, opened

if TYPE_CHECKING:
    from broker.fixes import Columns
    from broker.store import LogEntry, Store


class _Wanted(NamedTuple):
    unit: str | None
    asset: str | None
    from_utc_ms: int | None
    to_utc_ms: int | None
    after: int | None


def export(
    store_url: StoreUrl,
    unit: Annotated[str | None, Option(help="What this box has sent.")] = None,
    asset: Annotated[str | None, Option(help="Where this vehicle, machine or pole was, whichever box it had.")] = None,
    from_: Annotated[str | None, Option("--from", metavar="T", help="2026-11-23T06:00:00Z or Unix ms.")] = None,
    to: Annotated[str | None, Option("--to", metavar="T", help="Up to, but not including.")] = None,
    after: Annotated[
        int | None, Option(metavar="LOG_ID", min=0, help="What was stored or corrected after it, in log order.")
    ] = None,
    geojson: Annotated[bool, Option("--geojson", help="One FeatureCollection of points.")] = False,
    as_json: Annotated[bool, Option("--json", help="One JSON object a fix.")] = False,
) -> None:
    """Write every stored fix of a unit or asset, one line a fix, as CSV. Empty is unknown.

    A unit's come as it recorded them, as `pantau decode` would tell them; an asset's in order of time. Conflicting
    records are all written. Standard error says the count and the log_id to go on from with --after.
    """
    if (unit is None) == (asset is None):
        raise BadParameter("wanted --unit U or --asset A")
    wanted = _Wanted(unit, asset, instant(from_), instant(to), after)
    with opened(store_url) as store:
        last_log_id = store.last_log_id()
        count = _write(_fixes(store, wanted, last_log_id), geojson=geojson, as_json=as_json)
        doubt = "" if count else _never_heard_of(store, wanted)
    if as_json:
        print(json.dumps({"fixes": count, "last_log_id": last_log_id}), file=sys.stderr)
    else:
        print(f"{count} fixes, last log_id {last_log_id}{doubt}", file=sys.stderr)


def _never_heard_of(store: "Store", wanted: _Wanted) -> str:
    """A name that is spelled wrong looks like a vehicle that never moved: say which it is."""
    if wanted.unit is not None and wanted.unit not in {account.unit for account in store.ledger()}:
        return f"; nothing was ever stored of a unit {wanted.unit}"
    if wanted.asset is not None and wanted.asset not in {assigned.asset for assigned in store.assignments()}:
        return f"; no unit was ever assigned to an asset {wanted.asset}"
    return ""


def _fixes(store: "Store", wanted: _Wanted, last_log_id: int) -> Iterator["Columns"]:
    from broker.fixes import fixes_of, in_time_order, within

    if wanted.after is not None:
        # Up to the log_id that is reported: the next call goes on exactly there.
        after = store.rows_after(wanted.after, unit=wanted.unit, asset=wanted.asset)
        entries: Iterable[LogEntry] = takewhile(lambda entry: entry.log_id <= last_log_id, after)
    elif wanted.unit is not None and wanted.from_utc_ms is None and wanted.to_utc_ms is None:
        entries = store.recorded(wanted.unit)
    else:
        entries = store.rows(
            unit=wanted.unit, asset=wanted.asset, from_utc_ms=wanted.from_utc_ms, to_utc_ms=wanted.to_utc_ms
        )
        if wanted.asset is not None:
            return within(in_time_order(entries), wanted.from_utc_ms, wanted.to_utc_ms)
    fixes = (fix for entry in entries for fix in fixes_of(entry))
    return within(fixes, wanted.from_utc_ms, wanted.to_utc_ms)


def _write(fixes: Iterable["Columns"], *, geojson: bool, as_json: bool) -> int:
    if geojson:
        return _write_geojson(fixes)
    row: Callable[[Columns], str] = json_row if as_json else csv_row
    if not as_json:
        print(HEADER)
    count = 0
    for count, fix in enumerate(fixes, 1):  # noqa: B007 - the last count is the answer
        print(row(fix))
    return count


def _write_geojson(fixes: Iterable["Columns"]) -> int:
    print('{"type": "FeatureCollection", "features": [', end="")
    count = 0
    for count, fix in enumerate(fixes, 1):
        print("," if count > 1 else "", _feature(fix), sep="\n", end="")
    print("\n]}")
    return count


def _feature(fix: "Columns") -> str:
    # RFC 7946: longitude first; a third coordinate would be above the ellipsoid, ours is above mean sea level.
    properties = json.loads(json_row(fix))
    place = [properties.pop("lon_deg"), properties.pop("lat_deg")]
    geometry = {"type": "Point", "coordinates": place}
    return json.dumps({"type": "Feature", "geometry": geometry, "properties": properties})

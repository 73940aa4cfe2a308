"""`pantau purge`, `pantau rederive`, `pantau assets`: work on the central store; the bridge may go on beside it."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, BadParameter, Exit, Option

from wire.errors import PantauError

if TYPE_CHECKING:
    from broker.config import CentreConfig
    from broker.store import Store

StoreUrl = Annotated[str, Option("--store", metavar="URL", help="The central store, as sqlite:///path/to/store.db.")]
AsJson = Annotated[bool, Option("--json", help="JSON for a program to read.")]


@contextmanager
def opened(url: str) -> Iterator["Store"]:
    """The store, opened beside the bridge; one clear line and exit 2 when it is not there, or does not answer."""
    from broker.store import open_store

    try:
        with open_store(url) as store:
            yield store
    except PantauError as error:
        print(f"pantau: {error}", file=sys.stderr)
        raise Exit(2) from error


def centre_of(path: Path) -> "CentreConfig":
    """The centre's configuration; its problems and exit 2 when it cannot be used."""
    from broker.config import load_centre
    from settings import ConfigError

    try:
        return load_centre(str(path))
    except ConfigError as error:
        print(error, file=sys.stderr)
        raise Exit(2) from error


def instant(text: str | None) -> int | None:
    """Unix ms of `2026-11-23`, `2026-11-23T06:00:00Z` or Unix ms as they stand."""
    from settings.instants import parse_utc_ms

    if text is None:
        return None
    try:
        return int(text) if text.isascii() and text.isdigit() else parse_utc_ms(text)
    except ValueError as error:
        raise BadParameter(f"{text!r} is no time: wanted 2026-11-23T06:00:00Z or Unix ms") from error


def purge(
    before: Annotated[str, Option("--before", metavar="D", help="Records of UTC days before this day go, for good.")],
    config: Annotated[Path | None, Option(help="The centre's configuration: all that it keeps is purged.")] = None,
    store_url: Annotated[
        str | None, Option("--store", metavar="URL", help="Only this store, as sqlite:///path/to/store.db.")
    ] = None,
    asset: Annotated[str | None, Option("--asset", help="Only records of this asset.")] = None,
    as_json: AsJson = False,
) -> None:
    """Delete what must not be kept for ever: positions of people are personal data.

    Whole days only. The ledger counts the records as expired, and a box that sends one again is told that it is stored.
    With --config also the sessions and notices that the deriver has told of those days, and calls for help. Sums of
    hours stay.
    """
    before_utc_ms = instant(before)
    if before_utc_ms is None:
        raise BadParameter("wanted a day")
    if store_url is not None and config is None:
        with opened(store_url) as store:
            rows, body_bytes = store.purge(before_utc_ms, asset)
        print(_gone(as_json, rows=rows, body_bytes=body_bytes))
        if not as_json:
            print("a deriver forgets what it has told of them within a minute, while it runs; --config does it at once")
        return
    if config is None or store_url is not None:
        raise BadParameter("wanted either --config or --store")
    from broker.purging import purge_all

    centre = centre_of(config)
    with opened(centre.store.url) as store:
        gone = purge_all(
            store, before_utc_ms, asset, work_memory_path=centre.work_memory_path, downlink_path=centre.downlink_path
        )
    print(_gone(as_json, **gone._asdict()))


def _gone(as_json: bool, **counts: int) -> str:
    if as_json:
        return json.dumps(counts)
    said = f"purged {counts['rows']} records, {counts['body_bytes']} bytes of bodies"
    if "told" in counts:
        said += f"; {counts['told']} sessions and notices, {counts['calls']} calls for help"
    return said


def rederive(store_url: StoreUrl, as_json: AsJson = False) -> None:
    """Read stored bodies again that an older version could not; what now reads is published as a correction."""
    with opened(store_url) as store:
        readable, left = store.rederive()
    if as_json:
        print(json.dumps({"readable": readable, "undecoded": left}))
    else:
        print(f"{readable} records are readable now, {left} still are not")


def assets(
    store_url: StoreUrl,
    csv: Annotated[
        Path | None, Argument(metavar="CSV", help="unit,asset,agency,kind,from_utc,to_utc; to_utc empty = open.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replace the assignments of units to assets by those of a CSV file; without a file, show them as one.

    Every bad line and every overlap is named, and nothing is changed then. Records whose asset changes are corrected.
    """
    with opened(store_url) as store:
        if csv is None:
            _show(store, as_json)
            return
        changed = _load(store, csv)
    print(json.dumps({"corrected": changed}) if as_json else f"{changed} records corrected")


def _load(store: "Store", csv: Path) -> int:
    from broker.assets import load_csv

    try:
        with csv.open(encoding="utf-8-sig", newline="") as file:
            assignments = load_csv(file, str(csv))
    except PantauError as error:
        print(f"pantau assets: {error}", file=sys.stderr)
        raise Exit(2) from error
    except OSError as error:
        print(f"pantau assets: {csv}: {error.strerror}", file=sys.stderr)
        raise Exit(2) from error
    except UnicodeDecodeError as error:
        print(f"pantau assets: {csv} is not UTF-8: {error}", file=sys.stderr)
        raise Exit(2) from error
    return store.set_assignments(assignments)


def _show(store: "Store", as_json: bool) -> None:
    from dataclasses import asdict

    from broker.assets import as_csv

    assignments = store.assignments()
    if as_json:
        print(json.dumps([asdict(assignment) for assignment in assignments], indent=2))
    else:
        print(as_csv(assignments), end="")

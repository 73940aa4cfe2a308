"""`pantau cameras`: how many of the city's cameras see right now, which do not, why, since when, and whose they are."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import BadParameter, Exit, Option

from pantau.store import AsJson, centre_of, opened

if TYPE_CHECKING:
    from rich.console import RenderableType

    from broker.cameras import Camera
    from broker.store import Store

LONGEST_NAME_BYTES = 64
SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png"}


def cameras(
    store_url: Annotated[
        str | None, Option("--store", metavar="URL", help="The central store, as sqlite:///path/to/store.db.")
    ] = None,
    config: Annotated[
        Path | None, Option(help="The centre's configuration instead: its store, and which boxes are connected.")
    ] = None,
    agency: Annotated[str | None, Option(help="Only this agency's.")] = None,
    every: Annotated[bool, Option("--all", help="Also those that see, and are the ones adopted.")] = False,
    snapshots: Annotated[Path | None, Option(help="Write the last picture of each camera into this folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """A wall of words: how many cameras see right now, which do not, why, and since when.

    A pole of which no camera was ever heard is on it, too, and counts as one camera at least.
    Exit 0 when all see, 1 when one does not or nobody can say, 2 when the store is not there.
    """
    from broker.cameras import wall_of

    url, online = _where(store_url, config)
    now_utc_ms = time.time_ns() // 1_000_000
    with opened(url) as store:
        found = wall_of(store, now_utc_ms=now_utc_ms, online=online)
        found = [one for one in found if agency in (None, one.agency)]
        if snapshots is not None:
            _write(store, snapshots, {(one.agency, one.asset, one.camera) for one in found})
    if as_json:
        print("\n".join(json.dumps(asdict(one)) for one in found))
    else:
        from pantau.tables import print_table

        print_table(shown(found, now_utc_ms=now_utc_ms, every=every))
    raise Exit(0 if all(one.sees for one in found) else 1)


def shown(found: list[Camera], *, now_utc_ms: int, every: bool = False) -> RenderableType:
    """The wall: a headline, and a row for each camera that does not see or is not the one adopted (or for all)."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from broker.cameras import without_cameras

    seeing = sum(one.sees is True for one in found)
    unknown = sum(one.sees is None for one in found)
    poles = sum(1 for _ in without_cameras(found))
    count = f"at least {len(found)}" if poles else str(len(found))
    headline = Text(f"{seeing} of {count} cameras see", "bold green" if seeing == len(found) else "bold red")
    if unknown:
        headline.append(f", of {unknown} nobody can say", "bold yellow")
    if poles:
        said = "1 pole was" if poles == 1 else f"{poles} poles were"
        headline.append(f" ({said} never heard)", "yellow")
    table = Table(box=None, header_style="bold")
    for column in ("agency", "asset", "camera", "verdict", "since", "sure", "why"):
        ours = column in ("agency", "asset", "since", "sure")  # a box's own words may be of any length
        right = column in ("since", "sure")
        table.add_column(column, no_wrap=ours, overflow="fold", justify="right" if right else "left")
    for one in sorted(found, key=lambda one: (one.sees is True, one.sees is None)):
        if one.sees and one.cause is None and not every:
            continue
        style = {True: "yellow" if one.cause else None, False: "red", None: "yellow"}[one.sees]
        words = [one.agency, one.asset, one.camera or "?", one.verdict, _ago(one.since_utc_ms, now_utc_ms)]
        sure = "" if one.confidence_percent is None else f"{one.confidence_percent} %"
        table.add_row(*words, sure, one.why, style=style)
    return Group(headline, table) if table.row_count else headline


def _where(store_url: str | None, config: Path | None) -> tuple[str, Callable[[str], bool | None]]:
    """The store's URL, and what says whether a box is connected."""
    if store_url is not None and config is None:
        return store_url, lambda _unit: None
    if config is None or store_url is not None:
        raise BadParameter("wanted either --store or --config")
    from broker.presence import read_presence

    centre = centre_of(config)
    units, _ = read_presence(centre.presence_path)
    online = {unit.unit: unit.online for unit in units}
    return centre.store.url, online.get


def _write(store: Store, folder: Path, wanted: set[tuple[str, str, str | None]]) -> None:
    """The newest picture of each camera as AGENCY-ASSET-CAMERA.jpg, with the time it was taken."""
    from broker.clean import read_body
    from wire.kinds import KIND_SNAPSHOT

    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for entry in store.newest_looks(KIND_SNAPSHOT):  # oldest first: the newest is written last
        body = read_body(entry)
        if body is None or (entry.agency, entry.asset, body.camera) not in wanted:
            continue
        suffix = SUFFIXES.get(body.media_type, ".bin")
        path = folder / f"{entry.agency}-{entry.asset}-{_file_name(body.camera)}{suffix}"
        path.write_bytes(body.image)
        if entry.utc_ms is not None:
            os.utime(path, (entry.utc_ms / 1000, entry.utc_ms / 1000))
        count += 1
    print(f"{count} pictures in {folder}", file=sys.stderr)


def _file_name(camera: str) -> str:
    """A box may call a camera anything: only what a file name can hold, and what is changed still distinct."""
    kept = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in camera)
    if kept == camera and 0 < len(kept.encode()) <= LONGEST_NAME_BYTES:
        return kept
    short = kept.encode()[: LONGEST_NAME_BYTES - 9].decode(errors="ignore")
    return f"{short}-{blake2b(camera.encode(), digest_size=4).hexdigest()}"


def _ago(utc_ms: int | None, now_utc_ms: int) -> str:
    if utc_ms is None:
        return "at no known time"
    seconds = max(0, (now_utc_ms - utc_ms) // 1000)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"

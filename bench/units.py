"""units: the same rows from 10, 100, 1,000 and 5,000 units: what does a fix cost when a city grows?

Every unit is a TLS client of its own with its own certificate, all in this one process; each row of ten fixes is a
parcel of its own on the live lane, as fast as they are stored, and each unit's last one asks, so that everything is
receipted at once. Setting up the connections is apart. `--most=N` leaves larger fleets out.
"""

from __future__ import annotations

import math
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Final

from bench.centre import publisher_is_done, used
from bench.drives import Fix8, NoRealData, full_drives
from bench.fleet import ROW_FIXES, Fleet, live_parcels
from bench.processes import rss_mb
from bench.report import Figure, progress, show, skipped
from broker.store import open_store
from stage.city import City

FLEETS: Final = (10, 100, 1_000, 5_000)
ROWS: Final = 60_000  # whatever the fleet
OWN_FILES: Final = 200
DEADLINE_S: Final = 300.0
FLAT: Final = "0.8 to 1.2"
PARTS: Final = {"bridge": "bridge", "publisher": "publisher", "mosquitto": "broker"}


@dataclass(frozen=True, slots=True)
class Cost:
    """What one fleet cost."""

    units: int
    connect_s: float
    stored_s: float
    receipted_s: float
    cpu_us: dict[str, float]  # a fix, by process
    rss_mb: dict[str, float]


def main(argv: Sequence[str]) -> int:
    """Run it and print its figures."""
    as_json = "--json" in argv
    most = next((int(word.split("=", 1)[1]) for word in argv if word.startswith("--most=")), FLEETS[-1])
    fleets = [units for units in FLEETS if units <= most]
    try:
        drives = list(full_drives().values())
    except NoRealData as error:
        return skipped("units", str(error), as_json=as_json)
    open_files(fleets[-1] + OWN_FILES)
    costs = []
    for units in fleets:
        costs.append(_cost(units, drives))
        progress(f"units: {units:,} done")
    conditions = f"{ROWS:,} rows of {ROW_FIXES} whatever the fleet, each a parcel; one load process, one city each"
    show("units", [*_figures(costs)], as_json=as_json, conditions=conditions)
    return 0


def open_files(wanted: int) -> None:
    """Raise this process's limit of open files: every client takes one. Raises ValueError where it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _cost(units: int, drives: Sequence[Sequence[Fix8]]) -> Cost:
    with tempfile.TemporaryDirectory(prefix="pantau-units-") as directory:
        city = City(Path(directory), [])
        names = [f"load-{number:04}" for number in range(units)]
        city.prepare()
        for name in names:
            city.authority.ensure(name, "unit")
        packets = _packets(names, drives, ROWS // units)
        try:
            city.start_centre()
            begun_s = time.monotonic()
            fleet = Fleet(city, {name: ([], b"") for name in names})
            connect_s = time.monotonic() - begun_s
            before, begun_s = used(city), time.monotonic()
            with open_store(city.store_url) as store:
                stored_s = fleet.live(iter(packets), store.last_log_id, DEADLINE_S, math.inf)
            fleet.until_receipted(ROWS, DEADLINE_S)
            receipted_s = time.monotonic() - begun_s
            publisher_is_done(city, DEADLINE_S)
            spent = {part: now_s - before[part] for part, now_s in used(city).items()}
            cpu_us = {part: 1e6 * spent_s / (ROWS * ROW_FIXES) for part, spent_s in spent.items()}
            memory = {part: rss_mb(city.children[part].pid) for part in PARTS}
            fleet.close()
        finally:
            city.stop()
    return Cost(units, connect_s, stored_s, receipted_s, cpu_us, memory)


def _packets(names: Sequence[str], drives: Sequence[Sequence[Fix8]], rows: int) -> list[tuple[str, bytes]]:
    """Every unit's rows in turns; the last of each asks for its receipts."""
    by_unit = [
        [(name, packet) for packet in live_parcels(name, drive, rows, outbox_id=number, first_seq=1, last_asks=True)]
        for number, (name, drive) in enumerate(zip(names, cycle(drives), strict=False), 1)
    ]
    return [packet for turn in zip(*by_unit, strict=True) for packet in turn]


def _figures(costs: Sequence[Cost]) -> Iterator[Figure]:
    fixes, first = ROWS * ROW_FIXES, costs[0]
    for cost in costs:
        name = f"{cost.units:,} units"
        yield Figure(f"{name}: stored and receipted", fixes / cost.receipted_s, "fixes/s", "≥ 80000")
        yield Figure(f"{name}: connecting", 1000 * cost.connect_s / cost.units, "ms/unit", None, "one after the other")
        for part, called in PARTS.items():
            yield Figure(f"{name}: {called} CPU", cost.cpu_us[part], "µs/fix", "≤ 8" if part == "bridge" else None)
        for part, called in PARTS.items():
            yield Figure(f"{name}: {called} memory", cost.rss_mb[part], "MB RSS")
    for cost in costs[1:]:
        for part, called in PARTS.items():
            ratio = cost.cpu_us[part] / first.cpu_us[part]
            yield Figure(f"{called} CPU: {cost.units:,} units over {first.units}", ratio, "", FLAT)

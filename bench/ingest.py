"""ingest: 200 units over mutual TLS, rows of 10 fixes, SQLite.

First they drain backlogs by the numbers they draw, then they send live rows, each a parcel of its own: as fast as these
are stored, and at a pace a city may have. Two cores are shared by broker, bridge, publisher and this load.
"""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Final

from bench.centre import publisher_is_done, used
from bench.drives import Fix8, full_drives
from bench.fleet import ROW_FIXES, ROWS_A_BULK_PARCEL, Fleet, live_parcels, parcels
from bench.owntracks import Phones
from bench.report import Figure, show
from broker.store import open_store
from stage.city import City

UNITS: Final = 200
PARCELS_A_UNIT: Final = 4
LIVE_ROWS_A_UNIT: Final = 150
PACED_ROWS_A_UNIT: Final = 60
PACED_PER_S: Final = 1_000  # 10,000 units with a row each 10 s
WARM_UNITS: Final = 10
PHONE_FIXES: Final = 300
DEADLINE_S: Final = 300.0

Rows = list[tuple[str, bytes]]


def main(argv: Sequence[str]) -> int:
    """Run it and print its figures."""
    with tempfile.TemporaryDirectory(prefix="pantau-ingest-") as directory:
        city = City(Path(directory), [])
        names = [f"load-{i:03}" for i in range(UNITS)]
        city.prepare()
        for name in names:
            city.authority.ensure(name, "unit")
        drives = dict(zip(names, cycle(full_drives().values()), strict=False))
        made = {name: parcels(name, drives[name], PARCELS_A_UNIT, outbox_id=i + 1) for i, name in enumerate(names)}
        live = [_live(name, drives[name], i + 1) for i, name in enumerate(names)]
        packets = [packet for turn in zip(*live, strict=True) for packet in turn]
        cut = UNITS * LIVE_ROWS_A_UNIT
        try:
            city.start_centre()
            _warmed(city, drives[names[0]])
            fleet = Fleet(city, made)
            figures = _bulk(city, fleet)
            figures += _live_lane(city, fleet, "live", packets[:cut], math.inf)
            figures += _live_lane(city, fleet, f"live at {PACED_PER_S} rows/s", packets[cut:], PACED_PER_S)
            fleet.close()
            figures += _owntracks(city, drives)
        finally:
            city.stop()
    show("ingest", figures, as_json="--json" in argv, conditions=f"{UNITS} units, {os.cpu_count()} cores, SQLite")
    return 0


def _warmed(city: City, drive: Sequence[Fix8]) -> None:
    """A few units before the clock starts: a bridge learns what a byte costs it from the first groups it stores."""
    made = {f"warm-{i}": parcels(f"warm-{i}", drive, PARCELS_A_UNIT, outbox_id=i + 1) for i in range(WARM_UNITS)}
    for name in made:
        city.authority.ensure(name, "unit")
    fleet = Fleet(city, made)
    fleet.ask()
    fleet.drain(DEADLINE_S)
    fleet.close()
    publisher_is_done(city, DEADLINE_S)


def _live(name: str, drive: Sequence[Fix8], outbox_id: int) -> Rows:
    first = PARCELS_A_UNIT * ROWS_A_BULK_PARCEL + 2  # the first live row asked for the first number
    count = LIVE_ROWS_A_UNIT + PACED_ROWS_A_UNIT
    return [(name, packet) for packet in live_parcels(name, drive, count, outbox_id=outbox_id, first_seq=first)]


def _bulk(city: City, fleet: Fleet) -> list[Figure]:
    before, own_s = used(city), time.process_time()
    fleet.ask()
    took_s = fleet.drain(DEADLINE_S)
    fixes = fleet.stored_fixes
    load_s = time.process_time() - own_s
    publisher_is_done(city, DEADLINE_S)
    spent = {part: now_s - before[part] for part, now_s in used(city).items()}
    return [
        Figure("bulk: stored and receipted", fixes / took_s, "fixes/s", "≥ 40000"),
        Figure("bulk: bridge CPU", spent["bridge"] / fixes * 1e6, "µs/fix", "≤ 10"),
        Figure("bulk: publisher CPU", spent["publisher"] / fixes * 1e6, "µs/fix", "≤ 5"),
        Figure("bulk: broker CPU", spent["mosquitto"] / fixes * 1e6, "µs/fix"),
        Figure("bulk: load generator CPU", load_s / fixes * 1e6, "µs/fix"),
        Figure("bulk: fixes", fixes, ""),
        Figure("bulk: asked again", sum(unit.resent for unit in fleet.units.values()), "times"),
        Figure("bulk: took", took_s, "s"),
    ]


def _live_lane(city: City, fleet: Fleet, name: str, packets: Rows, per_s: float) -> list[Figure]:
    before, fixes = used(city), len(packets) * ROW_FIXES
    with open_store(city.store_url) as store:
        stored = store.last_log_id()
        took_s = fleet.live(iter(packets), lambda: store.last_log_id() - stored, DEADLINE_S, per_s)
    publisher_is_done(city, DEADLINE_S)
    spent = {part: now_s - before[part] for part, now_s in used(city).items()}
    paced = per_s < math.inf
    return [
        Figure(f"{name}: stored", fixes / took_s, "fixes/s", None if paced else "≥ 40000"),
        Figure(f"{name}: bridge CPU", spent["bridge"] / fixes * 1e6, "µs/fix", None if paced else "≤ 10"),
        Figure(f"{name}: publisher CPU", spent["publisher"] / fixes * 1e6, "µs/fix"),
        Figure(f"{name}: broker CPU", spent["mosquitto"] / fixes * 1e6, "µs/fix"),
    ]


def _owntracks(city: City, drives: Mapping[str, Sequence[Fix8]]) -> list[Figure]:
    """What the broker alone does for fixes that come one by one; nobody takes them from it here, and none is stored."""
    some = {name: drive[:PHONE_FIXES] for name, drive in drives.items()}
    fixes = sum(len(each) for each in some.values())
    phones = Phones(city, list(some))
    before = used(city)
    took_s = phones.publish(some, DEADLINE_S)
    spent_s = used(city)["mosquitto"] - before["mosquitto"]
    phones.close()
    return [
        Figure("OwnTracks JSON, QoS 1: acknowledged", fixes / took_s, "fixes/s", None, "PUBACK: in RAM, not stored"),
        Figure("OwnTracks JSON, QoS 1: broker CPU", spent_s / fixes * 1e6, "µs/fix", None, "without any reader's"),
    ]

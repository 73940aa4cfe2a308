"""ingest: 200 units over mutual TLS drain backlogs of 10-fix rows into SQLite, by the numbers they draw.

Two cores are shared by broker, bridge, publisher and this load.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Final

from bench.drives import full_drives
from bench.fleet import Fleet, parcels
from bench.processes import cpu_s
from bench.report import Figure, show
from broker.publisher import CURSOR_NAME
from broker.store import open_store
from stage.city import City

UNITS: Final = 200
PARCELS_A_UNIT: Final = 4
DEADLINE_S: Final = 300.0


def main(argv: Sequence[str]) -> int:
    """Run it and print its figures."""
    with tempfile.TemporaryDirectory(prefix="pantau-ingest-") as directory:
        city = City(Path(directory), [])
        names = [f"load-{i:03}" for i in range(UNITS)]
        city.prepare()
        for name in names:
            city.authority.ensure(name, "unit")
        drives = cycle(full_drives().values())
        made = {name: parcels(name, next(drives), PARCELS_A_UNIT, outbox_id=i + 1) for i, name in enumerate(names)}
        try:
            city.start_centre()
            figures = _measure(city, Fleet(city, made))
        finally:
            city.stop()
    show("ingest", figures, as_json="--json" in argv, conditions=f"{UNITS} units, {os.cpu_count()} cores, SQLite")
    return 0


def _measure(city: City, fleet: Fleet) -> list[Figure]:
    parts = ("bridge", "publisher", "mosquitto")
    before = {part: cpu_s(city.children[part].pid) for part in parts}
    own = time.process_time()
    fleet.ask()
    took_s = fleet.drain(DEADLINE_S)
    fixes = fleet.stored_fixes
    load_s = time.process_time() - own
    bridge_s = cpu_s(city.children["bridge"].pid) - before["bridge"]
    _publisher_is_done(city)
    used = {part: cpu_s(city.children[part].pid) - before[part] for part in parts}
    fleet.close()
    return [
        Figure("stored and receipted", fixes / took_s, "fixes/s", "≥ 40000"),
        Figure("bridge CPU", bridge_s / fixes * 1e6, "µs/fix", "≤ 10"),
        Figure("publisher CPU", used["publisher"] / fixes * 1e6, "µs/fix", "≤ 5"),
        Figure("broker CPU", used["mosquitto"] / fixes * 1e6, "µs/fix"),
        Figure("load generator CPU", load_s / fixes * 1e6, "µs/fix"),
        Figure("fixes", fixes, ""),
        Figure("asked again", sum(unit.resent for unit in fleet.units.values()), "times"),
        Figure("took", took_s, "s"),
    ]


def _publisher_is_done(city: City) -> None:
    deadline = time.monotonic() + DEADLINE_S
    with open_store(city.store_url) as store:
        while store.cursor(CURSOR_NAME) < store.last_log_id() and time.monotonic() < deadline:
            time.sleep(0.1)

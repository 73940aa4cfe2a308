"""drain: a day's backlog (86,400 fixes in rows of ten) over a slow link, while live goes on.

A real gps_unit behind our own proxy: 1 Mbit/s and 80 ms each way. Twice: its own bucket lifted, and as it is delivered.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from bench.drives import Fix8, NoRealData, full_drives
from bench.driving import ROW_FIXES, endless, from_now, record, spoken
from bench.report import Figure, percentile, show, skipped
from bench.watching import Watch
from edge.sim.link import SimulatedLink
from edge.sim.receiver import SimulatedReceiver
from stage.city import City, UnitPlan, free_port

BACKLOG_FIXES: Final = 86_400
BYTES_PER_S: Final = 125_000.0
DELAY_S: Final = 0.08
DEADLINE_S: Final = 120.0
UNIT: Final = "box-1"
# A live row a second instead of one in ten: ten times the samples, and ten times the disturbance.
REPORT: Final[dict[str, object]] = {"interval_s": 1.0, "quantum": "lossless", "tolerance_m": 0.0, "policy": False}
LIFTED: Final[dict[str, object]] = {"bulk_bytes_per_s": 100_000_000, "bulk_burst_bytes": 100_000_000}


def main(argv: Sequence[str]) -> int:
    """Run it twice and print its figures."""
    as_json = "--json" in argv
    try:
        drives = list(full_drives().values())
    except NoRealData as error:
        return skipped("drain", str(error), as_json=as_json)
    figures = [
        *_drain(drives, "bucket lifted", LIFTED, "≤ 20"),
        *_drain(drives, "default bucket", {}, "≤ 45"),
    ]
    conditions = f"{BACKLOG_FIXES} fixes, lossless, {BYTES_PER_S * 8e-6:g} Mbit/s, {DELAY_S * 1000:g} ms each way"
    show("drain", figures, as_json=as_json, conditions=conditions)
    return 0


def _drain(drives: Sequence[Sequence[Fix8]], name: str, uplink: dict[str, object], reach: str) -> list[Figure]:
    plan = UnitPlan(
        name=UNIT, asset="ambulance-1", agency="health", kind="ambulance", settings={"report": REPORT, "uplink": uplink}
    )
    port = free_port()
    with (
        tempfile.TemporaryDirectory(prefix="pantau-drain-") as directory,
        SimulatedLink("127.0.0.1", port, delay_s=DELAY_S, bytes_per_s=BYTES_PER_S) as link,
    ):
        city = City(Path(directory), [plan], port=port, broker_port=link.port)
        city.prepare()
        begin_ms = time.time_ns() // 1_000_000 - BACKLOG_FIXES * 1000
        fixes = list(islice(endless(drives, begin_ms), BACKLOG_FIXES))
        record(city.outbox_path(UNIT), fixes, quantum="lossless", tolerance_m=0.0)
        return _figures(city, link, SimulatedReceiver(spoken(from_now(drives)), link=city.tty(UNIT)), name, reach)


def _figures(city: City, link: SimulatedLink, receiver: SimulatedReceiver, name: str, reach: str) -> list[Figure]:
    stop, rows = threading.Event(), BACKLOG_FIXES // ROW_FIXES
    player = threading.Thread(target=receiver.play, args=(stop,))
    try:
        city.start_centre()
        watch = Watch(city, {UNIT: rows})
        watch.start()
        player.start()
        city.start_units()
        begun_s = _until(lambda: link.connections > 0)
        done_s = _until(lambda: sum(1 for _, seq in list(watch.clean) if seq <= rows) == rows)
        sent_bytes = link.bytes_up
        time.sleep(2.0)  # rows appended at the end of the drain are live, too
        watch.stop()
    finally:
        stop.set()
        player.join()
        city.stop()
        receiver.close()
    live_s = watch.live_s(begun_s, done_s)
    return [
        Figure(name, done_s - begun_s, "s", reach, "from the first SYN to the last row on its clean topic"),
        Figure(f"{name}: live p99", percentile(live_s, 99), "s", "≤ 2", f"append to clean topic, {len(live_s)} rows"),
        Figure(f"{name}: bytes up", sent_bytes / BACKLOG_FIXES, "B/fix", None, "TCP payload, live included"),
    ]


def _until(true: Callable[[], bool]) -> float:
    """The monotonic time at which it became true; raises TimeoutError."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not true():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"not drained after {DEADLINE_S:g} s")
        time.sleep(0.02)
    return time.monotonic()

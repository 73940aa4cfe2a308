"""edge: a real gps_unit's memory with a million rows in its outbox, and its CPU an epoch at 1 Hz.

Two units side by side in one city, over mutual TLS: one begins with an empty outbox (its CPU is the figure), one with
a full one (its memory is). GNSS comes through a pty at 1 Hz in real time.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.outbox import BACKLOG_ROWS, fill
from bench.processes import cpu_s, rss_mb
from bench.report import Figure, show
from edge.outbox import OutboxReader
from edge.sim.receiver import SimulatedReceiver, synthetic
from stage.city import City, UnitPlan

SETTLE_S: Final = 20.0  # connected, receiver found, imports done
MEASURED_S: Final = 120.0


def main(argv: Sequence[str]) -> int:
    """Run it and print its figures."""
    with tempfile.TemporaryDirectory(prefix="pantau-edge-") as directory:
        city = City(Path(directory), [_plan("empty"), _plan("full")])
        city.prepare()
        fill(city.outbox_path("full"))
        stop = threading.Event()
        receivers = [
            SimulatedReceiver(
                synthetic(time.time_ns() // 1_000_000, seed=i, cold_start=False), link=city.tty(plan.name)
            )
            for i, plan in enumerate(city.units)
        ]
        players = [threading.Thread(target=receiver.play, args=(stop,)) for receiver in receivers]
        try:
            city.start_centre()
            city.start_units()
            for player in players:
                player.start()
            figures = _measure(city)
        finally:
            stop.set()
            for player in players:
                player.join()
            city.stop()
            for receiver in receivers:
                receiver.close()
    show("edge", figures, as_json="--json" in argv, conditions=f"1 Hz, {MEASURED_S:g} s, TLS, no inputs")
    return 0


def _plan(name: str) -> UnitPlan:
    return UnitPlan(name=name, asset=f"car-{name}", agency="health", kind="ambulance", settings={})


def _measure(city: City) -> list[Figure]:
    time.sleep(SETTLE_S)
    pids = {plan.name: city.children[plan.name].pid for plan in city.units}
    before, begun = {name: cpu_s(pid) for name, pid in pids.items()}, time.monotonic()
    peak = dict.fromkeys(pids, 0.0)
    while time.monotonic() - begun < MEASURED_S:
        for name, pid in pids.items():
            peak[name] = max(peak[name], rss_mb(pid))
        time.sleep(0.25)
    epochs = time.monotonic() - begun
    used = {name: (cpu_s(pid) - before[name]) / epochs * 1000 for name, pid in pids.items()}
    with_rows = OutboxReader(city.outbox_path("full"))
    rows = with_rows.waiting()[0]
    with_rows.close()
    return [
        Figure("memory, 1,000,000 rows at first", peak["full"], "MB RSS", "≤ 34", f"{BACKLOG_ROWS - rows:,} drained"),
        Figure("memory, empty outbox", peak["empty"], "MB RSS"),
        Figure("CPU, nothing waits", used["empty"], "ms/epoch", "≤ 1"),
        Figure("CPU, backlog drains beside it", used["full"], "ms/epoch"),
    ]

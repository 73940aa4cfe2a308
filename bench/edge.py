"""edge: a real gps_unit's memory with a million rows in its outbox, and its CPU an epoch at 1 Hz.

Two units side by side in one city, over mutual TLS: one begins with an empty outbox (its CPU is the figure), one with
a full one (its memory is). GNSS comes through a pty at 1 Hz in real time. The modules are compiled before, as an
installation does: compiling them at the start costs 6 MB that are never given back.
"""

from __future__ import annotations

import compileall
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.outbox import BACKLOG_ROWS, fill
from bench.processes import cpu_s, rss_mb
from bench.report import Figure, median, show
from edge.outbox import OutboxReader
from edge.sim.receiver import SimulatedReceiver, synthetic
from stage.city import City, UnitPlan

ROOT: Final = Path(__file__).resolve().parents[1]
SETTLE_S: Final = 20.0  # connected, receiver found, imports done
PARTS: Final = 6
PART_S: Final = 20.0
OURS: Final = ("edge", "running", "settings", "wire")


def main(argv: Sequence[str]) -> int:
    """Run it and print its figures."""
    for package in OURS:
        compileall.compile_dir(ROOT / package, quiet=1)
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
    conditions = f"1 Hz, TLS, no inputs; median of {PARTS} x {PART_S:g} s"
    show("edge", figures, as_json="--json" in argv, conditions=conditions)
    return 0


def _plan(name: str) -> UnitPlan:
    inside = ("env", *_environment())
    return UnitPlan(name=name, asset=f"car-{name}", agency="health", kind="ambulance", settings={}, inside=inside)


def _environment() -> list[str]:
    """What systemd adds to the environment of a box's process."""
    lines = (ROOT / "packaging" / "pantau-gps-unit.service").read_text("utf-8").splitlines()
    return " ".join(line.removeprefix("Environment=") for line in lines if line.startswith("Environment=")).split()


def _measure(city: City) -> list[Figure]:
    time.sleep(SETTLE_S)
    pids = {plan.name: city.children[plan.name].pid for plan in city.units}
    peak = dict.fromkeys(pids, 0.0)
    parts = [_part(pids, peak) for _ in range(PARTS)]
    used = {name: median([part[name] for part in parts]) for name in pids}
    with_rows = OutboxReader(city.outbox_path("full"))
    rows = with_rows.waiting()[0]
    with_rows.close()
    return [
        Figure("memory, 1,000,000 rows at first", peak["full"], "MB RSS", "≤ 34", f"{BACKLOG_ROWS - rows:,} drained"),
        Figure("memory, empty outbox", peak["empty"], "MB RSS"),
        Figure("CPU, nothing waits", used["empty"], "ms/epoch", "≤ 1"),
        Figure("CPU, backlog drains beside it", used["full"], "ms/epoch"),
    ]


def _part(pids: dict[str, int | None], peak: dict[str, float]) -> dict[str, float]:
    """Milliseconds of CPU an epoch over one part of the measurement; `peak` is raised beside it."""
    before, begun = {name: cpu_s(pid) for name, pid in pids.items()}, time.monotonic()
    while (epochs := time.monotonic() - begun) < PART_S:
        for name, pid in pids.items():
            peak[name] = max(peak[name], rss_mb(pid))
        time.sleep(0.05)
    return {name: (cpu_s(pid) - before[name]) / epochs * 1000 for name, pid in pids.items()}

"""What a whole camera node costs with eight 1080p cameras: memory, and CPU of everything that a judged frame takes."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.pole import CAMERAS, plan
from bench.processes import cpu_s, peak_rss_mb, pss_mb
from bench.report import Figure, progress
from edge.sim.cameras import CameraHost
from stage.city import City, UnitPlan
from stage.process import Child

NODE: Final = "pole-1080"
LOOKED_S: Final = 150.0


@dataclass(frozen=True, slots=True)
class Used:
    """The highest of both in its whole life, and CPU."""

    rss_mb: float
    pss_mb: float
    cpu_percent: float


def figures(directory: Path) -> list[Figure]:
    """Run it in `directory`; raises NoCameras where none can be simulated."""
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(CameraHost(directory / "cameras"))
        camera = host.camera(
            "bench", width_px=1920, height_px=1080, frames_per_s=12, keyframe_every_s=2, bitrate_kbps=4000
        )
        service = stack.enter_context(camera.onvif())
        result = directory / "costs.json"
        node = plan(NODE, [camera], directory, onvif_port=service.port)
        city = timed_city(directory / "city", node, result)
        try:
            city.start_centre()
            city.start_units()
            progress(f"poles: a node with {CAMERAS} cameras for {LOOKED_S:.0f} s")
            used = _watched(city.children[NODE])
        finally:
            city.stop()
    return [*_figures(used, json.loads(result.read_text("utf-8")))]


def timed_city(directory: Path, node: UnitPlan, result: Path) -> City:
    """A city with one node, which writes into `result` what its looks have cost."""
    city = City(directory, [node])
    city.prepare()
    command = [sys.executable, "-m", "bench.timed_node", str(result), "--config", str(city.unit_config(node.name))]
    city.children[node.name] = Child(node.name, command, city.children[node.name].log_path)
    return city


def _watched(node: Child) -> Used:
    highest_pss_mb = 0.0
    begun_s, from_s = time.monotonic(), cpu_s(node.pid)
    while (took_s := time.monotonic() - begun_s) < LOOKED_S:
        highest_pss_mb = max(highest_pss_mb, pss_mb(node.pid))
        time.sleep(0.5)
    return Used(peak_rss_mb(node.pid), highest_pss_mb, 100 * (cpu_s(node.pid) - from_s) / took_s)


def _figures(used: Used, costs: dict[str, float]) -> Iterator[Figure]:
    parts = [(part, costs[f"{part}_ms"]) for part in ("decoded", "scaled", "judged")]
    split = ", ".join(f"{part} {ms:.1f}" for part, ms in parts)
    name = f"node with {CAMERAS} 1080p cameras"
    yield Figure(f"{name}, resident, at most", used.rss_mb, "MB", "≤ 120", "whole process, its whole life")
    yield Figure("the same, shared pages in parts (PSS)", used.pss_mb, "MB", "≤ 120")
    yield Figure(
        "a judged 1080p frame, CPU", sum(ms for _, ms in parts), "ms", "≤ 25", f"{split}; {costs['looks']:.0f} looks"
    )
    note = "reading 4 Mbit/s all the while, the main loop, the uplink"
    yield Figure("the same, whole process, CPU", costs["process_ms"], "ms", None, note)
    yield Figure(f"{name}, CPU", used.cpu_percent, "% of a core", None, "its start included")

"""poles: a pole of eight cameras: what a healthy one sends in a day, what its node costs, and 3,000 in a storm.

`--part=day`, `node` or `storm` runs one of the three; `--minutes=N` of the day's, `--nodes=N` of the storm's. The day
needs network namespaces (root), day and node need GStreamer: what cannot be run is left out and said.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from bench import pole_day, pole_node, pole_storm
from bench.report import Figure, progress, show, skipped
from edge.sim.cameras import NoCameras
from stage.namespace import MTU, NamespaceRefused

PARTS: Final[Mapping[str, str]] = {
    "day": f"day: cameras that see, real time, MTU {MTU}, TLS 1.3, a stock kernel's TCP",
    "node": "node: 1080p H.264, 12 frames/s, 4 Mbit/s, keyframe each 2 s, a look each 5 s",
    "storm": "storm: load, broker, bridge and publisher on one machine, TLS 1.3",
}


def main(argv: Sequence[str]) -> int:
    """Run it and print its figures."""
    as_json = "--json" in argv
    minutes, nodes = float(_word(argv, "minutes", pole_day.MINUTES)), int(_word(argv, "nodes", pole_storm.NODES))
    runs: dict[str, Callable[[Path], list[Figure]]] = {
        "day": lambda folder: pole_day.figures(folder, minutes),
        "node": pole_node.figures,
        "storm": lambda folder: pole_storm.figures(folder, nodes),
    }
    wanted = _word(argv, "part", "")
    if wanted not in ("", *runs):
        print(f"no part {wanted!r} of poles: {', '.join(runs)}", file=sys.stderr)
        return 2
    figures, conditions = [], []
    for part, run in runs.items():
        if wanted not in ("", part):
            continue
        progress(f"poles: {part}")
        try:
            with tempfile.TemporaryDirectory(prefix=f"pantau-pole-{part}-") as folder:
                figures += run(Path(folder))
            conditions.append(f"{PARTS[part]} (load average of {os.cpu_count()} cores: {os.getloadavg()[1]:.0f})")
        except (NamespaceRefused, NoCameras) as why:
            conditions.append(f"{part} left out: {why}")
    if not figures:
        return skipped("poles", "; ".join(conditions), as_json=as_json)
    show("poles", figures, as_json=as_json, conditions="; ".join(conditions))
    return 0


def _word(argv: Sequence[str], name: str, default: object) -> str:
    """What `--name=` says."""
    return next((word.split("=", 1)[1] for word in argv if word.startswith(f"--{name}=")), str(default))

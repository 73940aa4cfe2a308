"""A box's process as far as desired configuration goes: begins, hears, turns; killed at a point by its own hand.

`python desired_child.py DOCUMENTS STEP POINT`: STEP is `hear` (version 2 comes), `work` (a receipt comes) or `starve`
(none comes until the trial is over).
"""

from __future__ import annotations

import sys
from pathlib import Path

from edge.desired import Shadow
from edge.gps_unit.wiring import DesiredKept
from edge.memory import Memory
from torture.dying import kill_at

TRIAL_S = 600.0
WANTED = b'{"version":2,"desired":{"report":{"interval_s":5.0}}}'


def shadow(path: Path, now_s: list[float], point: str = "") -> Shadow:
    """On the documents at `path`; anything goes with this box's own file."""
    kept = DesiredKept(Memory(path), lambda: Memory(path))
    return Shadow(kept, lambda _document: None, lambda: now_s[0], trial_s=TRIAL_S, at=kill_at(point, 1))


def live(path: Path, step: str, point: str = "") -> Shadow:
    """One life of a process."""
    now_s = [0.0]
    alive = shadow(path, now_s, point)
    alive.begin()
    if step == "hear":
        alive.hear(WANTED)
    elif step == "work":
        alive.turn(receipted=True)
    elif step == "starve":
        now_s[0] = TRIAL_S
        alive.turn(receipted=False)
    return alive


if __name__ == "__main__":
    live(Path(sys.argv[1]), sys.argv[2], sys.argv[3])

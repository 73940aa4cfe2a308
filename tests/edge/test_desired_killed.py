"""Killed at each step of a wanted configuration: a real SIGKILL, a real file of documents."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from signal import SIGKILL

import pytest

from edge.desired import POINTS

WANTED_DOCUMENT = {"report": {"interval_s": 5.0}}


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_each_step_a_box_runs_with_one_or_the_other_and_says_what_became_of_it(
    point: str, tmp_path: Path
) -> None:
    from desired_child import WANTED, live

    documents = tmp_path / "documents.db"
    step = {"desired:heard": "hear", "desired:tried": "hear", "desired:kept": "work", "desired:reverted": "starve"}
    if step[point] != "hear":
        live(documents, "hear")
    child = [sys.executable, str(Path(__file__).with_name("desired_child.py")), str(documents), step[point], point]
    assert subprocess.run(child, check=False, capture_output=True).returncode == -SIGKILL

    alive = live(documents, "nothing")
    running = alive.running == WANTED_DOCUMENT
    assert running == (point in ("desired:tried", "desired:kept"))
    report = alive.take_report()
    said = None if report is None else json.loads(report[1])["state"]
    assert said == {"desired:kept": "applied", "desired:reverted": "reverted"}.get(point)
    # Retained, it comes again: only where nothing was stored is it news.
    assert alive.hear(WANTED) == (point == "desired:heard")

"""`pantau soak` as a person runs it: short, and ended early."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest


def soak(out: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pantau", "soak", "--units", "2", "--seed", "20261125", "--out", str(out), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kept(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "soak.json").read_text())
    ET.parse(out / "soak.svg")
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_city_lives_through_restarts_and_outages_without_drift_or_loss(tmp_path: Path) -> None:
    process = soak(tmp_path, "--hours", "0.012")
    said, trouble = process.communicate(timeout=500)
    run = kept(tmp_path)
    assert process.returncode == 0 and run["holds"], said + trouble
    assert {one["what"] for one in run["happenings"]} == {"restart", "outage"} and len(run["happenings"]) == 4
    assert run["report"]["due"] > 300 and run["latency_rows"] > 10
    measured = {(one["of"], one["measure"]) for one in run["series"]}
    for process_name in ("mosquitto", "bridge", "publisher", "box-1", "box-2"):
        assert {(process_name, measure) for measure in ("rss_mb", "pss_mb", "fds", "threads", "cpu")} <= measured
    assert len(next(s["lives"] for s in run["series"] if s["of"] == "box-2" and s["measure"] == "rss_mb")) == 3
    assert "0 missing, 0 twice" in said and "drift" not in said.lower()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ctrl_c_ends_it_early_and_what_there_is_is_judged(tmp_path: Path) -> None:
    process = soak(tmp_path, "--hours", "0.05", "--keep", str(tmp_path / "kept"))
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "restart" in line:
                break
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=400)
    finally:
        process.kill()
    run = kept(tmp_path)
    assert run["report"]["holds"], run["report"]
    assert run["lived_s"] < 120 and len(run["happenings"]) == 1
    # However short it was: what could be judged was, what could not is said, and the exit code is the verdict.
    assert process.returncode == (0 if run["holds"] else 1)
    assert run["holds"] or "too short to say" in said, said

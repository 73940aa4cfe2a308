"""`pantau run --day`: a played day's hours at the centre are those that were played, and Ctrl-C ends it at any time."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from test_run import END_WITHIN_S, processes_of

from broker.store import open_store
from broker.work.observed import Window
from broker.work.reading import reader
from pantau.run_day import days, truth, window_of
from pantau.run_hours import derived
from stage.city import UnitPlan, free_port
from wire.inputs import INPUTS

BETWEEN = "06:56-07:36"  # all three of them begin within minutes of seven
AGENCIES = {"excavator": "public-works", "ambulance": "health", "fire-engine": "fire"}
EXACT_S = 30.0  # the promise is 60 s or 1 %
DATED_S = 5.0  # a second, and what a busy machine adds


def day(directory: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "pantau", "run", "--day", "--between", BETWEEN, "--no-cameras"]
    return subprocess.Popen(
        [*command, "--port", str(free_port()), "--directory", str(directory), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def off_s(city: Path, window: Window) -> dict[str, float]:
    """How far each vehicle's hours at the centre are from what was played, by kind and input."""
    found = {}
    with open_store(f"sqlite:///{city / 'store.db'}") as store:
        for kind, told in days(window).items():
            plan = UnitPlan(name="", asset=f"{kind}-01", agency=AGENCIES[kind], kind=kind, settings={})
            _, hours = derived(store, plan, window)
            true = truth(told, window)
            for name, ms in hours.by_kind_ms.items():
                found[f"{kind} {name}"] = (ms - true.by_kind_ms[name]) / 1000
            found[f"{kind} engine"] = (hours.engine_on_ms - true.engine_on_ms) / 1000
            if kind != "ambulance":
                found[f"{kind} pto"] = (hours.pto_on_ms - true.pto_on_ms) / 1000
    return found


def misdated_s(city: Path, window: Window) -> float:
    """The farthest that a change of an input is dated from when it was; fails when one is missing or too many."""
    worst = 0.0
    with open_store(f"sqlite:///{city / 'store.db'}") as store:
        for kind, told in days(window).items():
            seen = reader(store, f"{kind}-01", AGENCIES[kind])(window, window)
            said = [e for e in seen.levels if e.edge and window.from_ms <= e.at_ms < window.to_ms]
            true = [e for e in told.edges if e.name in INPUTS and window.from_ms <= e.at_ms < window.to_ms]
            assert [(e.name, e.on) for e in said] == [(e.name, e.on) for e in true]
            worst = max([worst, *(abs(a.at_ms - b.at_ms) / 1000 for a, b in zip(said, true, strict=True))])
    return worst


def played_lines(told: str) -> int:
    """The lines of the last table that say what was played."""
    return sum(line.strip().startswith("as played") for line in told.splitlines())


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_days_hours_are_those_that_were_played_and_ctrl_c_ends_the_same_day_played_again(tmp_path: Path) -> None:
    window = window_of(BETWEEN, datetime.now(UTC))
    city = tmp_path / "day"
    child = day(tmp_path)
    told, said = child.communicate(timeout=200)
    assert child.returncode == 0, said
    assert {name: off for name, off in off_s(city, window).items() if abs(off) > EXACT_S} == {}
    assert misdated_s(city, window) <= DATED_S
    assert played_lines(told) == 3
    assert "did not say" not in said

    again = day(tmp_path)
    assert again.stderr is not None
    tenths = (line for line in again.stderr if line.endswith(" in Jakarta\n"))
    assert next(tenths) != next(tenths)  # the first of them is over, for all three
    asked = time.monotonic()
    again.send_signal(signal.SIGINT)
    told, said = again.communicate(timeout=30)
    assert time.monotonic() - asked < END_WITHIN_S
    assert again.returncode == 0, said
    assert played_lines(told) == 3
    assert processes_of(tmp_path) == []
    assert {name: off for name, off in off_s(city, window).items() if abs(off) > EXACT_S} == {}


def test_a_part_of_the_day_that_is_none_is_refused(tmp_path: Path) -> None:
    child = day(tmp_path, "--between", "18:00-06:00")
    _, said = child.communicate(timeout=30)
    assert child.returncode == 2
    assert "--between" in said
    assert processes_of(tmp_path) == []

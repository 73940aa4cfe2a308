"""Every commit point that the code names is passed by a real process, which dies there; the city is none the worse."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import broker
import edge
from torture.points import POINTS, RARE, everyday
from torture.run import run
from torture.scenario import Scenario, Setup
from torture.scenarios.kill import at_each_commit_point
from torture.scene import Scene

REPOSITORY = Path(edge.__file__).parents[1]
ALL = {point for points in POINTS.values() for point in points}


ON_TIME = re.compile(r"box-1 has an epoch within \S+ s of each start")  # not for a test to say: the machine may be busy


def each_once(scene: Scene) -> None:
    at_each_commit_point(scene)
    scene.kill(scene.box.name)  # as in the scenario: a new session sends at once what has no receipt


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_at_every_commit_point_of_every_program_nothing_is_lost(tmp_path: Path) -> None:
    scenario = Scenario("kill-at-each-commit-point", "kill", "nothing is lost", (each_once,), Setup())
    report = run(scenario, tmp_path, seed=20261125, seconds=500.0)
    assert [claim for claim in report.broken() if not ON_TIME.fullmatch(claim.what)] == [] and not report.error
    assert report.faults.keys() >= ALL - RARE
    assert report.due > 20


def test_no_point_is_forgotten_and_none_is_named_twice() -> None:
    named = [point for module in modules() for point in getattr(module, "POINTS", ())]
    assert sorted(named) == sorted(ALL), "torture/points.py gathers what the modules name"
    assert len(named) == len(set(named))
    assert {point for _, point, _ in everyday()} == ALL - RARE


def test_the_code_passes_no_point_that_has_no_name() -> None:
    called = {point for package in ("edge", "broker") for point in passed(REPOSITORY / package)}
    assert called >= {"commit:written", "fix:heard", "*:begun"}
    whole = {point for point in called if not point.startswith("*")}
    assert whole <= ALL
    assert {ending[1:] for ending in called - whole} <= {point[point.index(":") :] for point in ALL}


def test_what_is_rare_is_killed_by_a_test_that_makes_it_happen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(REPOSITORY / "tests" / "broker")  # their helpers stand beside them
    from tests.broker import test_sinks, test_work_topics
    from tests.edge import test_desired_killed, test_outbox_killed

    modules = (test_desired_killed, test_outbox_killed, test_sinks, test_work_topics)
    found = [getattr(module, name) for module in modules for name in dir(module)]
    marks = [mark for one in found for mark in getattr(one, "pytestmark", ())]
    assert {
        point for mark in marks if mark.name == "parametrize" and mark.args[0] == "point" for point in mark.args[1]
    } >= RARE


def modules() -> Iterator[object]:
    for package in (edge, broker):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            # Simulations are no program of ours, and one runs in another Python.
            if not found.name.endswith("__main__") and not found.name.startswith("edge.sim."):
                yield importlib.import_module(found.name)


def passed(directory: Path) -> Iterator[str]:
    """What `at(...)` is called with in the code: a name, or `*` and its ending where it is put together."""
    for file in directory.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("at", "self._at"):
                (point,) = node.args
                parts = point.values if isinstance(point, ast.JoinedStr) else [point]
                yield "*" * (len(parts) - 1) + ast.literal_eval(parts[-1])

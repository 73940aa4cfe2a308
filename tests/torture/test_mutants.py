"""The fault suite bites: a fault put into the code on purpose is caught, and by the claim that is there for it.

Each mutant is a copy of the source with one small edit. An edit whose place is not found exactly once fails: code that
moved would otherwise go untested without a word.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

SOURCE: Final = Path(__file__).parents[2]
ROOMS: Final = ("wire", "running", "settings", "edge", "broker", "provisioning", "stage", "torture", "pantau")
AT_ONCE: Final = 5  # cities; a scenario mostly waits
SEED: Final = 20261123
WITHIN_S: Final = 600

# Appended to the edited file: which processes have imported it.
IMPORTED: Final = """

with open({path!r}, "a") as _imported:
    _imported.write(" ".join(__import__("sys").orig_argv) + "\\n")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One fault: `find` in `file` becomes `put`; `scenario` must break with a claim that contains one of `caught`.

    `ran`: a word of the command line of the process in which it must have run.
    """

    name: str
    file: str
    find: str
    put: str
    ran: str
    scenario: str
    caught: tuple[str, ...]


# A row that was given up before it was stored: it may hold a due epoch, or the box's health.
LOST: Final = ("every due epoch is stored", "the ledger judged records, and none is missing")

MUTANTS: Final = (
    Mutant(
        name="delete on publish instead of receipt",
        file="edge/uplink.py",
        find="""            if link.publish(lane(self._unit), payload):
""",
        put="""            if link.publish(lane(self._unit), payload):
                self._outbox.receipted(Ranges((row.id, row.id) for row in out.packed.rows))
""",
        ran="edge.gps_unit",
        scenario="store-killed-while-hung",
        caught=LOST,
    ),
    Mutant(
        name="receipt before commit",
        file="broker/committer.py",
        find="""            outcomes, took_s = self._patiently(stop, lambda: self._commit(store, group.arrivals))
""",
        put="""            self._settle(store, group, [Outcome.STORED] * len(group.arrivals), 0.0)
            outcomes, took_s = self._patiently(stop, lambda: self._commit(store, group.arrivals))
""",
        ran="broker",
        scenario="store-killed-while-hung",
        caught=LOST,
    ),
    # Without AUTOINCREMENT the next rowid is the highest one that is still there, plus one.
    Mutant(
        name="seq without AUTOINCREMENT",
        file="edge/outbox_batch.py",
        find="""last_id=max(counters.get("rows", 0), held.highest())""",
        put="last_id=held.highest()",
        ran="edge.gps_unit",
        scenario="history-emptied",
        caught=("no seq was used for two records",),
    ),
    Mutant(
        name="dedup off",
        file="broker/store/intake.py",
        find="        if digest in known:\n",
        put="        if False:\n",
        ran="broker",
        scenario="store-receipts-lost",
        caught=("nothing is stored twice",),
    ),
    Mutant(
        name="hash not compared",
        file="broker/store/intake.py",
        find="        if digest in known:\n            return _OUTCOMES[_DUPLICATE if digest == known[0] else",
        put="        if known:\n            return _OUTCOMES[_DUPLICATE if True else",
        ran="broker",
        scenario="history-restored",
        caught=(*LOST, "the store tells the two histories apart"),
    ),
    Mutant(
        name="publish instead of cursor: none is kept",
        file="broker/publisher.py",
        find="self._cursor = self._resumed = store.cursor(CURSOR_NAME)",
        put="self._cursor = self._resumed = store.last_log_id()",
        ran="broker",
        scenario="centre-frozen-broker",
        caught=("without a gap",),
    ),
    Mutant(
        name="publish instead of cursor: it moves without the broker's proof",
        file="broker/publisher.py",
        find="""            self._connection.barrier(self._position)
""",
        put="""            self._connection.barrier(self._position)
            self._store.set_cursor(CURSOR_NAME, self._position)
""",
        ran="broker",
        scenario="centre-frozen-broker",
        caught=("without a gap",),
    ),
    Mutant(
        name="interval number not committed",
        file="edge/gps_unit/record.py",
        find="cls=CLASS_TRACK, interval=self._interval.number)",
        put="cls=CLASS_TRACK)",
        ran="edge.gps_unit",
        scenario="history-leftover",
        caught=("nothing is stored twice",),
    ),
    Mutant(
        name="floor raised by GNSS",
        file="edge/clock.py",
        find="        self._tie = _Tie(offset_ms, source, at_ms)\n",
        put="""        self._tie = _Tie(offset_ms, source, at_ms)
        self._floor_utc_ms = max(self._floor_utc_ms, utc_ms)
""",
        ran="edge.gps_unit",
        scenario="clock-spoofed-2046",
        caught=("it is back as soon as the sky is honest",),
    ),
)
CONTROL: Final = sorted({mutant.scenario for mutant in MUTANTS})


def copied(to: Path) -> Path:
    """The source as it is."""
    for room in ROOMS:
        shutil.copytree(SOURCE / room, to / room, ignore=shutil.ignore_patterns("__pycache__"))
    return to


def mutated(mutant: Mutant, to: Path) -> Path:
    """A copy of the source with the fault in it."""
    file = copied(to) / mutant.file
    text = file.read_text("utf-8")
    assert text.count(mutant.find) == 1, f"{mutant.name}: {mutant.file} has changed, find the place again"
    file.write_text(text.replace(mutant.find, mutant.put) + IMPORTED.format(path=str(to / "imported")), "utf-8")
    return to


def tortured(home: Path, *scenarios: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and reports of the suite, run from that copy by a process that knows no other."""
    command = [sys.executable, "-m", "pantau", "torture", *scenarios, "--seed", str(SEED), "--minutes", "0", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(home)}
    done = subprocess.run(
        command, cwd=home, env=environment, capture_output=True, text=True, timeout=WITHIN_S, check=False
    )
    assert done.stdout, done.stderr
    reports: list[dict[str, Any]] = json.loads(done.stdout)["reports"]
    return done.returncode, reports


Run = Future[tuple[int, list[dict[str, Any]]]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[Path, Run]]]:
    """Every mutant and the control, some at the same time; each test waits for its own."""
    started: dict[str, tuple[Path, Run]] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for scenario in CONTROL:
            home = copied(tmp_path_factory.mktemp("control"))
            started[scenario] = home, pool.submit(tortured, home, scenario)
        for mutant in MUTANTS:
            home = mutated(mutant, tmp_path_factory.mktemp("mutant"))
            started[mutant.name] = home, pool.submit(tortured, home, mutant.scenario)
        yield started


@pytest.mark.slow
@pytest.mark.timeout(WITHIN_S)
@pytest.mark.parametrize("scenario", CONTROL)
def test_the_code_as_it_is_holds_its_promises(scenario: str, runs: dict[str, tuple[Path, Run]]) -> None:
    code, (report,) = runs[scenario][1].result()
    assert code == 0, broken(report)
    assert not report["skipped"], "a promise that was skipped shows nothing"


@pytest.mark.slow
@pytest.mark.timeout(WITHIN_S)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_fault_in_the_code_is_caught(mutant: Mutant, runs: dict[str, tuple[Path, Run]]) -> None:
    home, run = runs[mutant.name]
    code, (report,) = run.result()
    imported_by = (home / "imported").read_text("utf-8").splitlines()
    assert any(mutant.ran in command.split() for command in imported_by), "the mutant did not run"
    assert code == 1
    seen = broken(report)
    assert any(caught in what for caught in mutant.caught for what in seen), (seen, report["error"])


def broken(report: dict[str, Any]) -> list[str]:
    """What did not hold."""
    return [what for what, held, _ in report["claims"] if not held]

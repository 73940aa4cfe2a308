"""Many scenarios, each in a process and a city of its own, some of them at the same time."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from torture.report import Report
from torture.run import run
from torture.scenario import chosen

# What a scenario takes besides its faults: certificates, starts, draining, the account; measured on two cores.
AROUND_S: Final = 14.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Scenarios (by name) to run within about `minutes`, `jobs` at a time, each under `directory`.

    `second_chance`: what broke, and lost nothing, is run once more at the end, alone: many cities on few cores are
    late for reasons of their own.
    """

    scenarios: Sequence[str]
    directory: Path
    seed: int
    minutes: float
    jobs: int = 1
    log: Path | None = None
    speed: float = 1.0
    second_chance: bool = False

    @property
    def seconds_each(self) -> float:
        """How long the faults of one scenario may last; its own least is added by the run."""
        return max(0.0, self.minutes * 60 * self.jobs / max(1, len(self.scenarios)) - AROUND_S)

    def reports(self) -> Iterator[Report]:
        """The reports, as the scenarios end."""
        spawn = multiprocessing.get_context("spawn")  # no threads, sockets or locks of ours in a scenario's process
        with ProcessPoolExecutor(self.jobs, mp_context=spawn, max_tasks_per_child=1) as pool:
            running = [pool.submit(_one, self, name) for name in self.scenarios]
            late = []
            for ended in as_completed(running):
                report = ended.result()
                if self.second_chance and report.forgivable:
                    late.append(report.scenario)
                else:
                    yield report
            for name in late:
                report = pool.submit(_one, self, name, "again").result()
                report.again = True
                yield report


def _one(suite: Suite, name: str, folder: str = "") -> Report:
    """In a process of its own: functions do not travel, names do."""
    directory = suite.directory / folder / name
    directory.mkdir(parents=True, exist_ok=True)
    (scenario,) = chosen([name])
    return run(scenario, directory, seed=suite.seed, seconds=suite.seconds_each, log=suite.log, speed=suite.speed)

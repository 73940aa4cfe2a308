"""Many scenarios, each in a process and a city of its own, some of them at the same time."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
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
        children = _Children()
        with ThreadPoolExecutor(self.jobs) as pool:
            running = [pool.submit(children.report, self, name) for name in self.scenarios]
            late = []
            try:
                for ended in as_completed(running):
                    report = ended.result()
                    if self.second_chance and report.forgivable:
                        late.append(report.scenario)
                    else:
                        yield report
                for name in late:
                    report = children.report(self, name, "again")
                    report.again = True
                    yield report
            except BaseException:  # Ctrl-C, or whoever reads has stopped: those that run clean up behind them
                pool.shutdown(wait=False, cancel_futures=True)
                children.interrupt()
                raise


class _Children:
    """A new process for each scenario: no threads, sockets or locks of ours in it, and no Ctrl-C but from here."""

    def __init__(self) -> None:
        self._spawn = multiprocessing.get_context("spawn")
        self._running: set[SpawnProcess] = set()

    def report(self, suite: Suite, name: str, folder: str = "") -> Report:
        """Run this scenario to its end. RuntimeError when its process ends without a report."""
        hears, says = self._spawn.Pipe(duplex=False)
        child = self._spawn.Process(target=_tell, args=(says, suite, name, folder), name=name)
        child.start()
        self._running.add(child)
        says.close()
        try:
            report: Report = hears.recv()
        except EOFError:
            raise RuntimeError(f"{name}: its process ended without a report") from None
        finally:
            child.join()
            self._running.discard(child)
        return report

    def interrupt(self) -> None:
        """Ctrl-C for all that run; they stop their cities."""
        for child in list(self._running):
            if child.pid is not None and child.is_alive():
                os.kill(child.pid, signal.SIGINT)


def _tell(says: Connection, suite: Suite, name: str, folder: str) -> None:
    os.setsid()
    with says, contextlib.suppress(KeyboardInterrupt):
        says.send(_one(suite, name, folder))


def _one(suite: Suite, name: str, folder: str = "") -> Report:
    """In a process of its own: functions do not travel, names do."""
    directory = suite.directory / folder / name
    directory.mkdir(parents=True, exist_ok=True)
    (scenario,) = chosen([name])
    return run(scenario, directory, seed=suite.seed, seconds=suite.seconds_each, log=suite.log, speed=suite.speed)

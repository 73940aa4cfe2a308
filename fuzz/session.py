"""One run of libFuzzer over one target: its command, and what its words and files say afterwards."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from fuzz.signature import REPOSITORY

SLOWEST_S: Final = 10  # an input of a few kB that takes longer would stall a box or the bridge
MEMORY_MB: Final = 768  # a worker needs 100; a parser that needs so much for a few kB has no bound
WORDS: Final = REPOSITORY / "fuzz" / "words.dict"
GRACE_S: Final = 180.0  # for imports and seeds on a machine that is busy, and for libFuzzer's last words

_DONE = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_NEW = re.compile(r"stat::new_units_added:\s*(\d+)")
_COVERAGE = re.compile(r"^#(\d+)\s.*?cov: (\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Ran:
    """What one run of libFuzzer did; `crash` is the input that ended it, None when its time did."""

    executions: int
    edges: int
    new_inputs: int
    crash: Path | None
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to run: `grown` is where new inputs are kept from run to run, `seeds` are only read."""

    target: str
    max_bytes: int
    seconds: float
    seed: int
    grown: Path
    seeds: Sequence[Path]
    scratch: Path
    known: Sequence[str]


class Workers:
    """The fuzzing processes of this one, so that its end is theirs; safe from any thread."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self.stopped = False

    def run(self, command: Sequence[str], log: IO[bytes], environment: Mapping[str, str], within_s: float) -> None:
        """Start one and wait for its end; killed when it takes longer than it may."""
        if self.stopped:
            return
        with subprocess.Popen(command, stdout=log, stderr=log, env=environment) as process:
            self._running.add(process)
            try:
                process.wait(within_s)
            finally:
                process.kill()
                self._running.discard(process)

    def stop(self) -> None:
        """End them all; none starts any more."""
        self.stopped = True
        for process in list(self._running):
            process.kill()


def run(order: Order, workers: Workers) -> Ran:
    """Fuzz; raises RuntimeError when libFuzzer ended before its time and without a finding."""
    crashes = order.scratch / "crashes"
    for folder in (order.grown, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    log = order.scratch / "libfuzzer.log"
    within_s = order.seconds + GRACE_S
    try:
        with log.open("wb") as out:
            workers.run(_command(order, crashes), out, environment(order.scratch), within_s)
    except subprocess.TimeoutExpired as late:
        raise RuntimeError(f"not ended within {within_s:.0f} s") from late
    words = log.read_text("utf-8", "replace")
    crash = next((file for file in sorted(crashes.iterdir()) if not file.name.startswith("slow-unit")), None)
    if crash is None and "Done " not in words:
        raise RuntimeError(f"libFuzzer ended by itself:\n{words[-2000:]}")
    status = _COVERAGE.findall(words)
    return Ran(
        executions=_number(_DONE, words) or (int(status[-1][0]) if status else 0),
        edges=int(status[-1][1]) if status else 0,
        new_inputs=_number(_NEW, words),
        crash=crash,
        words=words,
    )


def environment(scratch: Path) -> dict[str, str]:
    """What a process of ours runs with: this repository first, and its files in `scratch`."""
    path = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": path}


def _command(order: Order, crashes: Path) -> list[str]:
    return [
        sys.executable, "-m", "fuzz.worker", order.target,
        *(f"--known={one}" for one in order.known),
        f"-max_len={order.max_bytes}",
        f"-max_total_time={max(1, round(order.seconds))}",
        f"-timeout={SLOWEST_S}",
        f"-rss_limit_mb={MEMORY_MB}",
        f"-seed={order.seed}",
        f"-artifact_prefix={crashes}/",
        f"-dict={WORDS}",
        "-print_final_stats=1",
        str(order.grown),
        *map(str, order.seeds),
    ]  # fmt: skip


def _number(wanted: re.Pattern[str], words: str) -> int:
    found = wanted.search(words)
    return int(found[1]) if found else 0

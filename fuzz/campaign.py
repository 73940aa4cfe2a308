"""A target's share of the budget: run, keep what was found, and go on past it until the time is over."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fuzz.seeding import CORPUS
from fuzz.session import Order, Ran, Workers, environment, run
from fuzz.signature import REPOSITORY, anywhere
from fuzz.targets import target

FOUND: Final = REPOSITORY / "fuzz" / "found"
GROWN: Final = REPOSITORY / "build" / "fuzz"  # not in the repository: it may hold pieces of real logs
MOST_FINDINGS: Final = 10  # a target so broken is mended first
MINIMISE_WITHIN_S: Final = 120.0
READS_LOGS: Final = ("serial", "receiver_log")  # targets that real logs of receivers are seeds of
LOG_ENDINGS: Final = (".log", ".nmea")


@dataclass(slots=True)
class Outcome:
    """What came of one target."""

    target: str
    executions: int = 0
    seconds: float = 0.0
    edges: int = 0
    new_inputs: int = 0
    findings: dict[str, Path] = field(default_factory=dict)  # by signature
    trouble: str = ""


def campaign(
    name: str, seconds: float, seed: int, workers: Workers, *, found: Path = FOUND, grown: Path = GROWN
) -> Outcome:
    """Fuzz one target for that long; every new finding is minimised and written to `found`."""
    outcome, until_s = Outcome(name), time.monotonic() + seconds
    while (left_s := until_s - time.monotonic()) >= 1 and len(outcome.findings) < MOST_FINDINGS:
        with tempfile.TemporaryDirectory(prefix="pantau-fuzz-", dir=_memory()) as scratch:
            started_s = time.monotonic()
            ran = run(
                Order(
                    target=name,
                    max_bytes=target(name).MAX_BYTES,
                    seconds=left_s,
                    seed=seed + len(outcome.findings),
                    grown=grown / name,
                    seeds=_seeds(name, found, Path(scratch)),
                    scratch=Path(scratch),
                    known=list(outcome.findings),
                ),
                workers,
            )
            _add(outcome, ran, time.monotonic() - started_s)
            if ran.crash is None or not _keep(outcome, ran, Path(scratch), found / name):
                break
    return outcome


def _seeds(name: str, found: Path, scratch: Path) -> list[Path]:
    """Folders of inputs to begin with: our own, what was found before, and real logs where there are any."""
    folders = [CORPUS / name, found / name]
    if name in READS_LOGS:
        folders.append(_real_logs(scratch / "logs"))
    return [folder for folder in folders if folder.is_dir()]


def _real_logs(folder: Path) -> Path:
    """Links to the receiver logs of PANTAU_DATA, read where they lie; none where the data is not."""
    data = Path(os.environ.get("PANTAU_DATA", REPOSITORY.parent / "shared" / "data"))
    folder.mkdir()
    for log in (data / "nmea").rglob("*"):
        if log.suffix in LOG_ENDINGS:
            (folder / log.name).symlink_to(log.resolve())
    return folder


def _memory() -> str | None:
    """A file system in memory, where there is one: targets write files thousands of times a second."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _add(outcome: Outcome, ran: Ran, seconds: float) -> None:
    outcome.executions += ran.executions
    outcome.seconds += seconds
    outcome.edges = max(outcome.edges, ran.edges)
    outcome.new_inputs += ran.new_inputs


def _keep(outcome: Outcome, ran: Ran, scratch: Path, folder: Path) -> bool:
    """Write the finding down; whether it can be told apart from the next, so that it is worth going on."""
    assert ran.crash is not None
    folder.mkdir(parents=True, exist_ok=True)
    small = scratch / "small"
    wanted = None
    if ran.crash.name.startswith("crash-"):
        wanted = _minimised(outcome.target, ran.crash, small)
    if wanted is not None and wanted not in outcome.findings:
        place = folder / _name(small.read_bytes())
        shutil.move(small, place)
        shutil.move(f"{small}.txt", f"{place}.txt")
        outcome.findings[wanted] = place
        return True
    # Too slow, too large, or not to be repeated by itself: kept as it came, with libFuzzer's own words.
    place = folder / _name(ran.crash.read_bytes())
    kind = ran.crash.name.partition("-")[0]  # timeout, oom, or a crash that the input alone does not repeat
    what = kind if wanted is None else f"again: {wanted}"
    shutil.copyfile(ran.crash, place)
    place.with_name(f"{place.name}.txt").write_text(f"{what}\n\n{anywhere(ran.words[-4000:])}", "utf-8")
    outcome.findings[what] = place
    return False


def _minimised(name: str, crash: Path, small: Path) -> str | None:
    """The finding's signature, its small input at `small`; None when it does not fail alone."""
    command: Sequence[str] = [sys.executable, "-m", "fuzz.minimise", name, str(crash), str(small)]
    try:
        said = subprocess.run(
            command, stdout=subprocess.PIPE, env=environment(small.parent), check=True, timeout=MINIMISE_WITHIN_S
        ).stdout
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        return None
    signature: str | None = json.loads(said.splitlines()[-1])
    return signature


def _name(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]

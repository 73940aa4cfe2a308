"""SIGKILL at named points and at random moments: what append has returned is held, stored or named. A real process."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.outbox import POINTS, Outbox
from tests.edge.outbox_ledger import Key, missing, rows
from tests.edge.test_outbox_schema import write_prototype

LIMIT_BYTES = 300 << 10  # so small that it sheds within a few hundred rows
CHILD = Path(__file__).with_name("outbox_child.py")
REPOSITORY = Path(__file__).resolve().parents[2]


class Told:
    """What the killed processes have said before they died."""

    def __init__(self) -> None:
        self.accepted: dict[Key, bytes] = {}
        self.stored: set[Key] = set()

    def hear(self, output: bytes) -> int:
        """Only whole lines: the last may be cut; how many rows were accepted."""
        count = 0
        for line in output.decode().splitlines(keepends=True):
            if not line.endswith("\n"):
                continue
            what, outbox_id, seq, *body = line.split()
            if what == "a":
                assert (int(outbox_id), int(seq)) not in self.accepted, "a key given out twice"
                self.accepted[int(outbox_id), int(seq)] = bytes.fromhex(body[0])
                count += 1
            else:
                self.stored.add((int(outbox_id), int(seq)))
        return count


def start(path: Path, seed: int, point: str = "-", countdown: int = 1) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(CHILD), str(path), str(seed), point, str(countdown), str(LIMIT_BYTES)],
        stdout=subprocess.PIPE,
        bufsize=0,  # what a line's reading took ahead would be lost to communicate()
        stderr=subprocess.DEVNULL,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


def run_until_killed(path: Path, told: Told, seed: int, point: str, countdown: int) -> bool:
    """Was it killed at its point (or did it run to its end)?"""
    child = start(path, seed, point, countdown)
    output, _ = child.communicate(timeout=100)
    told.hear(output)
    assert child.returncode in (0, -signal.SIGKILL)
    return child.returncode != 0


def balance(path: Path, told: Told) -> None:
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    outbox.settle()
    assert missing(path, told.accepted, told.stored) == set()
    keys = [(row.outbox_id, row.seq) for row in rows(path)]
    assert len(keys) == len(set(keys))
    outbox.close()


@pytest.mark.parametrize("point", [p for p in POINTS if p.split(":")[0] in ("append", "settle", "shed", "ids")])
def test_killed_at_a_point_of_every_day_nothing_is_lost(tmp_path: Path, point: str) -> None:
    path, told = tmp_path / "outbox.db", Told()
    for seed, countdown in enumerate((1, 2) if point.startswith("ids") else (1, 2, 7)):
        run_until_killed(path, told, seed, point, countdown)
    balance(path, told)


@pytest.mark.parametrize("point", [p for p in POINTS if p.startswith("salvage")])
def test_killed_in_salvage_it_is_done_again_and_nothing_is_lost_unnamed(tmp_path: Path, point: str) -> None:
    path, told = tmp_path / "outbox.db", Told()
    run_until_killed(path, told, 1, "append:committed", 500)
    damage(path, seed=1)
    killed = [run_until_killed(path, told, 2, point, countdown) for countdown in (1, 1)]
    assert killed[0]
    balance(path, told)


@pytest.mark.parametrize("point", [p for p in POINTS if p.startswith("upgrade")])
def test_killed_in_an_upgrade_the_backlog_is_kept(tmp_path: Path, point: str) -> None:
    path, told = tmp_path / "outbox.db", Told()
    told.accepted = write_prototype(path)
    assert run_until_killed(path, told, 3, point, 1)
    balance(path, told)


def test_killed_at_any_moment_again_and_again_nothing_is_lost(tmp_path: Path) -> None:
    path, told, moments = tmp_path / "outbox.db", Told(), random.Random(5)
    for seed in range(8):
        child = start(path, seed)
        first = b""
        if seed % 2 == 0 and child.stdout is not None:  # the others may die before their first row
            first = child.stdout.readline()
        time.sleep(0.1 + moments.random() * 0.5)
        child.send_signal(signal.SIGKILL)
        output, _ = child.communicate(timeout=20)
        told.hear(first + output)
        if seed == 4:
            damage(path, seed)
    assert told.accepted
    balance(path, told)


def damage(path: Path, seed: int) -> None:
    """One page in the file and the page that tells SQLite what it is."""
    some, size = random.Random(seed), path.stat().st_size
    with path.open("r+b") as file:
        for place in (20, some.randrange(size // 1024) * 1024):
            file.seek(place)
            file.write(some.randbytes(200))

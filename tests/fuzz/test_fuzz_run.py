"""`python -m fuzz` from its command line: what it says where nothing can be tried, and that it finds what is there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from fuzz.__main__ import EXIT_FOUND, EXIT_USAGE, NO_ATHERIS
from fuzz.campaign import campaign
from fuzz.session import Workers
from fuzz.signature import REPOSITORY

needs_atheris = pytest.mark.skipif(find_spec("atheris") is None, reason="no atheris: make fuzz installs it")

BROKEN = '''"""A promise that does not hold, in two places."""
MAX_BYTES = 16
def hold(data: bytes) -> None:
    if b"$GP" in data:
        assert False
    assert data[:1] != b"#"
def seeds() -> dict[str, bytes]:
    return {"empty": b""}
'''


def fuzz(*arguments: str, folder: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), str(REPOSITORY)))}
    command = [sys.executable, "-m", "fuzz", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=folder)


def test_a_target_that_is_not_there_is_named() -> None:
    ran = fuzz("nothing")
    assert ran.returncode == EXIT_USAGE
    assert "no such target: nothing" in ran.stderr


def test_without_atheris_it_says_so_in_one_line() -> None:
    without = "import sys, runpy; sys.modules['atheris'] = None; sys.argv = ['fuzz', 'topic']"
    command = [sys.executable, "-c", f"{without}; runpy.run_module('fuzz', run_name='__main__')"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert ran.returncode == EXIT_USAGE
    assert ran.stderr.splitlines() == [NO_ATHERIS]


@needs_atheris
def test_a_promise_that_holds_is_tried_and_counted(tmp_path: Path) -> None:
    outcome = campaign("topic", 3.0, 1, Workers(), found=tmp_path / "found", grown=tmp_path / "grown")
    assert outcome.executions > 100
    assert outcome.edges > 10
    assert not outcome.findings
    assert list((tmp_path / "grown" / "topic").iterdir())


@needs_atheris
def test_a_promise_that_does_not_hold_is_found_made_small_and_kept_and_the_next_one_too(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "fuzz", tmp_path / "fuzz")
    (tmp_path / "fuzz" / "targets" / "broken.py").write_text(BROKEN)
    ran = fuzz("broken", "--seconds", "20", "--seed", "1", "--jobs", "1", folder=tmp_path)
    assert ran.returncode == EXIT_FOUND, ran.stderr
    kept = sorted((tmp_path / "fuzz" / "found" / "broken").iterdir())
    assert {file.read_bytes() for file in kept if file.suffix != ".txt"} == {b"$GP", b"#"}
    assert all("Traceback" in file.read_text() for file in kept if file.suffix == ".txt")
    assert str(tmp_path) not in "".join(file.read_text() for file in kept if file.suffix == ".txt")
    assert "broken: AssertionError fuzz/targets/broken.py:" in ran.stdout


def workers_of(pid: int) -> list[int]:
    """Children of any of its threads."""
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for thread in threads for child in thread.read_text().split()]


@needs_atheris
def test_told_to_stop_it_leaves_no_process_behind() -> None:
    running = subprocess.Popen([sys.executable, "-m", "fuzz", "topic", "--seconds", "60"], cwd=REPOSITORY)
    until_s = time.monotonic() + 60
    while not (workers := workers_of(running.pid)):
        assert time.monotonic() < until_s
        time.sleep(0.1)
    running.terminate()
    assert running.wait(30) == 143
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)

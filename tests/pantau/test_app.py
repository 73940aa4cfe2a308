"""What a technician types: help for every verb, one clear line for every problem, the simulated receiver at work."""

import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pantau.app import VERBS
from pantau.extras import EXTRA_OF

REPOSITORY = Path(__file__).resolve().parents[2]


def pantau(*words: str, blocked: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `pantau`; `blocked` is a module that is not installed."""
    block = f"import sys; sys.modules[{blocked!r}] = None; " if blocked else "import sys; "
    program = f"{block}sys.argv = ['pantau', *{list(words)!r}]; from pantau.__main__ import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, timeout=60,
        env={**os.environ, "COLUMNS": "160", "TERM": "dumb", **environment},
    )  # fmt: skip


def test_the_help_lists_every_verb_with_a_sentence() -> None:
    done = pantau("--help")
    assert done.returncode == 0, done.stderr
    for verb in VERBS:
        line = next(line for line in done.stdout.splitlines() if f" {verb} " in line)
        assert len(line.split()) > 4, line


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    done = pantau(verb, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_an_unknown_verb_is_one_clear_line() -> None:
    done = pantau("wacth")
    assert done.returncode == 2
    assert "No such command" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("module", "extra"), [("pynmea2", "gps-unit"), ("typer", "cli")])
def test_a_missing_extra_is_named(module: str, extra: str) -> None:
    assert EXTRA_OF[module] == extra
    done = pantau("decode", "-", blocked=module)
    assert done.returncode == 1
    assert done.stderr == f"{module} is not installed here: pip install 'pantau[{extra}]'\n"


def test_the_help_works_without_the_extras_of_a_box() -> None:
    done = pantau("--help", blocked="pynmea2")
    assert done.returncode == 0, done.stderr
    assert "needs the extra gps-unit" in done.stdout


def test_simulate_is_a_port_that_obeys(tmp_path: Path) -> None:
    link, fifo = tmp_path / "ttyGNSS", tmp_path / "control"
    process = subprocess.Popen(
        [sys.executable, "-m", "pantau", "simulate", "--speed", "20", "--link", str(link), "--control", str(fifo)],
        cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == f"{link}\n"
        assert b"$GPRMC" in read(link)
        process.stdin.write("dance\nunplug\n")
        process.stdin.flush()
        wait_until(lambda: not link.is_symlink())
        fifo.write_text("replug\n")
        wait_until(link.is_symlink)
        fifo.write_text("quit\n")
        _, errors = process.communicate(timeout=10)
        assert process.returncode == 0
        assert errors.startswith("not a command: dance (there are lose_fix,")
    finally:
        process.kill()
        process.wait(10)


def test_simulate_ends_with_its_log(tmp_path: Path) -> None:
    log = tmp_path / "a.nmea"
    log.write_bytes(b"$GPGGA,120000,,,,,0,,,,M,,M,,*4F\r\n")
    done = pantau("simulate", "--log", str(log), "--as-recorded")
    assert done.returncode == 0
    assert done.stdout.startswith("/dev/pts/")
    assert pantau("simulate", "--as-recorded").returncode == 2


def read(path: Path) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_NOCTTY)
    try:
        data, deadline = b"", time.monotonic() + 10
        while len(data) < 300 and time.monotonic() < deadline:
            if select.select([fd], [], [], 0.1)[0]:
                data += os.read(fd, 1024)
        return data
    finally:
        os.close(fd)


def wait_until(true: object) -> None:
    deadline = time.monotonic() + 10
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)

"""`pantau run`, as `make run` starts it: a table, Ctrl-C ends all of it, a second run goes on, trouble is one line."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from broker.store import StoreUnavailable, open_store
from stage.city import free_port

START_DEADLINE_S = 60.0
END_WITHIN_S = 5.0


def run(directory: Path, port: int, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pantau", "run", "--units", "2", "--speed", "5"]
    return subprocess.Popen(
        [*command, "--port", str(port), "--directory", str(directory), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def stored(directory: Path) -> tuple[int, int]:
    """(units with a track in the log, the last log_id)."""
    try:
        with open_store(f"sqlite:///{directory / 'store.db'}") as store:
            return len({entry.unit for entry in store.read_log(0, 1000) if entry.kind == 0}), store.last_log_id()
    except StoreUnavailable:
        return 0, 0


def until(true: Callable[[], bool], child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_DEADLINE_S
    while not true():
        assert child.poll() is None, child.stderr.read().decode()
        assert time.monotonic() < deadline, "nothing stored"
        time.sleep(0.2)


def processes_of(directory: Path) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if str(directory) in command:
                found.append(command)
    return found


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_ctrl_c_ends_all_of_it_within_five_seconds_and_a_second_run_goes_on(tmp_path: Path) -> None:
    city, port, before = tmp_path / "city", free_port(), 0
    for _ in range(2):
        child = run(city, port)
        until(lambda before=before: stored(city)[0] == 2 and stored(city)[1] > before, child)
        asked = time.monotonic()
        child.send_signal(signal.SIGINT)
        told, said = child.communicate(timeout=30)
        assert time.monotonic() - asked < END_WITHIN_S
        assert child.returncode == 0, said.decode()
        hours = told.decode().split("engine on")[1]
        assert all(vehicle in hours for vehicle in ("ambulance-01", "fire-engine-01"))
        assert "junction" not in hours  # a pole does not work in place
        assert processes_of(city) == []
        before = stored(city)[1]


def test_a_port_that_is_taken_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        child = run(tmp_path, taken.getsockname()[1])
        _, said = child.communicate(timeout=30)
    assert child.returncode == 1
    assert len(said.decode().splitlines()) == 1
    assert "cannot be used" in said.decode()

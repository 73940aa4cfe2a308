"""Ctrl-C in the middle of the fault suite: what has ended is told, and nothing of a city is left."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
BEGUN_WITHIN_S = 60.0


def commands_that_name(directory: Path) -> list[str]:
    found = []
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = one.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # gone meanwhile
            continue
        if str(directory) in command and "--keep" not in command:
            found.append(command)
    return found


@pytest.mark.slow
def test_an_interrupted_run_tells_what_has_ended_and_leaves_no_process(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pantau", "torture", "gnss-stuck", "--minutes", "2", "--json"]
    suite = subprocess.Popen(
        [*command, "--keep", str(tmp_path / "kept")],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    begun_s = time.monotonic()
    while not any("edge.gps_unit" in one for one in commands_that_name(tmp_path)):
        assert suite.poll() is None, "it ended by itself"
        assert time.monotonic() - begun_s < BEGUN_WITHIN_S, "no city was started"
        time.sleep(0.1)
    os.killpg(suite.pid, signal.SIGINT)  # as a terminal does
    said, _ = suite.communicate(timeout=60)
    assert suite.returncode == 130
    assert json.loads(said)["ended"] is False
    assert json.loads(said)["reports"] == []
    assert commands_that_name(tmp_path) == []

"""The nightly check's unit files: what they run is there, systemd finds nothing wrong, and they are hardened."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from provisioning.acceptance.config import LONGEST_S

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
SERVICE, TIMER = PACKAGING / "pantau-check.service", PACKAGING / "pantau-check.timer"
NEEDS_SYSTEMD = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")


def test_it_asks_nobody_and_has_more_time_than_a_check_takes() -> None:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(SERVICE)
    assert parser["Service"]["ExecStart"].endswith("pantau-provision check --unattended")
    minutes = int(parser["Service"]["TimeoutStartSec"].removesuffix("min"))
    assert minutes * 60 > LONGEST_S


@NEEDS_SYSTEMD
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    for unit in (SERVICE, TIMER):
        (tmp_path / unit.name).write_text(unit.read_text().replace("/usr/bin/pantau-provision", sys.executable))
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / SERVICE.name), str(tmp_path / TIMER.name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@NEEDS_SYSTEMD
def test_the_service_is_hardened() -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=30", str(SERVICE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout.splitlines()[-1]

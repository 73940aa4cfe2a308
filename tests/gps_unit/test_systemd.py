"""The unit file says what the code relies on, and systemd itself finds nothing wrong with it."""

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge.service import STOP_WITHIN_S
from running.turns import TURN_WITHIN_S
from settings import EXIT_CONFIG

UNIT = Path(__file__).resolve().parents[2] / "packaging" / "pantau-gps-unit.service"


@pytest.fixture
def service() -> configparser.SectionProxy:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(UNIT)
    return parser["Service"]


def test_the_interval_file_outlives_a_restart(service: configparser.SectionProxy) -> None:
    assert service["RuntimeDirectory"] == "pantau"
    assert service["RuntimeDirectoryPreserve"] == "restart"


def test_only_a_wrong_configuration_is_not_restarted(service: configparser.SectionProxy) -> None:
    assert service["Restart"] == "always"
    assert service["RestartPreventExitStatus"] == str(EXIT_CONFIG)


def test_systemd_waits_longer_than_the_process_promises(service: configparser.SectionProxy) -> None:
    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) > TURN_WITHIN_S
    assert int(service["TimeoutStopSec"]) > STOP_WITHIN_S
    assert service["TimeoutStartSec"] == "15min", "1 GB of outbox is read, or salvaged, before READY=1"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    installed = tmp_path / UNIT.name
    installed.write_text(UNIT.read_text().replace("/usr/lib/pantau-gps-unit/bin/python", sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(installed)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_the_service_is_hardened(tmp_path: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=25", str(UNIT)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout.splitlines()[-1]

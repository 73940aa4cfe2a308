"""The centre's unit files say what the code relies on, and systemd itself finds nothing wrong with them."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from broker.__main__ import MORE, PARTS
from broker.supervise import STOP_WITHIN_S
from running.turns import TURN_WITHIN_S
from running.watched import READY_WITHIN_S
from settings import EXIT_CONFIG

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"

SERVICES = {**{part: part for part in PARTS}, "work": "deriver", "answers": "answers", "sink %i": "sink@"}

pytestmark = pytest.mark.parametrize("part", SERVICES)


def test_every_part_has_a_service(part: str) -> None:
    assert part.split()[0] in (*PARTS, *MORE)
    assert {each.split()[0] for each in SERVICES} == {*PARTS, *MORE}


def unit_file(part: str) -> Path:
    return PACKAGING / f"pantau-{SERVICES[part]}.service"


def service_of(part: str) -> configparser.SectionProxy:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(unit_file(part))
    return parser["Service"]


def test_each_part_is_started_as_the_code_takes_it(part: str) -> None:
    service = service_of(part)
    assert service["ExecStart"].endswith(f"python -m broker --config /etc/pantau/centre.toml {part}")
    assert service["RestartPreventExitStatus"] == str(EXIT_CONFIG)
    assert int(service["TimeoutStopSec"]) > STOP_WITHIN_S
    assert service["StateDirectory"] == "pantau"


def test_systemd_is_told_by_all_but_mosquitto_and_waits_longer_than_they_promise(part: str) -> None:
    service = service_of(part)
    if part == "mosquitto":  # it is its own program, and says nothing
        assert service["Type"] == "exec" and "WatchdogSec" not in service
        return
    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) > TURN_WITHIN_S
    assert int(service["TimeoutStartSec"]) > READY_WITHIN_S


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_systemd_finds_nothing_wrong(tmp_path: Path, part: str) -> None:
    installed = tmp_path / unit_file(part).name
    text = unit_file(part).read_text("utf-8")
    installed.write_text(text.replace("/usr/lib/pantau-broker/bin/python", sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(installed)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_the_service_is_hardened(part: str) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(unit_file(part))],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout.splitlines()[-1]

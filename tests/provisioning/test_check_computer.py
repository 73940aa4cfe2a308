"""Card, supply, watchdog and packages, from a /sys that belongs to the test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge.health import Machine
from provisioning.acceptance import words
from provisioning.acceptance.card import card
from provisioning.acceptance.computer import packages, power, watchdog
from provisioning.acceptance.config import Card, Packages, Power, Watchdog


def emmc(folder: Path, sys: Path, life_time: str) -> None:
    """The disk under `folder` as the kernel shows an eMMC: the partition's folder is inside of its disk's."""
    device = folder.stat().st_dev
    partition = sys / "devices/mmc0/block/mmcblk0/mmcblk0p2"
    partition.mkdir(parents=True)
    (partition.parent / "device").mkdir()
    (partition.parent / "device/life_time").write_text(life_time)
    (sys / "dev/block").mkdir(parents=True)
    (sys / f"dev/block/{os.major(device)}:{os.minor(device)}").symlink_to(partition)


def test_the_card_is_written_to_measured_and_left_as_it_was(tmp_path: Path) -> None:
    lines = {line.name: line for line in card(tmp_path, Card(free_mb=1, write_mb_per_s=0.01, append_ms=60_000))}
    assert [lines[name].verdict for name in ("card_free", "card_write", "card_append")] == ["passed"] * 3
    assert all(float(lines[name].measured or 0) > 0 for name in ("card_write", "card_append"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("life_time", "verdict", "measured"),
    [("0x01 0x02\n", "passed", 20), ("0x09 0x01\n", "failed", 90), ("0x00 0x00\n", "skipped", None)],
)
def test_an_emmc_tells_how_worn_it_is(life_time: str, verdict: str, measured: int | None, tmp_path: Path) -> None:
    data, sys = tmp_path / "data", tmp_path / "sys"
    data.mkdir()
    emmc(data, sys, life_time)
    (used,) = [line for line in card(data, Card(), sys=sys) if line.name == "card_used"]
    assert (used.verdict, used.measured) == (verdict, measured)


def test_a_card_that_takes_no_writes_is_one_failed_line(tmp_path: Path) -> None:
    (line,) = card(tmp_path / "gone", Card())
    assert (line.name, line.verdict, line.todo) == ("card_write", "failed", words.CARD_BROKEN)


def test_a_slow_and_full_card_fails_on_both(tmp_path: Path) -> None:
    lines = card(tmp_path, Card(free_mb=1_000_000, write_mb_per_s=10_000))
    assert [line.todo for line in lines[:2]] == [words.CARD_FULL, words.CARD_SLOW]


@pytest.mark.parametrize(("alarm", "verdict"), [("0\n", "passed"), ("1\n", "failed")])
def test_the_firmwares_undervoltage_flag_decides(alarm: str, verdict: str, tmp_path: Path) -> None:
    hwmon = tmp_path / "class/hwmon/hwmon1"
    hwmon.mkdir(parents=True)
    (hwmon / "name").write_text("rpi_volt\n")
    (hwmon / "in0_lcrit_alarm").write_text(alarm)
    lines = power(Power(), machine=Machine(tmp_path, tmp_path))
    assert [line.verdict for line in lines] == [verdict, "skipped"]


@pytest.mark.parametrize(
    ("millivolt", "verdict"), [("12600\n", "passed"), ("9100\n", "failed"), ("36000\n", "failed"), ("", "failed")]
)
def test_the_supply_is_judged_where_it_is_measured(millivolt: str, verdict: str, tmp_path: Path) -> None:
    (tmp_path / "in1_input").write_text(millivolt)
    flag, supply = power(Power(millivolt_path=tmp_path / "in1_input"), machine=Machine(tmp_path, tmp_path))
    assert (flag.verdict, supply.verdict) == ("skipped", verdict)


@pytest.mark.parametrize(
    ("state", "verdict", "todo"),
    [("active", "passed", ""), ("inactive", "failed", words.WATCHDOG_OFF), (None, "failed", words.NO_WATCHDOG)],
)
def test_a_watchdog_that_runs_is_fed(state: str | None, verdict: str, todo: str, tmp_path: Path) -> None:
    if state is not None:
        (tmp_path / "class/watchdog/watchdog0").mkdir(parents=True)
        (tmp_path / "class/watchdog/watchdog0/state").write_text(state + "\n")
    (line,) = watchdog(Watchdog(), sys=tmp_path)
    assert (line.verdict, line.todo) == (verdict, todo)


def test_a_half_installed_package_and_another_firmware_fail(tmp_path: Path) -> None:
    dpkg = tmp_path / "dpkg-query"
    dpkg.write_text(
        "#!/bin/sh\nprintf 'pantau-gps-unit 0.1.0\\tii \\npantau-provision 0.1.0\\tiF \\npantau-x \\tun \\n'\n"
    )
    dpkg.chmod(0o755)
    lines = packages(Packages(firmware="9.9.9"), dpkg=str(dpkg))
    assert [(line.measured, line.verdict) for line in lines[1:3]] == [
        ("pantau-gps-unit 0.1.0", "passed"),
        ("pantau-provision 0.1.0", "failed"),
    ]
    assert lines[0].todo == words.OTHER_FIRMWARE
    assert packages(Packages(), dpkg=None)[0].verdict == "passed"

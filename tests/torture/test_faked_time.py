"""What the suite tells a process about time: its OS clock, its boot; and what it leaves as it is."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from torture.boot import BOOTING_S, Boot
from torture.os_clock import OsClock
from torture.scenario import Unready

CLOCKS = """
import os, time
boot_id = open("/proc/sys/kernel/random/boot_id").read().strip()
print(int(time.time()), time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME), boot_id, os.getpid())
"""


def clocks(prefix: tuple[str, ...] = (), environment: dict[str, str] | None = None) -> tuple[int, float, float, str]:
    """(OS clock, monotonic, boottime, boot id) of a process; it must be the one that was started."""
    command = [*prefix, sys.executable, "-c", CLOCKS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}) as run:
        said = run.communicate(timeout=60)[0].split()
        assert int(said[4]) == run.pid
    return int(said[0]), float(said[1]), float(said[2]), said[3]


def test_an_os_clock_can_be_set_and_monotonic_clocks_stay_real(tmp_path: Path) -> None:
    try:
        clock = OsClock(tmp_path / "clock")
    except Unready as missing:
        pytest.skip(str(missing))
    for offset_s in (0, -int(time.time()) + 60, 20 * 31_557_600):
        clock.set(offset_s)
        before_s = time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME)
        os_s, monotonic_s, boottime_s, _ = clocks(environment=clock.environment)
        assert abs(os_s - time.time() - offset_s) < 30
        assert before_s[0] <= monotonic_s <= time.monotonic()
        assert before_s[1] <= boottime_s <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_another_boot_has_another_id_and_begins_anew(tmp_path: Path) -> None:
    try:
        boot = Boot(tmp_path, 0, random.Random(1))
    except Unready as missing:
        pytest.skip(str(missing))
    _, monotonic_s, boottime_s, first = clocks(boot.inside)
    assert BOOTING_S - 1 <= boottime_s < BOOTING_S + 30
    assert monotonic_s <= time.monotonic()
    assert clocks(boot.inside)[3] == first  # a restart in the same boot
    boot.again()
    assert clocks(boot.inside)[3] != first
    assert first != Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()

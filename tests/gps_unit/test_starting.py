"""Why the process began and how what ran before it ended, from the mark on the card and what the kernel kept."""

from pathlib import Path

import pytest

from edge import starting
from edge.memory import Memory


@pytest.fixture
def notes(tmp_path: Path) -> Memory:
    return Memory(tmp_path / "documents.db")


def test_the_first_start_of_all(notes: Memory, tmp_path: Path) -> None:
    assert starting.begun(1, notes, root=tmp_path) == {"reason": "power_on", "ended": "first_start"}


def test_within_one_boot_it_was_stopped_or_it_crashed(notes: Memory, tmp_path: Path) -> None:
    starting.begun(1, notes, root=tmp_path)
    assert starting.begun(1, notes, root=tmp_path) == {"reason": "killed", "ended": "crash"}
    starting.ended(1, notes)
    assert starting.begun(1, notes, root=tmp_path) == {"reason": "restart", "ended": "stopped"}


@pytest.mark.parametrize(
    ("why", "ended"), [("", "shutdown"), (starting.PARKED, "requested_parked"), (starting.BATTERY, "requested_battery")]
)
def test_after_an_ordered_end_of_the_machine(notes: Memory, tmp_path: Path, why: str, ended: str) -> None:
    starting.begun(1, notes, root=tmp_path)
    starting.ended(1, notes, why)
    assert starting.begun(2, notes, root=tmp_path) == {"reason": "power_on", "ended": ended}


def test_after_an_end_that_nobody_ordered_the_kernel_is_asked(notes: Memory, tmp_path: Path) -> None:
    starting.begun(1, notes, root=tmp_path)
    assert starting.begun(2, notes, root=tmp_path)["ended"] == "power_lost"
    watchdog = tmp_path / "sys/class/watchdog/watchdog0"
    watchdog.mkdir(parents=True)
    (watchdog / "bootstatus").write_text("0\n")
    assert starting.begun(3, notes, root=tmp_path)["ended"] == "power_lost"
    (watchdog / "bootstatus").write_text("32\n")
    assert starting.begun(4, notes, root=tmp_path)["ended"] == "watchdog"
    (watchdog / "bootstatus").write_text("garbage")
    crash = tmp_path / "var/lib/systemd/pstore/17"
    crash.mkdir(parents=True)
    (crash / "dmesg.txt").write_text("Kernel panic")
    assert starting.begun(5, notes, root=tmp_path)["ended"] == "kernel_crash"


def test_a_mark_of_worn_bits_is_a_start_all_the_same(notes: Memory, tmp_path: Path) -> None:
    for mark in ([7], [7, 8], [7, "clean", 9], [7, "clean", "\ud800"], ["x"]):
        notes.remember(starting.MARK, mark)
        assert starting.begun(1, notes, root=tmp_path)["reason"] == "power_on"

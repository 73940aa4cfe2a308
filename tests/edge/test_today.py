"""The day's traffic: of the UTC day once there is one, whatever was restarted in between."""

from pathlib import Path

import pytest

from edge.clock import Clock
from edge.memory import Memory
from edge.today import DAY_MS, Today, Traffic

NOON = 1_793_534_400_000


class Box:
    """A box that can be restarted and rebooted; each process's counters begin at nothing."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "documents.db"
        self.now_s = 100.0
        self.boot_id = 1
        self.restart()

    def restart(self, *, saved: bool = True) -> None:
        """A new process, which knows no UTC yet."""
        if saved and self.now_s > 100.0:
            self.today.save()
        self.now_s += 1.0
        self.clock = Clock(
            boot_id=self.boot_id, monotonic_s=lambda: self.now_s, boottime_ns=lambda: int(self.now_s * 1e9),
            ntp_synchronised=lambda: False,
        )  # fmt: skip
        self.today = Today(self.clock, Memory(self.path))

    def reboot(self) -> None:
        """The same with another boot."""
        self.boot_id += 1
        self.restart()

    def utc(self, utc_ms: int) -> None:
        """The receiver says when it is."""
        self.clock.heard_gnss(utc_ms)

    def up(self, up_bytes: int) -> int:
        """Bytes up of the day, when the process has sent so many."""
        return self.today.count(Traffic(0, up_bytes, 0)).up_bytes


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def test_a_day_goes_on_after_a_restart_and_after_a_reboot(box: Box) -> None:
    box.utc(NOON)
    assert box.up(1000) == 1000
    box.restart()
    box.utc(NOON)
    assert box.up(200) == 1200
    box.reboot()
    box.utc(NOON + 60_000)
    assert box.up(30) == 1230


def test_a_new_day_begins_at_nothing(box: Box) -> None:
    box.utc(NOON)
    assert box.up(1000) == 1000
    box.now_s += DAY_MS / 1000
    assert box.up(1300) == 300
    box.restart()
    box.utc(NOON + 2 * DAY_MS)
    assert box.up(5) == 5


def test_what_is_sent_before_utc_is_known_counts_by_boot_and_then_goes_to_its_day(box: Box) -> None:
    box.utc(NOON)
    box.up(1000)
    box.reboot()
    assert box.up(20) == 20
    box.restart()
    assert box.up(3) == 23
    box.utc(NOON)
    assert box.up(4) == 1024


def test_a_boot_that_never_knew_a_date_is_not_added_to_the_next(box: Box) -> None:
    assert box.up(20) == 20
    box.reboot()
    assert box.up(3) == 3


def test_a_kill_costs_at_most_what_came_after_the_last_save(box: Box) -> None:
    box.utc(NOON)
    box.up(1000)
    box.today.save()
    box.up(1500)
    box.restart(saved=False)
    box.utc(NOON)
    assert box.up(1) == 1001


def test_a_sum_that_is_short_for_a_moment_takes_nothing_away(box: Box) -> None:
    box.utc(NOON)
    assert [box.up(each) for each in (1000, 0, 1200)] == [1000, 1000, 1200]


@pytest.mark.parametrize("kept", [None, 7, {}, [1, [2, 3], 4, []], ["x", [1, 2, 3], 1, [1, 2, 3]]])
def test_nothing_is_taken_from_notes_that_make_no_sense(tmp_path: Path, kept: object) -> None:
    Memory(tmp_path / "documents.db").remember("today", kept)
    assert Box(tmp_path).up(5) == 5

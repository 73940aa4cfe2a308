"""The open interval survives a kill, is never appended twice, and what the kill tore costs one fix at most (I1)."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.gps_unit import interval
from edge.gps_unit.fix import Fix
from edge.gps_unit.interval import MOST_IN_A_RECORD, OpenInterval, Waiting, rows

NOON = 1_792_000_000_000
DAY_MS = 86_400_000


def waiting(n: int, *, dated: bool = True, parked: bool = False, boot: int = 7) -> Waiting:
    utc_ms = NOON + 1000 * n
    fix = Fix(
        utc_ms=utc_ms if dated else None, time_of_day_ms=utc_ms % DAY_MS, boottime_ms=5000 + 1000 * n,
        lat_deg=-6.2 + n * 1.23456789e-7, lon_deg=106.8, speed_mps=0.1 + 0.2, satellites=9, parked=parked,
    )  # fmt: skip
    return Waiting(fix, boot)


def opened_at(path: Path, committed: int) -> OpenInterval:
    opened = OpenInterval(path)
    opened.reconcile(committed)
    return opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "amb-017" / "interval"


def test_what_was_added_is_there_again_to_the_last_bit(path: Path) -> None:
    before = opened_at(path, 4)
    for n in range(3):
        before.add(waiting(n, dated=n > 0))
    after = opened_at(path, 4)
    assert after.number == before.number == 5
    assert after.waiting == before.waiting
    before.close()
    after.close()


def test_a_leftover_whose_number_the_outbox_knows_is_dropped(path: Path) -> None:
    before = opened_at(path, 4)
    before.add(waiting(0))
    before.close()
    after = opened_at(path, 5)
    assert after.waiting == []
    assert after.number == 6
    after.close()


def test_of_several_records_only_the_missing_ones_are_left(path: Path) -> None:
    before = opened_at(path, 0)
    for n in (0, 1, 2, 1, 2):  # time steps back after the third: two records
        before.add(waiting(n))
    before.close()
    after = opened_at(path, 1)
    assert [each.fix.utc_ms for each in after.waiting] == [NOON + 1000, NOON + 2000]
    assert after.number == 2
    after.close()
    assert opened_at(path, 2).waiting == []


def test_after_a_commit_the_rest_carries_the_next_number(path: Path) -> None:
    first = opened_at(path, 0)
    for n in range(5):
        first.add(waiting(n))
    first.committed(3)
    first.add(waiting(5))
    again = opened_at(path, 1)
    assert again.number == first.number == 2
    assert again.waiting == first.waiting == [waiting(3), waiting(4), waiting(5)]
    first.close()
    again.close()


def test_what_a_refused_append_has_committed_after_all_is_not_appended_again(path: Path) -> None:
    interval = opened_at(path, 5)
    for n in range(2):
        interval.add(waiting(n))
    interval.offered(2)
    interval.add(waiting(2))
    interval.reconcile(5)
    assert len(interval.waiting) == 3, "it was not: all of them wait on"
    interval.reconcile(6)
    assert interval.waiting == [waiting(2)] and interval.number == 7
    interval.close()


def test_killed_before_it_knows_what_became_of_an_append_the_fixes_after_it_stay(path: Path) -> None:
    before = opened_at(path, 5)
    for n in range(2):
        before.add(waiting(n))
    before.offered(2)
    before.add(waiting(2))
    before.close()
    twice = OpenInterval(path)  # killed once more before the outbox could be asked
    twice.add(waiting(3))
    twice.close()
    content = path.read_bytes()
    refused = opened_at(path, 5)
    assert refused.waiting == [waiting(n) for n in range(4)] and refused.number == 6
    refused.close()
    path.write_bytes(content)
    committed = opened_at(path, 6)
    assert committed.waiting == [waiting(2), waiting(3)] and committed.number == 7
    committed.close()


def test_an_append_that_was_tried_again_with_more_fixes_took_the_last_count(path: Path) -> None:
    before = opened_at(path, 5)
    for n in range(4):
        before.add(waiting(n))
        before.offered(n + 1)
    before.add(waiting(4))
    before.close()
    after = opened_at(path, 6)
    assert after.waiting == [waiting(4)]
    after.close()


def test_what_was_never_given_a_number_is_never_taken_for_appended(path: Path) -> None:
    """The outbox could not be opened at the start, and the process was killed before it could."""
    first = OpenInterval(path)
    first.add(waiting(0))
    first.close()
    second = OpenInterval(path)
    second.add(waiting(1))
    second.reconcile(500)
    assert second.number == 501
    assert second.waiting == [waiting(0), waiting(1)]
    second.close()
    assert opened_at(path, 500).waiting == [waiting(0), waiting(1)]


def test_fixes_that_came_before_the_outbox_was_known_stay_when_the_leftover_goes(path: Path) -> None:
    first = opened_at(path, 4)
    first.add(waiting(0))
    first.close()
    second = OpenInterval(path)
    second.add(waiting(1))
    second.reconcile(5)
    assert second.waiting == [waiting(1)]
    second.close()


@given(cut=st.integers(0, 400), damaged=st.integers(0, 399) | st.none())
def test_a_torn_or_damaged_file_gives_a_prefix(
    tmp_path_factory: pytest.TempPathFactory, cut: int, damaged: int | None
) -> None:
    path = tmp_path_factory.mktemp("interval") / "interval"
    whole = [waiting(n) for n in range(3)]
    opened = opened_at(path, 0)
    for each in whole:
        opened.add(each)
        opened.offered(1)
    opened.close()
    content = bytearray(path.read_bytes()[:cut])
    if damaged is not None and damaged < len(content):
        content[damaged] ^= 0x10
    path.write_bytes(content)
    left = opened_at(path, 0)
    assert left.waiting == whole[: len(left.waiting)]
    left.close()


@given(st.binary(max_size=300))
def test_any_file_at_all_is_survived(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("interval") / "interval"
    path.write_bytes(content)
    opened = opened_at(path, 3)
    assert opened.waiting == []
    assert opened.number == 4
    opened.close()


def test_a_fix_is_safe_from_sigkill_when_add_returns(path: Path) -> None:
    program = """
import sys, time
from pathlib import Path
from tests.gps_unit.test_interval import opened_at, waiting
opened = opened_at(Path(sys.argv[1]), 0)
for n in range(1000):
    opened.add(waiting(n))
    print(n, flush=True)
time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    seen = [int(process.stdout.readline()) for _ in range(50)][-1]
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    seen = max([seen, *(int(line) for line in process.stdout.read().splitlines() if line)])
    process.stdout.close()
    left = opened_at(path, 0)
    assert len(left.waiting) >= seen + 1
    assert left.waiting == [waiting(n) for n in range(len(left.waiting))]
    left.close()


def test_what_waits_is_bounded_and_what_is_given_up_is_counted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interval, "MOST_WAITING", 20)
    opened = opened_at(path, 0)
    for n in range(50):
        opened.add(waiting(n))
    assert len(opened.waiting) <= 20
    assert opened.dropped + len(opened.waiting) == 50
    assert opened.waiting[-1] == waiting(49)
    again = opened_at(path, 0)
    assert again.waiting == opened.waiting
    opened.close()
    again.close()


def test_a_directory_that_cannot_be_written_is_said_once_and_loses_nothing_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "run").write_text("a file where the directory should be")
    opened = opened_at(tmp_path / "run" / "interval", 0)
    for n in range(5):
        opened.add(waiting(n))
    opened.committed(2)
    assert len(opened.waiting) == 3
    assert caplog.text.count("in memory only") == 1
    opened.close()


def test_a_record_is_all_dated_or_all_of_one_boot_and_its_times_rise() -> None:
    mixed = [
        waiting(0, dated=False), waiting(1, dated=False, boot=8), waiting(2, boot=8), waiting(3, boot=8, parked=True),
        waiting(3, boot=8, parked=True), waiting(4, dated=False, boot=8), waiting(5, dated=False, boot=8),
    ]  # fmt: skip
    cut = rows(mixed)
    assert [[each.fix.boottime_ms for each in row] for row in cut] == [
        [5000],
        [6000, 7000],
        [8000],
        [8000],
        [9000, 10000],
    ]
    assert [row[0].fix.utc_ms for row in cut] == [None, NOON + 1000, NOON + 3000, NOON + 3000, None]


@given(st.lists(st.tuples(st.integers(0, 2000), st.booleans(), st.booleans(), st.integers(1, 2)), max_size=40))
def test_cutting_keeps_every_fix_in_order(drawn: list[tuple[int, bool, bool, int]]) -> None:
    all_waiting = [waiting(n, dated=dated, parked=parked, boot=boot) for n, dated, parked, boot in drawn]
    cut = rows(all_waiting)
    assert [each.fix.boottime_ms for row in cut for each in row] == [each.fix.boottime_ms for each in all_waiting]
    for row in cut:
        assert 0 < len(row) <= MOST_IN_A_RECORD
        assert len({(each.fix.utc_ms is None, each.fix.parked) for each in row}) == 1

"""The bound, the full disk, the disk that takes nothing: rows are shed with a tombstone, or append says no."""

from __future__ import annotations

import errno
import os
import random
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from edge.disk import Disk
from edge.errors import OutboxFull
from edge.outbox import Outbox, OutboxReader
from tests.edge.outbox_ledger import Key, events, gone, missing, ranges, rows
from wire.kinds import (
    CLASS_ALARM,
    CLASS_BULKY,
    CLASS_LEDGER,
    CLASS_STATUS,
    CLASS_TRACK,
    KIND_EVENT,
    KIND_SNAPSHOT,
    KIND_TOMBSTONE,
    KIND_TRACK,
)

LIMIT_BYTES = 1 << 20


def fill(outbox: Outbox, count: int, *, seed: int = 1, size: int = 110) -> dict[Key, bytes]:
    """Append rows of a size like a real track's; what was accepted."""
    random_bytes = random.Random(seed)
    accepted = {}
    for _ in range(count):
        body = random_bytes.randbytes(size)
        row_id = outbox.append(body, kind=KIND_TRACK, cls=CLASS_TRACK)
        accepted[outbox._writer.opened().ids.of(row_id)] = body
    return accepted


def on_disk(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.iterdir())


def test_the_bound_in_bytes_on_disk_holds_after_every_single_append(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    reader = OutboxReader(path)
    accepted: dict[Key, bytes] = {}
    for n in range(300):
        accepted |= fill(outbox, 50, seed=n)
        reader.below(1 << 60, 100, 16_000)
        outbox.tick()
        assert on_disk(path) <= LIMIT_BYTES
    assert missing(path, accepted) == set()
    assert len(rows(path)) > 4_000, "the bound must not cost the backlog"
    shed = {seq for _, seq in gone(path)["shed"]}
    swallowed = {seq for _, seq in gone(path)["swallowed"]}
    assert set(range(1, max(shed) + 1)) == shed | {seq for seq in swallowed if seq < max(shed)}, "oldest, no others"
    assert [row.kind for row in rows(path)].count(KIND_TOMBSTONE) == 1, "newer tombstones swallow older ones"
    reader.close()
    outbox.close()


def test_shedding_takes_the_lowest_class_first_and_tombstones_never(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    mixed = (CLASS_ALARM, CLASS_STATUS, CLASS_TRACK, CLASS_BULKY)
    left: list[dict[int, int]] = []
    for n in range(12_000):
        cls = mixed[n % 4] if n < 2_000 else CLASS_ALARM
        outbox.append(os.urandom(300), kind=KIND_SNAPSHOT if cls == CLASS_BULKY else KIND_EVENT, cls=cls)
        if n % 500 == 499:
            classes = [row.cls for row in rows(path)]
            left.append({cls: classes.count(cls) for cls in (*mixed, CLASS_LEDGER)})
    for before, after in pairwise(left):
        for low, high in pairwise((CLASS_BULKY, CLASS_STATUS, CLASS_TRACK, CLASS_ALARM)):
            if after[high] < before[high]:
                assert after[low] == 0, "a higher class went while a lower one was there"
    assert left[-1][CLASS_BULKY] == left[-1][CLASS_STATUS] == left[-1][CLASS_TRACK] == 0
    assert left[-1][CLASS_ALARM] > 1_000
    assert left[-1][CLASS_LEDGER] >= 1
    outbox.close()


def test_shedding_takes_at_least_one_percent_of_the_bound(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    points: list[str] = []
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES, at=points.append)
    while "shed:committed" not in points:
        fill(outbox, 1)
    assert len(gone(path)["shed"]) * 130 >= LIMIT_BYTES // 100
    outbox.close()


def test_receipted_rows_go_before_anything_is_shed(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    points: list[str] = []
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES, at=points.append)
    while "shed:begun" not in points:
        fill(outbox, 1)
    points.clear()
    outbox.receipted(ranges((1, 5_000)))
    fill(outbox, 2_000)
    assert "shed:begun" not in points
    outbox.close()


def test_a_record_larger_than_a_quarter_of_the_bound_is_refused_and_sheds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    fill(outbox, 10)
    with pytest.raises(OutboxFull):
        outbox.append(bytes(LIMIT_BYTES // 3), kind=KIND_SNAPSHOT, cls=CLASS_BULKY)
    assert len(rows(path)) == 10
    outbox.close()


def test_large_bodies_stay_within_the_bound_too(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    sizes = random.Random(7)
    accepted = {}
    for n in range(400):
        body = sizes.randbytes(sizes.choice((100, 1_000, 20_000, 60_000)))
        row_id = outbox.append(body, kind=KIND_SNAPSHOT, cls=CLASS_BULKY if n % 3 else CLASS_TRACK)
        accepted[outbox._writer.opened().ids.of(row_id)] = body
        assert on_disk(path) <= LIMIT_BYTES
    assert missing(path, accepted) == set()
    outbox.close()


# ---------------------------------------------------------------------- a real small disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 1 MB; skipped where mounting is not allowed."""
    mount = tmp_path / "disk"
    mount.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"can not mount a small file system here: {done.stderr.strip()}")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


def test_a_full_disk_frees_itself_and_keeps_taking_the_newest(small_disk: Path) -> None:
    path = small_disk / "outbox.db"
    outbox = Outbox(path, limit_bytes=64 << 20)
    accepted: dict[Key, bytes] = {}
    for n in range(150):
        accepted |= fill(outbox, 100, seed=n)
        outbox.tick()
    newest = max(accepted)
    held = {(row.outbox_id, row.seq) for row in rows(path)}
    assert newest in held
    assert missing(path, accepted) == set()
    assert len(held) > 2_000
    outbox.close()
    outbox = Outbox(path, limit_bytes=64 << 20)
    assert missing(path, accepted | fill(outbox, 100, seed=1_000)) == set()
    outbox.close()


def test_somebody_elses_files_fill_the_disk_and_receipted_rows_make_room(small_disk: Path) -> None:
    path = small_disk / "outbox.db"
    outbox = Outbox(path, limit_bytes=1 << 20)
    outbox.tick()
    accepted = fill(outbox, 2_000)
    with (small_disk / "log").open("wb", buffering=0) as log, pytest.raises(OSError, match="No space"):
        while True:
            log.write(bytes(4096))
    outbox.receipted(ranges((1, 1_500)))
    accepted |= fill(outbox, 1_000, seed=2)
    name = outbox.outbox_id or 0
    assert missing(path, accepted, {(name, seq) for seq in range(1, 1_501)}) == set()
    assert "shed" not in gone(path)
    outbox.close()


def test_a_read_only_disk_is_told_and_becomes_a_record_once_it_can_be_written(small_disk: Path) -> None:
    path = small_disk / "outbox.db"
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    accepted = fill(outbox, 100)
    outbox.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    for _ in range(2):
        with pytest.raises(OutboxFull):
            fill(outbox, 1)
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    accepted |= fill(outbox, 1, seed=2)
    assert missing(path, accepted) == set()
    assert [name for name, _ in events(path)] == ["outbox_refused"]
    outbox.close()


def test_a_file_system_that_gives_up_under_the_open_file_is_told_and_keeps_what_it_had(tmp_path: Path) -> None:
    image, mount = tmp_path / "image", tmp_path / "disk"
    mount.mkdir()
    with image.open("wb") as file:
        file.truncate(16 << 20)
    for command in (["mkfs.ext4", "-q", str(image)], ["mount", "-o", "loop,errors=remount-ro", str(image), str(mount)]):
        if shutil.which(command[0]) is None or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip(f"{command[0]} is not possible here")
    try:
        path = mount / "outbox.db"
        outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
        reader = OutboxReader(path)
        accepted = fill(outbox, 200)
        subprocess.run(["mount", "-o", "remount,abort", str(mount)], capture_output=True, check=False)
        with pytest.raises(OutboxFull):
            fill(outbox, 1)
        assert len(reader.above(0, 1_000)) == 200, "the last good data stays readable"
        reader.close()
        outbox.close()
        subprocess.run(["umount", str(mount)], check=True)
        subprocess.run(["mount", "-o", "loop", str(image), str(mount)], check=True)
        outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
        accepted |= fill(outbox, 1, seed=2)
        assert missing(path, accepted) == set()
        outbox.close()
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=False)


# ---------------------------------------------------------------------- a disk that fails on demand


class FailingConnection(sqlite3.Connection):
    """Fails COMMIT with the code its disk was told to."""

    disk: FailingDisk

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        if sql in ("COMMIT", "BEGIN IMMEDIATE") and self.disk.code and self.disk.when == sql:
            if sql == "COMMIT" and self.disk.reaches_the_disk:
                super().execute(sql)
            error = sqlite3.OperationalError("as the test told it")
            error.sqlite_errorcode = self.disk.code
            if self.disk.times:
                self.disk.times -= 1
                raise error
        return super().execute(sql, parameters)


class FailingDisk(Disk):
    """A disk with verbs: fail(code)."""

    def __init__(self) -> None:
        self.code, self.times, self.when, self.reaches_the_disk = 0, 0, "COMMIT", False

    def fail(self, code: int, *, times: int, when: str = "COMMIT", reaches_the_disk: bool = False) -> None:
        self.code, self.times, self.when, self.reaches_the_disk = code, times, when, reaches_the_disk

    def connect(self, path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None, factory=FailingConnection)
        assert isinstance(connection, FailingConnection)
        connection.disk = self
        return connection


@pytest.mark.parametrize("when", ["COMMIT", "BEGIN IMMEDIATE"])
def test_one_input_output_error_costs_nothing(tmp_path: Path, when: str) -> None:
    path, disk = tmp_path / "outbox.db", FailingDisk()
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES, disk=disk)
    accepted = fill(outbox, 5)
    disk.fail(sqlite3.SQLITE_IOERR_FSYNC, times=1, when=when)
    accepted |= fill(outbox, 5, seed=2)
    assert missing(path, accepted) == set()
    assert len(rows(path)) == 10
    outbox.close()


def test_a_commit_that_fails_and_yet_reached_the_disk_is_not_appended_twice(tmp_path: Path) -> None:
    path, disk = tmp_path / "outbox.db", FailingDisk()
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES, disk=disk)
    disk.fail(sqlite3.SQLITE_IOERR_FSYNC, times=1, reaches_the_disk=True)
    assert outbox.append(b"once", kind=KIND_TRACK, cls=CLASS_TRACK, interval=3) == 1
    assert [row.body for row in rows(path)] == [b"once"]
    assert outbox.last_interval == 3
    outbox.close()


def test_a_disk_that_takes_nothing_is_told_with_its_reason_and_said_in_one_event(tmp_path: Path) -> None:
    path, disk = tmp_path / "outbox.db", FailingDisk()
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES, disk=disk)
    accepted = fill(outbox, 3)
    disk.fail(sqlite3.SQLITE_IOERR_WRITE, times=1_000)
    for _ in range(4):
        with pytest.raises(OutboxFull) as refusal:
            fill(outbox, 1)
        assert refusal.value.errno == errno.EIO
    outbox.receipted(ranges((1, 1)))
    assert outbox.settle() is False
    disk.fail(0, times=0)
    accepted |= fill(outbox, 1, seed=2)
    assert missing(path, accepted, {(outbox.outbox_id or 0, 1)}) == set()
    assert [row.id for row in rows(path)] == [2, 3, 4, 5], "the receipt has waited for the disk"
    assert events(path) == [("outbox_refused", {"fault": "io_error", "refused": "5", "seconds": "0"})]
    outbox.close()


def test_a_box_starts_without_its_disk_and_records_as_soon_as_it_can(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "mounted"
    outbox = Outbox(folder / "outbox.db", limit_bytes=LIMIT_BYTES)
    assert outbox.outbox_id is None
    assert outbox.last_interval is None
    assert outbox.account() is None
    with pytest.raises(OutboxFull):
        fill(outbox, 1)
    outbox.tick()
    folder.mkdir(parents=True)
    fill(outbox, 1)
    assert [name for name, _ in events(folder / "outbox.db")] == ["outbox_refused"]
    outbox.close()

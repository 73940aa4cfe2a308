"""The simulated card, through the kernel: it does what its verbs say, and leaves neither a mount nor a process."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from edge.sim.card import SimulatedCard, why_not
from tests.cards import mounted_card

REPOSITORY = Path(__file__).resolve().parents[2]
MOUNTS = Path("/proc/self/mounts")


def run(script: str, *arguments: object) -> subprocess.Popen[bytes]:
    """A process of its own that says a line when it is ready."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )


def line_of(child: subprocess.Popen[bytes]) -> bytes:
    assert child.stdout is not None
    return child.stdout.readline()


def until_not_mounted(folder: Path) -> bool:
    deadline_s = time.monotonic() + 20
    while str(folder) in MOUNTS.read_text("utf-8"):
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.02)
    return True


def test_what_is_in_the_directory_is_on_the_card_and_comes_back(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "file").write_bytes(b"before")
    (tmp_path / "tty").symlink_to("/dev/null")
    with mounted_card(tmp_path) as card:
        assert str(tmp_path) in MOUNTS.read_text("utf-8")
        assert (tmp_path / "deep/er/file").read_bytes() == b"before"
        assert (tmp_path / "tty").resolve() == Path("/dev/null")
        (tmp_path / "deep/er/file").write_bytes(b"after")
        (tmp_path / "new").write_bytes(b"new")
        (tmp_path / "tty").unlink()
        assert card.wear().written_bytes == 8
    assert until_not_mounted(tmp_path)
    assert (tmp_path / "deep/er/file").read_bytes() == b"after"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "new"]


def test_synced_survives_a_power_cut_and_unsynced_may_or_may_not(card: SimulatedCard) -> None:
    left = set()
    for seed in range(12):
        for name, synced in (("synced", True), ("not", False)):
            with (card.directory / name).open("wb") as file:
                file.write(b"x" * 3_000)
                file.flush()
                if synced:
                    os.fsync(file.fileno())
        (card.directory / "run" / "interval").write_bytes(b"fixes")
        names = os.open(card.directory, os.O_RDONLY)
        os.fsync(names)
        os.close(names)
        card.power_cut(Random(seed))
        assert (card.directory / "synced").read_bytes() == b"x" * 3_000
        assert list((card.directory / "run").iterdir()) == []
        left.add((card.directory / "not").read_bytes())
        (card.directory / "not").unlink()
    assert len(left) > 3
    assert all(set(content) <= set(b"x\0") for content in left)


def test_a_process_in_the_middle_of_its_writes_dies_and_nothing_of_it_comes_later(card: SimulatedCard) -> None:
    script = """
import os, sys
file = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
print("ready", flush=True)
while True:
    os.pwrite(file, os.urandom(4096), 0)
"""
    child = run(script, card.directory / "busy")
    line_of(child)
    at_mono_s = card.power_cut(Random(1), [child.pid])
    assert child.wait(20) == -signal.SIGKILL
    assert time.monotonic() - 60 < at_mono_s < time.monotonic()
    (card.directory / "busy").touch()
    card.sync()
    left = (card.directory / "busy").read_bytes()
    card.power_cut(Random(2))
    assert (card.directory / "busy").read_bytes() == left


def test_two_processes_share_one_database_in_wal_mode(card: SimulatedCard) -> None:
    path = card.directory / "a.db"
    with sqlite3.connect(path, isolation_level=None) as ours:
        assert ours.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",)
        ours.execute("CREATE TABLE t (n INTEGER)")
        script = """
import sqlite3, sys
theirs = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
theirs.execute("PRAGMA wal_autocheckpoint=20").fetchall()
for n in range(300):
    theirs.execute("INSERT INTO t VALUES (?)", (n,))
    print(n, flush=True)
"""
        child, seen = run(script, path), 0
        while said := line_of(child):
            (count,) = ours.execute("SELECT count(*) FROM t WHERE n >= 0").fetchone()
            assert count > int(said) and count >= seen
            seen = count
            if seen % 10 == 0:
                ours.execute("INSERT INTO t VALUES (-1)")
        assert child.wait(20) == 0
        assert seen == 300
        assert ours.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    ours.close()


def test_full_is_no_space_for_every_program_and_statvfs_says_so(card: SimulatedCard) -> None:
    (card.directory / "here").write_bytes(bytes(10_000))
    card.fill(leave_bytes=4_096)
    state = os.statvfs(card.directory)
    assert state.f_bavail * state.f_frsize == 4_096
    with (card.directory / "new").open("wb", buffering=0) as new:
        assert new.write(bytes(10_000)) == 4_096
        with pytest.raises(OSError, match="No space") as error:
            new.write(b"x")
        assert error.value.errno == errno.ENOSPC
    with (card.directory / "here").open("r+b") as here:
        assert here.write(b"x" * 10_000) == 10_000, "what has its blocks needs no new ones"
    (card.directory / "here").unlink()
    (card.directory / "new").write_bytes(bytes(10_000))
    card.free()
    (card.directory / "large").write_bytes(bytes(1 << 20))


def test_read_only_refuses_files_that_are_open_too_and_still_reads(card: SimulatedCard) -> None:
    with (card.directory / "f").open("w+b", buffering=0) as file:
        file.write(b"before")
        card.remount_read_only()
        for change in (
            lambda: file.write(b"x"),
            lambda: file.truncate(0),
            lambda: os.fsync(file.fileno()),
            lambda: (card.directory / "f").unlink(),
            lambda: (card.directory / "f").rename(card.directory / "g"),
            lambda: (card.directory / "g").write_bytes(b""),
        ):
            with pytest.raises(OSError, match="Read-only") as error:
                change()
            assert error.value.errno == errno.EROFS
        assert (card.directory / "f").read_bytes() == b"before"
        card.remount_read_write()
        file.write(b" and after")
    assert (card.directory / "f").read_bytes() == b"before and after"


def test_input_output_errors_meet_the_file_they_are_meant_for_until_it_is_mended(card: SimulatedCard) -> None:
    bad, good = card.directory / "bad", card.directory / "good"
    bad.write_bytes(b"bad")
    good.write_bytes(b"good")
    card.fail_reads("bad")
    card.fail_writes("bad")
    for call in (bad.read_bytes, lambda: bad.write_bytes(b"x"), bad.unlink):
        with pytest.raises(OSError) as error:
            call()
        assert error.value.errno == errno.EIO
    good.write_bytes(good.read_bytes() * 2)
    card.fail_writes(number=errno.ENOSPC)
    with pytest.raises(OSError) as error:
        good.write_bytes(b"")
    assert error.value.errno == errno.ENOSPC
    card.fail_reads()
    with pytest.raises(OSError):
        good.read_bytes()
    card.mend()
    good.write_bytes(b"mended" + bad.read_bytes())
    assert good.read_bytes() == b"mendedbad"


def test_a_bad_sector_can_not_be_read_and_its_neighbours_can(card: SimulatedCard) -> None:
    path = card.directory / "f"
    path.write_bytes(b"x" * 2_000)
    card.bad_sector("f", 600)
    path.rename(card.directory / "g")
    with (card.directory / "g").open("rb", buffering=0) as file:
        assert file.read(512) == b"x" * 512
        for offset, size in ((600, 1), (0, 513), (1_023, 4)):
            with pytest.raises(OSError) as error:
                os.pread(file.fileno(), size, offset)
            assert error.value.errno == errno.EIO
        assert os.pread(file.fileno(), 5_000, 1_024) == b"x" * 976


def test_damage_is_felt_under_an_open_file_and_survives_a_power_cut(card: SimulatedCard) -> None:
    path = card.directory / "f"
    path.write_bytes(b"a" * 4_096)
    with path.open("rb", buffering=0) as file:
        assert file.read(1_024) == b"a" * 1_024
        card.corrupt_page("f", 1, Random(1))
        assert file.read(1_024) == Random(1).randbytes(1_024)
        card.corrupt("f", 4_090, b"b" * 100)
        card.truncate("f", 4_092)
        assert file.read() == b"a" * 2_042 + b"bb"
    card.sync()
    card.power_cut(Random(1))
    assert path.read_bytes() == b"a" * 1_024 + Random(1).randbytes(1_024) + b"a" * 2_042 + b"bb"
    with pytest.raises(FileNotFoundError):
        card.truncate("nowhere", 1)


def test_a_deleted_file_lives_for_who_has_it_open_and_its_name_is_free(card: SimulatedCard) -> None:
    path = card.directory / "f"
    with path.open("w+b", buffering=0) as file:
        file.write(b"mine")
        card.delete("f")
        assert [file.name for file in card.directory.iterdir()] == ["run"]
        path.write_bytes(b"another")
        file.write(b" still")
        file.seek(0)
        assert file.read() == b"mine still"
        state = os.fstat(file.fileno())
        assert (state.st_size, state.st_nlink) == (10, 0)
        assert state.st_ino != path.stat().st_ino
        assert path.read_bytes() == b"another"
        file.truncate(2)
        assert os.fstat(file.fileno()).st_size == 2


def test_a_rename_over_an_open_file_leaves_one_of_the_two_whole(card: SimulatedCard) -> None:
    left = set()
    for seed in range(10):
        (card.directory / "f").write_bytes(b"old")
        card.sync()
        with (card.directory / "f").open("rb") as reader:
            new = card.directory / "f.new"
            with new.open("wb") as file:
                file.write(b"new")
                file.flush()
                os.fsync(file.fileno())
            new.rename(card.directory / "f")
            assert reader.read() == b"old"
        card.power_cut(Random(seed))
        left.add((card.directory / "f").read_bytes())
    assert left == {b"old", b"new"}


def test_a_card_whose_owner_was_killed_is_unmounted(tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(f"no simulated card here: {reason}")
    script = """
import sys, time
from pathlib import Path
from edge.sim.card import SimulatedCard
with SimulatedCard(Path(sys.argv[1])) as card:
    print("ready", flush=True)
    time.sleep(100)
"""
    child = run(script, tmp_path)
    assert line_of(child) == b"ready\n"
    child.kill()
    child.wait()
    assert until_not_mounted(tmp_path)


def test_a_sync_that_fails_is_not_made_up_for_by_the_next(card: SimulatedCard) -> None:
    path = card.directory / "f"
    path.write_bytes(b"old")
    card.sync()
    with path.open("r+b", buffering=0) as file:
        card.lose_sync("f")
        file.write(b"new")
        with pytest.raises(OSError) as error:
            os.fsync(file.fileno())
        assert error.value.errno == errno.EIO
        os.fsync(file.fileno())
    assert path.read_bytes() == b"new"
    card.power_cut(Random(1))
    assert path.read_bytes() == b"old"

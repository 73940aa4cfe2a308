"""The centre's disk is full, or its store hangs: the bridge lives, nothing is receipted, boxes keep all of it."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest
from outing import assert_stored_once, balanced, drain, eventually, outing, plan

from edge.outbox_reader import OutboxReader
from stage.city import City
from torture.consumer import exported_utc_ms

UNITS = ("box-1", "box-2")
DISK = "8m"
SICK_S = 12.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own (root may mount one)."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "pantau-test", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("may not mount a small file system (root is needed)")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def city(tmp_path: Path, disk: Path) -> Iterator[City]:
    city = City(tmp_path / "city", [plan(unit) for unit in UNITS])
    (city.directory / "store.db").symlink_to(disk / "store.db")
    city.prepare()
    city.start_centre()
    yield city
    assert city.stop() == []


@contextmanager
def full(disk: Path, _store: Path) -> Iterator[None]:
    """Not a byte is free."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    yield
    ballast.unlink()


@contextmanager
def locked(_disk: Path, store: Path) -> Iterator[None]:
    """Somebody else's transaction that does not end."""
    with closing(sqlite3.connect(store, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@pytest.mark.slow
@pytest.mark.parametrize("sick", [full, locked], ids=["full", "locked"])
def test_while_the_store_takes_nothing_boxes_keep_all_and_then_it_is_stored_once(
    city: City, disk: Path, sick: Callable[[Path, Path], AbstractContextManager[None]]
) -> None:
    boxes = [outing(city, unit, seed=index) for index, unit in enumerate(UNITS)]
    try:
        for box in boxes:
            box.begin()
        eventually(lambda: all(exported_utc_ms(city, unit) for unit in UNITS), 20)
        lives = [len(city.children[part].lives) for part in ("bridge", "publisher")]
        with sick(disk, disk / "store.db"):
            time.sleep(3)
            stored = {unit: len(exported_utc_ms(city, unit)) for unit in UNITS}
            waiting = {unit: rows(city, unit) for unit in UNITS}
            time.sleep(SICK_S)
            assert {unit: len(exported_utc_ms(city, unit)) for unit in UNITS} == stored, "nothing was stored"
            assert all(rows(city, unit) >= waiting[unit] + SICK_S / 2 for unit in UNITS), "nothing was deleted"
        time.sleep(8)
        assert not city.ended(), [child.tail() for child in city.ended()]
        assert [len(city.children[part].lives) for part in ("bridge", "publisher")] == lives
        told = {box.child.name: box.end() for box in boxes}
    finally:
        for box in boxes:
            box.give_up()
    drain({city.outbox_path(unit): city.children[unit] for unit in UNITS})
    for unit in UNITS:
        assert_stored_once(city, unit, told[unit])
    balanced(city)
    log = city.children["bridge"].log_path.read_text("utf-8")
    assert log.count("store unavailable") == log.count("store available again") == 1, log


def rows(city: City, unit: str) -> int:
    """How many rows the box holds."""
    reader = OutboxReader(city.outbox_path(unit))
    try:
        return reader.waiting()[0]
    finally:
        reader.close()

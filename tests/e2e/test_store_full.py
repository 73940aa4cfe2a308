"""The centre's disk is full, or its store hangs: the bridge lives, nothing is receipted, boxes keep all of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
from outing import assert_stored_once, balanced, drain, eventually, outing, plan

from edge.outbox_reader import OutboxReader
from stage.city import City
from torture.consumer import exported_utc_ms
from torture.scenario import Unready
from torture.store_faults import full, locked, small_disk

UNITS = ("box-1", "box-2")
SICK_S = 12.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with ExitStack() as stack:
        try:
            place = stack.enter_context(small_disk(tmp_path / "disk"))
        except Unready as lacking:
            pytest.skip(str(lacking))
        yield place


@pytest.fixture
def city(tmp_path: Path, disk: Path) -> Iterator[City]:
    city = City(tmp_path / "city", [plan(unit) for unit in UNITS])
    (city.directory / "store.db").symlink_to(disk / "store.db")
    city.prepare()
    city.start_centre()
    yield city
    assert city.stop() == []


def a_full_disk(disk: Path) -> AbstractContextManager[None]:
    return full(disk)


def a_locked_store(disk: Path) -> AbstractContextManager[None]:
    return locked(disk / "store.db")


@pytest.mark.slow
@pytest.mark.parametrize("sick", [a_full_disk, a_locked_store], ids=["full", "locked"])
def test_while_the_store_takes_nothing_boxes_keep_all_and_then_it_is_stored_once(
    city: City, disk: Path, sick: Callable[[Path], AbstractContextManager[None]]
) -> None:
    boxes = [outing(city, unit, seed=index) for index, unit in enumerate(UNITS)]
    try:
        for box in boxes:
            box.begin()
        eventually(lambda: all(exported_utc_ms(city, unit) for unit in UNITS), 20)
        lives = [len(city.children[part].lives) for part in ("bridge", "publisher")]
        with sick(disk):
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

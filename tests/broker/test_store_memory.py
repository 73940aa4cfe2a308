"""A store that was put back from a copy gives no log_id again, and none is made where one has been."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
from arrivals import DAY, NOON, drive

from broker.store import StoreUnavailable, open_store
from broker.store_memory import AHEAD, OtherStore, StoreMemory


class Centre:
    """A store, and the memory of it in another folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "disk" / "store.db"
        self.url = f"sqlite:///{self.path}"
        self.memory_path = folder / "store.json"
        self.now_s = 0.0

    def stored(self, seqs: range) -> list[int]:
        """Log ids of a life of the bridge that commits these rows, each in its own second."""
        memory = StoreMemory(self.memory_path, mono_s=lambda: self.now_s)
        with memory.opened(self.url) as store:
            before = store.last_log_id()
            for arrival in drive(seqs):
                store.commit([arrival])
                self.now_s += 1.0
                memory.keep(store)
            return [entry.log_id for entry in store.read_log(before, 100)]


@pytest.fixture
def centre(tmp_path: Path) -> Centre:
    return Centre(tmp_path)


def test_an_ordinary_restart_goes_on_without_a_gap(centre: Centre) -> None:
    assert centre.stored(range(1, 4)) + centre.stored(range(4, 6)) == [1, 2, 3, 4, 5]


def test_a_store_put_back_from_a_copy_gives_no_log_id_a_second_time(
    centre: Centre, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    centre.stored(range(1, 4))
    shutil.copytree(centre.path.parent, tmp_path / "yesterday")
    given = centre.stored(range(4, 8))
    shutil.rmtree(centre.path.parent)
    shutil.copytree(tmp_path / "yesterday", centre.path.parent)
    with caplog.at_level(logging.WARNING):
        again = centre.stored(range(4, 8))
    assert min(again) > max(given)
    assert again[0] == max(given) + 1 + AHEAD
    assert "gone back in time" in caplog.text
    assert centre.stored(range(8, 9)) == [again[-1] + 1], "once"


def test_a_purge_of_all_there_is_is_not_taken_for_a_step_back(centre: Centre) -> None:
    centre.stored(range(1, 4))
    with open_store(centre.url) as store:
        assert store.purge(NOON + 2 * DAY).rows == 3
    assert centre.stored(range(4, 5)) == [4]


def test_no_store_is_made_where_one_has_been(centre: Centre, tmp_path: Path) -> None:
    centre.stored(range(1, 4))
    away = centre.path.parent.rename(tmp_path / "away")
    with pytest.raises(StoreUnavailable, match="no store"):
        centre.stored(range(4, 5))
    assert not centre.path.exists()
    away.rename(centre.path.parent)
    assert centre.stored(range(4, 5)) == [4]


def test_another_store_in_its_place_is_refused_until_a_person_has_decided(centre: Centre) -> None:
    centre.stored(range(1, 4))
    shutil.rmtree(centre.path.parent)
    with open_store(centre.url, writer=True):
        pass
    with pytest.raises(OtherStore, match=r"remove .*store\.json"):
        centre.stored(range(4, 5))
    centre.memory_path.unlink()
    assert centre.stored(range(4, 5)) == [1]


def test_a_damaged_memory_keeps_nobody_from_the_store(centre: Centre) -> None:
    centre.stored(range(1, 4))
    centre.memory_path.write_bytes(b'{"store_id": "\xff')
    assert centre.stored(range(4, 5)) == [4]

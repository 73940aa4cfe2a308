"""`pantau purge --config`: after it nothing older is left of where anybody was, in any file of the centre."""

from __future__ import annotations

import json
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from arrivals import DAY, NOON, UNIT, drive

from broker.assets import Assignment
from broker.calls import Calls
from broker.downlink import Downlink
from broker.purging import Gone, purge_all
from broker.store import open_store
from broker.work.areas import Areas
from broker.work.deriver import GRACE_MS, Deriver
from broker.work.memory import WorkMemory
from provisioning.throwaway import Authority
from torture.consumer import pantau

PLACE = (-61_750_123, 1_068_270_321)
HELD = Assignment(unit=UNIT, asset="ambulance-1", agency="health", kind="ambulance", from_utc_ms=0, to_utc_ms=None)


def centre(folder: Path) -> None:
    """A store, what was told of it, and a call for help: all of one noon."""
    with open_store(f"sqlite:///{folder}/store.db", writer=True) as store:
        store.set_assignments([HELD])
        store.commit(drive(range(1, 400)))
        with WorkMemory(folder / "work.db") as memory:
            deriver = Deriver(store, memory, zone=ZoneInfo("Asia/Jakarta"), areas=Areas(), keep_days=9, each_s=0.0)
            deriver.take(0)
            while deriver.derive_next(NOON + DAY + GRACE_MS, 0.0):
                pass
            assert memory.counts()[1] >= 2
    with Downlink(folder / "downlink.db"), Calls(folder / "downlink.db") as calls:
        calls.called(UNIT, "c1", 1, PLACE, NOON)
        calls.ended(UNIT, "c1", "city-rini")


def purged(folder: Path, asset: str | None = None) -> Gone:
    with open_store(f"sqlite:///{folder}/store.db") as store:
        return purge_all(
            store, NOON + DAY + 1, asset, work_memory_path=folder / "work.db", downlink_path=folder / "downlink.db"
        )


def test_everything_older_is_gone_and_the_sum_of_hours_is_not(tmp_path: Path) -> None:
    centre(tmp_path)
    found = purged(tmp_path, "ambulance-1")
    assert (found.rows, found.calls) == (399, 1)
    assert found.told >= 2
    with WorkMemory(tmp_path / "work.db") as memory:
        assert [message.topic.rpartition("/")[2] for _, message in memory.waiting(0, 100)] == ["hours"]
    assert not any(b"coordinates" in file.read_bytes() for file in tmp_path.iterdir())


def test_of_another_asset_nothing_goes_and_what_is_not_there_is_not_made(tmp_path: Path) -> None:
    centre(tmp_path)
    assert purged(tmp_path, "ambulance-2") == Gone(0, 0, 0, 0)
    (tmp_path / "work.db").unlink()
    (tmp_path / "downlink.db").unlink()
    assert purged(tmp_path)._replace(body_bytes=0) == Gone(399, 0, 0, 0)
    assert not (tmp_path / "work.db").exists() and not (tmp_path / "downlink.db").exists()


@pytest.mark.parametrize("words", [[], ["--store", "sqlite:///x.db", "--config", "centre.toml"]])
def test_one_of_store_and_configuration_is_wanted(words: list[str]) -> None:
    done = pantau("purge", "--before", "2026-11-24", *words)
    assert done.returncode == 2
    assert "wanted either --config or --store" in " ".join(done.stderr.replace("│", " ").split())


def test_the_command_purges_all_that_the_configuration_names(tmp_path: Path, authority: Authority) -> None:
    for name in ("bridge-1", "bridge-1-receipts", "bridge-publisher"):
        authority.ensure(name, "bridge")
    config = tmp_path / "centre.toml"
    config.write_text(
        f'[broker]\nhost = "localhost"\nrun = false\n[credentials]\ndirectory = "{authority.directory}"\n'
        f'[store]\nurl = "sqlite:///{tmp_path}/store.db"\nstate_directory = "{tmp_path}"\n'
    )
    centre(tmp_path)
    done = pantau("purge", "--config", str(config), "--before", "2026-11-24", "--json")
    assert done.returncode == 0, done.stderr
    counted = json.loads(done.stdout)
    assert (counted["rows"], counted["calls"]) == (399, 1)
    assert counted["told"] >= 2
    again = pantau("purge", "--config", str(config), "--before", "2026-11-24")
    assert again.stdout == "purged 0 records, 0 bytes of bodies; 0 sessions and notices, 0 calls for help\n"

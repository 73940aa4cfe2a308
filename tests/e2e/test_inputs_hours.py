"""From the wires of a real gps_unit to hours at the centre: what was driven at the pins is what `pantau hours` says."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from outing import eventually

from broker.store import open_store
from edge.sim.pins import SimulatedBoard
from edge.sim.receiver import SimulatedReceiver, synthetic
from stage.city import City, UnitPlan
from torture.consumer import pantau
from wire import records_pb2
from wire.kinds import KIND_EVENT

UNIT, ASSET = "box-003", "excavator-1"
KEY, ARM = 17, 27
OFF_S = 2.0  # an edge is debounced for 50 ms and written within a turn of the loop; the rest is a busy machine


def stored(city: City) -> list[str]:
    """The events at the centre."""
    with open_store(city.store_url) as store:
        return [records_pb2.Event.FromString(row.body).name for row in store.rows(unit=UNIT) if row.kind == KIND_EVENT]


def of_today(city: City) -> dict[str, float]:
    """What `pantau hours` says of these days, whichever one it is in Jakarta."""
    today = datetime.now(UTC).date()
    days = ["--from", str(today - timedelta(days=1)), "--to", str(today + timedelta(days=2))]
    said = pantau("hours", "--store", city.store_url, "--asset", ASSET, *days, "--json")
    assert said.returncode == 0, said.stderr
    hours = json.loads(said.stdout)[0]["hours"]
    return {name: sum(day[name] for day in hours) for name in ("engine_on_s", "pto_on_s")}


@pytest.mark.timeout(120)
def test_engine_and_work_hours_are_those_of_the_wires(tmp_path: Path) -> None:
    with SimulatedBoard(tmp_path) as board:
        plan = UnitPlan(
            name=UNIT, asset=ASSET, agency="public-works", kind="excavator", settings={"report": {"interval_s": 1.0}},
            inputs=(
                {"name": "key", "pin": KEY, "kind": "ignition"},
                {"name": "arm", "pin": ARM, "kind": "boom"},
            ),
            environment=board.environment,
        )  # fmt: skip
        city = City(tmp_path / "city", [plan])
        city.prepare()
        receiver = SimulatedReceiver(synthetic(time.time_ns() // 1_000_000, cold_start=False), link=city.tty(UNIT))
        quiet = threading.Event()
        player = threading.Thread(target=receiver.play, args=(quiet,), name="receiver")
        for pin in (KEY, ARM):
            board.drive(pin, high=True)
        driven: dict[tuple[int, bool], float] = {}

        def drive(pin: int, on: bool, event: str) -> None:
            board.drive(pin, high=not on)
            driven[pin, on] = time.monotonic()
            eventually(lambda: event in stored(city), 30, city.children[UNIT].tail)

        try:
            city.start_centre()
            player.start()
            city.start_units()
            eventually(lambda: {"ignition_off", "pto_off"} <= set(stored(city)), 30, city.children[UNIT].tail)
            drive(KEY, True, "ignition_on")
            drive(ARM, True, "pto_on")
            time.sleep(4.0)
            board.drive(ARM, high=True)
            driven[ARM, False] = time.monotonic()
            driven[KEY, False] = time.monotonic()
            board.drive(KEY, high=True)
            eventually(lambda: stored(city).count("parked") == 2, 30, city.children[UNIT].tail)
        finally:
            quiet.set()
            late = city.stop()
            if player.ident is not None:
                player.join()
            receiver.close()
        assert late == []
        hours = of_today(city)
        assert hours["engine_on_s"] == pytest.approx(driven[KEY, False] - driven[KEY, True], abs=OFF_S)
        assert hours["pto_on_s"] == pytest.approx(driven[ARM, False] - driven[ARM, True], abs=OFF_S)
        assert hours["pto_on_s"] >= 3

"""The centre gone while the broker stays, and the broker gone: boxes wait quietly, and everything is stored once."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from outing import Outing, Settings, assert_stored_once, balanced, drain, eventually, outing, plan

from edge.sim.link import SimulatedLink
from stage.city import City, free_port
from torture.ear import Ear

GONE_S = 75.0  # stands for an hour: one round of probes (60 s with jitter) and a part of the next
FEWEST_PROBES, MOST_PROBES = 1, 2  # the first within 60 s, the next 45 to 75 s later
FLEET_UNITS = 2_500  # of which five are here: they come back within 0..5 s, or 0..10 s when that was too early
LONGEST_BACKOFF_S = 30.0
LEAST_SPREAD_S = 0.05  # five draws out of 5 s are closer together once in 10,000,000 runs

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Road:
    """Boxes on the road, the link they share (it counts connections), and the city they report to."""

    city: City
    link: SimulatedLink
    boxes: list[Outing]

    def delivered(self) -> None:
        """Everything that was told is stored once, and the ledger balances."""
        told = {box.child.name: box.end() for box in self.boxes}
        assert all(len(box.child.lives) == 1 for box in self.boxes), "no box restarted"
        drain({self.city.outbox_path(unit): self.city.children[unit] for unit in told})
        for unit in told:
            assert_stored_once(self.city, unit, told[unit])
        balanced(self.city)


@contextmanager
def on_the_road(directory: Path, units: int, settings: Settings) -> Iterator[Road]:
    """Everything runs, every box is connected and has told something."""
    port = free_port()
    plans = [plan(f"box-{number}", settings) for number in range(units)]
    with SimulatedLink("127.0.0.1", port) as link:
        city = City(directory, plans, port=port, broker_port=link.port)
        city.prepare()
        boxes = [outing(city, each.name, seed=number) for number, each in enumerate(plans)]
        try:
            city.start_centre()
            for box in boxes:
                box.begin()
            eventually(lambda: all("connected to" in box.child.log_path.read_text("utf-8") for box in boxes), 20)
            time.sleep(5)
            yield Road(city, link, boxes)
        finally:
            for box in boxes:
                box.give_up()
            late = city.stop()
        assert late == []


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
def test_with_the_centre_gone_no_box_restarts_or_reconnects_and_nothing_is_lost(tmp_path: Path, killed: bool) -> None:
    with on_the_road(tmp_path, 3, {}) as road:
        centre = [road.city.children[part] for part in ("publisher", "bridge")]
        for part in centre:
            if killed:
                part.kill()
            else:
                part.terminate()
                assert part.join()
        time.sleep(1)  # the will is on its way
        connections = road.link.connections
        # With the bridge's own certificate, as long as the bridge does not need it.
        with Ear(road.city, "pantau/v1/+/up", "pantau/v1/+/bulk", name="bridge-1") as witness:
            time.sleep(GONE_S)
        parcels = Counter(message.topic.split("/")[2] for message in witness.heard)
        log.info("parcels while nobody was there: %s", dict(parcels))
        assert set(parcels) == {box.child.name for box in road.boxes}
        assert all(FEWEST_PROBES <= probes <= MOST_PROBES for probes in parcels.values()), parcels
        assert road.link.connections == connections, "nobody connected anew"
        for part in centre:
            part.start()
        time.sleep(4)
        road.delivered()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_broker_that_comes_back_gets_each_box_once_and_not_all_at_one_instant(tmp_path: Path) -> None:
    with on_the_road(tmp_path, 5, {"broker": {"fleet_units": FLEET_UNITS}}) as road:
        broker, before = road.city.children["mosquitto"], road.link.connections
        broker.kill()
        time.sleep(3)
        broker.start()
        at_s: list[float] = []
        begun = time.monotonic()
        while len(at_s) < len(road.boxes):
            assert time.monotonic() < begun + LONGEST_BACKOFF_S, road.boxes[0].child.tail()
            at_s += [time.monotonic() - begun] * (road.link.connections - before - len(at_s))
            time.sleep(0.01)
        log.info("connected %s s after the broker was back", [round(each, 1) for each in at_s])
        assert at_s[-1] - at_s[0] > LEAST_SPREAD_S
        time.sleep(5)
        assert road.link.connections == before + len(road.boxes), "each once"
        for box in road.boxes:
            assert box.child.log_path.read_text("utf-8").count("WARNING edge.keeping") == 1, "an edge, not a level"
        road.delivered()

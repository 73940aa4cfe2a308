"""A card that went back in time, and a card that became two: nothing of either history is lost or confused."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from outing import Outing, assert_stored_once, balanced, drain, outing, plan

from stage.city import City
from stage.process import Child
from torture.image import OUTBOX, WHOLE_CARD, copied, outbox_ids

UNIT = "box-1"


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    city = City(tmp_path / "city", [plan(UNIT)])
    city.prepare()
    yield city
    assert city.stop() == []


@pytest.mark.slow
@pytest.mark.parametrize("restored", [OUTBOX, WHOLE_CARD], ids=["outbox", "whole card"])
@pytest.mark.parametrize("offline", [False, True], ids=["linked", "offline first"])
def test_an_outbox_restored_from_yesterday_loses_nothing_of_either_history(
    city: City, tmp_path: Path, restored: tuple[str, ...], offline: bool
) -> None:
    outbox, bridge = city.outbox_path(UNIT), city.children["bridge"]
    city.start_centre()
    told: set[int] = set()

    yesterday = outing(city, UNIT, seed=1)
    yesterday.begin()
    time.sleep(4)
    bridge.terminate()
    assert bridge.join()
    time.sleep(3)
    told |= yesterday.end()  # some of it is stored, some waits
    copied(outbox.parent, tmp_path / "copy", restored)
    before = outbox_ids(outbox)

    bridge.start()
    lived_on = outing(city, UNIT, seed=2)
    lived_on.begin()
    time.sleep(4)
    told |= lived_on.end()
    drain({outbox: lived_on.child})
    assert outbox_ids(outbox) == before

    copied(tmp_path / "copy", outbox.parent, restored)
    if offline:
        bridge.terminate()
        assert bridge.join()
    again = outing(city, UNIT, seed=3)
    again.begin()
    time.sleep(8)  # longer than the history it does not know of: keys that are taken, and keys beyond
    bridge.start()
    time.sleep(2)
    told |= again.end()
    drain({outbox: again.child})

    assert_stored_once(city, UNIT, told)
    accounts = balanced(city)
    assert outbox_ids(outbox)[:-1] == before, "a new outbox_id was opened"
    if offline:
        assert sum(int(str(account["conflicts"])) for account in accounts) > 0


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_card_cloned_into_two_boxes_has_all_of_both_stored(city: City, tmp_path: Path) -> None:
    """One certificate, one outbox_id, the same seqs: the broker lets each take over the other's session."""
    city.start_centre()
    first = outing(city, UNIT, seed=1)
    first.begin()
    time.sleep(3)
    told = first.end()
    city.children["bridge"].terminate()  # or the first receipt would tell the second box what the first one has sent
    assert city.children["bridge"].join()
    clone_home = tmp_path / "clone"
    copied(city.outbox_path(UNIT).parent, clone_home, WHOLE_CARD)
    (clone_home / "run").mkdir()
    home = city.outbox_path(UNIT).parent
    config = clone_home / "unit.toml"
    config.write_text(city.unit_config(UNIT).read_text("utf-8").replace(str(home), str(clone_home)), "utf-8")
    clone = Child("clone", [sys.executable, "-m", "edge.gps_unit", "--config", str(config)], tmp_path / "clone.log")

    boxes = [
        Outing(city.children[UNIT], city.tty(UNIT), seed=2),
        Outing(clone, clone_home / "tty", seed=3, ahead_s=3600),
    ]
    try:
        for box in boxes:
            box.begin()
        time.sleep(4)
        city.children["bridge"].start()
        time.sleep(6)
        for box in boxes:
            told |= box.end()
        # Both live again and take turns with the link, until each has got rid of all it had.
        drain({city.outbox_path(UNIT): boxes[0].child, clone_home / "outbox.db": clone}, 300)
    finally:
        for box in boxes:
            box.give_up()
    assert_stored_once(city, UNIT, told)
    assert sum(int(str(account["conflicts"])) for account in balanced(city)) > 0
    mine, others = outbox_ids(city.outbox_path(UNIT)), outbox_ids(clone_home / "outbox.db")
    assert mine[0] == others[0] and mine[-1] != others[-1], "each goes on under an outbox_id of its own"

"""Boxes newer than the centre: what it cannot read is stored, receipted and passed on, and read once the centre can."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from outing import assert_stored_once, balanced, drain, eventually, outing, plan

from stage.city import City
from torture.consumer import pantau
from torture.ear import Ear
from torture.versions import newer_box_speaks, older

BOX, NEW_BOX = "box-1", "box-2"


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    city = City(tmp_path, [plan(BOX), plan(NEW_BOX)])
    city.prepare()
    yield city
    assert city.stop() == []


def upgrade(city: City, commands: dict[str, list[str]]) -> None:
    """Stop the older centre, and start this one over the same store."""
    for part, command in commands.items():
        city.children[part].terminate()
        assert city.children[part].join(), city.children[part].tail()
        city.children[part].command = command
        city.children[part].start()


def said(ear: Ear, leaf: str) -> list[Any]:
    """What came on the clean topics of one sort."""
    return [json.loads(m.payload) for m in ear.heard if m.topic.endswith(f"/{leaf}") and m.payload]


def rederived(city: City) -> dict[str, int]:
    done = pantau("rederive", "--store", city.store_url, "--json")
    assert done.returncode == 0, done.stderr
    counts: dict[str, int] = json.loads(done.stdout)
    return counts


@pytest.mark.slow
def test_what_a_newer_box_says_is_stored_receipted_and_read_once_the_centre_knows_it(city: City) -> None:
    commands = {part: city.children[part].command for part in ("bridge", "publisher")}
    for part, command in commands.items():
        city.children[part].command = older(command)
    city.start_centre()
    box = outing(city, BOX)
    with Ear(city, "city/v1/#") as ear:
        try:
            box.begin()
            time.sleep(3)
            told = box.end()
        finally:
            box.give_up()
        drain({city.outbox_path(BOX): box.child})  # its health records too were receipted
        assert newer_box_speaks(city, NEW_BOX, within_s=10.0) == set(range(1, 9)), "both parcels are receipted whole"
        # What could not be read has blocked nobody: the track behind it is published.
        eventually(lambda: {t["seq"] for t in said(ear, "track") if t["unit"] == NEW_BOX} == {1, 4, 5, 8}, 10)
        unread = [event for event in said(ear, "event") if event["name"] == "undecoded"]
        assert {event["seq"] for event in unread if event["unit"] == NEW_BOX} == {2, 3, 6, 7}
        assert said(ear, "health") == []
    assert_stored_once(city, BOX, told)

    upgrade(city, commands)
    with Ear(city, "city/v1/#") as ear:
        counts = rederived(city)
        assert counts["undecoded"] == 2, "the two of kind 99 stay for a centre that knows it"
        eventually(lambda: said(ear, "health"), 10)
        assert all(health["revision"] == 1 and health["unit"] == BOX for health in said(ear, "health"))
        eventually(lambda: any(state["verdict"] == "frozen" for state in said(ear, "state")), 10)
    assert rederived(city) == {"readable": 0, "undecoded": 2}
    judged = [account for account in balanced(city) if account["unit"] == BOX]
    assert all(account["unjudged"] != account["produced"] for account in judged), "the ledger knows its health now"

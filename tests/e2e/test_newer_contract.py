"""Boxes newer than the centre: what it cannot read is stored, receipted and passed on, and read once the centre can."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from outing import assert_stored_once, balanced, drain, eventually, outing, plan

from stage.city import City
from torture.consumer import pantau
from torture.ear import Ear
from wire import records_pb2
from wire.columns import encode_track
from wire.encode import camera, check, packed_parcel, rows_message
from wire.kinds import CLASS_STATUS, CLASS_TRACK, KIND_CAMERA, KIND_TRACK
from wire.pack import pack_rows
from wire.receipt import decode_receipt
from wire.topics import bulk, receipt, up

BOX, NEW_BOX = "box-1", "box-2"
NEW_KIND, NEW_CLASS = 99, 9
NEW_FIELD = b"\xc0\x3e\x07"  # field 1000, varint 7: of a contract that is not written yet
OUTBOX_ID = 4711

# A centre of an older version is this one without the kinds that it did not know: health and camera verdicts.
OLDER = """
import runpy
from wire import decode, kinds
for kind in (kinds.KIND_HEALTH, kinds.KIND_CAMERA):
    del kinds.KIND_NAMES[kind], decode._MESSAGES[kind]
runpy.run_module("broker", run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    city = City(tmp_path, [plan(BOX), plan(NEW_BOX)])
    city.prepare()
    yield city
    assert city.stop() == []


def older(command: list[str]) -> list[str]:
    """The same part of an older centre."""
    return [sys.executable, "-c", OLDER, *command[command.index("broker") + 1 :]]


def upgrade(city: City, commands: dict[str, list[str]]) -> None:
    """Stop the older centre, and start this one over the same store."""
    for part, command in commands.items():
        city.children[part].terminate()
        assert city.children[part].join(), city.children[part].tail()
        city.children[part].command = command
        city.children[part].start()


def bodies(utc_ms: int) -> list[tuple[int, int, bytes]]:
    """(class, kind, body) of seqs 1, 2, …: two tracks around what only a newer centre can read."""
    stamp = (utc_ms, 1, 1000)
    return [
        (CLASS_TRACK, KIND_TRACK, encode_track([(utc_ms, -61_754_000, 1_068_271_500, 800, 0, None, 90, 9)])),
        (NEW_CLASS, NEW_KIND, b"\xff what nobody can read today \x00"),
        (CLASS_STATUS, KIND_CAMERA, camera(at=stamp, camera="north", verdict="frozen") + NEW_FIELD),
        (
            CLASS_TRACK,
            KIND_TRACK,
            encode_track([(utc_ms + 1000, -61_754_000, 1_068_271_500, 800, 0, None, 90, 9)]) + NEW_FIELD,
        ),
    ]


def newer_parcel(first: int, rows: list[tuple[int, int, bytes]]) -> bytes:
    """Plain rows, with fields this contract does not know in the parcel and in each row."""
    parcel = records_pb2.Parcel(outbox_id=OUTBOX_ID, waiting_bytes=1)
    for index, (cls, kind, body) in enumerate(rows):
        row = parcel.rows.add(seq_step=1 if index else first, cls=cls, kind=kind, check=check(body), body=body)
        row.MergeFromString(NEW_FIELD)
    return parcel.SerializeToString() + NEW_FIELD


def newer_bulk_parcel(first: int, rows: list[tuple[int, int, bytes]]) -> bytes:
    """The same packed, as a backlog travels."""
    numbered = [(first + index, cls, kind, check(body), body) for index, (cls, kind, body) in enumerate(rows)]
    return packed_parcel(OUTBOX_ID, pack_rows(rows_message(numbered) + NEW_FIELD)) + NEW_FIELD


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
        new_box_speaks(city)
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


def new_box_speaks(city: City) -> None:
    """Two parcels of a newer contract, one in each lane; both are receipted whole."""
    utc_ms = time.time_ns() // 1_000_000 - 10_000
    with Ear(city, receipt(NEW_BOX), name=NEW_BOX) as voice:
        voice.say(up(NEW_BOX), newer_parcel(1, bodies(utc_ms)))
        voice.say(bulk(NEW_BOX), newer_bulk_parcel(5, bodies(utc_ms + 2000)))
        stored: set[int] = set()

        def all_receipted() -> bool:
            for message in voice.heard:
                stored.update(decode_receipt(message.payload).ranges.seqs())
            return stored == set(range(1, 9))

        eventually(all_receipted, 10, lambda: stored)

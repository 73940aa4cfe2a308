"""A box that gets a new version while records wait: its backlog is delivered under the keys it had."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from outing import assert_stored_once, balanced, drain, outing, plan

from broker.store import open_store
from stage.city import City
from torture.ear import Ear
from torture.image import outbox_ids
from wire.columns import encode_track
from wire.encode import event
from wire.kinds import CLASS_ALARM, CLASS_TRACK, KIND_EVENT, KIND_TRACK

UNIT = "box-1"
OUTBOX_ID = 0xABCDEF
ROWS, ALARM_EVERY = 300, 50
FIX = (-61_754_000, 1_068_271_500, 800, 0, None, 90, 9)


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    city = City(tmp_path, [plan(UNIT)])
    city.prepare()
    yield city
    assert city.stop() == []


def field_trial_file(path: Path, first_utc_ms: int) -> tuple[dict[int, bytes], set[int]]:
    """An outbox of the field trial (schema 0) with a backlog: its rows by seq, and the times of their fixes."""
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER, cls INTEGER, body BLOB)")
    db.execute("CREATE TABLE outbox (outbox_id INTEGER)")
    db.execute("INSERT INTO outbox VALUES (?)", (OUTBOX_ID,))
    for seq in range(1, ROWS + 1):
        utc_ms = first_utc_ms + seq * 1000
        if seq % ALARM_EVERY == 0:
            row = KIND_EVENT, CLASS_ALARM, event(at=(utc_ms, 1, 1000), name="panic", detail={})
        else:
            row = KIND_TRACK, CLASS_TRACK, encode_track([(utc_ms, *FIX)])
        db.execute("INSERT INTO rows (kind, cls, body) VALUES (?, ?, ?)", row)
    db.commit()
    rows = dict(db.execute("SELECT id, body FROM rows").fetchall())
    times = {first_utc_ms + seq * 1000 for seq in rows if seq % ALARM_EVERY}
    db.close()
    return rows, times


@pytest.mark.slow
def test_a_backlog_survives_the_upgrade_of_its_file_and_is_delivered_under_its_keys(city: City) -> None:
    rows, past = field_trial_file(city.outbox_path(UNIT), time.time_ns() // 1_000_000 - 3_600_000)
    city.start_centre()
    box = outing(city, UNIT)
    with Ear(city, "city/v1/+/+/event") as ear:
        try:
            box.begin()
            time.sleep(4)
            told = box.end()
        finally:
            box.give_up()
        drain({city.outbox_path(UNIT): box.child})
        assert sum(b'"panic"' in message.payload for message in ear.heard) >= ROWS // ALARM_EVERY
    assert outbox_ids(city.outbox_path(UNIT)) == [OUTBOX_ID]
    with open_store(city.store_url) as store:
        stored = {entry.seq: entry.body for entry in store.recorded(UNIT)}
    assert {seq: body for seq, body in stored.items() if seq <= ROWS} == rows
    assert min(seq for seq in stored if seq > ROWS) == ROWS + 1
    assert_stored_once(city, UNIT, told | past)
    balanced(city)

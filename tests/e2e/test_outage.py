"""Three days without a link, then back: all of it arrives, and the live position never waits for the past."""

from __future__ import annotations

import itertools
import json
import logging
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from outing import Outing, balanced, eventually, outing, plan

from edge.outbox import Outbox, OutboxReader
from edge.sim.link import SimulatedLink
from stage.city import City, free_port
from torture.consumer import exported_utc_ms
from torture.ear import Ear
from wire.columns import encode_track
from wire.kinds import CLASS_TRACK, KIND_TRACK

UNIT = "box-1"
ROW_FIXES, ROWS = 10, 25_920  # three days at 1 Hz, a row each ten seconds
LIVE_WITHIN_S = 2.0
# The link of uplink.md: 1 Mbit/s, 80 ms there and back. The unit's own bucket (16 kB/s: the drain would take minutes,
# `bench drain` measures it) is lifted, which is the harder case for live: bulk takes all the link has.
BYTES_PER_S, ONE_WAY_S = 125_000.0, 0.04
NO_BUCKET: dict[str, object] = {"bulk_bytes_per_s": 100_000_000, "bulk_burst_bytes": 100_000_000}
LIVE_ROWS = 100

log = logging.getLogger(__name__)


class Published(NamedTuple):
    """A track on the clean topics: when it came, and the first and last time in it."""

    at_mono_s: float
    first_utc_ms: int
    last_utc_ms: int
    seq: int


def published(ear: Ear) -> list[Published]:
    """The tracks on the clean topics, as they came."""
    found = []
    for message in ear.heard:
        said = json.loads(message.payload)
        times = said["properties"]["unix_ms"]
        found.append(Published(message.at_mono_s, times[0], times[-1], said["seq"]))
    return found


def three_days(until_utc_ms: int) -> Iterator[tuple[bytes, list[int]]]:
    """The records of three days that end at `until_utc_ms`, and the times in each: a wandering vehicle at 1 Hz."""
    luck = random.Random(3)
    lat, lon, begin = -61_750_000, 1_068_270_000, until_utc_ms - ROWS * ROW_FIXES * 1000
    for row in range(ROWS):
        fixes = []
        for index in range(ROW_FIXES):
            lat, lon = lat + luck.randint(-900, 900), lon + luck.randint(-900, 900)
            utc_ms = begin + (row * ROW_FIXES + index) * 1000
            speed_cmps, course_cdeg = luck.randint(0, 1400), luck.randint(0, 35_999)
            fixes.append((utc_ms, lat, lon, 1_500 + luck.randint(-50, 50), speed_cmps, course_cdeg, 90, 9))
        yield encode_track(fixes, scales=(0, 1, 2, 1, 2, 1)), [fix[0] for fix in fixes]


def filled(path: Path, until_utc_ms: int) -> set[int]:
    """Three days of records appended by the outbox itself; their times."""
    told: set[int] = set()
    outbox = Outbox(path, limit_bytes=1_000_000_000)
    for body, times in three_days(until_utc_ms):
        outbox.append(body, kind=KIND_TRACK, cls=CLASS_TRACK)
        told.update(times)
    outbox.close()
    return told


def live_at_once(box: Outing, ear: Ear, past_utc_ms: int) -> float:
    """The link is back: when the unit was let in. A position of now is on the clean topic within LIVE_WITHIN_S."""
    log_path = box.child.log_path
    eventually(lambda: "connected to" in log_path.read_text("utf-8"), 40, box.child.tail)
    connected = time.monotonic()
    late_s = eventually(
        lambda: any(track.last_utc_ms > past_utc_ms for track in published(ear)), LIVE_WITHIN_S, box.child.tail
    )
    log.info("live position %.2f s after CONNACK", late_s)
    return connected


def drained(outbox: Path) -> float:
    """When nothing but the last minute's live rows waits any more (their receipts are gathered)."""
    reader = OutboxReader(outbox)
    took_s = eventually(lambda: reader.waiting()[0] < LIVE_ROWS, 120, reader.waiting)
    reader.close()
    log.info("%d rows drained in %.1f s", ROWS, took_s)
    return time.monotonic()


def assert_live_was_on_time(box: Outing, ear: Ear, since: float, until: float) -> None:
    said = {written.utc_ms: written.last_mono_s for written in box.told}
    late_s = [
        track.at_mono_s - said[track.last_utc_ms]
        for track in published(ear)
        if since < track.at_mono_s < until and said.get(track.last_utc_ms, 0.0) > since
    ]
    log.info("%d live rows, latest %.2f s", len(late_s), max(late_s))
    assert len(late_s) > (until - since) / 2, "live rows went on coming"
    assert max(late_s) <= LIVE_WITHIN_S


def assert_newest_came_first(ear: Ear, past_utc_ms: int) -> None:
    """Parcel by parcel back in time; inside one parcel rows stand in their order."""
    past = [track for track in published(ear) if track.last_utc_ms <= past_utc_ms]
    begins = [past[0]] + [after for before, after in itertools.pairwise(past) if after.seq != before.seq + 1]
    log.info("in %d parcels", len(begins))
    assert all(after.seq < before.seq for before, after in itertools.pairwise(begins))
    assert begins[-1].seq == 1


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_after_three_days_without_a_link_all_of_it_arrives_and_live_is_never_late(tmp_path: Path) -> None:
    port = free_port()
    with SimulatedLink("127.0.0.1", port, delay_s=ONE_WAY_S, bytes_per_s=BYTES_PER_S) as link:
        city = City(tmp_path, [plan(UNIT, {"uplink": NO_BUCKET})], port=port, broker_port=link.port)
        city.prepare()
        past = filled(city.outbox_path(UNIT), time.time_ns() // 1_000_000 - 60_000)
        box = outing(city, UNIT)
        try:
            city.start_centre()
            link.cut()
            box.begin()
            time.sleep(4)
            with Ear(city, "city/v1/+/+/track") as ear:
                link.mend()
                connected = live_at_once(box, ear, max(past))
                done = drained(city.outbox_path(UNIT))
                told = box.end()
        finally:
            box.give_up()
            late = city.stop()
        assert late == []
    assert_live_was_on_time(box, ear, connected, done)
    assert_newest_came_first(ear, max(past))
    stored = exported_utc_ms(city, UNIT)
    assert len(stored) == len(set(stored))
    assert set(stored) >= past
    held = told - set(stored)
    assert all(utc_ms > max(stored) - 60_000 for utc_ms in held), "only the last words may still be on the unit"
    balanced(city)

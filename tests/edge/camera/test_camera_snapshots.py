"""Pictures fit into a day's bytes and into a record, and who asks for one comes first."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.budget import Degree
from edge.camera_node.snapshots import (
    IMAGE_BYTES,
    LARGE_BYTES,
    MOST_TRIES,
    RUNGS,
    Rung,
    Snapshots,
    Wish,
    snapshot_record,
)
from edge.clock import Clock
from edge.outbox import Outbox, OutboxReader
from edge.packing import Filler
from edge.sending import PARCEL_BYTES
from wire import records_pb2
from wire.kinds import CLASS_BULKY, KIND_SNAPSHOT

CAMERAS = ("north", "south")
DAY_S = 86_400.0


@dataclass
class Encoder:
    """A JPEG encoder by size only: bytes a pixel at quality 100, of a scene as busy as the test wants."""

    busy: float = 0.3
    tries: int = 0

    def __call__(self, rung: Rung) -> bytes:
        self.tries += 1
        return bytes(int(rung.width_px * rung.height_px * self.busy * rung.quality / 100) + 600)


def drain(snapshots: Snapshots, now_s: float, degree: Degree = Degree.NONE) -> list[Wish]:
    wishes = []
    while wish := snapshots.due(now_s, degree):
        wishes.append(wish)
        snapshots.fit(wish, Encoder())
    return wishes


def test_who_asks_comes_before_what_changed_and_changes_of_one_camera_are_one_picture() -> None:
    snapshots = Snapshots(CAMERAS)
    for verdict in ("frozen", "seeing", "black"):
        snapshots.changed("north", verdict)
    assert snapshots.asked("south", "asked by Sari") == "a picture follows"
    assert [(wish.camera, wish.why) for wish in drain(snapshots, 0.0)] == [
        ("south", "asked by Sari"),
        ("north", "black"),
    ]
    assert drain(snapshots, 1.0) == []
    with pytest.raises(ValueError, match="no such camera"):
        snapshots.asked("west", "x")


def test_a_camera_that_flaps_costs_its_day_and_not_more() -> None:
    snapshots, encoder, sent_bytes = Snapshots(CAMERAS, daily_bytes=300_000), Encoder(), 0
    for second in range(0, 2 * 86_400, 60):
        snapshots.changed("north", "frozen" if second % 120 else "seeing")
        wish = snapshots.due(float(second))
        if wish is not None:
            image = snapshots.fit(wish, encoder)
            sent_bytes += len(image or b"")
    assert 500_000 < sent_bytes < 2.6 * 300_000
    assert snapshots.left_out["daily_bytes"] > 1_000


def test_a_short_plan_leaves_out_pictures_that_nobody_asked_for_and_in_the_end_all() -> None:
    snapshots = Snapshots(CAMERAS, interval_s=600)
    snapshots.changed("north", "black")
    snapshots.asked("south", "asked")
    assert [wish.camera for wish in drain(snapshots, 5_000.0, Degree.SNAPSHOTS_OFF)] == ["south"]
    snapshots.asked("south", "asked")
    assert drain(snapshots, 5_000.0, Degree.LIVE_OFF) == []
    assert snapshots.left_out == Counter(plan=2)


def test_at_an_interval_each_camera_has_its_turn_and_a_changed_one_waits_anew() -> None:
    snapshots = Snapshots(CAMERAS, interval_s=3_600.0)
    assert drain(snapshots, 1_799.0) == []
    assert [wish.camera for wish in drain(snapshots, 1_800.0)] == ["north"]
    assert [wish.camera for wish in drain(snapshots, 3_600.0)] == ["south"]
    snapshots.changed("north", "black")
    assert [wish.why for wish in drain(snapshots, 4_000.0)] == ["black"]
    assert drain(snapshots, 7_199.0) == []
    assert [wish.camera for wish in drain(snapshots, 7_200.0)] == ["south"]
    assert [wish.camera for wish in drain(snapshots, 7_600.0)] == ["north"]


def test_the_turns_of_a_pole_s_cameras_are_spread_over_the_interval() -> None:
    names, week_s = [f"camera-{n}" for n in range(8)], 604_800
    snapshots = Snapshots(names, interval_s=week_s)
    sent = [(at_s, wish.camera) for at_s in range(0, week_s + 1, 600) for wish in drain(snapshots, float(at_s))]
    assert [camera for _, camera in sent] == names
    assert {later - earlier for (earlier, _), (later, _) in pairwise(sent)} == {week_s // 8}


@given(st.lists(st.floats(0.01, 3.0), min_size=1, max_size=12), st.booleans())
def test_a_picture_is_the_best_that_fits_after_few_tries(scenes: list[float], large: bool) -> None:
    snapshots = Snapshots(CAMERAS)
    wish = Wish("north", "x", LARGE_BYTES if large else IMAGE_BYTES)
    for busy in scenes:
        encoder = Encoder(busy)
        image = snapshots.fit(wish, encoder)
        assert encoder.tries <= MOST_TRIES
        least = encoder(RUNGS[-1])
        if image is None:
            assert len(least) > wish.limit_bytes
        else:
            assert len(least) <= len(image) <= wish.limit_bytes


def test_it_learns_how_busy_a_camera_is_and_then_needs_one_try() -> None:
    snapshots, wish = Snapshots(CAMERAS), Wish("north", "x", IMAGE_BYTES)
    snapshots.fit(wish, Encoder(0.6))
    encoder = Encoder(0.6)
    image = snapshots.fit(wish, encoder)
    assert encoder.tries <= 2
    assert image is not None
    assert len(image) > IMAGE_BYTES / 3


def test_the_largest_picture_is_a_row_that_one_bulk_parcel_holds(tmp_path: Path) -> None:
    wish = Wish("a-camera-with-the-longest-name-x", "gambar membeku sejak pukul tujuh – " * 9, IMAGE_BYTES)
    noise = b"".join(zlib.crc32(number.to_bytes(4, "big")).to_bytes(4, "big") for number in range(IMAGE_BYTES // 4))
    body, kind, cls = snapshot_record(wish, noise, (1_793_534_400_000, 1 << 63, 1 << 40))
    assert (kind, cls) == (KIND_SNAPSHOT, CLASS_BULKY)
    said = records_pb2.Snapshot.FromString(body)
    assert (said.camera, said.image, said.media_type) == (wish.camera, noise, "image/jpeg")
    assert wish.why.startswith(said.why)
    clock = Clock(boot_id=7, ntp_synchronised=lambda: False)
    outbox = Outbox(tmp_path / "outbox.db", limit_bytes=10_000_000, clock=clock)
    outbox.append(body, kind=kind, cls=cls)
    reader = OutboxReader(tmp_path / "outbox.db")
    packed = Filler().fill(list(reader.above(0, 10)), PARCEL_BYTES)
    assert len(packed.payload(1 << 40)) <= PARCEL_BYTES
    reader.close()
    outbox.close()


def test_a_record_of_it_is_text_that_the_wire_takes() -> None:
    body, _, _ = snapshot_record(Wish("north", "é" * 200, IMAGE_BYTES), b"\xff\xd8", (None, 1, 2))
    assert json.dumps(records_pb2.Snapshot.FromString(body).why) == json.dumps("é" * 60)

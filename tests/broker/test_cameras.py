"""Cameras at the centre: the newest verdict of each out of the store, on the pole's state, and on the wall of words."""

from __future__ import annotations

import io
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from broker.assets import Assignment
from broker.cameras import NEVER_HEARD, UNHEARD_AFTER_S, Camera, wall, wall_of
from broker.clean import read_body
from broker.live import Picture, moved, state_message
from broker.store import Arrival, Store, open_store
from pantau.cameras import shown
from torture.consumer import pantau
from wire import encode
from wire.kinds import CLASS_BULKY, CLASS_STATUS, KIND_CAMERA, KIND_EVENT, KIND_SNAPSHOT

NOON_MS = 1_795_348_800_000
UNIT = "pole-7"


def verdict(
    camera: str,
    said: str,
    *,
    cause: str | None = None,
    at_ms: int = NOON_MS,
    reason: str = "",
    since_ms: int | None = None,
) -> bytes:
    return encode.camera(
        since_utc_ms=since_ms,
        at=(at_ms, 1, 0),
        camera=camera,
        verdict=said,
        cause=cause if cause is not None else "" if said == "seeing" else "picture",
        confidence_percent=90,
        reason=reason,
    )


def picture(camera: str, image: bytes, at_ms: int = NOON_MS) -> bytes:
    return encode.snapshot(at=(at_ms, 1, 0), camera=camera, media_type="image/jpeg", image=image, why="covered")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 'store.db'}", writer=True) as opened:
        opened.set_assignments(
            [Assignment(unit=UNIT, asset="junction-7", agency="transport", kind="pole", from_utc_ms=0, to_utc_ms=None)]
        )
        yield opened


def put(store: Store, seq: int, body: bytes, kind: int = KIND_CAMERA, *, unit: str = UNIT) -> None:
    cls = CLASS_STATUS if kind == KIND_CAMERA else CLASS_BULKY
    store.commit([Arrival(unit, 1, seq, cls, kind, body, NOON_MS)])


def test_of_each_camera_the_newest_verdict_counts_whatever_order_they_came_in(store: Store) -> None:
    put(store, 3, verdict("north", "covered", at_ms=NOON_MS + 2000, reason="98 % hidden"))
    put(store, 1, verdict("north", "seeing", at_ms=NOON_MS))
    put(store, 2, verdict("south", "seeing", at_ms=NOON_MS + 1000))
    found = wall(store.newest_looks(KIND_CAMERA), now_utc_ms=NOON_MS + 60_000)
    assert [(one.camera, one.sees, one.verdict, one.why) for one in found] == [
        ("north", False, "covered", "98 % hidden"),
        ("south", True, "seeing", ""),
    ]
    assert {(one.agency, one.asset, one.unit) for one in found} == {("transport", "junction-7", UNIT)}


def test_a_verdict_that_is_only_said_again_is_as_old_as_when_it_began(store: Store) -> None:
    put(store, 1, verdict("north", "covered", since_ms=NOON_MS))
    put(store, 2, verdict("north", "covered", at_ms=NOON_MS + 21_600_000, since_ms=NOON_MS))
    (north,) = wall(store.newest_looks(KIND_CAMERA), now_utc_ms=NOON_MS + 21_700_000)
    assert (north.since_utc_ms, north.said_utc_ms) == (NOON_MS, NOON_MS + 21_600_000)
    told = Picture("transport", "junction-7")
    for entry in store.read_log(0, 10):
        told = moved(told, entry, read_body(entry))
    (camera,) = json.loads(state_message(told).payload)["cameras"].values()
    assert camera["since_utc"] == "2026-11-22T12:00:00.000Z" and camera["utc"] == "2026-11-22T18:00:00.000Z"


def test_of_a_camera_whose_box_is_away_or_silent_nobody_can_say(store: Store) -> None:
    put(store, 1, verdict("north", "seeing"))
    looks = store.newest_looks(KIND_CAMERA)
    (away,) = wall(looks, now_utc_ms=NOON_MS, online=lambda _unit: False)
    (old,) = wall(looks, now_utc_ms=NOON_MS + int(UNHEARD_AFTER_S * 1000) + 1)
    assert away.sees is None and "no link" in away.why and away.link == "offline"
    assert old.sees is None and "too long" in old.why and old.link is None


def test_a_pole_that_was_never_heard_is_on_the_wall_and_counts(store: Store) -> None:
    poles = [
        Assignment(unit=unit, asset=asset, agency=agency, kind=kind, from_utc_ms=begin, to_utc_ms=end)
        for unit, asset, agency, kind, begin, end in (
            (UNIT, "junction-7", "transport", "pole", 0, None),
            ("pole-8", "junction-8", "transport", "pole", NOON_MS - 3 * 86_400_000, None),
            ("pole-9", "junction-9", "fire", "pole", 0, None),
            ("pole-10", "junction-10", "fire", "pole", NOON_MS - 1, NOON_MS),  # taken down again
            ("pole-11", "junction-11", "fire", "pole", NOON_MS + 3_600_000, None),  # to be put up
            ("amb-1", "ambulance-1", "health", "ambulance", 0, None),
        )
    ]
    store.set_assignments(poles)
    put(store, 1, verdict("north", "seeing"))
    store.commit([Arrival("pole-9", 1, 1, CLASS_STATUS, KIND_EVENT, encode.event(at=(1, 0, 0), name="boot"), NOON_MS)])
    found = wall_of(store, now_utc_ms=NOON_MS, online={UNIT: True}.get)
    assert [(one.agency, one.asset, one.camera, one.sees, one.verdict) for one in found] == [
        ("fire", "junction-9", None, None, NEVER_HEARD),
        ("transport", "junction-7", "north", True, "seeing"),
        ("transport", "junction-8", None, None, NEVER_HEARD),
    ]
    assert [one.why for one in found if one.camera is None] == [
        "its box was heard, and nothing is stored of a camera",
        "its box was never heard",
    ]
    assert [one.since_utc_ms for one in found if one.camera is None] == [None, NOON_MS - 3 * 86_400_000]
    (nine,) = [
        one for one in wall_of(store, now_utc_ms=NOON_MS, online={"pole-9": True}.get) if one.asset == "junction-9"
    ]
    assert nine.link == "online" and "connected" in nine.why
    text = written(found)
    assert text.startswith("1 of at least 3 cameras see, of 2 nobody can say (2 poles were never heard)")
    assert re.search(r"transport +junction-8 +\? +never_heard +3 d ago +its box was never heard", text)
    put(store, 2, verdict("south", "seeing"))
    store.commit([Arrival("pole-8", 1, 1, CLASS_STATUS, KIND_CAMERA, verdict("a", "seeing"), NOON_MS)])
    put(store, 3, verdict("b", "seeing"), unit="pole-9")
    assert written(wall_of(store, now_utc_ms=NOON_MS)).startswith("4 of 4 cameras see")


def test_the_command_counts_poles_that_were_never_heard_as_not_seeing(store: Store, tmp_path: Path) -> None:
    now_ms = time.time_ns() // 1_000_000
    store.set_assignments(
        [
            Assignment(unit=unit, asset=f"at-{unit}", agency="transport", kind="pole", from_utc_ms=0, to_utc_ms=None)
            for unit in (UNIT, "pole-8")
        ]
    )
    seen = verdict("north", "seeing", at_ms=now_ms)
    store.commit([Arrival(UNIT, 1, 1, CLASS_STATUS, KIND_CAMERA, seen, now_ms)])
    url = f"sqlite:///{tmp_path / 'store.db'}"
    done = pantau("cameras", "--store", url, "--json")
    assert done.returncode == 1, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["unit"], one["camera"], one["sees"], one["since_utc_ms"]) for one in told] == [
        (UNIT, "north", True, now_ms),
        ("pole-8", None, None, None),
    ]
    assert pantau("cameras", "--store", url, "--agency", "fire").returncode == 0


def written(found: list[Camera], now_utc_ms: int = NOON_MS) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(shown(found, now_utc_ms=now_utc_ms))
    return console.export_text()


def test_a_poles_state_tells_all_its_cameras_and_the_blind_one_speaks_for_it(store: Store) -> None:
    put(store, 1, verdict("north", "covered", reason="98 % hidden"))
    put(store, 2, verdict("south", "seeing", at_ms=NOON_MS + 1000))
    state = Picture("transport", "junction-7")
    for entry in store.read_log(0, 10):
        state = moved(state, entry, read_body(entry))
    told = json.loads(state_message(state).payload)
    assert (told["verdict"], told["verdict_utc"]) == ("covered", "2026-11-22T12:00:00.000Z")
    assert {name: each["verdict"] for name, each in told["cameras"].items()} == {"north": "covered", "south": "seeing"}
    assert told["cameras"]["north"]["reason"] == "98 % hidden" and told["cameras"]["south"]["cause"] is None


def test_the_wall_says_how_many_see_which_do_not_and_since_when(store: Store) -> None:
    put(store, 1, verdict("north", "covered", reason="98 % hidden"))
    put(store, 2, verdict("south", "seeing"))
    put(store, 3, verdict("east", "seeing", cause="address", reason="another camera answers there"))
    now_utc_ms = NOON_MS + 7_200_000
    text = written(wall(store.newest_looks(KIND_CAMERA), now_utc_ms=now_utc_ms), now_utc_ms)
    assert "2 of 3 cameras see" in text
    assert "another camera answers there" in text
    assert "junction-7" in text and "2 h ago" in text and "98 % hidden" in text
    assert "south" not in text


def test_the_command_writes_the_last_picture_of_each_camera_and_its_exit_code_says_whether_all_see(
    store: Store, tmp_path: Path
) -> None:
    put(store, 1, verdict("../north", "covered"))
    put(store, 2, picture("../north", b"\xff\xd8old"), KIND_SNAPSHOT)
    put(store, 3, picture("../north", b"\xff\xd8new", NOON_MS + 1000), KIND_SNAPSHOT)
    url, folder = f"sqlite:///{tmp_path / 'store.db'}", tmp_path / "pictures"
    done = pantau("cameras", "--store", url, "--snapshots", str(folder), "--json")
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["camera"] == "../north"
    (file,) = folder.iterdir()
    assert file.name.startswith("transport-junction-7-___north-") and file.suffix == ".jpg"
    assert file.read_bytes() == b"\xff\xd8new"
    assert file.stat().st_mtime == (NOON_MS + 1000) / 1000


def test_a_camera_may_be_called_anything_and_each_has_its_picture(store: Store, tmp_path: Path) -> None:
    names = ["north", "a/b", "a_b", "é" * 63 + "1", "é" * 63 + "2", "x" * 300, ".."]
    for seq, name in enumerate(names):
        put(store, 2 * seq + 1, verdict(name, "covered"))
        put(store, 2 * seq + 2, picture(name, b"of " + name.encode()), KIND_SNAPSHOT)
    folder = tmp_path / "pictures"
    done = pantau("cameras", "--store", f"sqlite:///{tmp_path / 'store.db'}", "--snapshots", str(folder), "--json")
    assert done.returncode == 1, done.stderr
    assert sorted(file.read_bytes() for file in folder.iterdir()) == sorted(b"of " + name.encode() for name in names)
    assert folder.joinpath("transport-junction-7-north.jpg").read_bytes() == b"of north"
    assert max(len(os.fsencode(file.name)) for file in folder.iterdir()) < 100


def test_a_store_made_before_cameras_were_known_gets_their_table(tmp_path: Path) -> None:
    from broker.store.schema import MIGRATIONS, connect

    path = tmp_path / "old.db"
    connect(str(path), writer=True, migrations=MIGRATIONS[:1]).close()
    with open_store(f"sqlite:///{path}", writer=True) as store:
        assert store.newest_looks(KIND_CAMERA) == []

"""The live picture depends on what was recorded, never on the order of its arrival."""

from __future__ import annotations

import json
from typing import Any

import pytest
from entries import MONAS, NOON_MS, body_entry, event_entry, fix, health_entry, track_entry
from hypothesis import given
from hypothesis import strategies as st
from schemas import check

from broker.clean import read_body
from broker.live import MOST_CAMERAS, Picture, moved, state_message, without
from broker.packets import PAYLOAD_LIMIT_BYTES
from broker.store import FUTURE, LogEntry
from wire import encode
from wire.columns import encode_track
from wire.kinds import KIND_CAMERA

EMPTY = Picture("fire", "engine-3")
YEAR_MS = 366 * 86_400_000


def after(*entries: LogEntry) -> Picture:
    """The picture that these entries leave, in this order."""
    picture = EMPTY
    for entry in entries:
        picture = moved(picture, entry, read_body(entry))
    return picture


def said(picture: Picture) -> dict[str, Any]:
    """What its state message says, held to the schema."""
    message = state_message(picture)
    assert message.topic == "city/v1/fire/engine-3/state"
    assert message.retain
    return check("state", message.payload)


def without_arrival(content: dict[str, Any]) -> dict[str, Any]:
    """The state less what depends on the arrival by its nature."""
    return {key: value for key, value in content.items() if key not in ("log_id", "stored_utc")}


def test_the_state_is_the_newest_fix_with_its_times_and_no_age() -> None:
    content = said(after(track_entry(NOON_MS, NOON_MS + 1_000, log_id=5)))
    assert content["geometry"] == {"type": "Point", "coordinates": [106.8272001, -6.1754]}
    assert content["fix_utc"] == "2026-11-23T12:00:01.000Z"
    assert content["stored_utc"] == "2026-11-23T12:00:09.000Z"
    assert (content["speed_mps"], content["course_deg"], content["kind"]) == (12.5, 90, "fire-engine")
    assert (content["status"], content["verdict"], content["log_id"]) == ("moving", None, 5)
    assert not [key for key in content if "age" in key.split("_")]


def test_late_data_does_not_move_the_marker() -> None:
    newest, late = after(track_entry(NOON_MS, seq=9)), track_entry(NOON_MS - 60_000, seq=2)
    assert moved(newest, late, read_body(late)) is newest


@pytest.mark.parametrize(
    "change",
    [{"flags": FUTURE}, {"conflict": 1}, {"utc_ms": None, "utc_to_ms": None}],
    ids=["a date in the future", "a conflict", "an unknown time"],
)
def test_what_may_not_be_believed_moves_nothing(change: dict[str, Any]) -> None:
    shown = after(track_entry(NOON_MS))
    absurd = track_entry(NOON_MS + YEAR_MS, seq=2, body=encode_track([fix(90_000)], boot_id=4), **change)
    assert moved(shown, absurd, read_body(absurd)) is shown


def test_a_guessed_time_moves_nothing_until_a_correction_makes_it_sure() -> None:
    guessed = track_entry(NOON_MS, body=encode_track([fix(1_000)], boot_id=4), time_doubt_s=60.0)
    sure = guessed._replace(log_id=8, revision=1, time_doubt_s=None)
    assert after(guessed) is EMPTY
    assert said(after(guessed, sure))["log_id"] == 8
    assert after(sure, guessed) == after(sure)


def test_forgetting_a_row_forgets_only_what_came_from_it() -> None:
    picture = after(track_entry(NOON_MS, row_id=1), health_entry(NOON_MS, row_id=2, rows=40))
    assert picture.rests_on(1)
    content = said(without(picture, 1))
    assert (content["geometry"], content["fix_utc"], content["backlog_rows"]) == (None, None, 40)
    assert state_message(without(without(picture, 1), 2)).payload == b""


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (encode_track([fix(NOON_MS, speed_cmps=1_000)]), "moving"),
        (encode_track([fix(NOON_MS, speed_cmps=30)]), "stopped"),
        (encode_track([fix(NOON_MS, speed_cmps=None)]), "unknown"),
        (encode_track([(NOON_MS, *MONAS, None, 0, None, None, None)], parked=True), "parked"),
    ],
)
def test_the_status_says_what_the_vehicle_does(body: bytes, status: str) -> None:
    assert said(after(track_entry(NOON_MS, body=body)))["status"] == status


def test_a_lost_fix_is_said_until_a_newer_one_comes() -> None:
    seen, lost = track_entry(NOON_MS), event_entry(NOON_MS + 5_000, "fix_lost", seq=2)
    found = track_entry(NOON_MS + 60_000, seq=3)
    assert said(after(seen, lost))["status"] == "no_fix"
    assert said(after(lost))["status"] == "no_fix"
    assert said(after(seen, lost, found))["status"] == "moving"
    assert said(after(found, lost, seen))["status"] == "moving"


def test_a_verdict_shows_and_other_events_do_not() -> None:
    frozen = body_entry(KIND_CAMERA, encode.camera(at=(NOON_MS, 0, 0), camera="north", verdict="frozen"))
    content = said(after(frozen))
    assert (content["verdict"], content["verdict_utc"]) == ("frozen", "2026-11-23T12:00:00.000Z")
    assert after(event_entry(NOON_MS, "ignition_on")) is EMPTY


def verdict_entry(n: int, **more: Any) -> LogEntry:
    """The verdict on a camera `n` seconds after noon."""
    told = {"camera": f"c-{n}", "verdict": "dark", **more}
    at_ms = NOON_MS + n * 1_000
    return body_entry(KIND_CAMERA, encode.camera(at=(at_ms, 0, 0), **told), utc_ms=at_ms, seq=n + 1)


def test_a_pole_shows_the_cameras_heard_last_whatever_order_they_came_in() -> None:
    entries = [verdict_entry(n) for n in range(3 * MOST_CAMERAS)]
    shown = after(*entries)
    assert set(said(shown)["cameras"]) == {f"c-{n}" for n in range(2 * MOST_CAMERAS, 3 * MOST_CAMERAS)}
    assert after(*reversed(entries)) == after(*entries[::2], *entries[1::2]) == shown
    assert moved(shown, entries[0], read_body(entries[0])) is shown


def test_a_state_is_never_longer_than_the_broker_takes() -> None:
    long = "\x01" * 100_000
    names = [f"{n:02}".rjust(64, "\x01") for n in range(MOST_CAMERAS)]
    entries = [
        verdict_entry(n, camera=name, verdict=long, cause=long, reason=long, confidence_percent=2**32 - 1)
        for n, name in enumerate(names)
    ]
    shown = after(*entries)
    content = state_message(shown).payload
    assert len(content) <= PAYLOAD_LIMIT_BYTES
    assert len(json.loads(content)["cameras"]) == MOST_CAMERAS
    nameless = verdict_entry(99, camera=long)  # no box's configuration gives such a name
    assert moved(shown, nameless, read_body(nameless)) is shown


moments = st.integers(NOON_MS - 5_000, NOON_MS + 5_000)
stored = st.lists(
    st.one_of(
        st.builds(
            lambda at, n, flags, conflict: (track_entry, (at, at + n), {"flags": flags, "conflict": conflict}),
            moments,
            st.integers(0, 3),
            st.sampled_from([0, 0, FUTURE]),
            st.sampled_from([0, 0, 1]),
        ),
        moments.map(lambda at: (health_entry, (at,), {"rows": at % 100})),
        moments.map(lambda at: (event_entry, (at, "fix_lost"), {})),
    ),
    min_size=1,
    max_size=12,
)


@given(stored=stored, data=st.data())
def test_every_order_of_arrival_leaves_the_same_state(stored: list[Any], data: st.DataObject) -> None:
    entries = [make(*given, seq=i, row_id=i, **said) for i, (make, given, said) in enumerate(stored, 1)]
    shuffled = data.draw(st.permutations(entries))
    one, other = after(*entries), after(*shuffled)
    assert state_message(one).payload == state_message(other).payload

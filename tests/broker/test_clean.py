"""One log entry, one message: what consumers read is in its schema, whatever the record was."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from entries import MONAS, NOON_MS, body_entry, event_entry, health_entry, track_entry
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from schemas import SCHEMAS, check

from broker.clean import read_body, record_message, utc_text
from broker.packets import PAYLOAD_LIMIT_BYTES
from broker.store import FUTURE, UNDECODED, LogEntry
from wire import encode
from wire.columns import encode_track
from wire.kinds import (
    KIND_ANCHOR,
    KIND_CAMERA,
    KIND_EVENT,
    KIND_HEALTH,
    KIND_NAMES,
    KIND_REPORTED,
    KIND_RESULT,
    KIND_SNAPSHOT,
    KIND_TOMBSTONE,
    KIND_TRACK,
)
from wire.ranges import Ranges

AT = (NOON_MS, 0, 0)


def published(entry: LogEntry, prev_log_id: int | None = None) -> dict[str, Any]:
    """The entry's message, held to its schema."""
    body = read_body(entry)
    topics = [f"city/v1/{entry.agency}/{entry.asset}/{stream}" for stream in ("track", "event", "health")]
    before = {} if prev_log_id is None else dict.fromkeys(topics, prev_log_id)
    message = record_message(entry, body, before)
    assert message.topic in topics
    stream = message.topic.rpartition("/")[2]
    assert message.qos == (1 if stream == "event" else 0)
    assert not message.retain
    return check(stream, message.payload)


@pytest.mark.parametrize("name", ["state", "track", "event", "health"])
def test_each_schema_is_a_json_schema(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])


def test_the_streams_share_one_envelope() -> None:
    track = SCHEMAS["track"]["properties"]
    envelope = list(track)[: list(track).index("type")]
    assert envelope[0] == "log_id"
    for name in ("event", "health"):
        assert {key: SCHEMAS[name]["properties"][key] for key in envelope} == {key: track[key] for key in envelope}


def test_a_track_is_a_geojson_line_with_a_value_a_fix_in_every_column() -> None:
    content = published(track_entry(NOON_MS, NOON_MS + 1_000, log_id=12), prev_log_id=11)
    assert content["geometry"] == {"type": "LineString", "coordinates": [[106.8272, -6.1754], [106.8272001, -6.1754]]}
    assert content["properties"] == {
        "unix_ms": [NOON_MS, NOON_MS + 1_000],
        "alt_m": [15.3, 15.3],
        "speed_mps": [12.5, 12.5],
        "course_deg": [90, 90],
        "hdop": [0.9, 0.9],
        "sats": [11, 11],
        "estimated": [],
        "parked": False,
        "observed": 2,
    }
    assert (content["log_id"], content["prev_log_id"], content["revision"]) == (12, 11, 0)
    assert content["utc"] == "2026-11-23T12:00:00.000Z"
    assert content["stored_utc"] == "2026-11-23T12:00:09.000Z"


def test_one_fix_is_a_point_and_unknown_is_null() -> None:
    body = encode_track([(NOON_MS, *MONAS, None, None, None, None, None)], estimated=[0], parked=True, observed=10)
    content = published(track_entry(NOON_MS, body=body))
    assert content["geometry"] == {"type": "Point", "coordinates": [106.8272, -6.1754]}
    assert content["properties"]["speed_mps"] == [None]
    assert content["properties"]["sats"] == [None]
    assert content["properties"]["estimated"] == [0]
    assert content["properties"]["parked"] is True
    assert content["properties"]["observed"] == 10


def test_a_track_in_boot_time_gets_its_utc_from_the_store() -> None:
    body = encode_track([(at_ms, *MONAS, None, None, None, None, None) for at_ms in (5_000, 6_500)], boot_id=99)
    dated = track_entry(NOON_MS, body=body, utc_to_ms=NOON_MS + 1_500, time_doubt_s=4.0)
    content = published(dated)
    assert content["properties"]["unix_ms"] == [NOON_MS, NOON_MS + 1_500]
    assert content["time_doubt_s"] == 4.0
    undated = dated._replace(utc_ms=None, utc_to_ms=None, time_doubt_s=None)
    content = published(undated)
    assert content["properties"]["unix_ms"] == [None, None]
    assert content["utc"] is None


def test_an_event_says_what_happened_and_where() -> None:
    content = published(event_entry(NOON_MS, "panic"))
    assert content["name"] == "panic"
    assert content["detail"] == {"input": "3"}
    assert content["geometry"] == {"type": "Point", "coordinates": [106.8272, -6.1754]}
    assert content["fix_age_s"] == 0


def test_of_an_acceptance_sheet_consumers_hear_the_verdict_and_nothing_of_the_sim() -> None:
    detail = {"verdict": "passed", "sheet": '{"lines": [{"name": "SIM", "measured": "8962..."}]}', "signature": "x"}
    content = published(body_entry(1, encode.event(at=AT, name="acceptance_sheet", detail=detail)))
    assert content["name"] == "acceptance_sheet" and content["detail"] == {"verdict": "passed"}


def test_an_event_without_position_or_off_the_earth_has_none() -> None:
    content = published(body_entry(1, encode.event(at=AT, name="ignition_on", fix_age_s=9)))
    assert (content["geometry"], content["fix_age_s"]) == (None, None)
    content = published(body_entry(1, encode.event(at=AT, name="panic", lat_e7=900_000_001, lon_e7=0)))
    assert content["geometry"] is None


def test_health_says_what_the_sim_carried_and_until_when_its_plan_lasts() -> None:
    sim = encode.sim(plan_bytes=500, verdict_bytes=1, live_bytes=3, exhausted_utc_ms=NOON_MS, degree=2)
    content = published(body_entry(KIND_HEALTH, encode.health(at=(NOON_MS, 7, 9), sim=sim)))
    assert content["sim_bytes_by_class"] == {"verdict": 1, "snapshot": 0, "live": 3, "backlog": 0, "housekeeping": 0}
    assert (content["plan_bytes"], content["plan_degree"]) == (500, 2)
    assert content["plan_exhausted_utc"] == utc_text(NOON_MS)
    silent = published(health_entry(NOON_MS))
    assert (silent["sim_bytes_by_class"], silent["plan_bytes"], silent["plan_exhausted_utc"]) == (None, None, None)


def test_health_says_unknown_where_the_machine_does_not_tell() -> None:
    content = published(health_entry(NOON_MS, rows=17))
    assert (content["rows"], content["cpu_celsius"], content["undervoltage"]) == (17, None, None)


def test_health_says_what_the_modem_said_and_null_where_it_did_not() -> None:
    assert published(health_entry(NOON_MS))["modem"] is None
    modem = encode.modem(operator="TELKOMSEL", rsrp_dbm=-87, steps={"restart": 2}, helped={"restart": 1})
    body = encode.health(at=AT, holdings=[], modem=modem)
    said = published(body_entry(KIND_HEALTH, body))["modem"]
    assert (said["operator"], said["rsrp_dbm"], said["sinr_db"], said["cell"]) == ("TELKOMSEL", -87, None, None)
    assert (said["steps"], said["helped"]) == ({"restart": 2}, {"restart": 1})


@pytest.mark.parametrize(
    ("kind", "body", "name"),
    [
        (KIND_CAMERA, encode.camera(at=AT, camera="north", verdict="frozen"), "camera_verdict"),
        (KIND_SNAPSHOT, encode.snapshot(at=AT, camera="north", media_type="image/jpeg", image=b"\xff\xd8"), "snapshot"),
        (KIND_RESULT, encode.result(at=AT, command_id="c-1", ok=True), "command_result"),
        (KIND_REPORTED, encode.reported(at=AT, version=3, json="{}"), "configuration_reported"),
        (KIND_TOMBSTONE, encode.tombstone(at=AT, gone=[(7, Ranges([(3, 5), (9, 9)]), "shed")]), "rows_gone"),
        (KIND_ANCHOR, encode.anchor(boot_id=1, boottime_ms=2, utc_ms=NOON_MS, source=1), "clock_anchored"),
        (KIND_TRACK, b"\xff\xff", "undecoded"),
        (77, b"of a newer contract", "undecoded"),
    ],
)
def test_whatever_is_neither_track_nor_health_comes_as_an_event(kind: int, body: bytes, name: str) -> None:
    assert published(body_entry(kind, body))["name"] == name


def test_a_picture_stays_in_the_store() -> None:
    body = encode.snapshot(at=AT, camera="north", media_type="image/jpeg", image=b"\xff\xd8" * 100)
    assert published(body_entry(KIND_SNAPSHOT, body))["detail"]["bytes"] == 200


def test_rows_that_are_gone_are_counted_by_outbox_and_reason() -> None:
    body = encode.tombstone(at=AT, gone=[(7, Ranges([(3, 5), (9, 9)]), "shed")])
    assert published(body_entry(KIND_TOMBSTONE, body))["detail"]["gone"] == [
        {"outbox_id": 7, "reason": "shed", "rows": 4}
    ]


def test_what_the_store_marked_undecoded_stays_so_until_it_is_corrected() -> None:
    entry = track_entry(NOON_MS, flags=UNDECODED)
    assert published(entry)["name"] == "undecoded"
    assert published(entry._replace(log_id=9, revision=1, flags=0))["revision"] == 1


def test_conflict_and_future_are_said() -> None:
    content = published(track_entry(NOON_MS, conflict=2, flags=FUTURE))
    assert (content["conflict"], content["future"]) == (2, True)


LONG = "\x01" * 1_000_000  # six bytes each in JSON
MANY = {f"{n:06}": 1 for n in range(100_000)}
FAR = encode_track(
    [(NOON_MS + n * 1000, -61_754_321 + n % 2, 1_068_272_123 + n % 3, -99_999_999 + n % 7 * 3,
      99_999_901 + n % 5, 35_001 + n % 9, 999_901 + n % 4, 999 - n % 2) for n in range(4096)],
    estimated=list(range(4096)),
)  # fmt: skip
HUGE = {
    "track": (KIND_TRACK, FAR),
    "event": (KIND_EVENT, encode.event(at=AT, name=LONG)),
    "event of control characters": (KIND_EVENT, encode.event(at=AT, name="boot", detail={"a": LONG[:60_000]})),
    "health": (KIND_HEALTH, encode.health(at=AT, firmware=LONG)),
    "health with many reasons": (KIND_HEALTH, encode.health(at=AT, rejected_by_reason=MANY)),
    "modem": (KIND_HEALTH, encode.health(at=AT, modem=encode.modem(operator=LONG))),
    "camera": (KIND_CAMERA, encode.camera(at=AT, camera="north", verdict="dark", reason=LONG)),
    "snapshot": (KIND_SNAPSHOT, encode.snapshot(at=AT, camera="north", media_type=LONG, image=b"")),
    "result": (KIND_RESULT, encode.result(at=AT, command_id="c-1", ok=True, detail=LONG)),
    "reported": (KIND_REPORTED, encode.reported(at=AT, version=3, json=LONG)),
    "tombstone": (KIND_TOMBSTONE, encode.tombstone(at=AT, gone=[(7, Ranges(), LONG)])),
    "tombstone of many": (KIND_TOMBSTONE, encode.tombstone(at=AT, gone=[(7, Ranges(), "")] * 20_000)),
}


@pytest.mark.parametrize(("kind", "body"), HUGE.values(), ids=HUGE)
def test_what_is_longer_than_a_message_may_be_is_said_to_be(kind: int, body: bytes) -> None:
    entry = body_entry(kind, body, log_id=2**63 - 1)
    assert read_body(entry) is not None
    said = published(entry, prev_log_id=2**63 - 2)
    assert said["name"] == "too_large"
    assert said["detail"] == {"record_kind": kind, "bytes": len(body)}
    assert said["prev_log_id"] == 2**63 - 2  # of the events, among which it comes


@given(text=st.text(st.characters(exclude_categories=["Cs"])), times=st.integers(1, 330_000))
def test_a_message_is_never_longer_than_the_broker_takes(text: str, times: int) -> None:
    body = encode.event(at=AT, name="boot", detail={"a": text * (times // max(1, len(text)))})
    entry = body_entry(KIND_EVENT, body)
    message = record_message(entry, read_body(entry), {})
    assert len(message.payload) <= PAYLOAD_LIMIT_BYTES
    check("event", message.payload)


def test_the_longest_track_a_receiver_gives_is_still_a_track() -> None:
    fixes = [(NOON_MS + n * 1000, -61_754_321 + 97 * n, 1_068_272_123 + 89 * n, 1_234 + n % 7,
              1_111 + n % 99, n * 37 % 36_000, 123, 11) for n in range(4096)]  # fmt: skip
    assert len(published(track_entry(NOON_MS, body=encode_track(fixes)))["properties"]["unix_ms"]) == 4096


@given(
    kind=st.sampled_from([*KIND_NAMES, 9, 200]),
    body=st.binary(max_size=200),
    utc_ms=st.none() | st.integers(-(2**63), 2**63 - 1),
    flags=st.integers(0, 63),
)
def test_no_body_can_stop_the_log(kind: int, body: bytes, utc_ms: int | None, flags: int) -> None:
    published(body_entry(kind, body, utc_ms=utc_ms, flags=flags))


@given(unix_ms=st.integers(0, 253_402_300_799_999))
def test_a_time_as_text_is_that_time(unix_ms: int) -> None:
    text = utc_text(unix_ms)
    assert text is not None
    assert round(datetime.fromisoformat(text).timestamp() * 1_000) == unix_ms
    assert len(text) == len("2026-11-23T12:00:00.000Z")


def test_a_message_is_plain_json() -> None:
    entry = track_entry(NOON_MS)
    assert isinstance(json.loads(record_message(entry, read_body(entry), {}).payload), dict)

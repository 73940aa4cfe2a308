"""A record's body of any kind is read or marked, within its limits, and becomes one sound clean message."""

from __future__ import annotations

import json
from collections.abc import Mapping

from broker.clean import read_body, record_message
from broker.fixes import fixes_of
from broker.live import Picture, moved, state_message
from broker.packets import PAYLOAD_LIMIT_BYTES
from broker.store import UNDECODED, LogEntry
from broker.store.observe import observe
from broker.times import in_future
from fuzz.box import NOW_UTC_MS
from fuzz.claims import check_columns
from fuzz.forms import behind, fields_changed
from wire import encode
from wire.columns import encode_track
from wire.kinds import KIND_NAMES, KIND_TRACK, SOURCE_GNSS
from wire.ranges import Ranges
from wire.topics import parse_city_topic
from wire.track import Track, decode_track

MAX_BYTES = 4096
form = behind(1, fields_changed)
Fix8 = tuple[int, int, int, int | None, int | None, int | None, int | None, int | None]
STAMP = (NOW_UTC_MS, 7, 99_000)
INT64 = 1 << 63
YEAR_9999_MS = 253_402_300_800_000


def hold(data: bytes) -> None:
    """The first byte is the kind, the rest the body: what store, publisher and export make of it."""
    if not data:
        return
    kind, body = data[0], data[1:]
    observed = observe(kind, body)
    for number in (observed.utc_ms, observed.utc_to_ms, observed.boottime_ms, observed.lasted_ms):
        assert number is None or 0 <= number < INT64
    assert observed.utc_ms is None or observed.utc_ms < YEAR_9999_MS
    assert all(holding.held.highest() < INT64 for holding in observed.holdings)
    # What the store would have made of it: dated by itself, or by its parcel, or not at all.
    for utc_ms in {observed.utc_ms, NOW_UTC_MS if observed.boot_id else observed.utc_ms, observed.utc_ms}:
        _publish(_entry(kind, body, observed.flags, utc_ms))
    if kind == KIND_TRACK and not observed.flags & UNDECODED:
        _check_track(body)


def _entry(kind: int, body: bytes, flags: int, utc_ms: int | None) -> LogEntry:
    if utc_ms is not None and in_future(utc_ms, NOW_UTC_MS):
        flags |= 8
    return LogEntry(
        3, 3, 0, "amb-1", 77, 0, 5, 0, kind, body, utc_ms, utc_ms, None, NOW_UTC_MS, flags, "health", "b-1", None
    )


def _publish(entry: LogEntry) -> None:
    body = read_body(entry)
    message = record_message(entry, body, {})
    assert len(message.payload) <= PAYLOAD_LIMIT_BYTES
    content = json.loads(message.payload)
    assert content["log_id"] == 3
    assert parse_city_topic(message.topic) is not None
    geometry = content.get("geometry")
    for lon_deg, lat_deg in _coordinates(geometry):
        assert -180 <= lon_deg <= 180
        assert -90 <= lat_deg <= 90
    picture = moved(Picture("health", "b-1"), entry, body)
    if payload := state_message(picture).payload:
        assert json.loads(payload)["asset"] == "b-1"
        assert len(payload) <= PAYLOAD_LIMIT_BYTES
    assert len(fixes_of(entry)) == (len(body.times_ms) if isinstance(body, Track) else 0)


def _coordinates(geometry: Mapping[str, list[float] | list[list[float]]] | None) -> list[list[float]]:
    if geometry is None:
        return []
    found = geometry["coordinates"]
    return found if isinstance(found[0], list) else [found]


def _check_track(body: bytes) -> None:
    """Encoded anew without loss it is the same track."""
    track = decode_track(body)
    check_columns(track)
    fixes: list[Fix8] = list(zip(*track[:8], strict=True))
    if len(set(track.estimated)) != len(track.estimated) or track.observed < len(fixes):
        return
    again = encode_track(
        fixes, boot_id=track.boot_id, observed=track.observed, estimated=track.estimated, parked=track.parked
    )
    assert decode_track(again) == track


def seeds() -> Mapping[str, bytes]:
    """One of each kind, and tracks of each layout."""
    fixes: list[Fix8] = [
        (NOW_UTC_MS + 1000 * n, -61_754_000 + 900 * n + n * n, 1_068_272_000 + 70 * n, 800 + n % 3,
         1200 - 7 * n * n, 1700 + 61 * n, 90, 12 if n % 4 else None)
        for n in range(10)
    ]  # fmt: skip
    boot: list[Fix8] = [(60_000 + 1000 * n, *fix[1:]) for n, fix in enumerate(fixes)]
    held = [(77, 100, Ranges([(1, 5), (90, 99)]))]
    bodies = {
        0: encode_track(fixes),
        1: encode.event(at=STAMP, name="fix_lost", lat_e7=-61_754_000, lon_e7=1_068_272_000, detail={"a": "b"}),
        2: encode.health(
            at=STAMP, holdings=held, rows=3, shed_by_reason={"full": 2}, cpu_decidegree_c=-5, undervoltage=True
        ),
        3: encode.camera(at=STAMP, camera="c", verdict="dark", frames_per_s_x100=2500),
        4: encode.snapshot(at=STAMP, camera="c", media_type="image/jpeg", image=b"\xff\xd8", why="dark"),
        5: encode.result(at=STAMP, command_id="c0ffee", ok=True, detail="pong"),
        6: encode.reported(at=STAMP, version=3, json="{}"),
        7: encode.tombstone(at=(None, 7, 5), gone=[(77, Ranges([(1, 5)]), "shed")]),
        8: encode.anchor(boot_id=7, boottime_ms=5, utc_ms=NOW_UTC_MS, source=SOURCE_GNSS),
        9: b"\x08\x01",
    }
    named = {KIND_NAMES.get(kind, "newer"): bytes([kind]) + body for kind, body in bodies.items()}
    return {
        **named,
        "track-quantised": b"\0" + encode_track(fixes, scales=(0, 1, 2, 1, 2, 1), observed=60, estimated=[2, 3]),
        "track-boot": b"\0" + encode_track(boot, boot_id=7, parked=True),
        "track-one": b"\0" + encode_track(fixes[:1]),
        "track-still": b"\0" + encode_track([(NOW_UTC_MS + 1000 * n, *fixes[0][1:]) for n in range(60)]),
    }

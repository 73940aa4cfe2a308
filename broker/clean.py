"""A committed log entry becomes the one message that consumers read. Pure: no clock, no network, no disk.

Rules this file keeps:

* Every record becomes exactly one message, also one that nobody here can decode yet, or that is longer than the
  broker takes (I13).
* No ages: they would be wrong by the time they are read. Only the record's own time and the time it was stored.
* A position is ``[lon, lat]``. RFC 7946 §4 reserves a third coordinate for the height above the ellipsoid, and a
  receiver's altitude is above mean sea level (18 m apart in Jakarta): so it stands in the column ``alt_m``.
* Unknown is null. The names of the columns are those of ``pantau export``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson

from broker.packets import PAYLOAD_LIMIT_BYTES
from broker.store import FUTURE, UNDECODED, LogEntry
from wire import records_pb2
from wire.decode import decode_body
from wire.errors import PeerViolation
from wire.kinds import (
    KIND_ANCHOR,
    KIND_CAMERA,
    KIND_EVENT,
    KIND_HEALTH,
    KIND_REPORTED,
    KIND_RESULT,
    KIND_SNAPSHOT,
    KIND_TOMBSTONE,
    KIND_TRACK,
)
from wire.ranges import MAX_SEQ
from wire.topics import city
from wire.track import Track

E7: Final = 1e7  # positions are integers of 1e-7 deg on the wire
_CONTENT_LIMIT_BYTES: Final = PAYLOAD_LIMIT_BYTES - 1024  # the envelope is shorter

Json = dict[str, Any]


class Message(NamedTuple):  # made for every row: a frozen dataclass takes three times as long
    """One MQTT publish."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


def read_body(entry: LogEntry) -> Any:
    """The decoded body, or None for one that this version cannot decode (stored, marked, decoded again later)."""
    if entry.flags & UNDECODED:
        return None
    try:
        return decode_body(entry.kind, entry.body)
    except PeerViolation:
        return None


def record_message(entry: LogEntry, body: Any, before: Mapping[str, int]) -> Message:
    """The clean message of `entry`; `body` is what `read_body` made of it.

    `before` has of each topic the log_id published last on it, and nothing of one on which this is the first.
    Tracks and health go at QoS 0 (a loss shows in the next prev_log_id), events at QoS 1.
    """
    stream = "event" if body is None else _STREAM.get(entry.kind, "event")
    content = orjson.dumps(_content(entry, body))
    if len(content) > _CONTENT_LIMIT_BYTES:
        stream, content = "event", orjson.dumps(_too_large(entry))
    name = topic(entry.agency, entry.asset, stream)
    envelope = orjson.dumps(_envelope(entry, before.get(name)))
    return Message(name, envelope[:-1] + b"," + content[1:], 1 if stream == "event" else 0, False)


topic = lru_cache(maxsize=65_536)(city)  # a name is checked once, not in every message


@lru_cache(maxsize=4096)  # records of one second share the text
def _second_text(unix_s: int) -> str | None:
    try:
        return dt.datetime.fromtimestamp(unix_s, dt.UTC).isoformat()[: len("2026-11-23T12:00:00")]
    except (ValueError, OverflowError, OSError):
        return None


def utc_text(unix_ms: int | None) -> str | None:
    """RFC 3339 with milliseconds and Z; None for None, and for a number that no calendar holds."""
    if unix_ms is None or (text := _second_text(unix_ms // 1000)) is None:
        return None
    return f"{text}.{unix_ms % 1000:03d}Z"


def fix_times(entry: LogEntry, track: Track) -> Sequence[int | None]:
    """Unix ms of each fix: the track's own, or counted from the UTC that the store gave the record's first instant."""
    if track.boot_id is None:
        return track.times_ms
    if entry.utc_ms is None:
        return [None] * len(track.times_ms)
    shift_ms = entry.utc_ms - min(track.times_ms)
    return [time_ms + shift_ms for time_ms in track.times_ms]


def point(lat_e7: int | None, lon_e7: int | None) -> Json | None:
    """A GeoJSON Point, or None when the position is not known, or not on this earth."""
    if lat_e7 is None or lon_e7 is None or abs(lat_e7) > 90 * E7 or abs(lon_e7) > 180 * E7:
        return None
    return {"type": "Point", "coordinates": [lon_e7 / E7, lat_e7 / E7]}


def scaled(values: Sequence[int | None], per_unit: float) -> list[float | None]:
    """Integers in the wire's base unit as numbers in the unit people use."""
    try:
        return [value / per_unit for value in values]  # type: ignore[operator]
    except TypeError:  # to look for None first would take a third of the time again
        return [None if value is None else value / per_unit for value in values]


def _envelope(entry: LogEntry, prev_log_id: int | None) -> Json:
    return {
        "log_id": entry.log_id,
        "prev_log_id": prev_log_id,
        "revision": entry.revision,
        "agency": entry.agency,
        "asset": entry.asset,
        "kind": entry.asset_kind,
        "unit": entry.unit,
        "outbox_id": entry.outbox_id,
        "seq": entry.seq,
        "conflict": entry.conflict,
        "future": bool(entry.flags & FUTURE),
        "utc": utc_text(entry.utc_ms),
        "time_doubt_s": entry.time_doubt_s,
        "stored_utc": utc_text(entry.stored_utc_ms),
    }


def _content(entry: LogEntry, body: Any) -> Json:
    if body is None:
        return _undecoded(entry)
    if entry.kind == KIND_TRACK:
        return _track(entry, body)
    return _CONTENT[entry.kind](body)


def _track(entry: LogEntry, track: Track) -> Json:
    places = [[lon / E7, lat / E7] for lon, lat in zip(track.lon_e7, track.lat_e7, strict=True)]
    single = len(places) == 1
    return {
        "type": "Feature",
        "geometry": {
            "type": "Point" if single else "LineString",
            "coordinates": places[0] if single else places,
        },
        "properties": {
            "unix_ms": fix_times(entry, track),
            "alt_m": scaled(track.alt_cm, 100),
            "speed_mps": scaled(track.speed_cmps, 100),
            "course_deg": scaled(track.course_cdeg, 100),
            "hdop": scaled(track.hdop_c, 100),
            "sats": track.sats,
            "estimated": track.estimated,
            "parked": track.parked,
            "observed": track.observed,
        },
    }


def _event(event: records_pb2.Event) -> Json:
    lat_e7 = event.lat_e7 if event.HasField("lat_e7") else None
    lon_e7 = event.lon_e7 if event.HasField("lon_e7") else None
    place = point(lat_e7, lon_e7)
    told = _TOLD.get(event.name)
    detail = {key: value for key, value in event.detail.items() if told is None or key in told}
    return _named(event.name, detail, place, event.fix_age_s if place else None)


def _named(name: str, detail: Json, place: Json | None = None, fix_age_s: int | None = None) -> Json:
    return {"name": name, "geometry": place, "fix_age_s": fix_age_s, "detail": detail}


def _health(health: records_pb2.Health) -> Json:
    return {
        "rows": health.rows,
        "bytes_on_disk": health.bytes_on_disk,
        "oldest_age_s": health.oldest_age_s,
        "shed_by_reason": dict(health.shed_by_reason),
        "rejected_by_reason": dict(health.rejected_by_reason),
        "unobserved_by_reason": dict(health.unobserved_by_reason),
        "reconnects_today": health.reconnects_today,
        "bytes_up_today": health.bytes_up_today,
        "bytes_down_today": health.bytes_down_today,
        "cpu_celsius": health.cpu_decidegree_c / 10 if health.HasField("cpu_decidegree_c") else None,
        "undervoltage": health.undervoltage if health.HasField("undervoltage") else None,
        "modem": _modem(health.modem) if health.HasField("modem") else None,
        "disk_free_bytes": health.disk_free_bytes,
        "uptime_s": health.uptime_s,
        "firmware": health.firmware,
        **_sim(health.sim if health.HasField("sim") else None),
    }


def _sim(sim: records_pb2.Sim | None) -> Json:
    """What the SIM has carried since its reset day; null from a box that does not count it."""
    if sim is None:
        return {"sim_bytes_by_class": None, "plan_bytes": None, "plan_exhausted_utc": None, "plan_degree": 0}
    return {
        "sim_bytes_by_class": {
            "verdict": sim.verdict_bytes,
            "snapshot": sim.snapshot_bytes,
            "live": sim.live_bytes,
            "backlog": sim.backlog_bytes,
            "housekeeping": sim.housekeeping_bytes,
        },
        "plan_bytes": sim.plan_bytes or None,
        "plan_exhausted_utc": utc_text(sim.exhausted_utc_ms) if sim.HasField("exhausted_utc_ms") else None,
        "plan_degree": sim.degree,
    }


def _modem(modem: records_pb2.Modem) -> Json:
    """What the modem said at the last look; null: it did not."""
    return {
        "model": modem.model or None,
        "state": modem.state or None,
        "registration": modem.registration or None,
        "operator": modem.operator or None,
        "cell": modem.cell or None,
        "iccid": modem.iccid or None,
        "rsrp_dbm": modem.rsrp_dbm if modem.HasField("rsrp_dbm") else None,
        "rsrq_db": modem.rsrq_db if modem.HasField("rsrq_db") else None,
        "sinr_db": modem.sinr_db if modem.HasField("sinr_db") else None,
        "steps": dict(modem.steps),
        "helped": dict(modem.helped),
    }


def _camera(camera: records_pb2.Camera) -> Json:
    return _named(
        "camera_verdict",
        {
            "camera": camera.camera,
            "verdict": camera.verdict,
            "cause": camera.cause,
            "confidence_percent": camera.confidence_percent,
            "reason": camera.reason,
            "frames_per_s": camera.frames_per_s_x100 / 100 if camera.HasField("frames_per_s_x100") else None,
            "bitrate_kbps": camera.bitrate_kbps if camera.HasField("bitrate_kbps") else None,
        },
    )


def _snapshot(snapshot: records_pb2.Snapshot) -> Json:
    """That there is a picture and why; the picture itself stays in the store: it shows people."""
    detail = {
        "camera": snapshot.camera,
        "media_type": snapshot.media_type,
        "bytes": len(snapshot.image),
        "why": snapshot.why,
    }
    return _named("snapshot", detail)


def _result(result: records_pb2.Result) -> Json:
    return _named("command_result", {"command_id": result.command_id, "ok": result.ok, "detail": result.detail})


def _reported(reported: records_pb2.Reported) -> Json:
    return _named("configuration_reported", {"version": reported.version, "json": reported.json})


def _tombstone(tombstone: records_pb2.Tombstone) -> Json:
    gone = [
        # ranges are pairs (skip, length), so every second number counts rows
        {"outbox_id": one.outbox_id, "reason": one.reason, "rows": min(sum(one.ranges[1::2]), MAX_SEQ)}
        for one in tombstone.gone
    ]
    return _named("rows_gone", {"gone": gone})


def _anchor(anchor: records_pb2.Anchor) -> Json:
    source = records_pb2.Anchor.Source.Name(anchor.source) if anchor.source in _SOURCES else "SOURCE_UNKNOWN"
    return _named("clock_anchored", {"source": source.removeprefix("SOURCE_").lower()})


def _undecoded(entry: LogEntry) -> Json:
    """Stored, but of a newer contract or damaged: a correction follows when `pantau rederive` can read it."""
    return _named("undecoded", {"record_kind": entry.kind, "bytes": len(entry.body)})


def _too_large(entry: LogEntry) -> Json:
    """Longer than a message may be (only a box that is not ours makes such a record): it stays in the store."""
    return _named("too_large", {"record_kind": entry.kind, "bytes": len(entry.body)})


# What consumers are told of events whose rest is the office's alone: a sheet names the SIM, the modem and who checked.
_TOLD: Final[Mapping[str, frozenset[str]]] = {
    "acceptance_begun": frozenset(),
    "acceptance_sheet": frozenset({"verdict"}),
}
_SOURCES: Final = frozenset(records_pb2.Anchor.Source.values())

_STREAM: Final[Mapping[int, str]] = {KIND_TRACK: "track", KIND_HEALTH: "health"}
_CONTENT: Final[Mapping[int, Callable[[Any], Json]]] = {
    KIND_EVENT: _event,
    KIND_HEALTH: _health,
    KIND_CAMERA: _camera,
    KIND_SNAPSHOT: _snapshot,
    KIND_RESULT: _result,
    KIND_REPORTED: _reported,
    KIND_TOMBSTONE: _tombstone,
    KIND_ANCHOR: _anchor,
}

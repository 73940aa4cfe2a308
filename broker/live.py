"""What `state` says of one asset: the newest of each sort of record, whatever order they arrive in. Pure.

Each part of the picture (position, verdict, backlog, loss of the fix) is a register that only a newer record moves,
and "newer" is a total order over the records themselves. So the same records give the same picture in every order of
arrival, and late data changes history, never the marker. A conflict, a date in the future and a record whose UTC
nobody knows move nothing: one absurd date must not freeze a marker until somebody edits a database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from broker.clean import Message, fix_times, point, topic, utc_text
from broker.store import FUTURE, LogEntry
from wire import records_pb2
from wire.kinds import KIND_CAMERA, KIND_EVENT, KIND_HEALTH, KIND_TRACK
from wire.track import Track

# Doppler speed of a receiver that stands still stays below this (u-blox M8: 0.05 m/s; phones and old SiRF: 0.5).
MOVING_MPS: Final = 1.0

FIX_LOST: Final = "fix_lost"  # the event a gps_unit sends when its fix has gone stale

# UTC, then the record's identity: two records are never equal, whoever of them arrives first.
Order = tuple[int, str, int, int, int]
Told = tuple[int, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One register: the record it came from, and what that said."""

    order: Order
    row_id: int
    log_id: int
    stored_utc_ms: int
    asset_kind: str | None
    time_doubt_s: float | None
    says: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Picture:
    """The live picture of one asset; a None register has never been heard."""

    agency: str
    asset: str
    position: Reading | None = None
    verdict: Reading | None = None
    backlog: Reading | None = None
    fix_lost: Reading | None = None

    def readings(self) -> list[Reading]:
        """The registers that have been heard."""
        registers = (self.position, self.verdict, self.backlog, self.fix_lost)
        return [reading for reading in registers if reading is not None]

    def rests_on(self, row_id: int) -> bool:
        """True when a correction of this row may take something out of the picture: then the store must be asked."""
        return any(reading.row_id == row_id for reading in self.readings())


def moved(picture: Picture, entry: LogEntry, body: Any) -> Picture:
    """`picture` with `entry` taken in; the same object when it changes nothing."""
    found = _READ.get(entry.kind)
    if found is None or body is None or entry.conflict or entry.flags & FUTURE or entry.utc_ms is None:
        return picture
    register, read = found
    if (told := read(entry, body)) is None:
        return picture
    utc_ms, says = told
    order = (utc_ms, entry.unit, entry.outbox_id, entry.seq, entry.revision)
    before: Reading | None = getattr(picture, register)
    if before is not None and before.order >= order:
        return picture
    reading = Reading(
        order=order,
        row_id=entry.row_id,
        log_id=entry.log_id,
        stored_utc_ms=entry.stored_utc_ms,
        asset_kind=entry.asset_kind,
        time_doubt_s=entry.time_doubt_s,
        says=says,
    )
    change: dict[str, Any] = {register: reading}
    return replace(picture, **change)


def without(picture: Picture, row_id: int) -> Picture:
    """`picture` with the readings of that row forgotten."""
    gone: dict[str, Any] = {
        register: None
        for register, _ in _READ.values()
        if (reading := getattr(picture, register)) is not None and reading.row_id == row_id
    }
    return replace(picture, **gone)


def state_message(picture: Picture) -> Message:
    """The retained `state` of one asset; without any reading the topic is cleared."""
    return Message(
        topic=topic(picture.agency, picture.asset, "state"),
        payload=orjson.dumps(_state(picture)) if picture.readings() else b"",
        qos=0,
        retain=True,
    )


def _state(picture: Picture) -> dict[str, Any]:
    newest = max(picture.readings(), key=lambda reading: reading.order)
    fix = picture.position
    says = fix.says if fix else _NO_POSITION
    verdict, backlog = picture.verdict, picture.backlog
    return {
        "agency": picture.agency,
        "asset": picture.asset,
        "kind": newest.asset_kind,
        "unit": newest.order[1],
        "log_id": fix.log_id if fix else None,
        "fix_utc": utc_text(fix.order[0]) if fix else None,
        "time_doubt_s": fix.time_doubt_s if fix else None,
        "stored_utc": utc_text(fix.stored_utc_ms) if fix else None,
        **says,
        "status": _status(picture),
        "verdict": verdict.says["verdict"] if verdict else None,
        "verdict_utc": utc_text(verdict.order[0]) if verdict else None,
        "backlog_rows": backlog.says["rows"] if backlog else None,
        "backlog_utc": utc_text(backlog.order[0]) if backlog else None,
    }


def _status(picture: Picture) -> str:
    """`no_fix`, `parked`, `moving` or `stopped`; `unknown` when the receiver says no speed, or nothing was heard."""
    fix, lost = picture.position, picture.fix_lost
    if lost is not None and (fix is None or lost.order[0] > fix.order[0]):
        return "no_fix"
    if fix is None:
        return "unknown"
    if fix.says["parked"]:
        return "parked"
    speed_mps = fix.says["speed_mps"]
    if speed_mps is None:
        return "unknown"
    return "moving" if speed_mps >= MOVING_MPS else "stopped"


def _newest_fix(entry: LogEntry, track: Track) -> Told | None:
    times_ms = fix_times(entry, track)
    known = [(time_ms, i) for i, time_ms in enumerate(times_ms) if time_ms is not None]
    if not known:
        return None
    utc_ms, i = max(known)
    alt_cm, speed_cmps, course_cdeg = track.alt_cm[i], track.speed_cmps[i], track.course_cdeg[i]
    return utc_ms, {
        "geometry": point(track.lat_e7[i], track.lon_e7[i]),
        "alt_m": None if alt_cm is None else alt_cm / 100,
        "speed_mps": None if speed_cmps is None else speed_cmps / 100,
        "course_deg": None if course_cdeg is None else course_cdeg / 100,
        "estimated": i in track.estimated,
        "parked": track.parked,
    }


def _verdict(entry: LogEntry, camera: records_pb2.Camera) -> Told | None:
    return _told(entry, {"camera": camera.camera, "verdict": camera.verdict})


def _backlog(entry: LogEntry, health: records_pb2.Health) -> Told | None:
    return _told(entry, {"rows": health.rows})


def _loss(entry: LogEntry, event: records_pb2.Event) -> Told | None:
    return _told(entry, {}) if event.name == FIX_LOST else None


def _told(entry: LogEntry, says: Mapping[str, Any]) -> Told | None:
    return None if entry.utc_ms is None else (entry.utc_ms, says)


_NO_POSITION: Final[Mapping[str, Any]] = dict.fromkeys(
    ("geometry", "alt_m", "speed_mps", "course_deg", "estimated", "parked")
)
_READ: Final[Mapping[int, tuple[str, Callable[[LogEntry, Any], Told | None]]]] = {
    KIND_TRACK: ("position", _newest_fix),
    KIND_CAMERA: ("verdict", _verdict),
    KIND_HEALTH: ("backlog", _backlog),
    KIND_EVENT: ("fix_lost", _loss),
}

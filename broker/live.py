"""What `state` says of one asset: the newest of each sort of record, whatever order they arrive in. Pure.

Each part of the picture (position, verdict, backlog, loss of the fix) is a register that only a newer record moves,
and "newer" is a total order over the records themselves. So the same records give the same picture in every order of
arrival, and late data changes history, never the marker. A conflict, a date in the future and a record whose UTC is
not known or only guessed move nothing: one absurd date must not freeze a marker until somebody edits a database.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson

from broker.clean import Message, fix_times, point, topic, utc_text
from broker.store import FUTURE, LogEntry
from wire.kinds import KIND_CAMERA, KIND_EVENT, KIND_HEALTH, KIND_TRACK

# Doppler speed of a receiver that stands still stays below this (u-blox M8: 0.05 m/s; phones and old SiRF: 0.5).
MOVING_MPS: Final = 1.0
SEEING: Final = "seeing"  # the verdict of a camera that sees
FIX_LOST: Final = "fix_lost"  # the event a gps_unit sends when its fix has gone stale

# What a box says of its cameras fits into one message, whatever it says: a pole has eight at most (edge/camera_node),
# a character takes up to six bytes in JSON.
MOST_CAMERAS: Final = 64  # also of one that was renamed again and again: those heard last
NAME_MOST: Final = 64  # of a camera, twice what a box takes
WORD_MOST: Final = 64
REASON_MOST: Final = 400

# UTC, then the record's identity: two records are never equal, whoever of them arrives first.
Order = tuple[int, str, int, int, int]


class Reading(NamedTuple):  # made for every row: a frozen dataclass takes three times as long
    """What a register holds: a record, decoded, and when it was. It is read only when a state is published."""

    order: Order
    entry: LogEntry
    body: Any

    @property
    def utc(self) -> str | None:
        return utc_text(self.order[0])


class Picture(NamedTuple):  # a new one for almost every row, too
    """The live picture of one asset; a None register has never been heard."""

    agency: str
    asset: str
    position: Reading | None = None
    cameras: tuple[tuple[str, Reading], ...] = ()  # by name
    backlog: Reading | None = None
    fix_lost: Reading | None = None

    def readings(self) -> list[Reading]:
        """The registers that have been heard."""
        registers = (self.position, self.backlog, self.fix_lost)
        heard = [reading for reading in registers if reading is not None]
        return heard + [reading for _, reading in self.cameras]

    def rests_on(self, row_id: int) -> bool:
        """True when a correction of this row may take something out of the picture: then the store must be asked."""
        return any(reading.entry.row_id == row_id for reading in self.readings())


def moved(picture: Picture, entry: LogEntry, body: Any) -> Picture:
    """`picture` with `entry` taken in; the same object when it changes nothing."""
    register = _REGISTERS.get(entry.kind)
    if register is None or body is None or entry.utc_to_ms is None or not _believed(entry):
        return picture
    if entry.kind == KIND_CAMERA:
        return _looked(picture, entry, body)
    if entry.kind == KIND_EVENT and body.name != FIX_LOST:
        return picture
    order = (entry.utc_to_ms, entry.unit, entry.outbox_id, entry.seq, entry.revision)
    before: Reading | None = getattr(picture, register)
    if before is not None and before.order >= order:
        return picture
    changed: dict[str, Any] = {register: Reading(order, entry, body)}
    return picture._replace(**changed)


def _looked(picture: Picture, entry: LogEntry, body: Any) -> Picture:
    """The same for one camera of a pole."""
    order = (entry.utc_to_ms or 0, entry.unit, entry.outbox_id, entry.seq, entry.revision)
    cameras = dict(picture.cameras)
    before = cameras.get(body.camera)
    if len(body.camera) > NAME_MOST or (before is not None and before.order >= order):
        return picture
    cameras[body.camera] = Reading(order, entry, body)
    if len(cameras) > MOST_CAMERAS:
        oldest = min(cameras, key=lambda name: cameras[name].order)
        if oldest == body.camera:
            return picture
        del cameras[oldest]
    return picture._replace(cameras=tuple(sorted(cameras.items())))


def _believed(entry: LogEntry) -> bool:
    return not entry.conflict and not entry.flags & FUTURE and entry.time_doubt_s is None


def without(picture: Picture, row_id: int) -> Picture:
    """`picture` with the readings of that row forgotten."""
    held = {register: getattr(picture, register) for register in ("position", "backlog", "fix_lost")}
    forgotten: dict[str, Any] = {
        name: None for name, reading in held.items() if reading and reading.entry.row_id == row_id
    }
    cameras = tuple(each for each in picture.cameras if each[1].entry.row_id != row_id)
    return picture._replace(cameras=cameras, **forgotten)


def state_message(picture: Picture) -> Message:
    """The retained `state` of one asset; without any reading the topic is cleared."""
    return Message(
        topic=topic(picture.agency, picture.asset, "state"),
        payload=orjson.dumps(_state(picture)) if picture.readings() else b"",
        qos=0,
        retain=True,
    )


def _state(picture: Picture) -> dict[str, Any]:
    newest = max(picture.readings(), key=lambda reading: reading.order).entry
    fix, backlog = picture.position, picture.backlog
    verdict = _worst(picture)
    says = _newest_fix(fix) if fix else _NO_POSITION
    return {
        "agency": picture.agency,
        "asset": picture.asset,
        "kind": newest.asset_kind,
        "unit": newest.unit,
        "log_id": fix.entry.log_id if fix else None,
        "fix_utc": fix.utc if fix else None,
        "stored_utc": utc_text(fix.entry.stored_utc_ms) if fix else None,
        **says,
        "status": _status(picture, says),
        "verdict": verdict.body.verdict[:WORD_MOST] if verdict else None,
        "verdict_utc": verdict.utc if verdict else None,
        "cameras": {name: _camera(reading) for name, reading in picture.cameras},
        "backlog_rows": backlog.body.rows if backlog else None,
        "backlog_utc": backlog.utc if backlog else None,
    }


def _worst(picture: Picture) -> Reading | None:
    """The camera that speaks for all: the one that has been blind since last, else the newest that sees."""
    return max(
        (reading for _, reading in picture.cameras),
        key=lambda reading: (reading.body.verdict != SEEING, reading.order),
        default=None,
    )


def _camera(reading: Reading) -> dict[str, Any]:
    body = reading.body
    return {
        "verdict": body.verdict[:WORD_MOST],
        "cause": body.cause[:WORD_MOST] or None,
        "confidence_percent": body.confidence_percent,
        "reason": body.reason[:REASON_MOST],
        "utc": reading.utc,
        "since_utc": utc_text(body.since_utc_ms) if body.HasField("since_utc_ms") else reading.utc,
    }


def _newest_fix(reading: Reading) -> Mapping[str, Any]:
    track = reading.body
    times_ms = fix_times(reading.entry, track)
    at = max(range(len(times_ms)), key=lambda i: (times_ms[i] or 0, i))
    alt_cm, speed_cmps, course_cdeg = track.alt_cm[at], track.speed_cmps[at], track.course_cdeg[at]
    return {
        "geometry": point(track.lat_e7[at], track.lon_e7[at]),
        "alt_m": None if alt_cm is None else alt_cm / 100,
        "speed_mps": None if speed_cmps is None else speed_cmps / 100,
        "course_deg": None if course_cdeg is None else course_cdeg / 100,
        "estimated": at in track.estimated,
        "parked": track.parked,
    }


def _status(picture: Picture, says: Mapping[str, Any]) -> str:
    """`no_fix`, `parked`, `moving` or `stopped`; `unknown` when the receiver says no speed, or nothing was heard."""
    fix, lost = picture.position, picture.fix_lost
    if lost is not None and (fix is None or lost.order[0] > fix.order[0]):
        return "no_fix"
    if says["parked"]:
        return "parked"
    speed_mps = says["speed_mps"]
    if speed_mps is None:
        return "unknown"
    return "moving" if speed_mps >= MOVING_MPS else "stopped"


_NO_POSITION: Final[Mapping[str, Any]] = dict.fromkeys(
    ("geometry", "alt_m", "speed_mps", "course_deg", "estimated", "parked")
)
_REGISTERS: Final[Mapping[int, str]] = {
    KIND_TRACK: "position",
    KIND_CAMERA: "cameras",
    KIND_HEALTH: "backlog",
    KIND_EVENT: "fix_lost",
}

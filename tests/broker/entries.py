"""Log entries as the store would give them, for the tests of what reads the log."""

from __future__ import annotations

from typing import Any

from broker.store import LogEntry
from wire import encode
from wire.columns import encode_track
from wire.kinds import KIND_EVENT, KIND_HEALTH, KIND_TRACK
from wire.ranges import Ranges

NOON_MS = 1_795_435_200_000  # 2026-11-23T12:00:00Z
MONAS = (-61_754_000, 1_068_272_000)  # lat, lon in 1e-7 deg

_DEFAULTS: dict[str, Any] = {
    "log_id": 1,
    "row_id": 1,
    "revision": 0,
    "unit": "box-7",
    "outbox_id": 3_735_928_559,
    "conflict": 0,
    "seq": 1,
    "cls": 0,
    "time_doubt_s": None,
    "stored_utc_ms": NOON_MS + 9_000,
    "flags": 0,
    "agency": "fire",
    "asset": "engine-3",
    "asset_kind": "fire-engine",
}


Fix = tuple[int, int, int, int | None, int | None, int | None, int | None, int | None]


def fix(time_ms: int, *, east: int = 0, speed_cmps: int | None = 1_250) -> Fix:
    """One fix `east` base units east of the Monas."""
    return (time_ms, MONAS[0], MONAS[1] + east, 1_530, speed_cmps, 9_000, 90, 11)


def track_entry(*times_ms: int, **said: Any) -> LogEntry:
    """A track with a fix at each of these Unix times."""
    body = said.pop("body", None) or encode_track([fix(t, east=i) for i, t in enumerate(times_ms)])
    given = {"utc_ms": min(times_ms), "utc_to_ms": max(times_ms), **said}
    return LogEntry(**{**_DEFAULTS, **given, "kind": KIND_TRACK, "body": body})


def event_entry(at_ms: int, name: str, **said: Any) -> LogEntry:
    """An event of that name at that Unix time."""
    body = encode.event(at=(at_ms, 0, 0), name=name, lat_e7=MONAS[0], lon_e7=MONAS[1], detail={"input": "3"})
    return body_entry(KIND_EVENT, body, utc_ms=at_ms, **said)


def health_entry(at_ms: int, *, rows: int = 4, **said: Any) -> LogEntry:
    """A health record at that Unix time."""
    body = encode.health(at=(at_ms, 0, 0), rows=rows, holdings=[(7, 9, Ranges())], firmware="0.1.0")
    return body_entry(KIND_HEALTH, body, utc_ms=at_ms, **said)


def body_entry(kind: int, body: bytes, **said: Any) -> LogEntry:
    """An entry of any kind around these bytes."""
    given = {"utc_ms": NOON_MS, **said}
    return LogEntry(**{**_DEFAULTS, "utc_to_ms": given["utc_ms"], **given, "kind": kind, "body": body})

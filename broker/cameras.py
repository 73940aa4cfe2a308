"""Every camera of the city as the store knows it: what was said last, and whether its box is still there. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from broker.clean import read_body
from broker.store import LogEntry

SEEING = "seeing"
# A healthy camera is said again every six hours (edge/camera_node/node.py); a box without a link for an hour speaks for
# no camera any more.
UNHEARD_AFTER_S = 7 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """One camera; `sees` None: nobody can say now, and `why` says so."""

    agency: str
    asset: str
    camera: str
    unit: str
    sees: bool | None
    verdict: str
    why: str
    cause: str | None
    confidence_percent: int
    said_utc_ms: int | None
    link: str | None  # online, offline, or None: not known


def wall(
    looks: Iterable[LogEntry], *, now_utc_ms: int, online: Callable[[str], bool | None] = lambda _unit: None
) -> list[Camera]:
    """One entry a camera by agency, asset and name, from the newest verdicts of all outboxes (Store.newest_looks).

    `online` says of a unit whether it is connected, None: not known.
    """
    newest: dict[tuple[str, str, str], Camera] = {}
    for entry in looks:
        body = read_body(entry)
        if body is None:
            continue
        key = entry.agency, entry.asset, body.camera
        before = newest.get(key)
        if before is not None and (before.said_utc_ms or 0) > (entry.utc_ms or 0):
            continue
        newest[key] = _camera(entry, body, now_utc_ms, online(entry.unit))
    return [newest[key] for key in sorted(newest)]


def _camera(entry: LogEntry, body: object, now_utc_ms: int, connected: bool | None) -> Camera:
    verdict: str = body.verdict  # type: ignore[attr-defined]
    reason: str = body.reason  # type: ignore[attr-defined]
    sees: bool | None = verdict == SEEING
    age_s = None if entry.utc_ms is None else (now_utc_ms - entry.utc_ms) / 1000
    if connected is False:
        sees, reason = None, f"its box has no link; before: {reason}"
    elif age_s is None or age_s > UNHEARD_AFTER_S:
        sees, reason = None, f"nothing was heard of it for too long; before: {reason}"
    return Camera(
        agency=entry.agency,
        asset=entry.asset,
        camera=body.camera,  # type: ignore[attr-defined]
        unit=entry.unit,
        sees=sees,
        verdict=verdict,
        why=reason,
        cause=body.cause or None,  # type: ignore[attr-defined]
        confidence_percent=body.confidence_percent,  # type: ignore[attr-defined]
        said_utc_ms=entry.utc_ms,
        link=None if connected is None else "online" if connected else "offline",
    )

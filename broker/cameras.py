"""Every camera of the city as the store knows it: what was said last, and whether its box is still there.

What cameras a pole has, only its box knows, whose file names them: the centre knows that there is a pole, from the
assignments. Until one of its cameras was heard it stands here as one, of which nobody can say whether it sees.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from broker.assets import Assignment
from broker.clean import read_body
from broker.store import LogEntry, Store
from wire.kinds import KIND_CAMERA

SEEING = "seeing"
NEVER_HEARD = "never_heard"
POLE = "pole"  # the kind of an asset whose box has cameras (provisioning.md)
# A camera is said again every six hours (edge/camera_node/node.py). Presence, where it is known, says it sooner.
UNHEARD_AFTER_S = 7 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """One camera; `sees` None: nobody can say now, and `why` says so.

    `camera` None: all that a pole may have, none of which was ever heard (verdict `never_heard`).
    """

    agency: str
    asset: str
    camera: str | None
    unit: str
    sees: bool | None
    verdict: str
    why: str
    cause: str | None
    confidence_percent: int | None
    said_utc_ms: int | None
    since_utc_ms: int | None  # since when it is as it is; None: not known
    link: str | None  # online, offline, or None: not known


Online = Callable[[str], bool | None]  # whether a unit is connected, None: not known


def wall_of(store: Store, *, now_utc_ms: int, online: Online = lambda _unit: None) -> list[Camera]:
    """The `wall` of a store, with the poles that are assigned now."""
    assigned = [each for each in store.assignments() if each.kind == POLE and each.covers(now_utc_ms)]
    looks = store.newest_looks(KIND_CAMERA)
    return wall(looks, now_utc_ms=now_utc_ms, online=online, poles=assigned, heard=store.units() if assigned else ())


def wall(
    looks: Iterable[LogEntry],
    *,
    now_utc_ms: int,
    online: Online = lambda _unit: None,
    poles: Iterable[Assignment] = (),
    heard: Collection[str] = (),
) -> list[Camera]:
    """One entry a camera by agency, asset and name, from the newest verdicts of all outboxes (Store.newest_looks).

    Of `poles` without a camera among them there is one entry each; `heard` are the units that anything is stored of.
    Pure.
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
    known = {key[:2] for key in newest}
    found = [*newest.values(), *(_never_heard(each, online, heard) for each in poles if each.name[:2] not in known)]
    return sorted(found, key=lambda one: (one.agency, one.asset, one.camera or ""))


def without_cameras(found: Iterable[Camera]) -> Iterator[Camera]:
    """The poles among them of which no camera was ever heard."""
    return (one for one in found if one.camera is None)


def _never_heard(pole: Assignment, online: Online, heard: Collection[str]) -> Camera:
    connected = online(pole.unit)
    if connected:
        why = "its box is connected, and has said nothing of a camera yet"
    elif connected is False or pole.unit in heard:
        why = "its box was heard, and nothing is stored of a camera"
    else:
        why = "its box was never heard"
    return Camera(
        agency=pole.agency,
        asset=pole.asset,
        camera=None,
        unit=pole.unit,
        sees=None,
        verdict=NEVER_HEARD,
        why=why,
        cause=None,
        confidence_percent=None,
        said_utc_ms=None,
        since_utc_ms=pole.from_utc_ms or None,  # 1970 is who knows when
        link=_link(connected),
    )


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
        since_utc_ms=body.since_utc_ms if body.HasField("since_utc_ms") else entry.utc_ms,  # type: ignore[attr-defined]
        link=_link(connected),
    )


def _link(connected: bool | None) -> str | None:
    return None if connected is None else "online" if connected else "offline"

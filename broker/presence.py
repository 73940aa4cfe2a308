"""Which units are online, pure: births and wills ordered by session, and parcels that say more than a late will.

A will may be minutes late (a frozen box, a broker that waited for 1.5 keep-alives), and the unit may long be back
under a newer session; so only the newest session's word counts. Sessions are counted per outbox: a new card starts
again at 1 with a new outbox_id.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeGuard

import orjson

from wire.errors import PeerViolation
from wire.topics import valid_unit

MOST_UNITS: Final = 200_000  # ten big cities; the ACL ties a name to a certificate, so this is never met by strangers
BIRTH_LIMIT_BYTES: Final = 2048
_MOST = (1 << 63) - 1
_LONGEST_FIRMWARE: Final = 64

# Where a test may kill the process: the names that `at` is called with.
POINTS: Final = ("presence:beside", "presence:replaced")


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """What a unit (or its will) says about itself."""

    online: bool
    session: int
    outbox_id: int | None
    firmware: str | None


@dataclass(slots=True, kw_only=True)  # not frozen: each parcel moves its times, and a copy takes 3 us
class Presence:
    """What the centre knows about a unit's link; None = not heard yet. Times are the centre's Unix ms."""

    unit: str
    online: bool
    since_utc_ms: int
    session: int | None
    outbox_id: int | None
    firmware: str | None
    last_seen_utc_ms: int | None
    waiting_bytes: int | None


class Heard(NamedTuple):
    """One parcel as presence sees it."""

    unit: str
    session: int | None
    outbox_id: int
    waiting_bytes: int
    bulk: bool
    received_utc_ms: int


def parse_birth(payload: bytes) -> Birth:
    """The birth or will in a payload; raises PeerViolation, with the reason, for anything else."""
    if len(payload) > BIRTH_LIMIT_BYTES:
        raise PeerViolation("birth too long")
    try:
        said: Any = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise PeerViolation("birth is no JSON") from error
    if not isinstance(said, dict) or not isinstance(said.get("online"), bool):
        raise PeerViolation("birth without online")
    session = _whole(said.get("session"))
    if session is None:
        raise PeerViolation("birth without session")
    firmware = said.get("firmware")
    return Birth(
        online=said["online"],
        session=session,
        outbox_id=_whole(said.get("outbox_id")),
        firmware=firmware[:_LONGEST_FIRMWARE] if _is_text(firmware) else None,
    )


def _is_text(value: object) -> TypeGuard[str]:
    """Whether it can be written to a file and shown: JSON can name half a character, which UTF-8 cannot say."""
    return isinstance(value, str) and value.isprintable()


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST else None


class Register:
    """The presence of every unit, by name."""

    def __init__(self, known: Iterable[Presence] = ()) -> None:
        self._units = {presence.unit: presence for presence in known}

    def born(self, unit: str, birth: Birth, now_utc_ms: int) -> bool:
        """Take a birth or will; whether it counted (a late will of an older session does not)."""
        held = self._units.get(unit)
        if held is not None and not _newer(birth, held):
            return False
        if held is None:
            held = _unheard(unit, now_utc_ms)
        self._keep(
            replace(
                held,
                online=birth.online,
                since_utc_ms=now_utc_ms if birth.online != held.online else held.since_utc_ms,
                session=birth.session,
                outbox_id=held.outbox_id if birth.outbox_id is None else birth.outbox_id,
                firmware=birth.firmware or held.firmware,
            )
        )
        return True

    def heard(self, parcel: Heard) -> None:
        """Take a parcel: a newer session's sets the unit online whatever a late will says."""
        held = self._units.get(parcel.unit) or _unheard(parcel.unit, parcel.received_utc_ms)
        if parcel.session is not None and (held.session is None or parcel.session > held.session):
            if not held.online:
                held.online, held.since_utc_ms = True, parcel.received_utc_ms
            held.session, held.outbox_id = parcel.session, parcel.outbox_id
        held.last_seen_utc_ms = max(held.last_seen_utc_ms or 0, parcel.received_utc_ms)
        # A live parcel asks only now and then, so its 0 says nothing; a bulk parcel's 0 is the end of the backlog.
        if parcel.bulk or parcel.waiting_bytes > 0:
            held.waiting_bytes = parcel.waiting_bytes
        self._keep(held)

    def of(self, unit: str) -> Presence | None:
        """One unit's presence, None when it was never heard of."""
        return self._units.get(unit)

    def all(self) -> list[Presence]:
        """Every unit's, by name."""
        return [self._units[unit] for unit in sorted(self._units)]

    def _keep(self, presence: Presence) -> None:
        if presence.unit in self._units or len(self._units) < MOST_UNITS:
            self._units[presence.unit] = presence


def _unheard(unit: str, now_utc_ms: int) -> Presence:
    return Presence(
        unit=unit,
        online=False,
        since_utc_ms=now_utc_ms,
        session=None,
        outbox_id=None,
        firmware=None,
        last_seen_utc_ms=None,
        waiting_bytes=None,
    )


def _newer(birth: Birth, held: Presence) -> bool:
    if held.session is None or birth.session >= held.session:
        return True
    another_card = birth.outbox_id is not None and birth.outbox_id != held.outbox_id
    return birth.online and another_card


def write_presence(
    path: Path,
    units: Iterable[Presence],
    counters: dict[str, int],
    now_utc_ms: int,
    *,
    at: Callable[[str], None] = lambda _point: None,
) -> None:
    """Replace the file that `pantau watch` reads, in one step."""
    aside = path.with_suffix(path.suffix + ".new")
    # orjson: 20,000 units are 10 ms, which the committer waits for; the standard library's 300 would be felt.
    aside.write_bytes(orjson.dumps({"written_utc_ms": now_utc_ms, "bridge": counters, "units": list(units)}))
    at("presence:beside")
    aside.replace(path)
    at("presence:replaced")


def read_presence(path: Path) -> tuple[list[Presence], dict[str, int]]:
    """Every unit's presence and the bridge's counters as last written; both empty when there is no such file yet."""
    try:
        document = orjson.loads(path.read_bytes())
        return [_presence(**unit) for unit in document["units"]], _counters(document["bridge"])
    except FileNotFoundError:
        return [], {}
    except (ValueError, KeyError, TypeError, AttributeError):
        return [], {}  # an older pantau's, or a disk's: it is written anew within seconds


def _presence(unit: object, online: object, since_utc_ms: object, **others: object) -> Presence:
    """A presence as it was written; ValueError or TypeError for one that would stumble over the next parcel."""
    firmware = others.pop("firmware")
    whole = ("session", "outbox_id", "last_seen_utc_ms", "waiting_bytes")
    if not isinstance(unit, str) or not valid_unit(unit) or not isinstance(online, bool):
        raise ValueError("no unit")
    if type(since_utc_ms) is not int or not (firmware is None or _is_text(firmware)):
        raise ValueError("no date, or no text")
    if not all(others[name] is None or type(others[name]) is int for name in whole):
        raise ValueError("no number")
    return Presence(unit=unit, online=online, since_utc_ms=since_utc_ms, firmware=firmware, **others)  # type: ignore[arg-type]


def _counters(counters: dict[str, object]) -> dict[str, int]:
    return {name: count for name, count in counters.items() if type(count) is int}

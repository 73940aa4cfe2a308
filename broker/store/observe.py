"""What the centre needs to know of a body when it stores it. Pure; never raises on bad bytes."""

from typing import NamedTuple

from broker.store.values import UNDECODED, UNKNOWN_KIND
from broker.times import ClockPoint
from wire import records_pb2
from wire.decode import decode_body
from wire.errors import PeerViolation
from wire.kinds import KIND_CAMERA, KIND_HEALTH, KIND_NAMES, KIND_SNAPSHOT, KIND_TOMBSTONE, KIND_TRACK
from wire.ranges import MAX_SEQ, Ranges
from wire.track import Track, decode_track

_MAX_UTC_MS = 253_402_300_799_999  # the year 9999: a date beyond it is no date
_REASON_LETTERS = 32  # shed, corrupt, refused: longer ones are cut, they become keys of the ledger
_NAME_LETTERS = 64  # of a camera; a node's configuration allows 31
MAX_BOOTTIME_MS = 1 << 53  # 285,000 years of uptime


class Holding(NamedTuple):
    """What of an outbox the unit still holds, of the seqs below below_seq."""

    outbox_id: int
    below_seq: int
    held: Ranges


class Gone(NamedTuple):
    """Seqs of an outbox that the unit gave up, and why."""

    outbox_id: int
    reason: str
    seqs: Ranges


class Observed(NamedTuple):
    """A body's own time (utc_ms..utc_to_ms, else boot_id and boottime_ms and how long it lasted), and its claims."""

    flags: int = 0
    utc_ms: int | None = None
    utc_to_ms: int | None = None
    boot_id: int | None = None
    boottime_ms: int = 0
    lasted_ms: int = 0
    anchor: tuple[int, ClockPoint, int] | None = None  # boot_id, point, source
    holdings: tuple[Holding, ...] = ()
    gone: tuple[Gone, ...] = ()
    camera: str | None = None  # which camera a verdict or a picture is of


_DAMAGED = Observed(flags=UNDECODED)
_UNKNOWN = Observed(flags=UNDECODED | UNKNOWN_KIND)


def observe(kind: int, body: bytes) -> Observed:
    """Read a body as far as the store needs it; one that cannot be read is flagged."""
    try:
        if kind == KIND_TRACK:
            return _track(decode_track(body))
        if kind not in KIND_NAMES:
            return _UNKNOWN
        message = decode_body(kind, body)
        if isinstance(message, records_pb2.Anchor):
            return _anchor(message)
        return _stamped(kind, message)
    except PeerViolation:
        return _DAMAGED


def _track(track: Track) -> Observed:
    times = track.times_ms
    first, last = min(times), max(times)
    if track.boot_id is None:
        return Observed(0, first, last)
    return Observed(boot_id=track.boot_id, boottime_ms=first, lasted_ms=last - first)


def _anchor(anchor: records_pb2.Anchor) -> Observed:
    if not anchor.boot_id or not 0 <= anchor.utc_ms <= _MAX_UTC_MS or anchor.boottime_ms > MAX_BOOTTIME_MS:
        raise PeerViolation("an anchor that ties nothing to nothing")
    point = ClockPoint(anchor.boottime_ms, anchor.utc_ms)
    return Observed(0, anchor.utc_ms, anchor.utc_ms, anchor=(anchor.boot_id, point, anchor.source))


def _stamped(kind: int, message: object) -> Observed:
    observed = _stamp(message.at)  # type: ignore[attr-defined]  # every other body has one
    if kind == KIND_HEALTH:
        return observed._replace(holdings=_holdings(message))  # type: ignore[arg-type]
    if kind in (KIND_CAMERA, KIND_SNAPSHOT):
        return observed._replace(camera=message.camera[:_NAME_LETTERS])  # type: ignore[attr-defined]
    if kind == KIND_TOMBSTONE:
        return observed._replace(gone=_gone(message))  # type: ignore[arg-type]
    return observed


def _stamp(at: records_pb2.Stamp) -> Observed:
    if at.HasField("utc_ms"):
        if not 0 <= at.utc_ms <= _MAX_UTC_MS:
            raise PeerViolation("a stamp beyond the calendar")
        return Observed(0, at.utc_ms, at.utc_ms)
    if at.boottime_ms > MAX_BOOTTIME_MS:
        raise PeerViolation("a stamp beyond any uptime")
    return Observed(boot_id=at.boot_id, boottime_ms=at.boottime_ms)


def _holdings(health: records_pb2.Health) -> tuple[Holding, ...]:
    for holding in health.holdings:
        if not holding.outbox_id or not 1 <= holding.below_seq <= MAX_SEQ + 1:
            raise PeerViolation("a holding of no outbox")
    return tuple(Holding(h.outbox_id, h.below_seq, Ranges.unpack(list(h.held))) for h in health.holdings)


def _gone(tombstone: records_pb2.Tombstone) -> tuple[Gone, ...]:
    if not all(gone.outbox_id for gone in tombstone.gone):
        raise PeerViolation("a tombstone of no outbox")
    return tuple(
        Gone(g.outbox_id, g.reason[:_REASON_LETTERS] or "unknown", Ranges.unpack(list(g.ranges)))
        for g in tombstone.gone
    )

"""Arrivals for store tests: what a unit would have sent, with few words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from broker.store import Arrival
from wire import encode
from wire.columns import encode_track
from wire.kinds import (
    CLASS_LEDGER,
    CLASS_STATUS,
    CLASS_TRACK,
    KIND_ANCHOR,
    KIND_EVENT,
    KIND_HEALTH,
    KIND_TOMBSTONE,
    KIND_TRACK,
    SOURCE_GNSS,
)
from wire.ranges import Ranges

NOON = 1_795_435_200_000  # 2026-11-23T12:00:00Z
DAY = 86_400_000
UNIT, OUTBOX, BOOT = "ambulance-1", 0xCAFE, 0xFEDC_BA98_7654_3210

Fix = tuple[int, int, int, int | None, int | None, int | None, int | None, int | None]


def fixes(utc_ms: int, count: int = 3, lat_e7: int = -61_750_000) -> list[Fix]:
    """`count` fixes at 1 Hz going north through Jakarta."""
    return [
        (utc_ms + 1000 * index, lat_e7 + 100 * index, 1_068_270_000, 800, 1100, 0, 90, 11) for index in range(count)
    ]


def track(utc_ms: int, count: int = 3, lat_e7: int = -61_750_000) -> bytes:
    return encode_track(fixes(utc_ms, count, lat_e7))


def boot_track(boottime_ms: int, boot_id: int = BOOT, count: int = 3) -> bytes:
    return encode_track(fixes(boottime_ms, count), boot_id=boot_id)


def arrival(
    seq: int,
    body: bytes | None = None,
    *,
    unit: str = UNIT,
    outbox_id: int = OUTBOX,
    kind: int = KIND_TRACK,
    cls: int = CLASS_TRACK,
    at: int | None = None,
    received: int | None = None,
    boot_id: int | None = None,
    sent_boottime_ms: int | None = None,
) -> Arrival:
    """A row; by default the track that a unit reporting every ten seconds makes at that seq, received at once."""
    made = NOON + 10_000 * seq if at is None else at
    return Arrival(
        unit=unit,
        outbox_id=outbox_id,
        seq=seq,
        cls=cls,
        kind=kind,
        body=track(made) if body is None else body,
        received_utc_ms=made + 3000 if received is None else received,
        boot_id=boot_id,
        sent_boottime_ms=sent_boottime_ms,
    )


def drive(seqs: Iterable[int], **what: object) -> list[Arrival]:
    return [arrival(seq, **what) for seq in seqs]  # type: ignore[arg-type]


def health(seq: int, holdings: Sequence[tuple[int, int, Ranges]], **what: object) -> Arrival:
    stamp = (what.get("at", NOON + 10_000 * seq), 0, 0)
    body = encode.health(at=stamp, holdings=holdings)
    return arrival(seq, body, kind=KIND_HEALTH, cls=CLASS_STATUS, **what)  # type: ignore[arg-type]


def tombstone(seq: int, gone: Sequence[tuple[int, Ranges, str]], **what: object) -> Arrival:
    body = encode.tombstone(at=(NOON + 10_000 * seq, 0, 0), gone=gone)
    return arrival(seq, body, kind=KIND_TOMBSTONE, cls=CLASS_LEDGER, **what)  # type: ignore[arg-type]


def anchor(seq: int, boottime_ms: int, utc_ms: int, *, boot_id: int = BOOT, **what: object) -> Arrival:
    body = encode.anchor(boot_id=boot_id, boottime_ms=boottime_ms, utc_ms=utc_ms, source=SOURCE_GNSS)
    return arrival(seq, body, kind=KIND_ANCHOR, cls=CLASS_STATUS, **what)  # type: ignore[arg-type]


def event(seq: int, name: str, utc_ms: int | None = None, **what: object) -> Arrival:
    at = (NOON + 10_000 * seq if utc_ms is None else utc_ms, 0, 0)
    return arrival(seq, encode.event(at=at, name=name), kind=KIND_EVENT, cls=CLASS_STATUS, **what)  # type: ignore[arg-type]

"""A damaged outbox opens, salvages what checks, takes the next record; `pantau outbox` shows it or says why not."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from edge.errors import OutboxCorrupt, OutboxFull
from edge.outbox import Outbox, OutboxReader
from edge.outbox_table import open_outbox_table
from fuzz.box import StillClock
from fuzz.box_uplink import rows
from fuzz.images import damaged, outbox_image
from fuzz.scratch import scratch
from pantau.outbox import _newest, depth_by_outbox
from wire.kinds import CLASS_ALARM, KIND_EVENT, KIND_TOMBSTONE, KIND_TRACK
from wire.ranges import Ranges

MAX_BYTES = 256
LIMIT_BYTES = 16 << 20


def hold(data: bytes) -> None:
    """Patches of a sound file; the technician looks at it, then a box starts with it."""
    path = scratch("outbox") / "outbox.db"
    damaged(path, outbox_image(), data)
    _look(path)
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES, clock=StillClock())
    _read_as_the_uplink_does(path, outbox)
    row_id = outbox.append(b"next", kind=KIND_EVENT, cls=CLASS_ALARM)
    outbox.close()
    reader = OutboxReader(path)
    found = reader.above(0, 1000)
    assert row_id in {row.id for row in found}
    reader.close()
    known = {row.body for row in rows().values()} | {b"next"}
    for row in found:
        assert row.body in known or row.kind in (KIND_EVENT, KIND_TOMBSTONE, KIND_TRACK)
        assert row.kind != KIND_TRACK or row.body in known, "only bytes that were accepted"
    _look(path)


def _look(path: Path) -> None:
    with suppress(OutboxCorrupt), open_outbox_table(path) as documents:
        depths = depth_by_outbox(documents)
        assert sum(depth.rows for depth in depths) == len(documents)
        _newest(documents, 5)


def _read_as_the_uplink_does(path: Path, outbox: Outbox) -> None:
    reader = OutboxReader(path, on_corrupt=outbox.suspect)
    with suppress(OutboxCorrupt, OutboxFull):
        reader.above(0, 1000)
        reader.below(1 << 62, 1000, 1 << 20)
        reader.alarms(100)
        reader.checks_of(Ranges([(1, 1000)]))
        reader.waiting()
        reader.ids_of(reader.outboxes().newest, Ranges([(1, 5)]))
    reader.close()
    outbox.settle()


def seeds() -> Mapping[str, bytes]:
    """No damage; the header, the schema, a row, the last page."""
    size = len(outbox_image())

    def at(*offsets: int) -> bytes:
        return b"".join(offset.to_bytes(3, "big") + b"\xa5" for offset in offsets)

    row = outbox_image().rindex(b"row 4 row 4")
    return {
        "sound": b"",
        "magic": at(0),
        "header": at(20, 28, 60),
        "schema": at(100, 103, 110),
        "row": at(row),
        "last-page": at(size - 1024, size - 1020),
    }

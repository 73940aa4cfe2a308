"""The copy of its ids beside an outbox, of any content, is believed when it makes sense; a box starts beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edge.disk import Disk
from edge.outbox import Outbox, OutboxReader
from edge.outbox_ids import IdsCopy, OutboxIds, read_copy, write_copy
from fuzz.box import StillClock
from fuzz.forms import behind, either, json_changed
from fuzz.images import OLD_ID
from fuzz.scratch import scratch
from wire import records_pb2
from wire.kinds import CLASS_TRACK, KIND_TOMBSTONE, KIND_TRACK
from wire.ranges import MAX_SEQ

MAX_BYTES = 1024
form = either(json_changed, behind(1, json_changed))
STARTED = 1  # a first byte: an outbox is opened beside the copy, too (slower)


def hold(data: bytes) -> None:
    """The copy read, written and read again; and then an outbox whose file is lost."""
    folder = scratch("ids")
    start = data[:1] == bytes([STARTED])
    path = folder / "outbox.db.ids"
    path.write_bytes(data[1:] if start else data)
    copy = read_copy(path)
    if copy is not None:
        assert 0 < copy.below_id < MAX_SEQ
        for outbox_id, first_id, _ in copy.ids.spans(copy.below_id):
            assert 0 < outbox_id < 1 << 32
            assert 0 < first_id < MAX_SEQ
        write_copy(Disk(), folder / "again", copy)
        assert read_copy(folder / "again") == copy
    if start:
        _check_start(folder / "outbox.db", copy)


def _check_start(path: Path, copy: IdsCopy | None) -> None:
    """A box whose outbox file vanished says what the copy knows of it, and takes the next record."""
    outbox = Outbox(path, limit_bytes=16 << 20, clock=StillClock())
    row_id = outbox.append(b"next", kind=KIND_TRACK, cls=CLASS_TRACK)
    name = outbox.outbox_id
    outbox.close()
    reader = OutboxReader(path)
    rows = reader.above(0, 100)
    reader.close()
    assert rows[-1].id == row_id
    assert rows[-1].outbox_id == name
    tombstones = [records_pb2.Tombstone.FromString(row.body) for row in rows if row.kind == KIND_TOMBSTONE]
    gone = {one.outbox_id for tombstone in tombstones for one in tombstone.gone}
    assert gone <= (copy.ids.names() if copy else frozenset())
    assert name not in gone


def seeds() -> Mapping[str, bytes]:
    """As a box writes it."""
    folder = scratch("ids-seeds")
    write_copy(Disk(), folder / "ids", IdsCopy(OutboxIds(((1, OLD_ID), (50, 9))), 4200))
    content = (folder / "ids").read_bytes()
    return {"written": content, "started": bytes([STARTED]) + content, "empty": b"", "none": b'{"outboxes":[]}'}

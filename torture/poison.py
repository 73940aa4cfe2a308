"""What a box under somebody else's hand could send: parcels that are none, and rows that nobody can read."""

from __future__ import annotations

import lzma
import time
from typing import Final

from stage.city import City
from torture.ear import Ear
from wire import records_pb2
from wire.encode import check, parcel
from wire.kinds import CLASS_ALARM, CLASS_TRACK, KIND_NAMES
from wire.receipt import decode_receipt
from wire.topics import birth, bulk, receipt, up

OUTBOX_ID: Final = 666
LANES: Final = (up, bulk)
# No message of any kind, by what protobuf says of bytes that end within a field, or of a text that is no UTF-8.
BODIES: Final = (b"", b"\xff" * 50, b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x02\xc3\x28", bytes(20_000))
MALFORMED: Final = 2 * 4  # of what is sent to each lane


def _bomb() -> bytes:
    """A hundred megabytes of rows in some kilobytes."""
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16, "lc": 1, "lp": 0, "pb": 0}]
    packed = lzma.compress(bytes(100 << 20), lzma.FORMAT_RAW, filters=filters)
    return records_pb2.Parcel(outbox_id=1, packed_rows=packed).SerializeToString()


def poison(city: City, unit: str, *, within_s: float) -> tuple[set[int], set[int]]:
    """Send all of it as `unit`, to both lanes; seqs of the rows that are no parcel's fault, and those receipted."""
    said = [(cls, kind, body) for kind in KIND_NAMES for cls in (CLASS_TRACK, CLASS_ALARM) for body in BODIES]
    rows = [(seq, cls, kind, check(body), body) for seq, (cls, kind, body) in enumerate(said, 1)]
    receipted: set[int] = set()
    with Ear(city, receipt(unit), name=unit) as voice:
        for lane in LANES:
            for broken in (b"", b"\xff" * 100, b'{"json": true}', _bomb()):
                voice.say(lane(unit), broken)
            for row in rows:
                voice.say(lane(unit), parcel(OUTBOX_ID, [row], waiting_bytes=1))
        voice.say(birth(unit), b"\xff no JSON")
        deadline_s = time.monotonic() + within_s
        while len(receipted) < len(rows) and time.monotonic() < deadline_s:
            time.sleep(0.05)
            for message in list(voice.heard):
                receipted.update(decode_receipt(message.payload).ranges.seqs())
    return {row[0] for row in rows}, receipted

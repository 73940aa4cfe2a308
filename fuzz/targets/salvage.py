"""Whatever lies in an outbox file and its log, salvage ends, and every row it finds is one whose bytes check."""

from __future__ import annotations

from collections.abc import Mapping

from edge.disk import beside
from edge.outbox_schema import PAGE_BYTES
from edge.salvage import Found, Remains
from fuzz.images import NEW_ID, OLD_ID, damaged, outbox_image
from fuzz.scratch import scratch
from wire.encode import check
from wire.ranges import MAX_SEQ

MAX_BYTES = 8192
PATCHED, LOGGED = 1, 2  # a first byte: the rest damages a sound file; or is its write-ahead log


def hold(data: bytes) -> None:
    """The bytes as a file, as patches of a sound one, or as its log."""
    path = scratch("salvage") / "outbox.db"
    if data[:1] == bytes([PATCHED]):
        damaged(path, outbox_image(), data[1:])
    elif data[:1] == bytes([LOGGED]):
        damaged(path, outbox_image(), b"")
        beside(path, "-wal").write_bytes(data[1:])
    else:
        path.write_bytes(data)
    remains, found = Remains(path), Found()
    for row in remains.rows(found):
        assert check(row.body) == row.crc
        assert 1 <= row.id <= MAX_SEQ
    remains.close()
    assert all(1 <= first_id <= MAX_SEQ and 0 < name < 1 << 32 for first_id, name in found.opened.items())
    if data == bytes([PATCHED]):
        assert set(found.opened.values()) == {OLD_ID, NEW_ID}


def seeds() -> Mapping[str, bytes]:
    """Pages of a sound file, and as the log of one; and the file itself."""
    sound = outbox_image()
    pages = [sound[at : at + PAGE_BYTES] for at in range(0, len(sound), PAGE_BYTES)]
    leaves = [page for page in pages if page[0] == 0x0D][:3]
    salts = bytes(range(8))
    frames = b"".join(n.to_bytes(4, "big") + bytes(4) + salts + bytes(8) + page for n, page in enumerate(leaves, 2))
    return {
        "sound": bytes([PATCHED]),
        "patched": bytes([PATCHED]) + (3 * PAGE_BYTES).to_bytes(3, "big") + b"\x00",
        "leaves": b"".join(leaves),
        "log": bytes([LOGGED]) + bytes(16) + salts + bytes(8) + frames,
    }

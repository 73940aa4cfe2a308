"""The bytes of a box's outbox, file and log, in which a target writes its damage."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from edge.disk import beside
from fuzz.box_uplink import outbox_file
from fuzz.scratch import scratch

PATCH_BYTES = 4  # where (three bytes, modulo the file's length) and the byte that stands there then


@cache
def image() -> bytes:
    """The file of twelve rows, everything folded in."""
    path = scratch("image") / "outbox.db"
    shutil.copyfile(outbox_file(), path)
    return path.read_bytes()


def patches(data: bytes) -> Iterator[tuple[int, int]]:
    """(offset, byte) of each damage."""
    for at in range(0, len(data) - PATCH_BYTES + 1, PATCH_BYTES):
        yield int.from_bytes(data[at : at + 3], "big"), data[at + 3]


def damaged(path: Path, data: bytes, sound: bytes | None = None) -> None:
    """A sound file (the image when none is given) at `path` with these patches."""
    content = bytearray(image() if sound is None else sound)
    for offset, byte in patches(data):
        content[offset % len(content)] = byte
    path.write_bytes(content)
    beside(path, "-wal").unlink(missing_ok=True)

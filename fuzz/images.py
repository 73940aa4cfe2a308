"""Sound files of a box, in which targets write their damage. They are kept: a found input patches these very bytes.

`python -m fuzz.images` makes them anew (then inputs found in them are no longer what they were).
"""

from __future__ import annotations

import sqlite3
import sys
from functools import cache
from pathlib import Path
from typing import Final

from edge.disk import beside
from edge.documents import open_documents
from edge.outbox import Outbox
from edge.outbox_schema import outbox_check
from fuzz.box import StillClock
from fuzz.scratch import scratch
from wire.kinds import CLASS_ALARM, CLASS_TRACK, KIND_TRACK

PATCH_BYTES: Final = 4  # where (three bytes, modulo the file's length) and the byte that stands there then
OLD_ID, NEW_ID = 0x0B0C50, 0xB0C50001
ROWS_OF_EACH: Final = 6
DOCUMENTS: Final = (
    b'{"name": "session", "value": 128}',
    b'{"name": "floor_utc_ms", "value": 1795000000000}',
    b'{"name": "line", "value": [9600, "8N1"]}',
    b'{"name": "last_boot", "value": [7, "clean"]}',
    b'{"name": "today", "value": [20700, [1, 2, 3], 7, [0, 0, 0]]}',
    b'{"name": "command_ids", "value": ["abc", "def"]}',
)
_KEPT: Final = Path(__file__).resolve().parent / "image"


@cache
def outbox_image() -> bytes:
    """An outbox of twelve rows in two outbox_ids, one of them over several pages."""
    return (_KEPT / "outbox.db").read_bytes()


@cache
def documents_image() -> bytes:
    """The documents of a box that has been running for a while."""
    return (_KEPT / "documents.db").read_bytes()


def damaged(path: Path, sound: bytes, patches: bytes) -> None:
    """The sound file at `path`, with a byte changed for each patch."""
    content = bytearray(sound)
    for at in range(0, len(patches) - PATCH_BYTES + 1, PATCH_BYTES):
        content[int.from_bytes(patches[at : at + 3], "big") % len(content)] = patches[at + 3]
    path.write_bytes(content)
    beside(path, "-wal").unlink(missing_ok=True)


def write_documents(path: Path, bodies: list[bytes]) -> None:
    """A documents file that holds these bodies, whatever they are."""
    open_documents(path).close()
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("INSERT INTO names VALUES ('memory')")
        connection.executemany(
            "INSERT INTO documents (name, doc_id, body) VALUES ('memory', ?, CAST(? AS TEXT))", enumerate(bodies, 1)
        )
    connection.close()


def _write_outbox(path: Path) -> None:
    outbox = Outbox(path, limit_bytes=16 << 20, clock=StillClock())
    for number in range(2 * ROWS_OF_EACH):
        if number == ROWS_OF_EACH:
            outbox.open_new_outbox()
            outbox.settle()
        body = b"row %d " % number * (300 if number == 3 else 40)
        outbox.append(body, kind=KIND_TRACK, cls=CLASS_ALARM if number % 5 == 0 else CLASS_TRACK)
    outbox.close()
    connection = sqlite3.connect(path)
    with connection:
        for first_id, outbox_id in ((1, OLD_ID), (1 + ROWS_OF_EACH, NEW_ID)):
            values = outbox_id, outbox_check(first_id, outbox_id), first_id
            connection.execute("UPDATE outboxes SET outbox_id = ?, crc = ? WHERE first_id = ?", values)
    connection.close()


def main() -> int:
    """Write both."""
    folder = scratch("images")
    _write_outbox(folder / "outbox.db")
    write_documents(folder / "documents.db", list(DOCUMENTS))
    _KEPT.mkdir(exist_ok=True)
    for name in ("outbox.db", "documents.db"):
        (_KEPT / name).write_bytes((folder / name).read_bytes())
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Reading what is left in a damaged outbox file: every page by itself, no tree, no header, no trust.

A row never changes and its id is never given out twice, and it carries the CRC of its body. So any copy of a row that
checks, on whichever page or write-ahead frame it lies, is the row; and a page that makes no sense costs its own rows
only. Format: sqlite.org/fileformat2.html (sections 1.6, 2.1, 4.1).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Final

from edge.disk import beside, size_bytes
from edge.outbox_schema import COUNTERS, GONE, PAGE_BYTES, is_sound_outbox, is_sound_row
from wire.ranges import MAX_SEQ

_LEAF: Final = 0x0D  # a leaf of a table
_USABLE: Final = PAGE_BYTES
_MAX_LOCAL: Final = _USABLE - 35
_MIN_LOCAL: Final = (_USABLE - 12) * 32 // 255 - 23
_WAL_HEADER: Final = 32
_FRAME_HEADER: Final = 24
_INT_SIZES: Final = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_ROWS_COLUMNS: Final = 6  # id (stored as NULL), cls, kind, crc, at_s, body
_SAMPLES: Final = 32  # of a file that may be unreadable
_MAX_PAGES: Final = 1 << 24  # 16 GB: a frame that names a page beyond is damage
_MAX_BODY_BYTES: Final = 16 << 20  # beyond any snapshot: an overflow chain that claims more is damage

Value = int | bytes | None


@dataclass(frozen=True, slots=True)
class FoundRow:
    """One row that checks."""

    id: int
    cls: int
    kind: int
    crc: int
    at_s: int | None
    body: bytes


@dataclass(slots=True)
class Found:
    """What was found beside rows; a number that stands on several copies counts with its highest."""

    opened: dict[int, int] = field(default_factory=dict)  # first_id -> outbox_id
    counters: dict[str, int] = field(default_factory=dict)


class Remains:
    """The pages of a damaged file and of its write-ahead log, the newest copy of each first; close it."""

    def __init__(self, path: Path) -> None:
        """OSError when nothing at all can be read: that is not damage, the card is away and may be back tomorrow."""
        wal = beside(path, "-wal")
        self._database = _open(path)
        self._wal = _open(wal)
        try:
            _expect_anything((self._database, size_bytes(path)), (self._wal, size_bytes(wal)))
        except OSError:
            self.close()
            raise
        self._pages = -(-size_bytes(path) // PAGE_BYTES)
        self._frames = list(_frames(self._wal, size_bytes(wal)))
        self._newest = dict(self._frames)  # page number -> offset in the log; a later frame overrides

    def close(self) -> None:
        """Let go of the files."""
        for handle in (self._database, self._wal):
            if handle is not None:
                os.close(handle)

    def rows(self, found: Found) -> Iterator[FoundRow]:
        """Every row on every copy of every page, more than once when there are several; the rest goes into `found`."""
        for page in self._copies():
            for row_id, payload in _cells(page):
                record = _record(self._whole(payload))
                if record is None:
                    continue
                if row := _as_row(row_id, record):
                    yield row
                else:
                    _note(found, row_id, record)

    def _copies(self) -> Iterator[bytes]:
        """Live pages first, then copies that a later one replaced: those may hold rows the newer copy has lost."""
        # A worn page number in the log may lie 16 GB beyond the file's end: what is between is not looked at.
        for number in chain(range(1, self._pages + 1), sorted(n for n in self._newest if n > self._pages)):
            yield self._page(number)
        for number, offset in self._frames:
            if self._newest[number] != offset:
                yield _read(self._wal, offset)
        for number in self._newest:
            yield _read(self._database, (number - 1) * PAGE_BYTES)

    def _page(self, number: int) -> bytes:
        offset = self._newest.get(number)
        if offset is not None:
            return _read(self._wal, offset)
        return _read(self._database, (number - 1) * PAGE_BYTES)

    def _whole(self, payload: _Payload) -> bytes:
        """The payload with its overflow chain; short when the chain is broken, which its CRC then tells."""
        parts = [payload.local]
        left, number = payload.size - len(payload.local), payload.overflow
        while left > 0 and number and len(parts) <= _MAX_BODY_BYTES // PAGE_BYTES:
            page = self._page(number)
            if len(page) < PAGE_BYTES:
                break
            number = int.from_bytes(page[:4], "big")
            parts.append(page[4 : 4 + left])
            left -= _USABLE - 4
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class _Payload:
    local: bytes
    size: int
    overflow: int


def _open(path: Path) -> int | None:
    with suppress(FileNotFoundError):
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    return None


def _expect_anything(*files: tuple[int | None, int]) -> None:
    """One page that can be read is enough; else the OSError. A sample, as each failure may take the card seconds."""
    refused: OSError | None = None
    for handle, size in files:
        for offset in range(0, size if handle is not None else 0, max(PAGE_BYTES, size // _SAMPLES)):
            try:
                os.pread(handle or 0, 1, offset)
                return
            except OSError as error:
                refused = error
    if refused is not None:
        raise refused


def _read(handle: int | None, offset: int, size: int = PAGE_BYTES) -> bytes:
    """What can be read there; a sector that can not be read is as good as empty."""
    if handle is None or not 0 <= offset < MAX_SEQ:
        return b""
    with suppress(OSError):
        return os.pread(handle, size, offset)
    return b""


def _frames(wal: int | None, size: int) -> Iterator[tuple[int, int]]:
    """(page number, offset of the page) of every frame of the log's present generation, in the order written."""
    salts = _read(wal, 16, 8)
    for offset in range(_WAL_HEADER, size, _FRAME_HEADER + PAGE_BYTES):
        header = _read(wal, offset, _FRAME_HEADER)  # one that can not be read costs its own page only
        number = int.from_bytes(header[:4], "big")
        if len(header) == _FRAME_HEADER and header[8:16] == salts and 0 < number <= _MAX_PAGES:
            yield number, offset + _FRAME_HEADER


def _cells(page: bytes) -> Iterator[tuple[int, _Payload]]:
    """The cells of a table's leaf; nothing from any other page, and nothing from a pointer that leads astray."""
    start = 100 if page[:16] == b"SQLite format 3\0" else 0
    if len(page) < PAGE_BYTES or page[start] != _LEAF:
        return
    count = int.from_bytes(page[start + 3 : start + 5], "big")
    for index in range(min(count, (PAGE_BYTES - start - 8) // 2)):
        at = start + 8 + 2 * index
        pointer = int.from_bytes(page[at : at + 2], "big")
        try:
            size, pointer = _varint(page, pointer)
            row_id, pointer = _varint(page, pointer)
        except IndexError:
            continue
        if not (0 < size <= _MAX_BODY_BYTES and 1 <= row_id <= MAX_SEQ):
            continue
        local = size if size <= _MAX_LOCAL else _MIN_LOCAL + (size - _MIN_LOCAL) % (_USABLE - 4)
        if local > _MAX_LOCAL:
            local = _MIN_LOCAL
        overflow = int.from_bytes(page[pointer + local : pointer + local + 4], "big") if local < size else 0
        yield row_id, _Payload(page[pointer : pointer + local], size, overflow)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """SQLite's varint: big-endian, at most 9 bytes; IndexError when it runs out of the page."""
    number = 0
    for index in range(8):
        byte = data[at + index]
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, at + index + 1
    return number << 8 | data[at + 8], at + 9


def _record(payload: bytes) -> list[Value] | None:
    """The values of a record; None when its header makes no sense. REAL does not occur in our tables."""
    try:
        end, at = _varint(payload, 0)
        kinds = []
        while at < end:
            kind, at = _varint(payload, at)
            kinds.append(kind)
    except IndexError:
        return None
    if at != end or len(kinds) > _ROWS_COLUMNS:
        return None
    values: list[Value] = []
    for kind in kinds:
        if kind in (0, 8, 9):
            values.append(None if kind == 0 else kind - 8)
        elif size := _INT_SIZES.get(kind, 0):
            values.append(int.from_bytes(payload[at : at + size], "big", signed=True))
            at += size
        elif kind >= 12:
            size = (kind - 12) // 2
            values.append(payload[at : at + size])
            at += size
        else:
            return None
    return values if at == len(payload) else None


def _as_row(row_id: int, record: list[Value]) -> FoundRow | None:
    if len(record) != _ROWS_COLUMNS:
        return None
    _, cls, kind, crc, at_s, body = record
    if isinstance(at_s, bytes) or not is_sound_row(cls, kind, crc, body):
        return None
    return FoundRow(row_id, cls, kind, crc, at_s, body)  # type: ignore[arg-type]  # is_sound_row has seen to it


def _note(found: Found, row_id: int, record: list[Value]) -> None:
    """An outboxes row (its CRC tells) or a line of sqlite_sequence (its name tells)."""
    if len(record) == 3:
        _, outbox_id, crc = record
        if is_sound_outbox(row_id, outbox_id, crc):
            found.opened[row_id] = outbox_id  # type: ignore[assignment]
    elif len(record) == 2:
        name, number = record
        if isinstance(name, bytes) and isinstance(number, int):
            word = name.decode("ascii", "replace")
            if word == "rows" or word in COUNTERS or word.startswith(GONE):
                found.counters[word] = max(number, found.counters.get(word, number))

"""Reading the outbox beside its writer: a connection of one's own, and no transaction left open between two calls.

(An open read transaction would keep the log from being folded in, and it would grow without bound.)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

from edge.disk import BUSY_TIMEOUT_S, inode
from edge.outbox_faults import BUSY, CORRUPT_FILE, UNREADABLE, fault_of, refusal
from edge.outbox_ids import OutboxIds
from edge.outbox_schema import CACHE_KIB, WAITING_BYTES, WAITING_ROWS, is_sound_row, read_outboxes
from wire.kinds import CLASS_ALARM
from wire.ranges import Ranges

T = TypeVar("T")

_COLUMNS: Final = "id, cls, kind, crc, body, at_s"
_TRIES: Final = 3  # one more for each file that salvage may have put in place meanwhile
_ROW_WIRE_BYTES: Final = 12  # what a parcel adds to a body: seq step, class, kind, check, lengths


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One record as it stands in the file; `at_s` is the Unix time it was appended, None when UTC was not known."""

    id: int
    outbox_id: int
    seq: int
    cls: int
    kind: int
    check: int
    body: bytes
    at_s: int | None = None


class OutboxReader:
    """One thread's view. Every method raises OutboxFull or OutboxCorrupt when the file can not be read now.

    `on_corrupt` (the writer's `suspect`) is told of damage first; the writer salvages at its next transaction. A row
    whose bytes no longer check is told of in the same way and left out: the writer makes a tombstone of it.
    """

    def __init__(self, path: Path, *, on_corrupt: Callable[[], None] = lambda: None) -> None:
        self._path = Path(path)
        self._on_corrupt = on_corrupt
        self._connection: sqlite3.Connection | None = None
        self._inode: tuple[int, int] | None = None

    def newest_id(self) -> int:
        """The highest row id, 0 when there is no row."""
        return int(self._query("SELECT max(id) FROM rows")[0][0] or 0)

    def above(self, row_id: int, limit_rows: int) -> list[StoredRow]:
        """Rows with a higher id, ascending."""
        return self._rows(f"SELECT {_COLUMNS} FROM rows WHERE id > ? ORDER BY id LIMIT ?", (row_id, limit_rows))

    def below(self, row_id: int, limit_rows: int, limit_bytes: int) -> list[StoredRow]:
        """Rows with a lower id, descending, as many as fit (with their envelopes); the first one whatever its size."""
        rows: list[StoredRow] = []
        size = 0
        while len(rows) < limit_rows:
            some = self._rows(
                f"SELECT {_COLUMNS} FROM rows WHERE id < ? ORDER BY id DESC LIMIT ?",
                (rows[-1].id if rows else row_id, min(64, limit_rows - len(rows))),
            )
            for row in some:
                size += len(row.body) + _ROW_WIRE_BYTES
                if rows and size > limit_bytes:
                    return rows
                rows.append(row)
            if not some:
                break
        return rows

    def alarms(self, limit_rows: int) -> list[StoredRow]:
        """Alarms without a receipt, oldest first."""
        return self._rows(
            f"SELECT {_COLUMNS} FROM rows WHERE id IN (SELECT id FROM by_class WHERE cls = ? ORDER BY id LIMIT ?) "
            "ORDER BY id",
            (CLASS_ALARM, limit_rows),
        )

    def rows_of(self, ids: Ranges) -> list[StoredRow]:
        """Those of these rows that are still there, ascending."""
        rows: list[StoredRow] = []
        for first, last in ids:
            rows += self._rows(f"SELECT {_COLUMNS} FROM rows WHERE id BETWEEN ? AND ? ORDER BY id", (first, last))
        return rows

    def checks_of(self, ids: Ranges) -> list[tuple[int, int]]:
        """(rows there, XOR of their checks) of each range: what a receipt's `checks` are held against."""
        found = []
        for first, last in ids:
            rows, xor = 0, 0
            for (crc,) in self._query("SELECT crc FROM rows WHERE id BETWEEN ? AND ?", (first, last)):
                if type(crc) is int:
                    rows, xor = rows + 1, xor ^ crc
                else:  # worn bits: without it no receipt can hold for the range
                    self._on_corrupt()
            found.append((rows, xor))
        return found

    def waiting(self) -> tuple[int, int]:
        """(rows, bytes of their bodies) in the file, receipted ones that have not left yet included."""
        numbers = dict(self._query("SELECT name, seq FROM sqlite_sequence"))
        return int(numbers.get(WAITING_ROWS, 0)), int(numbers.get(WAITING_BYTES, 0))

    def outboxes(self) -> OutboxIds:
        """Row ids against (outbox_id, seq), as of now; OutboxFull while the writer could not name the first one yet."""
        ids = self._asked(read_outboxes)
        if not ids.opened:
            raise refusal(BUSY, "no outbox_id yet")
        return ids

    def ids_of(self, outbox_id: int, seqs: Ranges) -> Ranges:
        """The row ids of these seqs; what this file never had is left out."""
        return self.outboxes().ids_of(outbox_id, seqs)

    def close(self) -> None:
        """Close the connection; the next call opens one again."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()

    # ------------------------------------------------------------------ inside

    def _rows(self, sql: str, parameters: Sequence[int]) -> list[StoredRow]:
        found = self._query(sql, parameters)
        if not found:
            return []
        ids = self.outboxes()  # read after the rows: an outbox opened in between is there, and rows never change theirs
        rows = [
            StoredRow(i, *ids.of(i), cls, kind, crc, body, at_s)
            for i, cls, kind, crc, body, at_s in found
            if is_sound_row(cls, kind, crc, body)
        ]
        if len(rows) < len(found):
            self._on_corrupt()
        return rows

    def _query(self, sql: str, parameters: Sequence[int] = ()) -> list[tuple[Any, ...]]:
        return self._asked(lambda connection: connection.execute(sql, parameters).fetchall())

    def _asked(self, question: Callable[[sqlite3.Connection], T]) -> T:
        for _ in range(_TRIES):
            try:
                return question(self._connected())
            except OSError as error:  # not even the name can be looked up
                self.close()
                raise refusal(fault_of(error), error) from error
            except (sqlite3.Error, UnicodeDecodeError) as error:
                self.close()
                last = error
            if not self._replaced():  # else look at the new one
                break
        fault = fault_of(last)
        if fault in (CORRUPT_FILE, UNREADABLE):
            self._on_corrupt()
        raise refusal(fault, last) from last

    def _replaced(self) -> bool:
        try:
            return inode(self._path) != self._inode
        except OSError:
            return False

    def _connected(self) -> sqlite3.Connection:
        if self._connection is not None and inode(self._path) == self._inode:
            return self._connection
        self.close()
        self._inode = inode(self._path)
        address = f"file:{quote(str(self._path.absolute()))}?mode=ro"
        connection = sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}").fetchall()
        self._connection = connection
        return connection

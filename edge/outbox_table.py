"""The outbox as a TinyDB table, read-only: what a technician queries, on the live file or on a copy of it.

with open_outbox_table(path) as outbox:
    outbox.search(where("kind") == "event")
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn, cast
from urllib.parse import quote

from tinydb import TinyDB
from tinydb.storages import Storage
from tinydb.table import Table

from edge.disk import BUSY_TIMEOUT_S
from edge.errors import OutboxCorrupt
from edge.outbox_faults import CORRUPT_FILE, fault_of, refusal
from edge.outbox_schema import is_sound_row, read_outboxes
from wire.kinds import CLASS_NAMES, KIND_NAMES

END_OF_TIME_S: Final = 253_402_300_800  # the year 10,000, which no calendar here can name
_COLUMNS: Final = "id, cls, kind, crc, at_s, body"


class OutboxStorage(Storage):
    """A reading connection. A copy on a medium that can not be written is read as it lies."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise OutboxCorrupt(f"no outbox: {path}")
        address = f"file:{quote(str(path.absolute()))}?mode=ro"
        try:
            self.connection = _connect(address)
        except sqlite3.OperationalError:
            self.connection = _connect(address + "&immutable=1")
        try:
            self.ids = read_outboxes(self.connection)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            self.connection.close()
            raise refusal(CORRUPT_FILE, f"{path}: {error}") from error

    def rows(self, sql: str, parameters: Sequence[int] = ()) -> Iterator[tuple[Any, ...]]:
        """What the file answers, row by row; OutboxCorrupt when it has no answer or stops in the middle of one."""
        try:
            yield from self.connection.execute(sql, parameters)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise refusal(CORRUPT_FILE, error) from error

    def read(self) -> dict[str, Any]:
        """TinyDB's whole database: one table."""
        return {"rows": _Documents(self)}

    def write(self, data: dict[str, Any]) -> NoReturn:  # noqa: ARG002 - TinyDB's signature
        """Never: rows leave by receipt only."""
        raise PermissionError("the outbox can only be read: a record leaves by receipt")

    def close(self) -> None:
        """Close the file."""
        self.connection.close()


def _connect(address: str) -> sqlite3.Connection:
    connection = sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchall()
    except sqlite3.OperationalError:
        connection.close()
        raise
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        connection.close()
        raise refusal(fault_of(error), error) from error
    return connection


class _Documents(Mapping[str, dict[str, Any]]):
    """Rows as documents by id, made one at a time: a backlog of 1,000,000 must not be in memory."""

    def __init__(self, storage: OutboxStorage) -> None:
        self._rows = storage.rows
        self._ids = storage.ids

    def __getitem__(self, row_id: str) -> dict[str, Any]:
        row = next(self._rows(f"SELECT {_COLUMNS} FROM rows WHERE id = ?", (int(row_id),)), None)
        if row is None:
            raise KeyError(row_id)
        return self._document(row)

    def __iter__(self) -> Iterator[str]:
        return (str(row_id) for (row_id,) in self._rows("SELECT id FROM rows ORDER BY id"))

    def __len__(self) -> int:
        return int(next(self._rows("SELECT count(*) FROM rows"))[0])

    def items(self) -> Any:
        """All, oldest first, as they are asked for."""
        return ((str(row[0]), self._document(row)) for row in self._rows(f"SELECT {_COLUMNS} FROM rows ORDER BY id"))

    def _document(self, row: tuple[Any, ...]) -> dict[str, Any]:
        row_id, cls, kind, crc, at_s, body = row
        sound = is_sound_row(cls, kind, crc, body)
        body = body if isinstance(body, bytes) else b""  # worn bits make anything of a cell
        outbox_id, seq = self._ids.of(row_id)
        return {
            "outbox_id": f"{outbox_id:08x}",
            "seq": seq,
            "class": CLASS_NAMES.get(cls, str(cls)),
            "kind": KIND_NAMES.get(kind, str(kind)),
            "at_utc_s": at_s if isinstance(at_s, int) and 0 <= at_s < END_OF_TIME_S else None,
            "bytes": len(body),
            "sound": sound,
            "body": body,
        }


class OutboxTable(Table):
    """TinyDB's queries over the rows; whatever would write raises PermissionError."""

    def _read_table(self) -> Any:
        return cast("OutboxStorage", self._storage).read()["rows"]

    def _update_table(self, updater: Callable[[Any], None]) -> NoReturn:
        self._storage.write({})
        raise AssertionError(updater)


class OutboxDocuments(TinyDB):
    """The database TinyDB sees: one table, `rows`."""

    table_class = OutboxTable
    default_table_name = "rows"

    def __init__(self, path: Path) -> None:
        super().__init__(path, storage=OutboxStorage)


def open_outbox_table(path: Path) -> OutboxDocuments:
    """The outbox in `path`; OutboxCorrupt when it is none that can be read."""
    return OutboxDocuments(Path(path))

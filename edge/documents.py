"""TinyDB on SQLite: its queries and its table methods as they are, one row a document, real transactions.

A `Storage` of TinyDB can not do this: its interface reads and writes the whole database at each change. Here
`Table._read_table` and `_update_table` hand TinyDB's own methods a mapping that reads and writes single rows.
One process writes; any number may read. Values are what JSON can carry.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from tinydb import TinyDB
from tinydb.queries import QueryLike
from tinydb.storages import Storage
from tinydb.table import Document, Table

from edge.disk import BUSY_TIMEOUT_S, beside, check_format
from edge.outbox_faults import CORRUPT_FILE, fault_of

_log = logging.getLogger(__name__)

_SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS documents (place INTEGER PRIMARY KEY, name TEXT NOT NULL, doc_id INTEGER NOT NULL,
                                          body TEXT NOT NULL, UNIQUE (name, doc_id));
    CREATE TABLE IF NOT EXISTS names (name TEXT PRIMARY KEY) WITHOUT ROWID;
"""

# A worn bit may leave sound JSON that is no object, which TinyDB would stumble over at every start.
_NO_DOCUMENT: Final = "CASE WHEN json_valid(body) THEN json_type(body) != 'object' ELSE TRUE END"


class DocumentStorage(Storage):
    """The SQLite file; TinyDB calls `read` and `write` only to drop tables."""

    def __init__(self, path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        check_format(path)
        self.connection = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None)
        self._version = -1
        try:
            for pragma in ("page_size=1024", "journal_mode=WAL", "synchronous=FULL", "cache_size=-256"):
                self.connection.execute(f"PRAGMA {pragma}").fetchall()
            self.connection.executescript(_SCHEMA)
            if (found := self.connection.execute("PRAGMA quick_check(1)").fetchone()) != ("ok",):
                raise sqlite3.DatabaseError(str(found))
            for (body,) in self.connection.execute(f"SELECT CAST(body AS BLOB) FROM documents WHERE {_NO_DOCUMENT}"):
                raise sqlite3.DatabaseError(f"a document that is none: {body[:40]!r}")
            self._check_text()
        except BaseException:
            self.connection.close()
            raise

    def _check_text(self) -> None:
        """SQLite takes any bytes for text; Python would refuse them at each read, as if the disk did not answer."""
        for (body,) in self.connection.execute("SELECT CAST(body AS BLOB) FROM documents"):
            try:
                body.decode()
            except UnicodeDecodeError as error:
                raise sqlite3.DatabaseError(str(error)) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; an inner one is part of the outer one."""
        if self.connection.in_transaction:
            yield
            return
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise

    def names(self) -> set[str]:
        """The tables that were ever written to."""
        return {name for (name,) in self.connection.execute("SELECT name FROM names")}

    def changed_by_others(self) -> bool:
        """Has another connection committed since this was last asked?"""
        (version,) = self.connection.execute("PRAGMA data_version").fetchone()
        before, self._version = self._version, int(version)
        return before != self._version

    def read(self) -> dict[str, dict[str, Any]]:
        """Everything."""
        return {name: dict(_Rows(self, name, str).items()) for name in self.names()}

    def write(self, data: dict[str, dict[str, Any]]) -> None:
        """Replace everything."""
        with self.transaction():
            for name in self.names() - data.keys():
                self.connection.execute("DELETE FROM documents WHERE name = ?", (name,))
                self.connection.execute("DELETE FROM names WHERE name = ?", (name,))
            for name, documents in data.items():
                rows = _Rows(self, name, str)
                rows.clear()
                rows.update(documents)
                rows.flush()

    def close(self) -> None:
        """Close the file."""
        self.connection.close()


class _Rows(MutableMapping[Any, Any]):
    """One table's documents by id, read when asked for; what was read may have been changed in place, so `flush`."""

    def __init__(self, storage: DocumentStorage, name: str, key: Callable[[int], Any]) -> None:
        self._run = storage.connection.execute
        self._name = name
        self._key = key
        self._read: dict[int, tuple[str, Any]] = {}  # as it was, as it may be now

    def __getitem__(self, doc_id: Any) -> Any:
        number = int(doc_id)
        if number in self._read:
            return self._read[number][1]
        row = self._run("SELECT body FROM documents WHERE name = ? AND doc_id = ?", (self._name, number)).fetchone()
        if row is None:
            raise KeyError(doc_id)
        return self._keep(number, row[0])

    def __setitem__(self, doc_id: Any, document: Any) -> None:
        number, body = int(doc_id), json.dumps(document, allow_nan=False)
        self._run(
            "INSERT INTO documents (name, doc_id, body) VALUES (?, ?, ?) "
            "ON CONFLICT (name, doc_id) DO UPDATE SET body = excluded.body",
            (self._name, number, body),
        )
        self._read[number] = (body, document)

    def __delitem__(self, doc_id: Any) -> None:
        number = int(doc_id)
        self._read.pop(number, None)
        if not self._run("DELETE FROM documents WHERE name = ? AND doc_id = ?", (self._name, number)).rowcount:
            raise KeyError(doc_id)

    def __iter__(self) -> Iterator[Any]:
        for (number,) in self._run("SELECT doc_id FROM documents WHERE name = ? ORDER BY place", (self._name,)):
            yield self._key(number)

    def __len__(self) -> int:
        return int(self._run("SELECT count(*) FROM documents WHERE name = ?", (self._name,)).fetchone()[0])

    def items(self) -> Any:
        """In the order they were inserted, as TinyDB's dict has them."""
        query = "SELECT doc_id, body FROM documents WHERE name = ? ORDER BY place"
        return [(self._key(number), self._keep(number, body)) for number, body in self._run(query, (self._name,))]

    def clear(self) -> None:
        """All of this table's documents go."""
        self._read.clear()
        self._run("DELETE FROM documents WHERE name = ?", (self._name,))

    def flush(self) -> None:
        """Write what was changed in place, and that the table exists."""
        for number, (before, document) in list(self._read.items()):
            if (body := json.dumps(document)) != before:
                self[number] = document
                self._read[number] = (body, document)
        self._run("INSERT OR IGNORE INTO names VALUES (?)", (self._name,))

    def _keep(self, number: int, body: str) -> Any:
        if number not in self._read:
            self._read[number] = (body, json.loads(body))
        return self._read[number][1]


class DocumentTable(Table):
    """A TinyDB table whose documents are rows."""

    def insert(self, document: Mapping[str, Any]) -> int:
        """The id is drawn inside the transaction that uses it."""
        with self._storage_.transaction():
            return super().insert(document)

    def search(self, cond: QueryLike) -> list[Document]:
        """As TinyDB's, and its query cache forgets what another process may have changed."""
        if self._storage_.changed_by_others():
            self.clear_cache()
        return super().search(cond)

    def get(self, cond: Any = None, doc_id: Any = None, doc_ids: Any = None) -> Any:
        """As TinyDB's; by id it reads one row."""
        if doc_id is None and doc_ids is not None:
            wanted = {str(number) for number in doc_ids}
            return [document for document in self if str(document.doc_id) in wanted]
        return super().get(cond, doc_id=doc_id, doc_ids=doc_ids)

    def upsert(self, document: Mapping[str, Any], cond: QueryLike | None = None) -> list[int]:
        """Update and insert in one transaction."""
        with self._storage_.transaction():
            return super().upsert(document, cond)

    def update_multiple(
        self, updates: Iterable[tuple[Mapping[str, Any] | Callable[[MutableMapping[str, Any]], None], QueryLike]]
    ) -> list[int]:
        """As TinyDB's; `updates` may be used up only once there, so it is a list here."""
        return super().update_multiple(list(updates))

    @property
    def _storage_(self) -> DocumentStorage:
        assert isinstance(self._storage, DocumentStorage)
        return self._storage

    def _read_table(self) -> Any:
        return _Rows(self._storage_, self.name, str)

    def _update_table(self, updater: Callable[[Any], None]) -> None:
        rows = _Rows(self._storage_, self.name, int)
        try:
            with self._storage_.transaction():
                updater(rows)
                rows.flush()
        finally:
            self.clear_cache()

    def _get_next_id(self) -> int:
        (highest,) = self._storage_.connection.execute(
            "SELECT max(doc_id) FROM documents WHERE name = ?", (self.name,)
        ).fetchone()
        next_id: int = max(self._next_id or 1, (highest or 0) + 1)
        self._next_id = next_id + 1  # type: ignore[assignment]  # TinyDB annotates it from its first None
        return next_id


class Documents(TinyDB):
    """A TinyDB with `transaction`; `set_aside` names the damaged file this one took the place of."""

    table_class = DocumentTable

    def __init__(self, path: Path, *, set_aside: Path | None = None, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        super().__init__(path, storage=DocumentStorage, busy_timeout_s=busy_timeout_s)
        self.set_aside = set_aside

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is committed together, or none of it."""
        storage = self.storage
        assert isinstance(storage, DocumentStorage)
        try:
            with storage.transaction():
                yield
        except BaseException:
            for table in self._tables.values():
                table.clear_cache()
            raise

    def tables(self) -> set[str]:
        """The names of all tables."""
        storage = self.storage
        assert isinstance(storage, DocumentStorage)
        return storage.names()


def tables_in(path: Path) -> set[str]:
    """The names of all tables in `path`, which is only read. Raises sqlite3.Error, also when these are no documents."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)) as reader:
        return {name for (name,) in reader.execute("SELECT name FROM names")}


def open_documents(path: Path) -> Documents:
    """The documents in `path`, made when absent; a damaged file is set aside as .corrupt-N and an empty one begun."""
    try:
        return Documents(path)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        if fault_of(error) != CORRUPT_FILE:
            raise  # busy, full, read-only: the file may be sound
        number = 1
        while (aside := beside(path, f".corrupt-{number}")).exists():
            number += 1
        _log.warning("documents %s are damaged (%s): set aside as %s", path, error, aside)
        for ending in ("-wal", "-shm"):
            if beside(path, ending).exists():
                beside(path, ending).rename(beside(aside, ending))
        path.rename(aside)
        return Documents(path, set_aside=aside)

"""The outbox file: its tables, its settings, and how an older file becomes this one without losing a row."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final

from edge.errors import ConfigError
from edge.outbox_ids import OutboxIds
from settings import Problem
from wire.encode import check
from wire.kinds import CLASS_TRACK
from wire.ranges import MAX_SEQ

PAGE_BYTES: Final = 1024  # measured: 4 KiB pages write twice the bytes a day at one row per 10 s (decision record)
APPLICATION_ID: Final = 0x70746F62  # "ptob": lets file(1) name it
CACHE_KIB: Final = 256  # a connection's page cache; the default 2 MB buys nothing for appends at one edge of one tree
VERSION: Final = 1

# Numbers that only SQLite's own AUTOINCREMENT page carries: that page is written by every append anyway, a table of
# ours would add a page to each (9 MB a day on the card). Writing it is allowed: sqlite.org/autoinc.html
INTERVAL: Final = "interval"  # number of the last interval appended
FLOOR: Final = "floor"  # no row below this id is held
WAITING_ROWS: Final = "waiting_rows"
WAITING_BYTES: Final = "waiting_bytes"  # bodies only
GONE: Final = "gone:"  # + reason: rows given up
NO_INTERVAL: Final = -1
COUNTERS: Final = (INTERVAL, FLOOR, WAITING_ROWS, WAITING_BYTES)

_TABLES: Final = (
    # No secondary index: alarms, status, snapshots and tombstones are found through by_class, which tracks never touch.
    """CREATE TABLE rows (id INTEGER PRIMARY KEY AUTOINCREMENT, cls INTEGER NOT NULL, kind INTEGER NOT NULL,
       crc INTEGER NOT NULL, at_s INTEGER, body BLOB NOT NULL)""",
    "CREATE TABLE by_class (cls INTEGER NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (cls, id)) WITHOUT ROWID",
    # crc lets salvage know one of these from whatever else lies in a damaged file.
    "CREATE TABLE outboxes (first_id INTEGER PRIMARY KEY, outbox_id INTEGER NOT NULL, crc INTEGER NOT NULL)",
)


def set_pragmas(connection: sqlite3.Connection, *, wal_pages: int, wal_limit_bytes: int) -> None:
    """Durability and wear; page_size only takes effect in a file that has no page yet."""
    for pragma in (
        f"page_size={PAGE_BYTES}",
        "journal_mode=WAL",
        "synchronous=FULL",
        f"wal_autocheckpoint={wal_pages}",
        f"journal_size_limit={wal_limit_bytes}",
        f"cache_size=-{CACHE_KIB}",
        "secure_delete=OFF",  # Debian builds with it on: every deleted row would be written once more, as zeros
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def upgrade(connection: sqlite3.Connection, at: Callable[[str], None]) -> None:
    """Bring the file to VERSION in one transaction; a newer file is refused, untouched, with ConfigError."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        wanted = f"schema {VERSION} or older: a newer pantau made this outbox, install that one again"
        raise ConfigError("outbox", [Problem(key="user_version", value=str(version), wanted=wanted)])
    if version == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in _STEPS[version:]:
            step(connection)
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={VERSION}")
        at("upgrade:changed")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    at("upgrade:committed")


def _to_1(connection: sqlite3.Connection) -> None:
    """An empty file, or the prototype of the field trial: rows(id, kind, cls, body) and outbox(outbox_id)."""
    prototype = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'rows'").fetchone()
    if prototype:
        connection.execute("ALTER TABLE rows RENAME TO prototype_rows")
    for table in _TABLES:
        connection.execute(table)
    for counter in COUNTERS:
        set_counter(connection, counter, NO_INTERVAL if counter == INTERVAL else 0)
    if prototype:
        _adopt_prototype(connection)


def _adopt_prototype(connection: sqlite3.Connection) -> None:
    connection.create_function("check_of", 1, check, deterministic=True)
    connection.execute(
        "INSERT INTO rows SELECT id, cls, kind, check_of(body), NULL, body FROM prototype_rows ORDER BY id"
    )
    connection.execute("INSERT INTO by_class SELECT cls, id FROM rows WHERE cls != ?", (CLASS_TRACK,))
    used = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'prototype_rows'").fetchone()
    if used:  # ids above the rows still here were given out before: they stay used
        connection.execute("DELETE FROM sqlite_sequence WHERE name = 'rows'")
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('rows', ?)", used)
    (outbox_id,) = connection.execute("SELECT outbox_id FROM outbox").fetchone()
    insert_outbox(connection, 1, outbox_id)
    connection.execute("DROP TABLE prototype_rows")
    connection.execute("DROP TABLE outbox")


_STEPS: Final = (_to_1,)


def insert_outbox(connection: sqlite3.Connection, first_id: int, outbox_id: int) -> None:
    """From `first_id` on, rows belong to `outbox_id`."""
    crc = outbox_check(first_id, outbox_id)
    connection.execute("INSERT INTO outboxes VALUES (?, ?, ?)", (first_id, outbox_id, crc))


def outbox_check(first_id: int, outbox_id: int) -> int:
    """CRC-32 of an outboxes row, little-endian u64 and u32."""
    return check(first_id.to_bytes(8, "little") + outbox_id.to_bytes(4, "little"))


def read_outboxes(connection: sqlite3.Connection) -> OutboxIds:
    """The file's outboxes, empty in a file that has none yet; sqlite3.DatabaseError when a line does not check."""
    opened = []
    for first_id, outbox_id, crc in connection.execute("SELECT first_id, outbox_id, crc FROM outboxes ORDER BY 1"):
        if not is_sound_outbox(first_id, outbox_id, crc):
            raise sqlite3.DatabaseError("an outbox_id that does not check")
        opened.append((first_id, outbox_id))
    return OutboxIds(tuple(opened))


def is_sound_outbox(first_id: object, outbox_id: object, crc: object) -> bool:
    """Whether it is an outboxes row that we wrote; worn bits make anything of a cell."""
    if type(first_id) is not int or type(outbox_id) is not int:
        return False
    return 0 < first_id < MAX_SEQ and 0 < outbox_id < 1 << 32 and outbox_check(first_id, outbox_id) == crc


def is_sound_row(cls: object, kind: object, crc: object, body: object) -> bool:
    """Whether it is a row that we wrote: a parcel can carry its numbers (int32 on the air), and its bytes check."""
    if not (isinstance(body, bytes) and type(cls) is int and type(kind) is int):
        return False
    return 0 <= cls < 1 << 31 and 0 <= kind < 1 << 31 and check(body) == crc


def read_counters(connection: sqlite3.Connection) -> dict[str, int]:
    """All numbers of sqlite_sequence by name; 'rows' is the highest id ever given out."""
    return dict(connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall())


def set_counter(connection: sqlite3.Connection, name: str, number: int) -> None:
    """Set one number, which may be new (sqlite_sequence has no key, so no upsert)."""
    if not connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (number, name)).rowcount:
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, number))

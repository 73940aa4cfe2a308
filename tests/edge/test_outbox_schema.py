"""An older file becomes the present one with all its rows; a newer one is left alone."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from edge.errors import ConfigError
from edge.outbox import Outbox, OutboxReader
from edge.outbox_schema import APPLICATION_ID, VERSION
from tests.edge.outbox_ledger import Key, missing, rows
from wire.kinds import CLASS_ALARM, CLASS_TRACK, KIND_EVENT, KIND_TRACK

LIMIT_BYTES = 4 << 20


def write_prototype(path: Path, count: int = 300, outbox_id: int = 0xABCDEF) -> dict[Key, bytes]:
    """A file of the field trial (schema 0): what it holds."""
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER, cls INTEGER, body BLOB)")
    db.execute("CREATE TABLE outbox (outbox_id INTEGER)")
    db.execute("INSERT INTO outbox VALUES (?)", (outbox_id,))
    for n in range(1, count + 1):
        alarm = n % 50 == 0
        kind, cls = (KIND_EVENT, CLASS_ALARM) if alarm else (KIND_TRACK, CLASS_TRACK)
        db.execute("INSERT INTO rows (kind, cls, body) VALUES (?, ?, ?)", (kind, cls, b"record %d" % n))
    db.execute("DELETE FROM rows WHERE id <= 20 OR id > ?", (count - 5,))
    db.commit()
    accepted = {(outbox_id, n): body for n, body in db.execute("SELECT id, body FROM rows")}
    db.close()
    return accepted


def test_the_prototypes_backlog_is_kept_with_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    accepted = write_prototype(path)
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    assert {(row.outbox_id, row.seq): row.body for row in rows(path)} == accepted
    reader = OutboxReader(path)
    assert [row.seq for row in reader.alarms(100)] == [50, 100, 150, 200, 250]
    assert reader.waiting() == (len(accepted), sum(map(len, accepted.values())))
    assert outbox.append(b"new", kind=KIND_TRACK, cls=CLASS_TRACK) == 301, "ids that were given out stay used"
    assert missing(path, accepted) == set()
    reader.close()
    outbox.close()
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)
    assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


def test_a_newer_file_is_refused_in_words_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("CREATE TABLE rows (something TEXT)")
    db.execute(f"PRAGMA user_version={VERSION + 1}")
    db.close()
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="newer"):
        Outbox(path, limit_bytes=LIMIT_BYTES)
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*.corrupt*"))

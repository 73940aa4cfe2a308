"""What the centre wants of its units: desired configuration and commands, in a small SQLite file of their own.

Beside the store and not in it: a registry or a person writes here at any time, and must not wait for the bridge's
transactions nor hold them up.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

_SCHEMA: Final = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS desired (
    unit TEXT PRIMARY KEY, version INTEGER NOT NULL, document TEXT NOT NULL, change INTEGER NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS commands (
    id TEXT PRIMARY KEY, unit TEXT NOT NULL, verb TEXT NOT NULL, arguments TEXT NOT NULL,
    expires_utc_ms INTEGER NOT NULL, finished INTEGER NOT NULL DEFAULT 0);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """The configuration wanted of a unit; `change` grows with every change of any unit's."""

    unit: str
    version: int
    document: dict[str, Any]
    change: int

    def encode(self) -> bytes:
        """As it is published."""
        return json.dumps({"version": self.version, "desired": self.document}, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A thing to do now; sent until its result is stored or it has expired. The unit remembers ids."""

    id: str
    unit: str
    verb: str
    arguments: dict[str, Any]
    expires_utc_ms: int

    def encode(self) -> bytes:
        """As it is published."""
        said = {"id": self.id, "expires_utc_ms": self.expires_utc_ms, "verb": self.verb, "arguments": self.arguments}
        return json.dumps(said, separators=(",", ":")).encode()


class Downlink:
    """The file; one instance per thread."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, timeout=2.0, isolation_level=None)
        self._database.executescript(_SCHEMA)

    def desire(self, unit: str, document: dict[str, Any]) -> Desired:
        """Want this configuration of the unit, under the next version."""
        found = self._database.execute(
            "INSERT INTO desired VALUES (?, 1, ?, (SELECT coalesce(max(change), 0) + 1 FROM desired)) "
            "ON CONFLICT (unit) DO UPDATE SET version = version + 1, document = excluded.document, "
            "change = excluded.change RETURNING unit, version, document, change",
            (unit, json.dumps(document)),
        ).fetchone()
        return _desired(found)

    def desired_after(self, change: int, limit: int) -> list[Desired]:
        """The next documents wanted, in order of their last change; from 0: all of them."""
        found = self._database.execute(
            "SELECT unit, version, document, change FROM desired WHERE change > ? ORDER BY change LIMIT ?",
            (change, limit),
        )
        return [_desired(row) for row in found]

    def order(self, unit: str, verb: str, arguments: dict[str, Any], *, expires_utc_ms: int) -> Command:
        """Have a command sent."""
        command = Command(id=uuid4().hex, unit=unit, verb=verb, arguments=arguments, expires_utc_ms=expires_utc_ms)
        self._database.execute(
            "INSERT INTO commands (id, unit, verb, arguments, expires_utc_ms) VALUES (?, ?, ?, ?, ?)",
            (command.id, unit, verb, json.dumps(arguments), expires_utc_ms),
        )
        return command

    def newest_order(self) -> int:
        """A number that grows with every command ordered."""
        (newest,) = self._database.execute("SELECT coalesce(max(rowid), 0) FROM commands").fetchone()
        return int(newest)

    def open_commands(self, now_utc_ms: int, unit: str | None = None, *, after_order: int = 0) -> list[Command]:
        """Commands without a result that have not expired, of one unit or of all, ordered after that number."""
        found = self._database.execute(
            "SELECT id, unit, verb, arguments, expires_utc_ms FROM commands "
            "WHERE NOT finished AND expires_utc_ms > ? AND unit = coalesce(?, unit) AND rowid > ? "
            "ORDER BY expires_utc_ms, id",
            (now_utc_ms, unit, after_order),
        )
        return [
            Command(id=row[0], unit=row[1], verb=row[2], arguments=json.loads(row[3]), expires_utc_ms=row[4])
            for row in found
        ]

    def finished(self, unit: str, command_id: str) -> None:
        """The unit's result is stored: send it no more. Another unit's word does not count."""
        self._database.execute("UPDATE commands SET finished = 1 WHERE id = ? AND unit = ?", (command_id, unit))

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _desired(row: tuple[str, int, str, int]) -> Desired:
    return Desired(unit=row[0], version=row[1], document=json.loads(row[2]), change=row[3])

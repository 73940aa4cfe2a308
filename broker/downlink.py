"""What the centre wants of its units: desired configuration and commands, in a small SQLite file of their own.

Beside the store and not in it: a registry or a person writes here at any time, and must not wait for the bridge's
transactions nor hold them up.

A live view's URL lets in whoever has it. It is kept until the unit has answered or the command has expired, and of who
asked for what only where it leads is kept at all.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit
from uuid import uuid4

_SCHEMA: Final = """
PRAGMA journal_mode = WAL;
PRAGMA secure_delete = ON; -- what is taken out is overwritten
CREATE TABLE IF NOT EXISTS desired (
    unit TEXT PRIMARY KEY, version INTEGER NOT NULL, document TEXT NOT NULL, change INTEGER NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS commands (
    id TEXT PRIMARY KEY, unit TEXT NOT NULL, verb TEXT NOT NULL, arguments TEXT NOT NULL,
    expires_utc_ms INTEGER NOT NULL, finished INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS asked (
    utc_ms INTEGER NOT NULL, who TEXT NOT NULL, unit TEXT NOT NULL, what TEXT NOT NULL, told TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS answers (
    id TEXT PRIMARY KEY, ok INTEGER NOT NULL, detail TEXT NOT NULL, utc_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS reported (
    unit TEXT PRIMARY KEY, version INTEGER NOT NULL, told TEXT NOT NULL, utc_ms INTEGER NOT NULL);
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a command; `utc_ms` is when the centre stored it."""

    ok: bool
    detail: str
    utc_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a unit last said of its configuration: the version it speaks of, and its words (JSON, edge/desired.py)."""

    version: int
    told: str
    utc_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who wanted what of a unit, and when; `what` is `configure` or `command`, `told` its content as JSON."""

    utc_ms: int
    who: str
    what: str
    told: str


class Downlink:
    """The file; one instance per thread."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, timeout=2.0, isolation_level=None)
        self._database.executescript(_SCHEMA)
        self._log_holds_secrets = False  # the write-ahead log, of what was forgotten

    def desire(self, unit: str, document: dict[str, Any], *, who: str = "") -> Desired:
        """Want this configuration of the unit, under the next version; who wanted it is kept when given."""
        with self.together():
            return self._desire(unit, document, who)

    def change(self, unit: str, change: Callable[[dict[str, Any]], dict[str, Any]], *, who: str) -> Desired:
        """Want what `change` makes of the present document; nobody else's change comes in between."""
        with self.together():
            present = self.desired(unit)
            return self._desire(unit, change(present.document if present else {}), who)

    def _desire(self, unit: str, document: dict[str, Any], who: str) -> Desired:
        found = self._database.execute(
            "INSERT INTO desired VALUES (?, 1, ?, (SELECT coalesce(max(change), 0) + 1 FROM desired)) "
            "ON CONFLICT (unit) DO UPDATE SET version = version + 1, document = excluded.document, "
            "change = excluded.change RETURNING unit, version, document, change",
            (unit, json.dumps(document)),
        ).fetchone()
        made = _desired(found)
        self._note(unit, who, "configure", made.encode().decode())
        return made

    def desired(self, unit: str) -> Desired | None:
        """What is wanted of the unit now; None when nothing ever was."""
        found = self._database.execute(
            "SELECT unit, version, document, change FROM desired WHERE unit = ?", (unit,)
        ).fetchone()
        return None if found is None else _desired(found)

    def desired_after(self, change: int, limit: int) -> list[Desired]:
        """The next documents wanted, in order of their last change; from 0: all of them."""
        found = self._database.execute(
            "SELECT unit, version, document, change FROM desired WHERE change > ? ORDER BY change LIMIT ?",
            (change, limit),
        )
        return [_desired(row) for row in found]

    def order(self, unit: str, verb: str, arguments: dict[str, Any], *, expires_utc_ms: int, who: str = "") -> Command:
        """Have a command sent; who wanted it is kept when given."""
        command = Command(id=uuid4().hex, unit=unit, verb=verb, arguments=arguments, expires_utc_ms=expires_utc_ms)
        with self.together():
            self._forget_secrets("expires_utc_ms <= ?", _utc_ms())
            self._database.execute(
                "INSERT INTO commands (id, unit, verb, arguments, expires_utc_ms) VALUES (?, ?, ?, ?, ?)",
                (command.id, unit, verb, json.dumps(arguments), expires_utc_ms),
            )
            told = replace(command, arguments=without_secrets(arguments))
            self._note(unit, who, "command", told.encode().decode())
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
        return [_command(row) for row in found]

    def finished(self, unit: str, command_id: str, *, ok: bool, detail: str, utc_ms: int) -> None:
        """The unit's result is stored: send it no more. Another unit's word does not count."""
        with self.together():
            changed = self._database.execute(
                "UPDATE commands SET finished = 1 WHERE id = ? AND unit = ? AND NOT finished", (command_id, unit)
            )
            if changed.rowcount and self._forget_secrets("id = ?", command_id):
                self._log_holds_secrets = True
            if changed.rowcount:
                self._database.execute(
                    "INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?)", (command_id, ok, detail, utc_ms)
                )

    def answer(self, command_id: str) -> Answer | None:
        """What became of a command; None while nobody knows."""
        found = self._database.execute("SELECT ok, detail, utc_ms FROM answers WHERE id = ?", (command_id,)).fetchone()
        return None if found is None else Answer(ok=bool(found[0]), detail=found[1], utc_ms=found[2])

    def reported(self, unit: str, version: int, told: str, *, utc_ms: int, again: bool = False) -> None:
        """The unit's word on its configuration is stored. An older version's, come late, does not count.

        Nor does one that is sent `again` overrule what it has said of that version since.
        """
        self._database.execute(
            "INSERT INTO reported VALUES (?, ?, ?, ?) ON CONFLICT (unit) DO UPDATE SET version = excluded.version, "
            "told = excluded.told, utc_ms = excluded.utc_ms "
            "WHERE excluded.version > version OR (excluded.version = version AND NOT ?)",
            (unit, version, told, utc_ms, again),
        )

    def report(self, unit: str) -> Report | None:
        """What the unit last said of its configuration; None when it never did."""
        found = self._database.execute("SELECT version, told, utc_ms FROM reported WHERE unit = ?", (unit,)).fetchone()
        return None if found is None else Report(version=found[0], told=found[1], utc_ms=found[2])

    def asked(self, unit: str, limit: int) -> list[Asked]:
        """The last things people wanted of the unit, newest first."""
        found = self._database.execute(
            "SELECT utc_ms, who, what, told FROM asked WHERE unit = ? ORDER BY rowid DESC LIMIT ?", (unit, limit)
        )
        return [Asked(utc_ms=row[0], who=row[1], what=row[2], told=row[3]) for row in found]

    def _note(self, unit: str, who: str, what: str, told: str) -> None:
        if who:
            self._database.execute("INSERT INTO asked VALUES (?, ?, ?, ?, ?)", (_utc_ms(), who, unit, what, told))

    def _forget_secrets(self, where: str, value: str | int) -> bool:
        """Of commands that are not sent any more; whether there were any. Rows stay: a number is not used again."""
        forgot = False
        found = self._database.execute(
            f"SELECT id, arguments FROM commands WHERE {where} AND arguments LIKE '%://%'", (value,)
        ).fetchall()
        for command_id, arguments in found:
            told = json.dumps(without_secrets(json.loads(arguments)))
            if told != arguments:
                forgot = True
                self._database.execute("UPDATE commands SET arguments = ? WHERE id = ?", (told, command_id))
        return forgot

    @contextmanager
    def together(self) -> Iterator[None]:
        """All that is written in it is one transaction; one in another is part of that."""
        if self._database.in_transaction:
            yield
            return
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        if self._log_holds_secrets:  # unless somebody reads just now
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._log_holds_secrets = False

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def without_secrets(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with each URL cut behind its host: path and query may be all that it takes to be let in."""
    return {name: _place(value) if isinstance(value, str) else value for name, value in arguments.items()}


def _place(text: str) -> str:
    if "://" not in text:
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return "..."
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/..."


def _utc_ms() -> int:
    return int(time.time() * 1000)


def _desired(row: tuple[str, int, str, int]) -> Desired:
    return Desired(unit=row[0], version=row[1], document=json.loads(row[2]), change=row[3])


def _command(row: tuple[str, str, str, str, int]) -> Command:
    return Command(id=row[0], unit=row[1], verb=row[2], arguments=json.loads(row[3]), expires_utc_ms=row[4])

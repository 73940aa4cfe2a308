"""Who calls for help from a cab, and which person has the call: a table in the file of commands (broker/downlink.py).

The bridge writes what boxes said, a dispatcher's command line who has it; a list costs no look into the store.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from broker.downlink import Downlink
from wire.inputs import ACKNOWLEDGE, BY, CALL

CALLS_KEPT: Final = 100  # of each unit: one that has gone mad must not fill the disk
LONGEST_CALL: Final = 64  # boxes draw ids of 12 digits
_SCHEMA: Final = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS calls (
    unit TEXT NOT NULL, call TEXT NOT NULL, heard_utc_ms INTEGER NOT NULL, said_utc_ms INTEGER NOT NULL,
    times INTEGER NOT NULL, lat_e7 INTEGER, lon_e7 INTEGER, by TEXT, ended INTEGER NOT NULL DEFAULT 0, command TEXT,
    PRIMARY KEY (unit, call));
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Somebody in a unit's cab calls for help (docs/inputs.md), as the centre has heard it.

    Heard first and last at these UTC ms of the centre's clock; `by` is who acknowledged it, None = nobody yet; `ended`
    once the unit knows. The position is in 1e-7 deg, None when the unit had none.
    """

    unit: str
    call: str
    heard_utc_ms: int
    said_utc_ms: int
    times: int
    lat_e7: int | None
    lon_e7: int | None
    by: str | None
    ended: bool


class Calls:
    """The table; one instance per thread."""

    def __init__(self, path: Path) -> None:
        """`path` is the downlink's."""
        self._database = sqlite3.connect(path, timeout=2.0, isolation_level=None)
        self._database.executescript(_SCHEMA)

    @contextmanager
    def together(self) -> Iterator[None]:
        """All that is written in it is one transaction."""
        self._database.execute("BEGIN IMMEDIATE")
        with self._database:
            yield

    def called(self, unit: str, call: str, times: int, place: tuple[int, int] | None, now_utc_ms: int) -> None:
        """The unit said it (again)."""
        self._database.execute(
            "INSERT INTO calls (unit, call, heard_utc_ms, said_utc_ms, times, lat_e7, lon_e7) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (unit, call) DO UPDATE SET "
            "said_utc_ms = excluded.said_utc_ms, times = max(times, excluded.times), "
            "lat_e7 = coalesce(excluded.lat_e7, lat_e7), lon_e7 = coalesce(excluded.lon_e7, lon_e7)",
            (unit, call, now_utc_ms, now_utc_ms, times, *(place or (None, None))),
        )
        self._database.execute(
            "DELETE FROM calls WHERE unit = ? AND rowid NOT IN "
            "(SELECT rowid FROM calls WHERE unit = ? ORDER BY rowid DESC LIMIT ?)",
            (unit, unit, CALLS_KEPT),
        )

    def ended(self, unit: str, call: str, by: str) -> None:
        """The unit knows that somebody has acknowledged it."""
        self._database.execute(
            "UPDATE calls SET ended = 1, by = coalesce(by, ?) WHERE unit = ? AND call = ? AND NOT ended",
            (by, unit, call),
        )

    def answered(self, unit: str, command_id: str) -> None:
        """The unit has answered this command; another unit's word does not count."""
        self._database.execute(
            "UPDATE calls SET ended = 1 WHERE unit = ? AND command = ? AND NOT ended", (unit, command_id)
        )

    def listed(self, *, ended: bool = False) -> list[Call]:
        """Calls that go on, oldest first; with `ended` those that are over, too."""
        found = self._database.execute(
            "SELECT unit, call, heard_utc_ms, said_utc_ms, times, lat_e7, lon_e7, by, ended FROM calls "
            "WHERE NOT ended OR ? ORDER BY heard_utc_ms, rowid",
            (ended,),
        )
        return [
            Call(
                unit=row[0], call=row[1], heard_utc_ms=row[2], said_utc_ms=row[3], times=row[4], lat_e7=row[5],
                lon_e7=row[6], by=row[7], ended=bool(row[8]),
            )
            for row in found
        ]  # fmt: skip

    def acknowledge(self, downlink: Downlink, call: Call, by: str, *, expires_utc_ms: int) -> str:
        """A person has the call: the unit is told until it has said that it knows; the command's id."""
        command = downlink.order(call.unit, ACKNOWLEDGE, {CALL: call.call, BY: by}, expires_utc_ms=expires_utc_ms)
        self._database.execute(
            "UPDATE calls SET by = ?, command = ? WHERE unit = ? AND call = ?", (by, command.id, call.unit, call.call)
        )
        return command.id

    def purge(self, before_utc_ms: int, wanted: Callable[[str, int], bool]) -> int:
        """Forget for good the calls last heard before that instant, as far as (unit, heard_utc_ms) is wanted; how many.

        One that still goes on stays, without its place: somebody may yet have to ask what became of it.
        """
        self._database.execute("PRAGMA secure_delete = ON")
        old = [
            (unit, call)
            for unit, call, heard_utc_ms in self._database.execute(
                "SELECT unit, call, heard_utc_ms FROM calls WHERE said_utc_ms < ? AND (ended OR lat_e7 IS NOT NULL)",
                (before_utc_ms,),
            ).fetchall()
            if wanted(unit, heard_utc_ms)
        ]
        with self.together():
            self._database.executemany("DELETE FROM calls WHERE unit = ? AND call = ? AND ended", old)
            self._database.executemany("UPDATE calls SET lat_e7 = NULL, lon_e7 = NULL WHERE unit = ? AND call = ?", old)
        if old:
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return len(old)

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

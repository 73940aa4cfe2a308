"""What the deriver must not forget: which days were touched, what was told of each, and what is not proven to be sent.

One SQLite file beside the store, of one process (and of `pantau purge`, now and then). Each step is one transaction:
killed anywhere, the deriver tells something twice at worst.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import orjson

from broker.clean import Message
from broker.store import StoreUnavailable
from broker.work.observed import Window
from broker.work.told import HOURS, Said, Telling, Told, after
from running.turns import Away

# Where a test may kill the process: the names that `at` is called with.
POINTS: Final = ("work:touched", "work:told")

_UTC_DAY_MS: Final = 86_400_000
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS touched (  -- records that came and are not in what was told; one row an asset and UTC day
  agency TEXT NOT NULL, asset TEXT NOT NULL, utc_day INTEGER NOT NULL, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL,
  PRIMARY KEY (agency, asset, utc_day)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS days (     -- local days that something was told of; closed: nothing is open in it any more
  agency TEXT NOT NULL, asset TEXT NOT NULL, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, closed INTEGER NOT NULL,
  PRIMARY KEY (agency, asset, from_ms)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS open_days ON days (to_ms) WHERE closed = 0;
CREATE TABLE IF NOT EXISTS told (
  agency TEXT NOT NULL, asset TEXT NOT NULL, day_ms INTEGER NOT NULL, id TEXT NOT NULL, revision INTEGER NOT NULL,
  live INTEGER NOT NULL, what TEXT NOT NULL, topic TEXT NOT NULL, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL,
  body BLOB NOT NULL, PRIMARY KEY (agency, asset, day_ms, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (
  number INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, payload BLOB NOT NULL, retain INTEGER NOT NULL
);
"""


class Stretch(NamedTuple):
    """A record's own time, of an asset."""

    agency: str
    asset: str
    from_ms: int
    to_ms: int


class ToldDay(NamedTuple):
    """A local day with what is to be said of it now."""

    day: Window
    closed: bool
    saying: Sequence[Telling]


class WorkMemory:
    """The file, used by one thread. Every method raises StoreUnavailable when the disk does not answer well."""

    def __init__(
        self, path: Path, *, at: Callable[[str], None] = lambda _point: None, away: Away = nullcontext
    ) -> None:
        self._path = path
        self._away = away
        self._at = at
        with self._said():
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA secure_delete = ON")  # whereabouts of people: overwritten, not only unlinked
            self._db.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        with self._away():
            self._db.close()

    # ---------------------------------------------------------------- touched

    def touch(self, stretches: Iterable[Stretch]) -> None:
        """Remember that these have to be derived again; durable when it returns."""
        rows = [(s.agency, s.asset, s.from_ms // _UTC_DAY_MS, s.from_ms, s.to_ms) for s in stretches]
        with self._transaction():
            self._db.executemany(
                "INSERT INTO touched VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " from_ms = min(from_ms, excluded.from_ms), to_ms = max(to_ms, excluded.to_ms)",
                rows,
            )
        if rows:
            self._at("work:touched")

    def touched_assets(self) -> set[tuple[str, str]]:
        """(agency, asset) of all that have to be derived again."""
        return set(self._all("SELECT DISTINCT agency, asset FROM touched"))

    def touched(self, agency: str, asset: str, limit: int) -> list[Window]:
        """What was touched of it, a window each UTC day, the newest first."""
        query = "SELECT from_ms, to_ms FROM touched WHERE agency = ? AND asset = ? ORDER BY utc_day DESC LIMIT ?"
        return [Window(*row) for row in self._all(query, (agency, asset, limit))]

    def touch_ended(self, before_ms: int) -> None:
        """Touch the days that ended before that instant and have something open: the clock closes them."""
        self.touch(
            Stretch(agency, asset, to_ms - 1, to_ms - 1)
            for agency, asset, to_ms in self._all(
                "SELECT agency, asset, to_ms FROM days WHERE closed = 0 AND to_ms <= ?", (before_ms,)
            )
        )

    # ---------------------------------------------------------------- told

    def told(self, agency: str, asset: str, day: Window) -> dict[str, Told]:
        """All that was ever told of that day, by id."""
        query = """SELECT what, id, topic, from_ms, to_ms, body, revision, live FROM told
 WHERE agency = ? AND asset = ? AND day_ms = ?"""
        return {
            id_: Told(Said(what, id_, topic, from_ms, to_ms, orjson.loads(body)), revision, bool(live))
            for what, id_, topic, from_ms, to_ms, body, revision, live in self._all(query, (agency, asset, day.from_ms))
        }

    def tell(self, agency: str, asset: str, days: Sequence[ToldDay], done: Iterable[Window]) -> int:
        """Put what is said into the outbox, remember it, and that `done` is not touched any more: in one transaction.

        `done` is some of what `touched` said. How many messages that are.
        """
        count = 0
        with self._transaction():
            for each in days:
                before = self.told(agency, asset, each.day) if each.saying else {}
                self._remember(agency, asset, each, after(before, each.saying))
                for telling in each.saying:
                    self._put(telling.message, retain=self._retained(agency, asset, each.day, telling))
                    count += 1
            self._db.executemany(
                "DELETE FROM touched WHERE agency = ? AND asset = ? AND utc_day = ?",
                [(agency, asset, late.from_ms // _UTC_DAY_MS) for late in done],
            )
        self._at("work:told")
        return count

    def _remember(self, agency: str, asset: str, each: ToldDay, changed: Mapping[str, Told]) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO days VALUES (?, ?, ?, ?, ?)", (agency, asset, *each.day, int(each.closed))
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO told VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    agency, asset, each.day.from_ms, said.id, revision, int(live), said.what, said.topic, said.from_ms,
                    said.to_ms, orjson.dumps(said.body),
                )
                for said, revision, live in changed.values()
            ],
        )  # fmt: skip

    def _retained(self, agency: str, asset: str, day: Window, telling: Telling) -> bool:
        """Hours are retained of the newest day only: one message an asset is what a broker has to hold."""
        if telling.said.what != HOURS:
            return False
        (newest,) = self._all(
            "SELECT max(day_ms) FROM told WHERE agency = ? AND asset = ? AND what = ?", (agency, asset, HOURS)
        )[0]
        return bool(day.from_ms >= newest)

    def retained(self) -> Iterator[Message]:
        """The newest day's hours of every asset, as they are retained: a broker is not trusted to remember them."""
        query = """SELECT topic, id, from_ms, to_ms, body, revision, live FROM told t WHERE what = ? AND day_ms =
 (SELECT max(day_ms) FROM told u WHERE u.agency = t.agency AND u.asset = t.asset AND u.what = t.what)"""
        for topic, id_, from_ms, to_ms, body, revision, live in self._all(query, (HOURS,)):
            said = Said(HOURS, id_, topic, from_ms, to_ms, orjson.loads(body))
            yield Telling(said, revision, withdrawn=not live).message._replace(retain=True)

    def forget(self, before_ms: int) -> None:
        """Forget what was told of days that ended before that instant."""
        with self._transaction():
            self._db.execute("DELETE FROM told WHERE day_ms < ?", (before_ms - _UTC_DAY_MS,))
            self._db.execute("DELETE FROM days WHERE to_ms < ?", (before_ms,))

    def purge(self, before_ms: int, asset: str | None = None) -> int:
        """Forget for good where anything was before that instant, unsent messages included; how many that were.

        Sums of hours stay: they say how long, and not where. What had been touched there is not derived any more. Safe
        beside the process that derives.
        """
        whose, values = ("", (before_ms,)) if asset is None else (" AND asset = ?", (before_ms, asset))
        with self._transaction():
            told = self._db.execute(f"DELETE FROM told WHERE what != '{HOURS}' AND from_ms < ?{whose}", values).rowcount
            unsent = [
                (number,)
                for number, topic, payload in self._db.execute("SELECT number, topic, payload FROM outbox")
                if not topic.endswith(f"/{HOURS}") and _began_before(orjson.loads(payload), before_ms, asset)
            ]
            self._db.executemany("DELETE FROM outbox WHERE number = ?", unsent)
            self._db.execute(f"DELETE FROM touched WHERE from_ms < ?{whose}", values)
            self._db.execute(f"UPDATE days SET closed = 1 WHERE closed = 0 AND from_ms < ?{whose}", values)
        if told or unsent:
            self._all("PRAGMA wal_checkpoint(TRUNCATE)")  # the log holds the pages as they were
        return int(told) + len(unsent)

    # ---------------------------------------------------------------- outbox

    def _put(self, message: Message, *, retain: bool) -> None:
        self._db.execute(
            "INSERT INTO outbox (topic, payload, retain) VALUES (?, ?, ?)", (message.topic, message.payload, retain)
        )

    def waiting(self, after_number: int, limit: int) -> list[tuple[int, Message]]:
        """Messages after that number which are not proven to be sent, in order."""
        query = "SELECT number, topic, payload, retain FROM outbox WHERE number > ? ORDER BY number LIMIT ?"
        return [
            (number, Message(topic, payload, 1, bool(retain)))
            for number, topic, payload, retain in self._all(query, (after_number, limit))
        ]

    def sent(self, number: int) -> None:
        """The broker has all up to that number."""
        with self._transaction():
            self._db.execute("DELETE FROM outbox WHERE number <= ?", (number,))

    def counts(self) -> tuple[int, int]:
        """(asset-days that have to be derived again, messages that are not proven to be sent)."""
        query = "SELECT (SELECT count(*) FROM touched), (SELECT count(*) FROM outbox)"
        touched, waiting = self._all(query)[0]
        return int(touched), int(waiting)

    # ---------------------------------------------------------------- SQLite

    def _all(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        with self._said(), closing(self._db.execute(query, values)) as found:
            return found.fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._said():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            with self._away():
                yield
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self._path}: {error}") from error


def _began_before(content: Mapping[str, Any], before_ms: int, asset: str | None) -> bool:
    """Whether a session or notice, as it is in a message, began before that; and is the asset's, if one is given."""
    at = datetime.fromisoformat(content["from_utc"] if "from_utc" in content else content["at_utc"])
    return asset in (None, content["asset"]) and at.timestamp() * 1000 < before_ms

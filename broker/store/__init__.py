"""The central store: the committed log and what derives from it. One interface, SQLite embedded by default."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Protocol, Self
from urllib.parse import unquote, urlsplit

from broker.assets import Assignment
from broker.ledger import Account
from broker.store.values import (
    FUTURE,
    UNDECODED,
    UNKNOWN_KIND,
    Arrival,
    LedgerSums,
    LogEntry,
    Outcome,
    Purged,
    Size,
    StoreInUse,
    StoreUnavailable,
    StoreVersion,
    Unread,
)
from running.turns import Away
from wire.errors import PantauError

__all__ = [
    "FUTURE",
    "UNDECODED",
    "UNKNOWN_KIND",
    "Account",
    "Arrival",
    "Assignment",
    "LedgerSums",
    "LogEntry",
    "Outcome",
    "Purged",
    "Size",
    "Store",
    "StoreAddress",
    "StoreInUse",
    "StoreUnavailable",
    "StoreVersion",
    "Unread",
    "open_store",
]


class StoreAddress(PantauError, ValueError):
    """The URL names no kind of store this pantau knows."""


class Store(Protocol):
    """One connection to the central store; used by one thread at a time.

    Every method raises StoreUnavailable when the disk does not answer well: nothing has changed then, call again.
    Only the one process that opened it with writer=True may commit(); all else may run beside it.
    """

    @property
    def store_id(self) -> int:
        """Identity of this store: 32 bit, random, never 0."""

    def commit(self, arrivals: Sequence[Arrival]) -> list[Outcome]:
        """Store each arrival exactly once, in one transaction; durable when it returns. One outcome for each."""

    def high_seq(self, unit: str, outbox_id: int) -> int:
        """The highest seq stored of that outbox, 0 when there is none."""

    def read_log(self, after_log_id: int, limit: int) -> list[LogEntry]:
        """Up to limit entries with a greater log_id, in log order (purged records are no longer in it)."""

    def earlier(self, correction: LogEntry) -> LogEntry | None:
        """The entry that a correction replaced, None when it was purged; its body is the record's as it is now."""

    def last_log_id(self) -> int:
        """The greatest log_id that can be read, 0 when there is none."""

    def next_log_id(self) -> int:
        """The log_id that will be given next."""

    def begin_at(self, log_id: int) -> None:
        """Give no lower one from now on; only of the store that commits."""

    def wait(self, after_log_id: int, timeout_s: float) -> bool:
        """Whether there are entries after after_log_id; waits up to timeout_s for them, notices within 5 ms."""

    def unread(self, after_log_id: int) -> Unread:
        """How much of the log lies after after_log_id, purged entries and gaps in log_ids included."""

    def size(self) -> Size:
        """What the store takes on its disk, and the room there."""

    def cursor(self, name: str) -> int:
        """The log_id a reader of the log has set under its name, 0 when it never did."""

    def cursors(self) -> dict[str, int]:
        """Every reader's cursor, by name."""

    def set_cursor(self, name: str, log_id: int) -> None:
        """Remember how far a reader got; after a power cut it may be an older one, never a newer."""

    def newest_track(self, agency: str, asset: str) -> LogEntry | None:
        """The asset's track entry with the latest UTC (dated, readable, not in the future)."""

    def newest_tracks(self, now_utc_ms: int) -> list[LogEntry]:
        """newest_track of every name that holds now: what the retained states are made from."""

    def newest_looks(self, kind: int) -> list[LogEntry]:
        """The newest verdict (KIND_CAMERA) or picture (KIND_SNAPSHOT) of every camera of every outbox, oldest first.

        A camera of a box that was swapped or set up anew is there more than once. What was purged is not.
        """

    def units(self) -> set[str]:
        """Every unit that a record ever came from, or that one spoke of."""

    def ended_names(self, now_utc_ms: int) -> list[tuple[str, str]]:
        """(agency, asset) of names that records were published under and no unit serves now."""

    def assignments(self) -> list[Assignment]:
        """The assignments in force."""

    def set_assignments(self, assignments: Sequence[Assignment]) -> int:
        """Replace all assignments; records whose name changes get a correction. Returns how many did."""

    def rows(
        self,
        *,
        unit: str | None = None,
        asset: str | None = None,
        from_utc_ms: int | None = None,
        to_utc_ms: int | None = None,
    ) -> Iterator[LogEntry]:
        """Current entries of a unit or asset that touch from..to (to exclusive), day by day, undated ones last.

        Within a day an asset's are in order of time, a unit's as it recorded them.
        """

    def recorded(self, unit: str) -> Iterator[LogEntry]:
        """All current entries of a unit as it recorded them: a clock that was set back changes no order."""

    def rows_after(self, log_id: int, *, unit: str | None = None, asset: str | None = None) -> Iterator[LogEntry]:
        """The same in log order, of entries after log_id that no later correction has replaced."""

    def ledger(self) -> list[Account]:
        """The balance of every outbox, by unit and first arrival."""

    def incomplete(self) -> Iterator[Account]:
        """The same for the outboxes that lack a stored seq; all of one moment, balanced as they are taken."""

    def ledger_sums(self) -> LedgerSums:
        """The sums over every outbox of what needs no balance."""

    def purge(self, before_utc_ms: int, asset: str | None = None) -> Purged:
        """Delete records of days before that instant's UTC day, for good; small transactions, commits go on between."""

    def purged_before(self) -> dict[str | None, int]:
        """By asset (None: all of them) the Unix ms before which its records are purged, or are being purged now."""

    def rederive(self) -> tuple[int, int]:
        """Read undecoded bodies again: (now readable, still not); each that now reads gets a correction."""

    def close(self) -> None:
        """Let go of the file and of the writer's lock."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


_LOOK_AGAIN_S = 0.05


def open_store(
    url: str,
    *,
    writer: bool = False,
    make: bool = True,
    wait_s: float = 0.0,
    at: Callable[[str], None] = lambda _point: None,
    away: Away = nullcontext,
) -> Store:
    """Open `sqlite:///path` (three slashes relative, four absolute).

    writer=True creates it (if it may `make` it), migrates it and holds the writer's lock; raises StoreInUse when
    another process has it.
    A reader raises StoreUnavailable when the writer has not done so yet within wait_s. `at` is told of each step of a
    commit (broker/store/intake.py), and whatever waits for the disk happens in an `away` (running/turns.py).
    """
    until_s = time.monotonic() + wait_s
    while True:
        try:
            return _open(url, writer, make, at, away)
        except StoreUnavailable:
            if time.monotonic() >= until_s:
                raise
        time.sleep(_LOOK_AGAIN_S)


def _open(url: str, writer: bool, make: bool, at: Callable[[str], None], away: Away) -> Store:
    parts = urlsplit(url)
    if parts.scheme == "sqlite" and not parts.netloc and len(parts.path) > 1:
        from broker.store.sqlite import SqliteStore

        return SqliteStore(unquote(parts.path[1:]), writer=writer, make=make, at=at, away=away)
    raise StoreAddress(f"store {url!r}: wanted sqlite:///relative/path or sqlite:////absolute/path")

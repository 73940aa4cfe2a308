"""What is in the store, as figures: looked at now and then by a thread of its own, through a connection of its own.

A scrape gets what the last look saw, and its time: it never waits for a disk, and nobody waits for a scrape.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from broker.figure import Figure, by, counter, gauge
from broker.ledger import Account
from broker.publisher import CURSOR_NAME
from broker.store import Store, StoreUnavailable, open_store
from broker.work import CURSOR_NAME as WORK_CURSOR_NAME

log = logging.getLogger(__name__)

STORE_EVERY_S: Final = 5.0  # four indexed reads and two stats; below the 15 s a scraper usually takes
# 10,000 outboxes cost 60 ms when all is stored [250 ms as `pantau ledger` draws it], and 0.8 s when each has gaps,
# mostly Python: 1.4 % of a core at worst.
LEDGER_EVERY_S: Final = 60.0
FIRST_RETRY_S: Final = 0.5  # until the bridge has made the store
CLOSE_WITHIN_S: Final = 0.5
# Python runs one thread at a time: accounts are drawn in turns of some 5 ms, so that the loop beside it stays on time.
ACCOUNTS_A_TURN: Final = 50
BETWEEN_TURNS_S: Final = 0.02
# The reasons a unit gives (docs/records.md); any other text from outside is one label, not a new one each.
SHED_REASONS: Final = ("shed", "corrupt", "refused", "swallowed")

Wait = Callable[[float], bool]  # sleeps up to so many seconds; True when it is to end
Look = Callable[[Store, Wait], list[Figure]]


class Survey:
    """One look, again and again while the `with` block lasts; `name` is what its own figures are called by."""

    def __init__(self, name: str, url: str, look: Look, every_s: float) -> None:
        self._name = name
        self._url = url
        self._look = look
        self._every_s = every_s
        self._closing = threading.Event()
        self._told: list[Figure] = []
        self._looked_utc_s: float | None = None
        self._failures = 0
        self._fails = False
        self._thread = threading.Thread(target=self._run, name=f"survey-{name}")

    def figures(self) -> list[Figure]:
        """What the last look saw; from any thread."""
        return [
            *self._told,
            gauge(
                f"pantau_{self._name}_look_timestamp_seconds",
                "When that was seen, Unix time; no sample before the first",
                self._looked_utc_s,
            ),
            counter(f"pantau_{self._name}_look_failures_total", "Looks that failed", self._failures),
        ]  # fmt: skip

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join(CLOSE_WITHIN_S)

    @property
    def stuck(self) -> bool:
        """Closed, and its thread did not end: it waits for a disk that hangs."""
        return self._closing.is_set() and self._thread.is_alive()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                with open_store(self._url) as store:
                    self._watch(store)
            except StoreUnavailable as error:
                self._failed()
                log.debug("%s not looked at: %s", self._name, error)
            except Exception:  # figures are not worth losing the process that makes them
                first = self._failed()
                log.log(logging.ERROR if first else logging.DEBUG, "%s not looked at", self._name, exc_info=True)
            self._closing.wait(FIRST_RETRY_S if self._looked_utc_s is None else self._every_s)

    def _watch(self, store: Store) -> None:
        while not self._closing.is_set():
            told = self._look(store, self._closing.wait)
            if self._closing.is_set():
                return  # cut short
            self._told, self._looked_utc_s, self._fails = told, time.time(), False
            self._closing.wait(self._every_s)

    def _failed(self) -> bool:
        """Count it; whether it is the first since a look succeeded."""
        first, self._fails = not self._fails, True
        self._failures += 1
        return first


def look_at_store(store: Store, _wait: Wait) -> list[Figure]:
    """How much of the log the publisher has not proven, how old that is, and the room on disk."""
    unread = store.unread(store.cursor(CURSOR_NAME))
    size = store.size()
    age_s = 0.0 if unread.since_utc_ms is None else max(0.0, time.time() - unread.since_utc_ms / 1000)
    files = {"store": size.file_bytes, "wal": size.wal_bytes}
    return [
        gauge("pantau_store_last_log_id", "The newest entry of the committed log", unread.last_log_id),
        gauge("pantau_store_unpublished_entries", "Log entries after the publisher's cursor", unread.entries),
        gauge("pantau_store_unpublished_seconds", "How long ago the oldest of them arrived", age_s),
        gauge("pantau_store_file_bytes", "Size of the store and of its write-ahead log", by(files), "file"),
        gauge("pantau_store_disk_free_bytes", "Free for the centre on the store's disk", size.disk_free_bytes),
        gauge("pantau_store_disk_size_bytes", "Size of the store's disk", size.disk_bytes),
    ]


def look_at_ledger(store: Store, wait: Wait) -> list[Figure]:
    """The balance of all outboxes together; in turns, with rests between."""
    sums, drawn = store.ledger_sums(), _Drawn()
    for count, account in enumerate(store.incomplete(), 1):
        drawn.add(account)
        if count % ACCOUNTS_A_TURN == 0 and wait(BETWEEN_TURNS_S):
            return []
    records = {"stored": sums.stored, "held": drawn.held, "missing": drawn.missing, "unjudged": drawn.unjudged}
    return [
        gauge(
            "pantau_ledger_records", "Records by where they are, as `pantau ledger` says; missing is the loss",
            by(records), "state",
        ),
        gauge("pantau_ledger_shed_records", "Records given up and named, by reason", by(drawn.shed), "reason"),
        gauge("pantau_ledger_expired_records", "Of the stored ones, purged on purpose", sums.expired),
        gauge("pantau_ledger_conflict_records", "Stored beside others under the same key", sums.conflicts),
        gauge("pantau_ledger_outboxes", "Outboxes ever heard of", sums.outboxes),
        gauge("pantau_ledger_outboxes_missing", "Outboxes with missing records", drawn.outboxes_missing),
    ]  # fmt: skip


class _Drawn:
    """The sums of the accounts drawn so far."""

    def __init__(self) -> None:
        self.held = self.missing = self.unjudged = self.outboxes_missing = 0
        self.shed = dict.fromkeys((*SHED_REASONS, "other"), 0)

    def add(self, account: Account) -> None:
        self.held += account.held
        self.missing += account.missing_count
        self.unjudged += account.unjudged
        self.outboxes_missing += bool(account.missing)
        for reason, count in account.shed_by_reason.items():
            self.shed[reason if reason in SHED_REASONS else "other"] += count


def look_at_work(store: Store, _wait: Wait) -> list[Figure]:
    """How much of the log has touched no asset-day yet, and how old that is."""
    unread = store.unread(store.cursor(WORK_CURSOR_NAME))
    age_s = 0.0 if unread.since_utc_ms is None else max(0.0, time.time() - unread.since_utc_ms / 1000)
    return [
        gauge("pantau_work_unread_entries", "Log entries after the deriver's cursor", unread.entries),
        gauge("pantau_work_unread_seconds", "How long ago the oldest of them arrived", age_s),
    ]


# By name: what is looked at, and how often.
SURVEYS: Final[dict[str, tuple[Look, float]]] = {
    "store": (look_at_store, STORE_EVERY_S),
    "ledger": (look_at_ledger, LEDGER_EVERY_S),
    "work": (look_at_work, STORE_EVERY_S),
}

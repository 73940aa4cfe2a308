"""The publisher: the committed log becomes the clean topics, every record at least once and in log order (I13).

It reads by its own durable cursor, which moves only when a barrier has proven that the broker took what was published
(decision 5). Killed or cut off anywhere, it goes on from the cursor; consumers drop what they have by log_id.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Final

from broker.clean import read_body, record_message
from broker.mqtt import Endpoint
from broker.outlet import Connection, OutletLost
from broker.published import RECORD, STATE, Published
from broker.states import States
from broker.store import Store, StoreUnavailable
from running.turns import Away, Stop

log = logging.getLogger(__name__)

CURSOR_NAME: Final = "publisher"
BATCH_ROWS: Final = 200  # about 10 ms of work: the socket is served between two of them
WINDOW_ROWS: Final = 5_000  # published and not proven; bounds paho's queue to some 5 MB
BARRIER_ROWS: Final = 1_000
BARRIER_S: Final = 1.0  # a PUBACK and a cursor on disk at most this often while the log is slow
REFRESH_S: Final = 60.0
IDLE_S: Final = 0.1  # how long the socket may go unserved while the log is silent
STOP_S: Final = 2.0  # for the last proof, within the 5 s a stop may take
# Entries before the cursor that are read again at each start, unpublished: they tell the streams' last log_ids.
REMEMBERED_ROWS: Final = 10_000
BACKOFF_S: Final = (0.2, 5.0)  # full jitter, doubled from the first to the second

# Where a test may kill the process: the names that `at` is called with. `sent`: all of it is with the kernel, and
# nothing of it is proven.
POINTS: Final = ("publish:queued", "publish:sent", "cursor:proven", "cursor:moved")


class Publisher:
    """Publishes until stopped; broker and store may come and go."""

    def __init__(
        self,
        store: Store,
        endpoint: Endpoint,
        *,
        utc_ms: Callable[[], int] = lambda: time.time_ns() // 10**6,
        at: Callable[[str], None] = lambda _point: None,
        told: Published | None = None,
        away: Away = nullcontext,
    ):
        """`told`: where it counts, when somebody else wants to read that; `away`: around connecting."""
        self._store = store
        self._endpoint = endpoint
        self._utc_ms = utc_ms
        self._at = at
        self._told = told or Published()
        self._away = away
        self._states = States(store)

    def run(self, stop: Stop) -> None:
        """Serve one connection after the other."""
        failures = 0
        while not stop.is_set():
            connection = Connection(self._endpoint)
            try:
                with self._away():
                    connection.open()
                log.info("publishing to %s port %d", self._endpoint.host, self._endpoint.port)
                failures = 0
                _Run(self._store, connection, self._states, self._utc_ms, self._told, self._at).until(stop)
            except (OutletLost, StoreUnavailable) as error:
                log.log(logging.DEBUG if failures else logging.WARNING, "publishing is interrupted: %s", error)
                failures += 1
                self._told.lost()
                stop.wait(random.uniform(0.0, min(BACKOFF_S[1], BACKOFF_S[0] * 2 ** min(failures, 10))))
            finally:
                connection.close()


class _Run:
    """The life of one connection: from the cursor on, whatever was sent before it."""

    def __init__(
        self,
        store: Store,
        connection: Connection,
        states: States,
        utc_ms: Callable[[], int],
        told: Published,
        at: Callable[[str], None],
    ) -> None:
        self._store = store
        self._connection = connection
        self._states = states
        self._utc_ms = utc_ms
        self._at = at
        self._told = told
        self._heads: dict[str, int] = {}  # topic: log_id published last
        self._cursor = self._resumed = store.cursor(CURSOR_NAME)
        self._position = max(0, self._cursor - REMEMBERED_ROWS)
        self._asked = self._cursor
        self._asked_s = self._refresh_s = time.monotonic()
        told.began(self._cursor)

    def until(self, stop: Stop) -> None:
        """Publish the log until stopped; raises OutletLost, StoreUnavailable."""
        self._told.republished += self._states.republish_all(self._refresh_s)
        self._refresh()
        while not stop.is_set():
            took = self._position - self._cursor < WINDOW_ROWS and self._take_batch()
            self._prove(0.0)
            now_s = time.monotonic()
            if now_s >= self._refresh_s:
                self._refresh()
            if not self._connection.behind:  # a state that waits is only ever replaced by a newer one
                for message in self._states.due(now_s):
                    self._connection.publish(message)
                    self._told.messages[STATE] += 1
            if self._position - self._asked >= BARRIER_ROWS or now_s - self._asked_s >= BARRIER_S:
                self._ask(now_s)
            if not took:
                self._rest(now_s)
        self._finish()

    def _take_batch(self) -> bool:
        entries = self._store.read_log(self._position, BATCH_ROWS)
        now_s, sent = time.monotonic(), 0
        for entry in entries:
            body = read_body(entry)
            message = record_message(entry, body, self._heads)
            if entry.log_id > self._resumed:
                self._connection.publish(message)
                sent += 1
            self._heads[message.topic] = self._position = entry.log_id
            self._states.take(entry, body, now_s)
        self._told.messages[RECORD] += sent
        self._told.position = max(self._position, self._cursor)  # before the cursor it only remembers
        if self._position > self._resumed and entries:
            self._at("publish:queued")
        return bool(entries)

    def _refresh(self) -> None:
        now_s = time.monotonic()
        self._states.refresh(now_s, self._utc_ms())
        self._refresh_s = now_s + REFRESH_S

    def _ask(self, now_s: float) -> None:
        if self._position > self._asked:
            self._connection.barrier(self._position)
            self._told.asked(self._position, now_s)
            self._asked = self._position
        self._asked_s = now_s

    def _prove(self, timeout_s: float) -> None:
        proven = self._connection.turn(timeout_s)
        if proven is not None:
            self._at("cursor:proven")
            self._store.set_cursor(CURSOR_NAME, proven)
            self._cursor = proven
            self._told.proven(proven, time.monotonic())
            self._at("cursor:moved")
        elif self._position > self._cursor and not self._connection.behind:
            self._at("publish:sent")

    def _rest(self, now_s: float) -> None:
        """Wait for the log, or for the broker when it is the slow one."""
        timeout_s = min(IDLE_S, max(0.0, self._states.next_due_s() - now_s))
        if self._connection.behind or self._position - self._cursor >= WINDOW_ROWS:
            self._prove(timeout_s)
        else:
            self._store.wait(self._position, timeout_s)

    def _finish(self) -> None:
        """One last barrier, so that a clean stop publishes nothing twice."""
        deadline_s = time.monotonic() + STOP_S
        self._ask(time.monotonic())
        while self._cursor < self._asked and time.monotonic() < deadline_s:
            self._prove(IDLE_S)

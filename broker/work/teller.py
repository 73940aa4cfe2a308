"""The deriver as a part of the centre: the committed log becomes the topics of work, hours and notices.

Its cursor in the store moves when what the log has touched is remembered; what is told leaves the memory's outbox when
the broker has answered. So a kill anywhere repeats, and never loses (I13).
"""

from __future__ import annotations

import logging
import random
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import nullcontext
from typing import Final

from broker.figure import Figure, by, counter, gauge
from broker.mqtt import Endpoint
from broker.outlet import Connection, OutletLost
from broker.store import Store, StoreUnavailable
from broker.work import CURSOR_NAME
from broker.work.deriver import Deriver
from broker.work.memory import WorkMemory
from running.turns import Away, Stop

log = logging.getLogger(__name__)

WINDOW_MESSAGES: Final = 500  # published and not proven
CLOSE_DAYS_S: Final = 60.0
IDLE_S: Final = 0.2
STOP_S: Final = 2.0
BACKOFF_S: Final = (0.2, 5.0)  # full jitter, doubled from the first to the second


class Spoken:
    """What one teller counts; it alone writes, any thread may read."""

    def __init__(self) -> None:
        self.messages = self.derived = self.interruptions = self.cursor = self.touched = self.waiting = 0
        self.failures: Counter[str] = Counter({"broker": 0, "store": 0, "derive": 0})
        self.failing = 0
        self.connected = False
        self.derived_mono_s: float | None = None


def work_status(told: Spoken) -> str:
    """What `systemctl status` shows of it."""
    if not told.connected:
        return "waiting for the broker or the store"
    return f"read up to log_id {told.cursor}; {told.touched} asset-days to derive, {told.waiting} messages to tell"


def work_figures(told: Spoken, now_mono_s: float) -> list[Figure]:
    """All that the deriver counts; how far it is behind the log, a survey says (broker/survey.py)."""
    since = told.derived_mono_s
    return [
        gauge("pantau_work_connected", "1 while its connection to the broker stands", told.connected),
        counter("pantau_work_interruptions_total", "Connections lost or not made, stores away", told.interruptions),
        counter(
            "pantau_work_failures_total", "Failures of the broker, of the store, and asset-days no hours came of",
            by(dict(told.failures)), "reason",
        ),
        gauge("pantau_work_failing_assets", "Assets whose last derivation failed", told.failing),
        gauge(
            "pantau_work_since_derived_seconds", "Since an asset was last derived; grows in silence, too",
            None if since is None else max(0.0, now_mono_s - since),
        ),
        counter("pantau_work_messages_total", "Sessions, hours and notices the broker has taken", told.messages),
        counter("pantau_work_days_total", "Asset-days derived", told.derived),
        gauge("pantau_work_cursor_log_id", "The last log_id whose asset-days are remembered", told.cursor),
        gauge("pantau_work_touched_days", "Asset-days that wait to be derived again", told.touched),
        gauge("pantau_work_waiting_messages", "Messages that the broker is not proven to have", told.waiting),
    ]  # fmt: skip


class Teller:
    """Derives and publishes until stopped; broker and store may come and go."""

    def __init__(
        self,
        store: Store,
        memory: WorkMemory,
        deriver: Deriver,
        endpoint: Endpoint,
        *,
        utc_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        told: Spoken | None = None,
        away: Away = nullcontext,
    ) -> None:
        """`told`: where it counts, when somebody else wants to read that; `away`: around connecting."""
        self._store = store
        self._memory = memory
        self._deriver = deriver
        self._endpoint = endpoint
        self._utc_ms = utc_ms
        self._told = told or Spoken()
        self._away = away

    def run(self, stop: Stop) -> None:
        """Serve one connection after the other."""
        failures = 0
        while not stop.is_set():
            connection = Connection(self._endpoint, CURSOR_NAME)
            try:
                with self._away():
                    connection.open()
                failures, self._told.connected = 0, True
                log.info("telling %s port %d", self._endpoint.host, self._endpoint.port)
                self._until(stop, connection)
            except (OutletLost, StoreUnavailable) as error:
                log.log(logging.DEBUG if failures else logging.WARNING, "telling is interrupted: %s", error)
                failures += 1
                self._told.interruptions += 1
                self._told.failures["broker" if isinstance(error, OutletLost) else "store"] += 1
                stop.wait(random.uniform(0.0, min(BACKOFF_S[1], BACKOFF_S[0] * 2 ** min(failures, 10))))
            finally:
                self._told.connected = False
                connection.close()

    def _until(self, stop: Stop, connection: Connection) -> None:
        for message in self._memory.retained():
            connection.publish(message)
        position = self._store.cursor(CURSOR_NAME)
        sending = _Sending(connection, self._memory)
        close_s = 0.0
        while not stop.is_set():
            now_s = time.monotonic()
            if now_s >= close_s:
                self._deriver.close_days(self._utc_ms())
                close_s = now_s + CLOSE_DAYS_S
            reached = self._deriver.take(position)
            if reached != position:
                self._store.set_cursor(CURSOR_NAME, reached)
            derived = self._deriver.derive_next(self._utc_ms(), time.monotonic())
            if derived:
                self._told.derived_mono_s = time.monotonic()
            worked = derived or reached != position
            position = reached
            sending.hand_over()
            self._told.messages += sending.turn(0.01 if sending.in_flight else 0.0)
            self._count(position)
            if not worked and not sending.in_flight:
                self._store.wait(position, min(IDLE_S, max(0.0, self._deriver.next_due_s() - time.monotonic())))
        deadline_s = time.monotonic() + STOP_S
        while sending.in_flight and time.monotonic() < deadline_s:
            self._told.messages += sending.turn(IDLE_S)

    def _count(self, position: int) -> None:
        self._told.cursor = position
        self._told.derived = self._deriver.derived
        self._told.failures["derive"] = self._deriver.failures
        self._told.failing = len(self._deriver.failing)
        self._told.touched, self._told.waiting = self._memory.counts()


class _Sending:
    """The memory's outbox on one connection: in order, and deleted when the broker has answered."""

    def __init__(self, connection: Connection, memory: WorkMemory) -> None:
        self._connection = connection
        self._memory = memory
        self._last = 0
        self.in_flight: deque[int] = deque()

    def hand_over(self) -> None:
        """Publish what waits, up to the window."""
        room = WINDOW_MESSAGES - len(self.in_flight)
        for number, message in self._memory.waiting(self._last, room) if room else ():
            self._connection.publish(message, number)
            self.in_flight.append(number)
            self._last = number

    def turn(self, timeout_s: float) -> int:
        """Serve the connection; how many messages the broker has answered."""
        proven = self._connection.turn(timeout_s)
        if proven is None:
            return 0
        self._memory.sent(proven)
        before = len(self.in_flight)
        while self.in_flight and self.in_flight[0] <= proven:
            self.in_flight.popleft()
        return before - len(self.in_flight)

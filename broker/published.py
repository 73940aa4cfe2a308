"""What the publisher counts, and its figures."""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from broker.figure import Figure, Histogram, by, counter, gauge, histogram

RECORD: Final = "record"
STATE: Final = "state"
# A PUBACK from the neighbour takes a millisecond; a broker that is behind its consumers takes seconds.
BARRIER_BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Published:
    """Counts of one publisher over all its connections. It alone writes them; any thread may read."""

    def __init__(self) -> None:
        self.messages: Counter[str] = Counter({RECORD: 0, STATE: 0})
        self.republished = 0
        self.connections = 0
        self.interruptions = 0
        self.connected = False
        self.position = 0
        self.cursor = 0
        self.proven_mono_s: float | None = None
        self.barrier_s = Histogram(BARRIER_BOUNDS_S)
        self._asked: deque[tuple[int, float]] = deque()

    def began(self, cursor: int) -> None:
        """A connection stands, and goes on from the cursor; what an older one asked for will not be answered."""
        self.connections += 1
        self.connected = True
        self.position = self.cursor = cursor
        self._asked.clear()

    def lost(self) -> None:
        """Broker or store went away."""
        self.connected = False
        self.interruptions += 1

    def asked(self, log_id: int, now_mono_s: float) -> None:
        """A barrier was queued behind everything up to log_id."""
        self._asked.append((log_id, now_mono_s))

    def proven(self, log_id: int, now_mono_s: float) -> None:
        """The broker has everything up to log_id."""
        while self._asked and self._asked[0][0] <= log_id:
            self.barrier_s.add(now_mono_s - self._asked.popleft()[1])
        self.cursor = log_id
        self.proven_mono_s = now_mono_s


def publisher_status(told: Published) -> str:
    """What `systemctl status` shows of it."""
    if not told.connected:
        return "waiting for the broker or the store"
    return f"published up to log_id {told.cursor}; {max(0, told.position - told.cursor)} not proven yet"


def publisher_figures(told: Published, now_mono_s: float) -> list[Figure]:
    """All that the publisher counts."""
    proven_s = told.proven_mono_s
    return [
        gauge("pantau_publisher_connected", "1 while the connection to the broker stands", told.connected),
        counter("pantau_publisher_connections_total", "Connections made to the broker", told.connections),
        counter(
            "pantau_publisher_interruptions_total", "Connections lost or not made, and a store that went away",
            told.interruptions,
        ),
        counter(
            "pantau_publisher_messages_total", "Messages handed to the broker, repeated ones included",
            by(dict(told.messages)), "topic",
        ),
        counter(
            "pantau_publisher_states_republished_total", "States put on the timetable again for a new connection",
            told.republished,
        ),
        gauge("pantau_publisher_cursor_log_id", "The last log_id that the broker is proven to have", told.cursor),
        gauge(
            "pantau_publisher_unproven_entries", "Log entries published and not proven yet",
            max(0, told.position - told.cursor),
        ),
        gauge(
            "pantau_publisher_since_proof_seconds", "Since the cursor last moved; grows in silence, too",
            None if proven_s is None else max(0.0, now_mono_s - proven_s),
        ),
        histogram("pantau_publisher_barrier_seconds", "From asking for a proof to the broker's PUBACK", told.barrier_s),
    ]  # fmt: skip

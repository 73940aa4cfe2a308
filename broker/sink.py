"""One sink at work: from its own durable cursor on, in the order of the log, until the consumer has it.

What a consumer does costs nobody else anything: it has its own process and cursor. What it does not take now it is
offered again, for ever; what it will never take is set aside with the reason, and the rest goes on (N17).
"""

from __future__ import annotations

import json
import logging
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import make_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from broker.clean import read_body, record_message, utc_text
from broker.figure import Figure, by, counter, gauge
from broker.sinks import Item, NotNow, Options, Refused, Sink
from broker.store import LogEntry, Store, StoreUnavailable
from running.turns import Away, Stop
from settings import ConfigError, Problem
from settings.load import from_document

log = logging.getLogger(__name__)

# Where a test may kill the process: the names that `at` is called with.
POINTS: Final = ("sink:delivered", "sink:moved")

BACKOFF_S: Final = (0.5, 60.0)  # full jitter, doubled from the first to the second
AFTER_MOST_S: Final = 300.0  # what a consumer may ask for itself (Retry-After)
IDLE_S: Final = 0.2
QUIET_S: Final = 1.0  # entries that are not for this sink move its cursor at most this often
READ_ROWS: Final = 500
EVERY: Final = "*"


def cursor_name(sink: str) -> str:
    """What a sink's cursor is called in the store."""
    return f"sink:{sink}"


def options_of(written: dict[str, Any], folder: Path) -> tuple[Options, Callable[[Any], Sink]]:
    """A sink's own keys, checked, and what opens it; raises ConfigError with every problem."""
    kind, name = str(written.get("kind")), str(written.get("name"))
    try:
        module = import_module(f"broker.sinks.{kind}")
    except ModuleNotFoundError as error:
        if error.name != f"broker.sinks.{kind}":
            raise
        kinds = ", ".join(sorted(path.stem for path in Path(__file__).parent.joinpath("sinks").glob("[a-z]*.py")))
        problem = Problem(key="kind", value=repr(kind), wanted=f"one of {kinds}")
        raise ConfigError(f"sink {name}", [problem]) from error
    schema = make_dataclass("SinkFile", [("sink", module.Options)])
    loaded: Any = from_document({"sink": written}, schema, name=f"sink {name}", folder=folder)
    return loaded.sink, module.open_sink


class Given:
    """What one sink counts; it alone writes, any thread may read."""

    def __init__(self) -> None:
        self.delivered = self.set_aside = self.cursor = self.unread = 0
        self.store_open = False
        self.failures: Counter[str] = Counter({"not_now": 0, "store": 0})
        self.delivered_mono_s: float | None = None


def sink_status(given: Given) -> str:
    """What `systemctl status` shows of it."""
    if not given.store_open:
        return "waiting for the store"
    return f"{given.delivered} records delivered since the start, {given.unread} log entries to go"


def sink_figures(given: Given, now_mono_s: float) -> list[Figure]:
    """All that a sink counts."""
    since = given.delivered_mono_s
    return [
        counter("pantau_sink_delivered_total", "Records the consumer took, repeated ones included", given.delivered),
        counter("pantau_sink_set_aside_total", "Records the consumer will never take", given.set_aside),
        counter("pantau_sink_failures_total", "Attempts that failed", by(dict(given.failures)), "reason"),
        gauge("pantau_sink_cursor_log_id", "The last log_id that the consumer has", given.cursor),
        gauge("pantau_sink_unread_entries", "Log entries after the cursor", given.unread),
        gauge(
            "pantau_sink_since_delivery_seconds", "Since the consumer last took something",
            None if since is None else max(0.0, now_mono_s - since),
        ),
    ]  # fmt: skip


class Aside:
    """What a consumer refused for good: one line each, on the disk before the cursor passes it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, item: Item, why: str) -> None:
        """Write it down; raises StoreUnavailable when the disk does not take it."""
        line = {
            "log_id": item.entry.log_id,
            "why": why,
            "utc": utc_text(time.time_ns() // 1_000_000),
            "topic": item.message.topic,
            "message": json.loads(item.message.payload),
        }
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                file.write(json.dumps(line).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StoreUnavailable(f"{self._path}: {error.strerror}") from error


class Pump:
    """Delivers until stopped; store and consumer may come and go."""

    def __init__(
        self,
        store: Store,
        sink: Sink,
        options: Options,
        aside: Aside,
        *,
        given: Given | None = None,
        away: Away = nullcontext,
        at: Callable[[str], None] = lambda _point: None,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """`given`: where it counts; `away`: around waiting for the consumer, or for the disk of what it refuses."""
        self._store = store
        self._sink = sink
        self._options = options
        self._aside = aside
        self._given = given or Given()
        self._away = away
        self._at = at
        self._uniform = uniform
        self._name = cursor_name(options.name)
        self._most = options.batch
        self._heads: dict[str, int] = {}  # topic: the log_id before on it
        self._cursor = self._position = store.cursor(self._name)
        self._given.store_open = True
        self._moved_s = time.monotonic()

    def run(self, stop: Stop) -> None:
        """Raises StoreUnavailable; a consumer that takes nothing is only waited for."""
        failures = 0
        while not stop.is_set():
            entries = self._store.read_log(self._position, READ_ROWS)
            items = list(self._items(entries))
            before = self._cursor
            try:
                self._give(items, stop)
            except NotNow as error:
                if self._cursor > before:
                    failures = 0
                self._heads.clear()
                self._position = self._cursor
                self._given.failures["not_now"] += 1
                log.log(logging.DEBUG if failures else logging.WARNING, "nothing taken: %s", error)
                failures += 1
                stop.wait(self._pause_s(failures, error.after_s))
                continue
            if stop.is_set():
                return
            failures = 0
            if entries:
                self._position = entries[-1].log_id
                self._skip(len(items))
            else:
                self._skip(0, now=self._position > self._cursor and time.monotonic() - self._moved_s > QUIET_S)
                self._store.wait(self._position, IDLE_S)
            self._given.unread = max(0, self._store.last_log_id() - self._cursor)

    def _items(self, entries: Sequence[LogEntry]) -> Iterator[Item]:
        agencies, streams = set(self._options.agencies), set(self._options.streams)
        for entry in entries:
            if EVERY not in agencies and entry.agency not in agencies:
                continue
            body = read_body(entry)
            message = record_message(entry, body, self._heads)
            if message.topic.rpartition("/")[2] in streams:
                self._heads[message.topic] = entry.log_id
                yield Item(entry, body, message)

    def _give(self, items: Sequence[Item], stop: Stop) -> None:
        """Deliver all in order, the cursor behind each batch; a refused one is halved until it is one record.

        How many are offered at once survives NotNow, so that a consumer that is there now and then gets on, too.
        """
        first = 0
        while first < len(items) and not stop.is_set():
            some = items[first : first + self._most]
            try:
                with self._away():
                    self._sink.deliver(some)
            except Refused as error:
                if len(some) > 1:
                    self._most = len(some) // 2
                    continue
                log.error("log_id %d is set aside: %s", some[0].entry.log_id, error)
                with self._away():
                    self._aside.put(some[0], str(error))
                self._given.set_aside += 1
            else:
                self._given.delivered += len(some)
                self._given.delivered_mono_s = time.monotonic()
            self._at("sink:delivered")
            self._move(some[-1].entry.log_id)
            self._most = min(self._options.batch, 2 * self._most)
            first += len(some)

    def _skip(self, given: int, *, now: bool = False) -> None:
        """Let the cursor pass entries that are not for this sink."""
        if now or (not given and time.monotonic() - self._moved_s > QUIET_S and self._position > self._cursor):
            self._move(self._position)

    def _move(self, log_id: int) -> None:
        self._store.set_cursor(self._name, log_id)
        self._cursor = self._given.cursor = log_id
        self._moved_s = time.monotonic()
        self._at("sink:moved")

    def _pause_s(self, failures: int, after_s: float | None) -> float:
        pause_s = self._uniform(0.0, min(BACKOFF_S[1], BACKOFF_S[0] * 2 ** min(failures, 10)))
        return max(pause_s, min(AFTER_MOST_S, after_s or 0.0))

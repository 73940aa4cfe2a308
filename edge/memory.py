"""What a box remembers besides records: a few named values in its documents, small, rarely written.

Each look opens the documents anew: both threads may, none keeps a connection, and it happens a few times an hour. A
card that takes no writes is said once; the value then lasts as long as the process.
"""

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, Final

from tinydb import where

from edge.documents import Documents, open_documents

log = logging.getLogger(__name__)

_TABLE = "memory"
# Numbers of a counter that one write promises: each costs the card 45 kB, and without a link a session is tried every
# 15 s, which made 260 MB a day.
COUNTS_AHEAD = 64
COUNTS_END = 1 << 31  # a session is a uint32 on the air; beyond half of that it is no count but worn bits

# Where a test may kill the process: the names that `at` is called with.
POINTS: Final = ("memory:begun", "memory:committed")


class Memory:
    """Values by name; JSON types. Safe from any thread."""

    def __init__(self, path: Path, *, at: Callable[[str], None] = lambda _point: None) -> None:
        self._path = path
        self._at = at
        self._lock = Lock()
        self._known: dict[str, Any] = {}
        self._counted: dict[str, int] = {}
        self._told = False

    def recall(self, name: str, default: Any) -> Any:
        """The value of `name`; `default` when there is none, or one of another type (a card's worn bits)."""
        with self._lock:
            return self._recall(name, default)

    def remember(self, name: str, value: Any) -> None:
        """From now on, and after a restart, `name` is `value`."""
        with self._lock:
            self._remember(name, value)

    def count_up(self, name: str) -> int:
        """Raise a counter; its new value, higher than any given before. A restart passes over up to COUNTS_AHEAD."""
        with self._lock:
            promised: int = self._recall(name, 0)
            if not 0 <= promised < COUNTS_END:
                promised = 0
            value = self._counted.get(name, promised) + 1
            if value > promised:
                self._remember(name, promised + COUNTS_AHEAD)
            self._counted[name] = value
            return value

    def _recall(self, name: str, default: Any) -> Any:
        if name not in self._known:
            try:
                with open_documents(self._path) as documents:
                    found = _newest(documents, name, default)
            except (OSError, sqlite3.Error) as error:
                self._trouble(error)
                return default
            if found is None:
                return default
            self._known[name] = found[0]
        return self._known[name]

    def _remember(self, name: str, value: Any) -> None:
        self._known[name] = value
        self._at("memory:begun")
        try:
            with open_documents(self._path) as documents:
                documents.table(_TABLE).upsert({"name": name, "value": value}, where("name") == name)
        except (OSError, sqlite3.Error) as error:
            self._trouble(error)
        else:
            self._told = False
            self._at("memory:committed")

    def _trouble(self, error: Exception) -> None:
        if not self._told:
            log.warning("documents %s: %s; what is learnt now lasts until the next start", self._path, error)
        self._told = True


def glance(path: Path, name: str, default: Any) -> Any:
    """What another process remembers as `name`, without a part in it: nothing is made, and nothing set aside."""
    if not path.exists():
        return default
    try:
        with Documents(path) as documents:
            found = _newest(documents, name, default)
    except (OSError, sqlite3.Error, UnicodeDecodeError) as error:
        log.warning("documents %s: %s; what is remembered there is not used", path, error)
        return default
    return default if found is None else found[0]


def _newest(documents: Documents, name: str, default: Any) -> tuple[Any] | None:
    """The value, alone in a tuple; None when there is none, or one of another type than `default`."""
    kept = documents.table(_TABLE).all()
    values = [each["value"] for each in kept if each.get("name") == name and "value" in each]
    if not values or (default is not None and type(values[-1]) is not type(default)):
        return None
    return (values[-1],)

"""What the bridge remembers of its store, in a file outside of it: which store it is, and how far its log has gone.

A store that was put back from a copy has forgotten the log_ids it gave out since; given again, they would be taken for
old ones by every consumer that keeps a cursor, and dropped. And where the store's disk is not there at a start, an
empty store made in its place would take a city's records and receipt them, unseen by whoever looks into the real one.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Final

from broker.store import Store, open_store
from broker.store.values import StoreVersion
from running.turns import Away

log = logging.getLogger(__name__)

EVERY_S: Final = 1.0  # written at most so often
AHEAD: Final = 10_000_000  # more than any store can give out in EVERY_S; of 2**40 there are enough


class OtherStore(StoreVersion):
    """Another store than the one that this bridge has committed to lies at its place; a person has to decide."""


class StoreMemory:
    """The file at `path`, written by the bridge's committing thread alone."""

    def __init__(self, path: Path, *, mono_s: Callable[[], float] = time.monotonic, away: Away = nullcontext) -> None:
        self._path = path
        self._mono_s = mono_s
        self._away = away
        self._due_s = float("-inf")

    def opened(self, url: str, *, at: Callable[[str], None] = lambda _point: None) -> Store:
        """The store, opened for committing; it gives out no log_id that it has given before.

        Raises StoreUnavailable also while a store that was there once is not there now, OtherStore when it is another.
        """
        known = self._recalled()
        store = open_store(url, writer=True, make=known is None, at=at, away=self._away)
        try:
            if known is not None:
                self._hold_against(store, *known)
            self._write(store)
        except BaseException:
            store.close()
            raise
        return store

    def keep(self, store: Store) -> None:
        """Remember how far the log is, every second at most; call it after commits."""
        now_s = self._mono_s()
        if now_s >= self._due_s:
            self._due_s = now_s + EVERY_S
            self._write(store)

    def _hold_against(self, store: Store, store_id: int, next_log_id: int) -> None:
        if store.store_id != store_id:
            raise OtherStore(
                f"store {store.store_id} is not store {store_id}, to which this bridge committed before: "
                f"put that one back, or remove {self._path} to begin with this one"
            )
        if store.next_log_id() < next_log_id:
            log.warning("the store has gone back in time: its log goes on at %d", next_log_id + AHEAD)
            store.begin_at(next_log_id + AHEAD)

    def _recalled(self) -> tuple[int, int] | None:
        try:
            with self._away():
                said = json.loads(self._path.read_text("utf-8"))
            return int(said["store_id"]), int(said["next_log_id"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("what was remembered of the store cannot be read: %s", error)
            return None

    def _write(self, store: Store) -> None:
        beside = self._path.with_suffix(".new")
        try:
            with self._away():
                beside.write_text(json.dumps({"store_id": store.store_id, "next_log_id": store.next_log_id()}), "utf-8")
                beside.replace(self._path)
        except OSError as error:  # a full disk; commits go on
            log.debug("not remembered: %s", error)

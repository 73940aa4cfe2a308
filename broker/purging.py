"""A purge of all that the centre keeps of where somebody was: the store, what the deriver remembers, calls for help."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NamedTuple

from broker.assets import Roster
from broker.calls import Calls
from broker.store import Store, StoreUnavailable
from broker.store.values import DAY_MS
from broker.work.memory import WorkMemory


class Gone(NamedTuple):
    """What a purge took: records and bytes of their bodies, sessions and notices that were told, places of calls."""

    rows: int
    body_bytes: int
    told: int
    calls: int


def purge_all(
    store: Store, before_utc_ms: int, asset: str | None, *, work_memory_path: Path, downlink_path: Path
) -> Gone:
    """Purge the store and, where they are, the files beside it; their processes may go on.

    Raises StoreUnavailable; what is not done then is done by the next purge of the same or a later day.
    """
    rows, body_bytes = store.purge(before_utc_ms, asset)
    before_ms = before_utc_ms // DAY_MS * DAY_MS  # whole days only, as the store has it
    told = calls = 0
    if work_memory_path.exists():
        with WorkMemory(work_memory_path) as memory:
            told = memory.purge(before_ms, asset)
    if downlink_path.exists():
        roster = Roster(store.assignments())
        try:
            with Calls(downlink_path) as kept:
                calls = kept.purge(before_ms, lambda unit, at_ms: asset in (None, roster.name_of(unit, at_ms).asset))
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{downlink_path}: {error}") from error
    return Gone(rows, body_bytes, told, calls)

"""What the assets of a run did while it ran: their hours, derived from its store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broker.store import Store
    from broker.work.hours import Hours


def print_hours(store_url: str, from_ms: int) -> None:
    """Table of every asset's hours since that Unix ms; raises StoreUnavailable."""
    from broker.store import open_store
    from pantau.tables import print_table
    from pantau.work_told import hours_table

    print()
    with open_store(store_url) as store:
        print_table(hours_table([(asset, "this run", sums) for asset, sums in _sums(store, from_ms)]))


def _sums(store: Store, from_ms: int) -> Iterator[tuple[str, Hours]]:
    from broker.work.days import sessions_of
    from broker.work.hours import hours_of
    from broker.work.observed import Window
    from broker.work.reading import reader

    window = Window(from_ms, time.time_ns() // 1_000_000)
    for held in sorted(store.assignments(), key=lambda each: each.asset):
        yield held.asset, hours_of(sessions_of(reader(store, held.asset, held.agency), window), window)

"""What the vehicles of a run did while it ran: their hours, derived from its store."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from broker.store import Store
    from broker.work.hours import Hours
    from broker.work.observed import Window
    from broker.work.sessions import Session
    from stage.city import UnitPlan


def print_hours(store_url: str, vehicles: Sequence[UnitPlan], from_ms: int) -> None:
    """Table of the vehicles' hours since that Unix ms; raises StoreUnavailable."""
    from broker.store import open_store
    from broker.work.observed import Window
    from pantau.tables import print_table
    from pantau.work_told import hours_table

    window = Window(from_ms, time.time_ns() // 1_000_000)
    print()
    with open_store(store_url) as store:
        rows = [(plan.asset, "this run", derived(store, plan, window)[1]) for plan in vehicles]
    print_table(hours_table(sorted(rows, key=lambda row: row[0])))


def derived(store: Store, plan: UnitPlan, window: Window) -> tuple[list[Session], Hours]:
    """What the asset did in that stretch, and the sums of it."""
    from broker.work.days import sessions_of
    from broker.work.hours import hours_of
    from broker.work.reading import reader

    sessions = sessions_of(reader(store, plan.asset, plan.agency), window)
    return sessions, hours_of(sessions, window)

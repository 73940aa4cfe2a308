"""The centre's processes from outside: what each has used, and whether the publisher has caught up."""

from __future__ import annotations

import time

from bench.processes import cpu_s
from broker.publisher import CURSOR_NAME
from broker.store import open_store
from stage.city import CENTRE, City


def used(city: City) -> dict[str, float]:
    """CPU seconds so far of mosquitto, bridge and publisher, by name."""
    return {part: cpu_s(city.children[part].pid) for part in CENTRE}


def publisher_is_done(city: City, deadline_s: float) -> None:
    """Wait until its cursor is at the end of the log; raises TimeoutError."""
    until_s = time.monotonic() + deadline_s
    with open_store(city.store_url) as store:
        while store.cursor(CURSOR_NAME) < store.last_log_id():
            if time.monotonic() > until_s:
                raise TimeoutError(f"the publisher is still behind after {deadline_s:g} s")
            time.sleep(0.1)

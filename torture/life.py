"""The life of a city that soaks: which unit restarts and whose link is gone, and when; drawn from a seed. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final, Literal

EVERY_S: Final = 600.0  # one restart and one outage each ten minutes, each of one unit
OUTAGE_S: Final = 60.0  # longer than a keep-alive: both ends notice, and a backlog is there to be drained
# A short soak has a life, too: at least two restarts and two outages, an outage of at most a sixth of the time between.
LEAST_PERIODS: Final = 2.5
OUTAGE_SHARE: Final = 1 / 6

What = Literal["restart", "outage"]


@dataclass(frozen=True, slots=True)
class Happening:
    """What happens to which unit (its index), `at_s` after the begin; an outage lasts `lasts_s`."""

    at_s: float
    what: What
    unit: int
    lasts_s: float = 0.0


def life(luck: random.Random, *, seconds: float, units: int) -> list[Happening]:
    """Everything that happens, in order of time; nothing overlaps, and the last of it is over before `seconds`.

    Links go in turn. So do restarts, but never of the first unit when there are others: its process lives as long as
    the soak, and shows what many reconnects of one process leave behind.
    """
    every_s = min(EVERY_S, seconds / LEAST_PERIODS)
    outage_s = min(OUTAGE_S, every_s * OUTAGE_SHARE)
    found = []
    for turn in range(int(seconds // every_s)):
        begin_s = turn * every_s
        restarted = turn % units if units == 1 else 1 + turn % (units - 1)
        found.append(Happening(begin_s + every_s * luck.uniform(0.1, 0.4), "restart", restarted))
        found.append(Happening(begin_s + every_s * luck.uniform(0.5, 0.8), "outage", turn % units, outage_s))
    return found

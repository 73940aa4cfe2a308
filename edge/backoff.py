"""When to try the link again: the reconnect-storm rule of the uplink policy (docs/uplink.md), full jitter."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

SECONDS_PER_UNIT: Final = 0.002  # one core opens about 590 TLS connections/s; 2 ms a unit leaves room for the rest
LEAST_SPREAD_S: Final = 1.0  # a fleet of five must not hammer a broker that is down
LONGEST_S: Final = 30.0
LINK_BACK_S: Final = 2.0  # our own carrier or address came back: that outage was ours alone, no storm to fear
HURRY_S: Final = 2.0  # somebody calls for help: a handful of boxes at once, no storm
REFUSED_S: Final = (60.0, 300.0)  # a certificate does not get better in seconds
# Two boxes of one name take turns with the session: soon at first, so that the centre can tell them apart, and later so
# seldom that it costs little. A session of SETTLED_S, longer than any wait of the other, has its name for itself.
TAKEN_OVER_LEAST_S: Final = 2.0
TAKEN_OVER_FIRST_S: Final = 5.0
TAKEN_OVER_LONGEST_S: Final = 300.0
TAKEN_OVER_GROWTH: Final = 1.5  # twice as long each time, and a clone's first turns would take minutes
SETTLED_S: Final = 600.0
TESTING_S: Final = 0.02


class Backoff:
    """Delays between attempts: 0..S after a loss, then 0..S, 0..2S … up to max(30 s, S); S = 2 ms a unit of the fleet.

    S twice: a broker that is restarted within S seconds has half its fleet fail once, and nobody needs to wait longer.

    `testing` makes every delay shorter than 20 ms: a public feature, so that no test patches a clock.
    """

    def __init__(
        self,
        fleet_units: int,
        *,
        uniform: Callable[[float, float], float] = random.uniform,
        testing: bool = False,
    ) -> None:
        self.spread_s: Final = max(LEAST_SPREAD_S, fleet_units * SECONDS_PER_UNIT)
        self.longest_s: Final = max(LONGEST_S, self.spread_s)
        self._uniform = uniform
        self._testing = testing
        self._attempts = 0
        self.takeovers = 0  # one after the other, without a session of SETTLED_S between them
        self.hurry = False  # set by another thread: an alarm waits for the next attempt

    def after_loss(self) -> float:
        """Seconds to wait after a connection broke or an attempt failed; each call counts as one more attempt."""
        bound_s = min(self.longest_s, self.spread_s * 2.0 ** min(max(0, self._attempts - 1), 16))
        self._attempts += 1
        return self._drawn(0.0, min(bound_s, HURRY_S) if self.hurry else bound_s)

    def after_refusal(self) -> float:
        """Seconds to wait after the broker refused our credentials, or we refused its."""
        return self._drawn(*REFUSED_S)

    def after_takeover(self) -> float:
        """Seconds to wait after another box of our name took the session; each call counts as one more takeover."""
        bound_s = min(TAKEN_OVER_LONGEST_S, TAKEN_OVER_FIRST_S * TAKEN_OVER_GROWTH ** min(self.takeovers, 16))
        self.takeovers += 1
        return self._drawn(TAKEN_OVER_LEAST_S, bound_s)

    def lasted(self, session_s: float) -> None:
        """A session of so many seconds has ended. A receipt is no sign of peace: it also comes in a short one."""
        if session_s >= SETTLED_S:
            self.takeovers = 0

    def link_came_back(self) -> float:
        """Seconds to wait when this box's own link came back."""
        return self._drawn(0.0, LINK_BACK_S)

    def worked(self) -> None:
        """A receipt came: the whole path works. A CONNACK alone is no reason to reset (a storm also gets those)."""
        self._attempts = 0

    def _drawn(self, least_s: float, most_s: float) -> float:
        return self._uniform(0.0, TESTING_S) if self._testing else self._uniform(least_s, most_s)


class Doubling:
    """Full jitter whose bound doubles from `first_s` to `longest_s`, never under `least_s`: an alarm's resends."""

    def __init__(self, first_s: float, longest_s: float, *, least_s: float = 0.0) -> None:
        self._first_s, self._longest_s, self._least_s = first_s, longest_s, least_s

    def delay_s(self, sent_times: int, uniform: Callable[[float, float], float] = random.uniform) -> float:
        """Seconds to wait after the `sent_times`-th (>= 1) sending."""
        bound_s = min(self._longest_s, self._first_s * 2.0 ** min(sent_times - 1, 16))
        return uniform(self._least_s, bound_s)

"""The ladder for a modem that has lost the centre: re-attach, restart, power-cycle, reboot. Policy, pure.

A step is taken only when a step could help: the centre has not been heard for `patience_s`, and it is the modem's
fault, not the city's. A modem that is registered and connected while the broker alone is silent is left in peace for
`centre_away_s`: a centre that is down must not make three thousand boxes reboot. A vehicle in a tunnel is not mended by
a reboot either, so each step waits longer than the one before, each has a cap a day, and a box that moves on mission is
never power-cycled or rebooted (quiet conditions).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

REATTACH, RESTART, POWER_CYCLE, REBOOT = "reattach", "restart", "power_cycle", "reboot"
DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One rung: how long after the one before it may be taken, how often a day, whether it needs quiet."""

    name: str
    after_s: float
    most_a_day: int
    needs_quiet: bool


# 3 min without a frame is when OVMS power-cycles its modem, and Kura reboots after ten failed connects; ours come later
# and in order, as a re-attach costs half a minute and a reboot the open interval of everything on the box.
LADDER: Final = (
    Step(name=REATTACH, after_s=180.0, most_a_day=24, needs_quiet=False),
    Step(name=RESTART, after_s=300.0, most_a_day=12, needs_quiet=False),
    Step(name=POWER_CYCLE, after_s=600.0, most_a_day=6, needs_quiet=True),
    Step(name=REBOOT, after_s=1800.0, most_a_day=2, needs_quiet=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known at one look; `modem_works`: registered and connected, as far as it says."""

    heard_centre: bool
    modem_works: bool
    quiet: bool


class Ladder:
    """Which step to take now; counts each, and after how many the centre was heard again.

    `taken` are (seconds, name) of steps before this process began, as `recent` gave them; seconds are of any clock that
    goes on over a reboot, or the caps of a day begin anew with it.
    """

    def __init__(
        self, steps: Sequence[Step] = LADDER, *, centre_away_s: float = 7200.0, taken: Sequence[tuple[float, str]] = ()
    ) -> None:
        self.steps: Counter[str] = Counter()
        self.helped: Counter[str] = Counter()
        self._ladder = steps
        self._centre_away_s = centre_away_s
        self._taken = list(taken)
        self._lost_s: float | None = None
        self._rung = 0
        self._last: tuple[float, str] | None = None

    def look(self, seen: Seen, now_s: float) -> str | None:
        """The step to take at this look, None for none; the caller takes it, and it counts as taken."""
        if seen.heard_centre:
            if self._last is not None:
                self.helped[self._last[1]] += 1
            self._lost_s, self._rung, self._last = None, 0, None
            return None
        if self._lost_s is None:
            self._lost_s = now_s
        if seen.modem_works and now_s - self._lost_s < self._centre_away_s:
            return None
        since_s = now_s - (self._last[0] if self._last else self._lost_s)
        while self._rung < len(self._ladder):
            step = self._ladder[self._rung]
            if since_s < step.after_s or (step.needs_quiet and not seen.quiet):
                return None
            self._rung += 1
            if self._left_today(step, now_s):
                return self._take(step, now_s)
        self._rung = 0  # from the lowest rung again, its caps permitting
        return None

    def recent(self, now_s: float) -> list[tuple[float, str]]:
        """The steps of the last day, to be kept over a reboot."""
        self._taken = [(at_s, name) for at_s, name in self._taken if 0.0 <= now_s - at_s < DAY_S]
        return list(self._taken)

    def _left_today(self, step: Step, now_s: float) -> bool:
        return sum(name == step.name for _, name in self.recent(now_s)) < step.most_a_day

    def _take(self, step: Step, now_s: float) -> str:
        self.steps[step.name] += 1
        self._last = (now_s, step.name)
        self._taken.append(self._last)
        return step.name

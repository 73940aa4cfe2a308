"""When a box on a vehicle's battery goes off, and what it says before. Pure: times are monotonic seconds.

With the ignition off everything is flushed at once, so that nothing is lost whoever cuts the power afterwards. Then the
box stays awake while the battery can bear it, or for as long as it was told.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

RECOVERS_V: Final = 0.3  # a battery that is relieved springs back by less than this within minutes
SAGS_S: Final = 10.0  # a starter motor pulls the supply down for seconds: that is no empty battery
RETRY_S: Final = 60.0  # a power-off that the system refused is asked for again


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long, and down to which voltage; None = not watched, 0 s = never goes off by itself."""

    off_after_s: float
    awake_above_v: float | None
    low_v: float | None
    low_wait_s: float


class State(StrEnum):
    """Where the box stands."""

    RUNNING = "running"  # the ignition is on, or nobody says
    PARKED = "parked"
    LOW = "low"  # the battery is low: it goes off unless that changes
    LEAVING = "leaving"


class Act(Enum):
    """What is to be done now."""

    PARK = 1  # flush, say so, sync
    WARN = 2
    RECOVER = 3
    LEAVE_PARKED = 4
    LEAVE_LOW = 5


class Power:
    """The power states of one box."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._off_since_s: float | None = None
        self._low_since_s: float | None = None
        self._warned_s: float | None = None
        self._asked_s: float | None = None
        self.state = State.RUNNING

    def seen(self, now_s: float, *, ignition: bool | None, supply_v: float | None) -> list[Act]:
        """Call at each turn; `None` = not wired, or not known yet."""
        acts = self._parked(now_s, ignition)
        acts += self._battery(now_s, ignition, supply_v)
        leave = self._leave(now_s, supply_v)
        if leave is not None:
            acts.append(leave)
        return acts

    def _parked(self, now_s: float, ignition: bool | None) -> list[Act]:
        if ignition is not False:
            self._off_since_s = self._asked_s = None
            if self.state in (State.PARKED, State.LEAVING):
                self.state = State.RUNNING
            return []
        if self._off_since_s is not None:
            return []
        self._off_since_s = now_s
        if self.state is State.RUNNING:
            self.state = State.PARKED
        return [Act.PARK]

    def _battery(self, now_s: float, ignition: bool | None, supply_v: float | None) -> list[Act]:
        low_v = self._plan.low_v
        if low_v is None or supply_v is None:
            return []
        if self.state is State.LOW:
            if supply_v < low_v + RECOVERS_V:
                return []
            self._low_since_s = self._warned_s = None
            self.state = State.PARKED if ignition is False else State.RUNNING
            return [Act.RECOVER]
        if supply_v >= low_v:
            self._low_since_s = None
            return []
        self._low_since_s = now_s if self._low_since_s is None else self._low_since_s
        if self.state is State.LEAVING or now_s - self._low_since_s < SAGS_S:
            return []
        self.state, self._warned_s = State.LOW, now_s
        return [Act.WARN]

    def _leave(self, now_s: float, supply_v: float | None) -> Act | None:
        if self._asked_s is not None and now_s - self._asked_s < RETRY_S:
            return None
        if self.state is State.LOW and self._warned_s is not None and now_s - self._warned_s >= self._plan.low_wait_s:
            self._asked_s = now_s
            return Act.LEAVE_LOW
        if self.state not in (State.PARKED, State.LEAVING) or not self._plan.off_after_s or self._off_since_s is None:
            return None
        awake_v = self._plan.awake_above_v
        if awake_v is not None and supply_v is not None and supply_v >= awake_v:
            return None
        if now_s - self._off_since_s < self._plan.off_after_s:
            return None
        self.state, self._asked_s = State.LEAVING, now_s
        return Act.LEAVE_PARKED

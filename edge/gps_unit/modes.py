"""What the vehicle is doing, as far as reports go: parked, moving, on mission, working in place, or closely watched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from edge.gps_unit.fix import Fix
from edge.gps_unit.profile import BURST, Profile, news
from wire.inputs import PTO

ON_MISSION: Final = frozenset({"beacon", "siren"})  # inputs that say so; a command may, too
LONGEST_BURST_MIN: Final = 60  # an hour at a fix a second is about 0.7 MB on the air


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles:
    """A profile for each mode; a parked vehicle's beat is the report table's, so it has none."""

    moving: Profile
    mission: Profile
    working: Profile


class Modes:
    """Which mode counts now, and whether a fix is news in it; used by the main thread.

    What stands still on mission, or with its power take-off running, works in place. A burst ends by itself, and with
    the process; a mission that was ordered outlives it (`remember`).
    """

    def __init__(
        self,
        profiles: Profiles,
        monotonic_s: Callable[[], float],
        *,
        by_interval: bool = False,
        ordered: bool = False,
        remember: Callable[[bool], None] = lambda _on: None,
    ) -> None:
        """`by_interval`: moving and parked, nothing is news, and the report interval alone counts."""
        self._profiles = profiles
        self._by_interval = by_interval
        self._monotonic_s = monotonic_s
        self._remember = remember
        self._ordered = ordered
        self._levels: set[str] = set()
        self._burst_until_s = float("-inf")
        self._last: Fix | None = None

    def input(self, name: str, on: bool) -> None:
        """A wired input's level; those that say nothing of the mode are passed over."""
        (self._levels.add if on else self._levels.discard)(name)

    def order_mission(self, on: bool) -> None:
        """The centre says that it is on mission, or is not any more; a beacon or siren says so by itself."""
        self._ordered = on
        self._remember(on)

    def burst(self, minutes: int) -> None:
        """Every fix is news from now on; ValueError when that would be too long. 0 ends it."""
        if not 0 <= minutes <= LONGEST_BURST_MIN:
            raise ValueError(f"minutes: {minutes}, wanted 0 to {LONGEST_BURST_MIN}")
        self._burst_until_s = self._monotonic_s() + 60.0 * minutes

    def mode(self, *, parked: bool) -> str:
        """burst, mission, working, moving or parked."""
        if self._monotonic_s() < self._burst_until_s:
            return "burst"
        on_mission = self._ordered or bool(self._levels & ON_MISSION)
        if parked:
            return "working" if on_mission or PTO in self._levels else "parked"
        return "mission" if on_mission else "moving"

    def is_news(self, fix: Fix) -> str | None:
        """Why the fix is to be reported at once; it then counts as reported, whether the outbox takes it or not."""
        if self._by_interval and self.mode(parked=fix.parked) in ("moving", "parked"):
            return None
        why = news(self._profile(fix), self._last, fix)
        if why is not None:
            self._last = fix
        return why

    def reported(self, fix: Fix) -> None:
        """The newest fix of a report that was due anyway."""
        self._last = fix

    def _profile(self, fix: Fix) -> Profile:
        match self.mode(parked=fix.parked):
            case "burst":
                return BURST
            case "mission":
                return self._profiles.mission
            case "working":
                return self._profiles.working
            case "moving":
                return self._profiles.moving
        return Profile()

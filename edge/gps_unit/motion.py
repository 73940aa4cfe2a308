"""Which fixes are good enough to report, and when a vehicle stands. Policy, pure: fixes in, fixes or nothing out."""

from collections import Counter
from dataclasses import dataclass, replace
from math import cos, hypot, radians

from edge.gps_unit.dates import DAY_MS
from edge.gps_unit.fix import Fix

_METRES_PER_DEG = 111_195.0  # mean Earth radius 6371.0 km: 0.5 % off at worst, and only differences are judged


def distance_m(a: Fix, b: Fix) -> float:
    """Metres between two fixes on the local tangent plane."""
    east_deg = (b.lon_deg - a.lon_deg + 180) % 360 - 180
    north_deg = b.lat_deg - a.lat_deg
    return _METRES_PER_DEG * hypot(north_deg, east_deg * cos(radians((a.lat_deg + b.lat_deg) / 2)))


def elapsed_s(a: Fix, b: Fix) -> float:
    """Seconds between two fixes, never negative: by UTC, else by the boot's clock, else by the time of day."""
    if a.utc_ms is not None and b.utc_ms is not None:
        return abs(b.utc_ms - a.utc_ms) / 1000
    if a.boottime_ms is not None and b.boottime_ms is not None:
        return abs(b.boottime_ms - a.boottime_ms) / 1000
    apart_ms = abs((b.time_of_day_ms or 0) - (a.time_of_day_ms or 0))
    return min(apart_ms, DAY_MS - apart_ms) / 1000


@dataclass(frozen=True, slots=True)
class Limit:
    """A threshold with hysteresis: what it takes to be trusted, and what it takes to stay so."""

    enter: float
    stay: float


class QualityGate:
    """Rejects fixes the receiver itself does not vouch for. Reasons: synthetic, hdop, satellites.

    Unknown HDOP or satellites pass: some receivers send RMC alone.
    """

    # Langley, "Dilution of Precision", GPS World 5/1999: up to 5 good, 10 to 20 fair. corpus: the wrong first
    # fixes of genivi_munich have 23.9 and 49.9; parked receivers under trees reach 8.
    def __init__(self, hdop: Limit = Limit(5.0, 10.0), satellites: Limit = Limit(4, 3)) -> None:
        self._hdop = hdop
        self._satellites = satellites
        self._trusted = False

    def judge(self, fix: Fix) -> str | None:
        """None when the fix is good enough, else the reason why not."""
        reason = self._reason(fix)
        self._trusted = reason is None
        return reason

    def _reason(self, fix: Fix) -> str | None:
        if fix.synthetic:
            return "synthetic"
        if fix.estimated:  # dead reckoning works without satellites, and says so on the wire
            return None
        hdop_max = self._hdop.stay if self._trusted else self._hdop.enter
        satellites_min = self._satellites.stay if self._trusted else self._satellites.enter
        if fix.hdop is not None and fix.hdop > hdop_max:
            return "hdop"
        if fix.satellites is not None and fix.satellites < satellites_min:
            return "satellites"
        return None


class JumpFilter:
    """Rejects positions that the vehicle cannot have reached, and lets agreeing ones win.

    The first position of all has to be confirmed as well, so a bad one cannot poison what follows: three fixes in a row
    that can be reached from each other are believed, whatever was believed before. Reasons: unconfirmed, jump.
    """

    def __init__(self, max_speed_mps: float = 70.0, slack_m: float = 30.0, agreeing: int = 3) -> None:
        """70 m/s is 250 km/h; the slack covers what standing receivers wander from one epoch to the next."""
        self._max_speed_mps = max_speed_mps
        self._slack_m = slack_m
        self._agreeing = agreeing
        self._believed: Fix | None = None
        self._candidate: Fix | None = None
        self._agreed = 0

    def judge(self, fix: Fix) -> str | None:
        """None when the fix can be believed, else the reason why not."""
        if self._believed is not None and self._reachable(self._believed, fix):
            self._believe(fix)
            return None
        agrees = self._candidate is not None and self._reachable(self._candidate, fix)
        self._candidate = fix
        self._agreed = self._agreed + 1 if agrees else 1
        if self._agreed >= self._agreeing:
            self._believe(fix)
            return None
        return "unconfirmed" if self._believed is None else "jump"

    def _believe(self, fix: Fix) -> None:
        self._believed, self._candidate, self._agreed = fix, None, 0

    def _reachable(self, a: Fix, b: Fix) -> bool:
        seconds = elapsed_s(a, b)
        speed_mps = self._max_speed_mps
        if a.speed_mps is not None and b.speed_mps is not None:
            # 10 m/s2: what tyres can brake, and more than any vehicle accelerates.
            speed_mps = min(speed_mps, max(a.speed_mps, b.speed_mps) + 10 * seconds)
        return distance_m(a, b) <= speed_mps * seconds + self._slack_m


class ParkedAnchor:
    """Holds the position while the vehicle stands, so that a parked day is 0 m of track.

    It begins anchored, at the first fix: only motion has to be shown. Standing is shown by the receiver's speed
    (Doppler: 0.1 m/s when standing, where the position wanders by tens of metres), else by the position; an ignition
    input, where there is one, spares the waiting.
    """

    def __init__(
        self,
        standing_mps: float = 0.7,
        moving_mps: float = 1.5,
        settle_s: float = 5.0,
        settle_without_speed_s: float = 30.0,
        wander_m: float = 75.0,
    ) -> None:
        """standing/moving_mps: below stands, above moves. settle_s: how long it stands before it is anchored.

        wander_m: five fixes in a row farther off than this are not wandering any more, whatever the speed says.
        """
        self._standing_mps = standing_mps
        self._moving_mps = moving_mps
        self._settle_s = settle_s
        self._settle_without_speed_s = settle_without_speed_s
        self._wander_m = wander_m
        self._anchor: Fix | None = None
        self._previous: Fix | None = None
        self._since: Fix | None = None  # since when it stands
        self._evidence = 0  # fixes in a row that show motion

    def hold(self, fix: Fix, ignition: bool | None = None) -> Fix:
        """The fix, at the anchor with speed 0 and no course while the vehicle stands."""
        previous, self._previous = self._previous, fix
        if previous is None:
            self._anchor = fix
        elif self._anchor is None:
            self._settle(previous, fix, ignition)
        else:
            self._watch(self._anchor, previous, fix, ignition)
        if self._anchor is None:
            return fix
        at = self._anchor
        return replace(fix, lat_deg=at.lat_deg, lon_deg=at.lon_deg, speed_mps=0.0, course_deg=None, parked=True)

    def _settle(self, previous: Fix, fix: Fix, ignition: bool | None) -> None:
        speed_mps = fix.speed_mps
        if speed_mps is None:
            standing = distance_m(self._since or previous, fix) < self._standing_mps * self._settle_without_speed_s
            needed_s = self._settle_without_speed_s
        else:
            standing = speed_mps < self._standing_mps
            needed_s = self._settle_s
        if not standing:
            self._since = None
            return
        self._since = self._since or fix
        if ignition is False or elapsed_s(self._since, fix) >= needed_s:
            self._anchor, self._since, self._evidence = fix, None, 0

    def _watch(self, anchor: Fix, previous: Fix, fix: Fix, ignition: bool | None) -> None:
        seconds = elapsed_s(previous, fix)
        needed = 2
        if fix.speed_mps is not None and fix.speed_mps >= self._moving_mps:
            # Doppler alone may spike beside a wall: the position has to go along.
            shown = distance_m(previous, fix) >= 0.5 * fix.speed_mps * min(seconds, 1.0)
        else:
            shown = distance_m(anchor, fix) > self._wander_m and ignition is not False
            needed = 5
        self._evidence = self._evidence + 1 if shown else 0
        if self._evidence >= needed:
            self._anchor, self._since, self._evidence = None, None, 0


class Policy:
    """Quality gate, jump filter and parked anchor in a row; what is rejected is counted by reason."""

    def __init__(
        self,
        gate: QualityGate | None = None,
        jumps: JumpFilter | None = None,
        anchor: ParkedAnchor | None = None,
    ) -> None:
        self.rejected: Counter[str] = Counter()
        self._gate = gate or QualityGate()
        self._jumps = jumps or JumpFilter()
        self._anchor = anchor or ParkedAnchor()

    def feed(self, fix: Fix, ignition: bool | None = None) -> Fix | None:
        """The fix as it is to be reported, or None."""
        reason = self._gate.judge(fix) or self._jumps.judge(fix)
        if reason:
            self.rejected[reason] += 1
            return None
        return self._anchor.hold(fix, ignition)


class FixWatch:
    """Tells when there has been no valid fix for `limit_s`, whether the source talks or not: the position is stale.

    60 s: the validity Eclipse Kura gives a fix of gpsd, which does not say either when it is lost.
    """

    def __init__(self, limit_s: float = 60.0) -> None:
        self._limit_s = limit_s
        self._fixed_at_mono_s: float | None = None
        self.stale = False

    def observe(self, now_mono_s: float, *, fixed: bool) -> bool | None:
        """Call at every fix and every turn. True: just became stale. False: just found a fix again. None: no change."""
        if fixed or self._fixed_at_mono_s is None:
            self._fixed_at_mono_s = now_mono_s
        was_stale, self.stale = self.stale, now_mono_s - self._fixed_at_mono_s >= self._limit_s
        return None if self.stale == was_stale else self.stale

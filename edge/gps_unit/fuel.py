"""Litres from a fuel sender, and what an engine cannot have burnt: refills and drops. Pure.

Fuel sloshes, so that only the median of a minute counts. Consumption lowers the level slowly; a level that runs away
from it faster than the engine can burn was filled or taken, and is told once it rests again.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from statistics import median
from typing import Final, NamedTuple

MEDIAN_S: Final = (
    60.0  # slosh of a tank has periods of seconds; curves and slopes last longer than that and do not count
)
STEP_S: Final = 15.0  # the median is asked for so often; four of a minute
RESTS_STEPS: Final = 5  # it rests when the medians of so many steps
RESTS_SHARE: Final = 0.3  # differ by less than this of the threshold


class FuelChange(NamedTuple):
    """Fuel came (`litres` > 0) or went (< 0) that the engine did not burn; `level_l` is what is there now."""

    litres: float
    level_l: float


class Calibration:
    """A tank's table: a sender's reading (0 .. 1 of full scale) to litres, straight between its points."""

    def __init__(self, points: Sequence[tuple[float, float]]) -> None:
        """Two points or more, each reading once; a sender that falls while the tank fills is as good."""
        self._points = sorted(points)
        self._readings = [reading for reading, _ in self._points]

    def litres(self, reading: float) -> float:
        """Beyond the table's ends: the end's litres."""
        at = bisect_right(self._readings, reading)
        if at in (0, len(self._points)):
            return self._points[min(at, len(self._points) - 1)][1]
        (x0, y0), (x1, y1) = self._points[at - 1], self._points[at]
        return y0 + (y1 - y0) * (reading - x0) / (x1 - x0)


class Fuel:
    """One tank. `kept_l` is the level that the last process left; what it lost meanwhile is told as a change."""

    def __init__(
        self, calibration: Calibration, *, change_l: float, burns_l_per_h: float, kept_l: float | None = None
    ) -> None:
        self._calibration = calibration
        self._change_l = change_l
        self._burns_l_per_s = burns_l_per_h / 3600
        self._window: deque[tuple[float, float]] = deque()
        self._first_s: float | None = None
        self._step_s = float("-inf")
        self._base_l = kept_l
        self._medians: deque[float] = deque(maxlen=RESTS_STEPS)
        self._away_s: float | None = None  # since when the level is away from where it can be
        self.level_l: float | None = kept_l

    @property
    def measured(self) -> bool:
        """Whether `level_l` is this process's own."""
        return bool(self._medians)

    def sampled(self, reading: float, now_s: float) -> FuelChange | None:
        """A reading, about once a second; what has come to rest with it."""
        self._first_s = now_s if self._first_s is None else self._first_s
        self._window.append((now_s, self._calibration.litres(reading)))
        while now_s - self._window[0][0] > MEDIAN_S:
            self._window.popleft()
        if now_s - self._first_s < MEDIAN_S or now_s - self._step_s < STEP_S:
            return None
        passed_s = min(now_s - self._step_s, 2 * STEP_S)
        self._step_s = now_s
        self.level_l = median(litres for _, litres in self._window)
        return self._judged(self.level_l, passed_s, now_s)

    def _judged(self, level_l: float, passed_s: float, now_s: float) -> FuelChange | None:
        self._medians.append(level_l)
        if self._base_l is None:
            self._base_l = level_l
            return None
        away_l = level_l - self._base_l
        if abs(away_l) < self._change_l:
            self._away_s = None
            may_l = self._burns_l_per_s * passed_s
            self._base_l += min(max(away_l, -may_l), may_l)
            return None
        self._away_s = now_s if self._away_s is None else self._away_s
        still_runs = max(self._medians) - min(self._medians) >= self._change_l * RESTS_SHARE
        if still_runs or now_s - self._away_s < MEDIAN_S:  # until then its samples are in part the same
            return None
        self._base_l, self._away_s = level_l, None
        return FuelChange(away_l, level_l)

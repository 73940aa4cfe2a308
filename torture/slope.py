"""How fast a series rises, robustly. Pure.

Theil-Sen: the median of the slopes of all pairs of points; outages and busy moments, even a quarter of all points, do
not move it. Pairs are made within one life of a process only, and all lives count together: the seasonal Kendall slope
estimator (Hirsch, Slack, Smith 1982) with a life for a season. Its confidence bound is Sen's (1968), by Kendall's S.
SciPy has the first of it for one life only, and would be a hundred megabytes for thirty lines.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

WARM_UP_SHARE: Final = 0.25  # of each life: caches fill, allocators take their arenas, a WAL grows to its first turn
LEAST_POINTS: Final = 8  # below that a life says nothing of itself
MOST_POINTS: Final = 240  # a life is binned to so many medians: 28,680 pairs, whatever the length of the soak
SURELY: Final = 2.576  # standard deviations: 99 % two-sided, 99.5 % that it is not less

Point = tuple[float, float]  # s since the begin, value
Life = Sequence[Point]


@dataclass(frozen=True, slots=True)
class Trend:
    """Slope and its lower and upper confidence bound (value per s), and the longest time (s) that it was seen over."""

    per_s: float
    least_per_s: float
    most_per_s: float
    over_s: float

    @property
    def per_hour(self) -> float:
        return self.per_s * 3600

    @property
    def growth(self) -> float:
        """What it has risen by in the time it was seen."""
        return self.per_s * self.over_s

    @property
    def rises(self) -> bool:
        """Whether it surely rises at all."""
        return self.least_per_s > 0


def trend(lives: Iterable[Life], *, warm_up: float = WARM_UP_SHARE) -> Trend | None:
    """Trend within the lives, each without its first part; None when none is long enough to have one."""
    settled = [one for life in lives if len(one := binned(after_warm_up(life, warm_up))) >= LEAST_POINTS]
    if not settled:
        return None
    slopes = sorted(slope for life in settled for slope in _slopes(life))
    middle = len(slopes) / 2
    half_width = SURELY * math.sqrt(sum(_variance_of_s(len(life)) for life in settled)) / 2
    return Trend(
        per_s=median(slopes),
        least_per_s=slopes[max(0, math.floor(middle - half_width))],
        most_per_s=slopes[min(len(slopes) - 1, math.ceil(middle + half_width))],
        over_s=max(life[-1][0] - life[0][0] for life in settled),
    )


def after_warm_up(life: Life, warm_up: float = WARM_UP_SHARE) -> Life:
    """The life without its first part, as a share of its time."""
    if not life:
        return life
    from_s = life[0][0] + (life[-1][0] - life[0][0]) * warm_up
    return [point for point in life if point[0] >= from_s]


def binned(life: Life, most: int = MOST_POINTS) -> Life:
    """At most so many points, each the median of equally many neighbours."""
    if len(life) <= most:
        return life
    edges = [len(life) * i // most for i in range(most + 1)]
    bins = [life[begin:end] for begin, end in itertools.pairwise(edges)]
    return [(median(at_s for at_s, _ in bin_), median(value for _, value in bin_)) for bin_ in bins]


def _slopes(life: Life) -> Iterable[float]:
    for index, (at_s, value) in enumerate(life):
        for later_s, later in life[index + 1 :]:
            if later_s > at_s:
                yield (later - value) / (later_s - at_s)


def _variance_of_s(n: int) -> float:
    """Of Kendall's S over n points without ties (with ties it is less: the bounds are on the safe side)."""
    return n * (n - 1) * (2 * n + 5) / 18

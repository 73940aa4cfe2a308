"""Figures: what a process counts, as values with a name and a meaning. Pure; `broker.metrics` makes Prometheus of them.

Names follow Prometheus: base units in the name, `_total` for what only grows. No figure has a label whose values come
from a unit: 10,000 units times 60 figures would be a data base of its own. One unit's are `pantau ledger` and `watch`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

Values = Mapping[tuple[str, ...], float]


class Histogram:
    """How often a value fell below each bound; one thread adds, any may read."""

    __slots__ = ("_counts", "_sum", "bounds")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self._counts = [0] * (len(self.bounds) + 1)  # the last: above every bound
        self._sum = 0.0

    def add(self, value: float) -> None:
        """Count one value; a bound belongs to what lies below it."""
        self._counts[bisect_left(self.bounds, value)] += 1
        self._sum += value

    def read(self) -> tuple[list[int], float]:
        """How many values were at most each bound (the last: all of them), and their sum."""
        return list(accumulate(self._counts.copy())), self._sum


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One name with its samples: label values -> value, in the order of `labels`; or a histogram."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    text: str
    labels: tuple[str, ...] = ()
    values: Values | Histogram


def counter(name: str, text: str, values: float | Values, *labels: str) -> Figure:
    """What only grows while the process lives; the name ends in `_total`."""
    return Figure(name=name, kind="counter", text=text, labels=labels, values=_values(values))


def gauge(name: str, text: str, values: float | Values | None, *labels: str) -> Figure:
    """What goes up and down; None = not known now, and then it has no sample."""
    return Figure(name=name, kind="gauge", text=text, labels=labels, values=_values(values))


def histogram(name: str, text: str, values: Histogram) -> Figure:
    """How a duration or a size was distributed."""
    return Figure(name=name, kind="histogram", text=text, values=values)


def by(values: Mapping[str, float]) -> Values:
    """The values of one label."""
    return {(key,): value for key, value in values.items()}


def _values(values: float | Values | None) -> Values:
    if values is None:
        return {}
    return values if isinstance(values, Mapping) else {(): values}

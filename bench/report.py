"""How every bench says what it measured: figures with unit and reach, as a table or as JSON."""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure; `reach` is the mark it is held against, None when it only informs."""

    name: str
    value: float
    unit: str
    reach: str | None = None
    note: str = ""


def show(bench: str, figures: Sequence[Figure], *, as_json: bool, conditions: str = "") -> None:
    """Print the figures of one bench."""
    if as_json:
        print(json.dumps({"bench": bench, "conditions": conditions, "figures": [asdict(f) for f in figures]}))
        return
    print(f"{bench}: {conditions}" if conditions else bench)
    width = max(len(f.name) for f in figures)
    for f in figures:
        reach = f"  (reach {f.reach})" if f.reach else ""
        note = f"  {f.note}" if f.note else ""
        print(f"  {f.name:{width}}  {f.value:>12,.6g} {f.unit}{reach}{note}")


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value with at least `percent` % of the values at or below it."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def median(values: Sequence[float]) -> float:
    """The median; raises statistics.StatisticsError when there is nothing."""
    return statistics.median(values)


def skipped(bench: str, why: str, *, as_json: bool) -> int:
    """Say why nothing was measured here; the exit code."""
    if as_json:
        print(json.dumps({"bench": bench, "conditions": f"skipped: {why}", "figures": []}))
    else:
        print(f"{bench}: skipped: {why}")
    return 0


def failed(bench: str, why: str, *, as_json: bool) -> None:
    """Say in a bench's place what it died of."""
    if as_json:
        print(json.dumps({"bench": bench, "conditions": f"failed: {why}", "figures": []}), flush=True)
    else:
        print(f"{bench}: failed: {why}", flush=True)


def progress(what: str) -> None:
    """Say on stderr how far it is: standard output is for figures."""
    print(f"... {what}", file=sys.stderr, flush=True)

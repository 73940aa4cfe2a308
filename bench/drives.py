"""Real drives as the encoder takes them: eight fields in the contract's base units."""

from __future__ import annotations

import csv
import itertools
import os
from pathlib import Path
from typing import Final

Fix8 = tuple[int, int, int, int | None, int | None, int | None, int | None, int | None]

_UNITS: Final = (1, 10**7, 10**7, 100, 100, 100, 100, 1)


class NoRealData(FileNotFoundError):
    """The folder of real drives is not on this machine."""


def folder() -> Path:
    """The data folder (PANTAU_DATA, else ../shared/data beside the repository); raises NoRealData."""
    found = Path(os.environ.get("PANTAU_DATA", Path(__file__).resolve().parent.parent.parent / "shared" / "data"))
    if not (found / "tracks").is_dir():
        raise NoRealData(f"no real drives in {found} (set PANTAU_DATA)")
    return found


def full_drives(*, least_fixes: int = 300) -> dict[str, list[Fix8]]:
    """Drives at about 1 Hz of which nearly every fix has all eight fields, by name."""
    found = {}
    for path in sorted((folder() / "tracks").glob("*.csv")):
        fixes = read_track(path)
        steps = sorted(b[0] - a[0] for a, b in itertools.pairwise(fixes))
        whole = sum(1 for fix in fixes if None not in fix)
        if len(fixes) >= least_fixes and whole >= 0.9 * len(fixes) and 900 <= steps[len(steps) // 2] <= 1100:
            found[path.stem] = fixes
    return found


def read_track(path: Path) -> list[Fix8]:
    """One file of `tracks`; empty cells are None."""
    with path.open(newline="") as file:
        rows = csv.reader(file)
        next(rows)
        return [_fix(row) for row in rows]


def _fix(row: list[str]) -> Fix8:
    values = [round(float(cell) * unit) if cell else None for cell, unit in zip(row, _UNITS, strict=True)]
    time_ms, lat_e7, lon_e7 = values[:3]
    if time_ms is None or lat_e7 is None or lon_e7 is None:
        raise ValueError(f"a fix without time or position: {row}")
    return (time_ms, lat_e7, lon_e7, values[3], values[4], values[5], values[6], values[7])

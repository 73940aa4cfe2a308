"""Spreadsheets into the registry and out of it: four kinds of CSV, told apart by their first line.

All that is wrong is named at once with its line, and then nothing is changed. Twice the same file is once.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final, TextIO

from provisioning.registry import Registry
from provisioning.values import Asset, RegistryError, Served, Sim, Unit
from settings.errors import ConfigError, Problem
from settings.instants import parse_utc_ms, utc_text

COLUMNS: Final = {
    "units": ("unit", "kind", "iccid", "note"),
    "assets": ("asset", "agency", "kind", "plate", "lat_deg", "lon_deg"),
    "assignments": ("unit", "asset", "from_utc", "to_utc"),
    "sims": ("iccid", "operator", "plan_mb", "apn"),
}

KEYED: Final = frozenset({"units", "assets", "sims"})  # by their first column; a box may have many assignments

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """One file: what it holds, and its rows with their line numbers."""

    name: str
    rows: Sequence[tuple[int, Row]]


def read_table(file: TextIO, path: str) -> Table:
    """Tell what the file holds and read it; ConfigError names every line with a wrong number of columns."""
    lines = _lines(file, path)
    header = tuple(cell.strip() for cell in lines[0][1]) if lines else ()
    name = next((name for name, columns in COLUMNS.items() if columns == header), None)
    if name is None:
        wanted = "one of " + "; ".join(",".join(columns) for columns in COLUMNS.values())
        raise ConfigError(path, [Problem(key="line 1", value=",".join(header), wanted=wanted)])
    rows, problems = [], []
    for line, cells in lines[1:]:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            wanted = f"{len(header)} columns: {','.join(header)}"
            problems.append(Problem(key=f"line {line}", value=",".join(cells), wanted=wanted))
            continue
        # A line break inside of a cell is a blank: what is written again must be one line.
        plain = [" ".join(cell.splitlines()).strip() for cell in cells]
        rows.append((line, dict(zip(header, plain, strict=True))))
    if problems:
        raise ConfigError(path, problems)
    return Table(name, rows)


def _lines(file: TextIO, path: str) -> list[tuple[int, list[str]]]:
    reader = csv.reader(file)
    try:
        return [(reader.line_num, cells) for cells in reader]
    except csv.Error as error:  # a quote that is opened and not closed takes the rest of the file into one cell
        wanted = "cells separated by commas, each quote closed"
        raise ConfigError(path, [Problem(key=f"line {reader.line_num}", value=str(error), wanted=wanted)]) from error


def take_table(
    registry: Registry,
    table: Table,
    path: str,
    *,
    dry_run: bool = False,
    progress: Callable[[], None] = lambda: None,
) -> int:
    """Put every row into the registry, all or none; how many changed something. ConfigError names all that is wrong."""
    problems = _twice(table) if table.name in KEYED else []
    changed = 0
    take = _TAKERS[table.name]
    try:
        with registry.together():
            for line, row in table.rows:
                progress()
                try:
                    changed += take(registry, row)
                except (RegistryError, ValueError) as error:
                    problems.append(Problem(key=f"line {line}", value=",".join(row.values()), wanted=str(error)))
            if problems:
                raise ConfigError(path, problems)
            if dry_run:
                raise _Undone
    except _Undone:
        return changed
    return changed


def as_csv(registry: Registry, name: str) -> str:
    """The file that `read_table` reads."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS[name], lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows_of(registry, name))
    return out.getvalue()


def rows_of(registry: Registry, name: str) -> list[dict[str, Any]]:
    """What `as_csv` writes, as values a program can read."""
    found: dict[str, Callable[[], Iterable[Unit | Asset | Sim | Served]]] = {
        "units": registry.units,
        "assets": registry.assets,
        "sims": registry.sims,
        "assignments": registry.served,
    }
    return [_row(one) for one in found[name]()]


def _twice(table: Table) -> list[Problem]:
    """Rows that say something else of what an earlier row has said: which of them is right nobody knows."""
    said: dict[str, tuple[int, Row]] = {}
    problems = []
    for line, row in table.rows:
        name = next(iter(row.values()))
        first, before = said.setdefault(name, (line, row))
        if before != row:
            wanted = f"{name} once; line {first} says something else of it"
            problems.append(Problem(key=f"line {line}", value=",".join(row.values()), wanted=wanted))
    return problems


class _Undone(Exception):
    """A dry run has seen enough."""


def _row(one: Unit | Asset | Sim | Served) -> dict[str, Any]:
    if isinstance(one, Served):
        ends = "" if one.to_utc_ms is None else utc_text(one.to_utc_ms)
        return {"unit": one.unit, "asset": one.asset, "from_utc": utc_text(one.from_utc_ms), "to_utc": ends}
    kept = {name: getattr(one, name) for name in one.__dataclass_fields__}
    return {name: "" if value is None else value for name, value in kept.items()}


def _unit(registry: Registry, row: Row) -> bool:
    before = registry.unit(row["unit"])
    state = "new" if before is None else before.state
    kind = row["kind"] or "gps_unit"
    return registry.put_unit(Unit(unit=row["unit"], kind=kind, state=state, iccid=row["iccid"], note=row["note"]))


def _asset(registry: Registry, row: Row) -> bool:
    place = [_number(row, name) for name in ("lat_deg", "lon_deg")]
    asset = Asset(
        asset=row["asset"],
        agency=row["agency"],
        kind=row["kind"],
        plate=row["plate"],
        lat_deg=place[0],
        lon_deg=place[1],
    )
    return registry.put_asset(asset)


def _sim(registry: Registry, row: Row) -> bool:
    plan_mb = _number(row, "plan_mb") or 0
    return registry.put_sim(Sim(iccid=row["iccid"], operator=row["operator"], plan_mb=int(plan_mb), apn=row["apn"]))


def _assignment(registry: Registry, row: Row) -> bool:
    return registry.assign(
        row["unit"],
        row["asset"],
        _instant(row, "from_utc"),
        _instant(row, "to_utc") if row["to_utc"] else None,
    )


def _number(row: Row, name: str) -> float | None:
    if not row[name]:
        return None
    try:
        number = float(row[name])
    except ValueError as error:
        raise ValueError(f"{name} {row[name]!r}: wanted a number") from error
    if not isfinite(number):
        raise ValueError(f"{name} {row[name]!r}: wanted a number")
    return number


def _instant(row: Row, name: str) -> int:
    try:
        return parse_utc_ms(row[name])
    except ValueError as error:
        raise ValueError(f"{name} {row[name]!r}: wanted ISO 8601 in UTC such as 2026-11-23T06:00:00Z") from error


_TAKERS: Final[dict[str, Callable[[Registry, Row], bool]]] = {
    "units": _unit,
    "assets": _asset,
    "sims": _sim,
    "assignments": _assignment,
}

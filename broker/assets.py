"""Which asset of which agency a unit served at a given UTC: the assignments, their CSV, the lookup. Pure."""

import csv
import io
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TextIO

from settings.errors import ConfigError, Problem
from settings.instants import parse_utc_ms, utc_text
from wire.topics import valid_name, valid_unit

COLUMNS = ("unit", "asset", "agency", "kind", "from_utc", "to_utc")
UNASSIGNED = "unassigned"
_KIND = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")


class Name(NamedTuple):
    """Under which agency and asset a record is published; kind is free text such as ambulance, None = not known."""

    agency: str
    asset: str
    kind: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A unit serves an asset of an agency from from_utc_ms until before to_utc_ms (None = open), Unix ms."""

    unit: str
    asset: str
    agency: str
    kind: str
    from_utc_ms: int
    to_utc_ms: int | None

    @property
    def name(self) -> Name:
        return Name(self.agency, self.asset, self.kind)

    def covers(self, utc_ms: int) -> bool:
        """Whether the assignment holds at that instant."""
        return self.from_utc_ms <= utc_ms and (self.to_utc_ms is None or utc_ms < self.to_utc_ms)


class Window(NamedTuple):
    """A stretch of Unix ms, from inclusive to exclusive; None = open on that side."""

    from_utc_ms: int | None
    to_utc_ms: int | None


def unassigned(unit: str) -> Name:
    """The name of a unit that nobody has assigned."""
    return Name(UNASSIGNED, f"{UNASSIGNED}-{unit}", None)


class Roster:
    """All assignments, looked up by unit and the record's own UTC; assignments of one unit do not overlap."""

    def __init__(self, assignments: Iterable[Assignment] = ()) -> None:
        self._by_unit: dict[str, list[Assignment]] = {}
        for assignment in sorted(assignments, key=lambda a: (a.unit, a.from_utc_ms)):
            self._by_unit.setdefault(assignment.unit, []).append(assignment)
        self._starts = {unit: [a.from_utc_ms for a in held] for unit, held in self._by_unit.items()}

    def name_of(self, unit: str, utc_ms: int | None) -> Name:
        """Whom the unit served then; unassigned when nobody, or when the time is not known."""
        starts = self._starts.get(unit)
        if starts is None or utc_ms is None:
            return unassigned(unit)
        at = bisect_right(starts, utc_ms) - 1
        if at >= 0 and (found := self._by_unit[unit][at]).covers(utc_ms):
            return found.name
        return unassigned(unit)

    def of_unit(self, unit: str) -> Sequence[Assignment]:
        """The unit's assignments, oldest first."""
        return self._by_unit.get(unit, ())

    def units(self) -> set[str]:
        """Units that are assigned at some time."""
        return set(self._by_unit)

    def held_at(self, utc_ms: int) -> set[tuple[str, str]]:
        """(agency, asset) of every name that a unit serves at that instant."""
        return {(a.agency, a.asset) for held in self._by_unit.values() for a in held if a.covers(utc_ms)}

    def unit_held_at(self, unit: str, utc_ms: int) -> bool:
        """Whether the unit is assigned at that instant."""
        return any(a.covers(utc_ms) for a in self.of_unit(unit))


def changed_windows(unit: str, before: Roster, after: Roster) -> list[Window]:
    """The stretches in which the unit's name differs between two rosters, merged and in order."""
    held = [*before.of_unit(unit), *after.of_unit(unit)]
    edges = sorted({a.from_utc_ms for a in held} | {a.to_utc_ms for a in held if a.to_utc_ms is not None})
    windows: list[Window] = []
    for start, end in zip(edges, [*edges[1:], None], strict=False):  # both empty: nothing is assigned
        if before.name_of(unit, start) == after.name_of(unit, start):
            continue
        if windows and windows[-1].to_utc_ms == start:
            windows[-1] = Window(windows[-1].from_utc_ms, end)
        else:
            windows.append(Window(start, end))
    return windows


def load_csv(file: TextIO, path: str) -> list[Assignment]:
    """Read assignments; raises ConfigError naming every bad line and every overlap at once."""
    rows = csv.reader(file)
    header = _header(rows)
    if header is None or tuple(cell.strip() for cell in header) != COLUMNS:
        raise ConfigError(path, [Problem(key="line 1", value=",".join(header or ()), wanted=",".join(COLUMNS))])
    problems: list[Problem] = []
    numbered: list[tuple[int, Assignment]] = []
    try:
        for cells in rows:
            if any(cell.strip() for cell in cells):
                line = _Line(rows.line_num, [cell.strip() for cell in cells], problems)
                if (assignment := line.assignment()) is not None:
                    numbered.append((rows.line_num, assignment))
    except csv.Error as error:  # a quote that is opened and not closed takes the rest of the file into one cell
        wanted = "lines of six cells, each quote closed"
        problems.append(Problem(key=f"line {rows.line_num}", value=str(error), wanted=wanted))
    problems += _overlaps(numbered)
    if problems:
        raise ConfigError(path, problems)
    return [assignment for _, assignment in numbered]


def _header(rows: Iterator[list[str]]) -> list[str] | None:
    try:
        return next(rows, None)
    except csv.Error:
        return None


class _Line:
    """One line of the CSV on its way to an Assignment; what is wrong with it goes to problems."""

    def __init__(self, number: int, cells: list[str], problems: list[Problem]) -> None:
        self._number, self._cells, self._problems = number, cells, problems

    def assignment(self) -> Assignment | None:
        """The line's assignment, None when something is wrong with it."""
        if len(self._cells) != len(COLUMNS):
            self._wrong("columns", str(len(self._cells)), f"{len(COLUMNS)}: {','.join(COLUMNS)}")
            return None
        unit, asset, agency, kind, from_text, to_text = self._cells
        before = len(self._problems)
        self._name("unit", unit, valid_unit(unit), "a unit's name: [a-z0-9][a-z0-9-]{0,30}, not bridge* or city*")
        self._name("asset", asset, valid_name(asset), "[a-z0-9][a-z0-9-]{0,30}")
        self._name("agency", agency, valid_name(agency), "[a-z0-9][a-z0-9-]{0,30}")
        self._name("kind", kind, _KIND.fullmatch(kind) is not None, "a word such as ambulance")
        from_utc_ms = self._instant("from_utc", from_text)
        to_utc_ms = self._instant("to_utc", to_text) if to_text else None
        if from_utc_ms is not None and to_utc_ms is not None and to_utc_ms <= from_utc_ms:
            self._wrong("to_utc", to_text, f"later than from_utc {from_text}")
        if len(self._problems) > before or from_utc_ms is None:
            return None
        return Assignment(
            unit=unit, asset=asset, agency=agency, kind=kind, from_utc_ms=from_utc_ms, to_utc_ms=to_utc_ms
        )

    def _name(self, column: str, value: str, good: bool, wanted: str) -> None:
        reserved = column in ("asset", "agency") and value.startswith(UNASSIGNED)
        if not good or reserved:
            self._wrong(column, value, f"{wanted}, not {UNASSIGNED}*" if reserved else wanted)

    def _instant(self, column: str, text: str) -> int | None:
        try:
            return parse_utc_ms(text)
        except ValueError:
            self._wrong(column, text, "ISO 8601 in UTC such as 2026-11-23T06:00:00Z")
            return None

    def _wrong(self, column: str, value: str, wanted: str) -> None:
        self._problems.append(Problem(key=f"line {self._number} {column}", value=repr(value), wanted=wanted))


def as_csv(assignments: Iterable[Assignment]) -> str:
    """The file that load_csv reads."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for a in assignments:
        end = "" if a.to_utc_ms is None else utc_text(a.to_utc_ms)
        writer.writerow((a.unit, a.asset, a.agency, a.kind, utc_text(a.from_utc_ms), end))
    return out.getvalue()


def _overlaps(numbered: list[tuple[int, Assignment]]) -> list[Problem]:
    problems: list[Problem] = []
    reaching: dict[str, tuple[int, Assignment]] = {}  # by unit: the line that reaches furthest so far
    for line, assignment in sorted(numbered, key=lambda n: (n[1].unit, n[1].from_utc_ms, n[0])):
        earlier = reaching.get(assignment.unit)
        if earlier is not None and earlier[1].covers(assignment.from_utc_ms):
            wanted = f"not at the same time as line {earlier[0]}: a unit serves one asset at a time"
            problems.append(Problem(key=f"line {line} unit", value=repr(assignment.unit), wanted=wanted))
        if earlier is None or _ends_later(assignment, earlier[1]):
            reaching[assignment.unit] = (line, assignment)
    return problems


def _ends_later(one: Assignment, other: Assignment) -> bool:
    return other.to_utc_ms is not None and (one.to_utc_ms is None or one.to_utc_ms > other.to_utc_ms)

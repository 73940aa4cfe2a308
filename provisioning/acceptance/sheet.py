"""The sheet of a check: one line for each thing measured, a verdict over all of them, and its canonical bytes. Pure.

What a person is told to do is the English of `words.py`, without any value in it: so the sheet that is signed is the
same whatever language it is shown in.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal

from wire.errors import PantauError
from wire.topics import valid_unit

Verdict = Literal["passed", "failed", "skipped"]
Bound = Literal["", "at least", "at most", "is"]
VERDICTS: Final = ("passed", "failed", "skipped")
BOUNDS: Final = ("", "at least", "at most", "is")
FORMAT: Final = 1
MOST_LINES: Final = 200
END_UTC_MS: Final = 253_402_300_800_000  # 10000-01-01: no calendar of Python's goes further
LARGEST_NUMBER: Final = 1 << 53  # what every reader of JSON takes exactly
LARGEST_BYTES: Final = 64 * 1024
Value = int | float | str | None


class SheetError(PantauError, ValueError):
    """It is no sheet, or not the sheet of that box; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that was looked at. `todo` says what to do about a failed one, and why a skipped one was skipped.

    `of` says which one, where a box has several: a camera's name. Sheets of before cameras do not have it.
    `bound` and `limit` together are what it had to be: "at least" 5, "at most" 3.0, "is" "OK"; "" = only told.
    """

    name: str
    verdict: Verdict
    of: str = ""
    measured: Value = None
    unit: str = ""
    bound: Bound = ""
    limit: Value = None
    todo: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One whole check of one box. `at_utc_ms` is the box's own clock, whose error is one of the lines."""

    unit: str
    at_utc_ms: int
    took_s: float
    firmware: str
    attended: bool
    by: str
    lines: tuple[Line, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing failed, and not everything was skipped."""
        found = {line.verdict for line in self.lines}
        return "failed" not in found and "passed" in found

    @property
    def verdict(self) -> Verdict:
        """Of the whole check."""
        return "passed" if self.passed else "failed"

    def counted(self, verdict: Verdict) -> int:
        """How many lines ended so."""
        return sum(line.verdict == verdict for line in self.lines)


def at_least(name: str, value: float | None, limit: float, unit: str, *, todo: str, unknown: str) -> Line:
    """Passed when the value is no less than the limit; skipped (`unknown` says why) when there is none."""
    return _bounded(name, value, "at least", limit, unit, todo if value is not None else unknown)


def at_most(name: str, value: float | None, limit: float, unit: str, *, todo: str, unknown: str) -> Line:
    """Passed when the value is no more than the limit; skipped (`unknown` says why) when there is none."""
    return _bounded(name, value, "at most", limit, unit, todo if value is not None else unknown)


def demanded(name: str, measured: Value, right: bool, todo: str, *, limit: Value = None) -> Line:
    """Passed when it is right; `limit` is what it had to be."""
    bound: Bound = "" if limit is None else "is"
    verdict: Verdict = "passed" if right else "failed"
    return Line(name=name, verdict=verdict, measured=measured, bound=bound, limit=limit, todo="" if right else todo)


def skipped(name: str, why: str) -> Line:
    """Not looked at."""
    return Line(name=name, verdict="skipped", todo=why)


def told(name: str, measured: Value, unit: str = "") -> Line:
    """Measured for the record, whatever it is."""
    return Line(name=name, verdict="passed", measured=measured, unit=unit)


def _bounded(name: str, value: float | None, bound: Bound, limit: float, unit: str, words: str) -> Line:
    if value is None:
        return Line(name=name, verdict="skipped", bound=bound, limit=limit, unit=unit, todo=words)
    right = value >= limit if bound == "at least" else value <= limit
    verdict: Verdict = "passed" if right else "failed"
    words = "" if right else words
    return Line(name=name, verdict=verdict, measured=value, unit=unit, bound=bound, limit=limit, todo=words)


# ---------------------------------------------------------------- bytes


def to_bytes(sheet: Sheet) -> bytes:
    """The sheet as the bytes that are signed: JSON, keys sorted, no blanks, UTF-8."""
    document = {**asdict(sheet), "format": FORMAT, "verdict": sheet.verdict}
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def from_bytes(content: bytes) -> Sheet:
    """The sheet in those bytes; SheetError when they are none, or say another verdict than their lines do."""
    if len(content) > LARGEST_BYTES:
        raise SheetError(f"a sheet of {len(content)} bytes: at most {LARGEST_BYTES}")
    try:
        document = json.loads(content, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise SheetError(f"no sheet: {error}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise SheetError(f"no sheet of format {FORMAT}")
    sheet = _sheet(document)
    if document.get("verdict") != sheet.verdict:
        raise SheetError("its verdict is not that of its lines")
    return sheet


def _no_number(written: str) -> float:
    raise ValueError(f"{written} is no number")


def _sheet(document: dict[str, Any]) -> Sheet:
    lines = document.get("lines")
    if not isinstance(lines, list) or len(lines) > MOST_LINES:
        raise SheetError(f"lines: wanted a list of at most {MOST_LINES}")
    kept = {name: _typed(document, name, kinds) for name, kinds in _HEAD.items()}
    if not valid_unit(kept["unit"]):
        raise SheetError("unit: wanted the name of a box")
    if not 0 <= kept["at_utc_ms"] < END_UTC_MS:
        raise SheetError("at_utc_ms: wanted Unix ms before the year 10000")
    return Sheet(**kept, lines=tuple(_line(each) for each in lines))


def _line(document: Any) -> Line:
    if not isinstance(document, dict):
        raise SheetError("a line: wanted an object")
    document = {"of": "", **document}
    line = Line(**{field.name: _typed(document, field.name, _LINE[field.name]) for field in fields(Line)})
    if line.verdict not in VERDICTS or line.bound not in BOUNDS:
        raise SheetError(f"line {line.name}: wanted a verdict of {', '.join(VERDICTS)}")
    return line


def _typed(document: dict[str, Any], name: str, kinds: Sequence[type]) -> Any:
    value = document.get(name)
    if type(value) not in kinds:
        raise SheetError(f"{name}: wanted {' or '.join(kind.__name__ for kind in kinds)}")
    if isinstance(value, str) and not _is_text(value):
        raise SheetError(f"{name}: wanted text")
    if isinstance(value, int | float) and not abs(value) < LARGEST_NUMBER:  # so written that NaN is refused as well
        raise SheetError(f"{name}: wanted a number of reasonable size")
    return value


def _is_text(value: str) -> bool:
    """Whether it can be written: JSON can name half a character, which UTF-8 cannot say."""
    return not any("\ud800" <= each <= "\udfff" for each in value)


_HEAD: Final[dict[str, Sequence[type]]] = {
    "unit": (str,),
    "at_utc_ms": (int,),
    "took_s": (int, float),
    "firmware": (str,),
    "attended": (bool,),
    "by": (str,),
}
_VALUE: Final[Sequence[type]] = (int, float, str, type(None))
_LINE: Final[dict[str, Sequence[type]]] = {
    "name": (str,),
    "verdict": (str,),
    "of": (str,),
    "measured": _VALUE,
    "unit": (str,),
    "bound": (str,),
    "limit": _VALUE,
    "todo": (str,),
}

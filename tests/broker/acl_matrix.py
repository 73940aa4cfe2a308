"""The table of docs/security.md: who may publish (w) and receive (r) what. The page is what the tests read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "security.md"
OWN: Final = "OWN-NAME"  # in a topic: whatever the certificate is named


class Cell(NamedTuple):
    """One cell: who, the topic as the table has it, and what is allowed of "rw"."""

    who: str
    topic: str
    may: str


def cells() -> list[Cell]:
    """Every cell of the table; a column may stand for several kinds of certificate."""
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("|")]
    first = next(n for n, line in enumerate(lines) if line.startswith("| topic |"))
    columns = [re.findall(r"`([^`]+)`", column) for column in _split(lines[first])[1:]]
    found = []
    for line in lines[first + 2 :]:
        topic, *may = _split(line)
        if not topic.startswith("`"):
            break
        for column, allowed in zip(columns, may, strict=True):
            found += [Cell(who, topic.strip("`"), allowed) for who in column]
    return found


def allowed(who: str, verb: str) -> set[str]:
    """Topics of the table on which `who` may do `verb` ("r" or "w")."""
    return {cell.topic for cell in cells() if cell.who == who and verb in cell.may}


def topics() -> list[str]:
    """The rows."""
    return list(dict.fromkeys(cell.topic for cell in cells()))


def everyone() -> list[str]:
    """The columns, one by one."""
    return list(dict.fromkeys(cell.who for cell in cells()))


def _split(line: str) -> list[str]:
    return [part.strip() for part in line.strip("|").split("|")]

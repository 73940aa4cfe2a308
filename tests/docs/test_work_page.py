"""docs/work.md says every threshold, kind, border and event that the code has, with its value, and no other."""

import re
from pathlib import Path

from broker.work import sessions, thresholds
from broker.work.sessions import Kind
from wire.inputs import INPUTS, input_event

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "work.md").read_text("utf-8")
PER_UNIT = {
    ("MS", "s"): 1000,
    ("MS", "h"): 3_600_000,
    ("CM", "m"): 100,
    ("CMPS", "cm/s"): 1,
    ("CMPS", "m/s"): 100,
    ("S", "s"): 1,
}


def rows(heading: str) -> list[list[str]]:
    """The cells of the section's tables whose first one is a word of the code."""
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def value(name: str, text: str) -> float:
    """A table's value in the constant's own unit, which ends its name."""
    number, _, unit = text.partition(" ")
    if name in ("HDOP_MAX_C", "SATS_MIN"):
        return float(number) * (100 if name == "HDOP_MAX_C" else 1)
    return float(number) * PER_UNIT[name.rsplit("_", 1)[1], unit]


def test_every_threshold_is_published_with_its_value() -> None:
    published = {}
    for names, values, *_ in rows("Thresholds"):
        for name, text in zip(re.findall(r"`(\w+)`", names), values.split(", "), strict=True):
            published[name] = value(name, text)
    constants = {name: number for name, number in vars(thresholds).items() if name.isupper()}
    assert published == constants


def test_every_kind_and_border_is_explained() -> None:
    words = {word for row in rows("How to read it") for word in re.findall(r"`([a-z_]+)`", row[0])}
    borders = {sessions.MOVED, sessions.STOOD, sessions.LAST_SEEN, sessions.SEEN_AGAIN, sessions.CUT}
    events = {input_event(name, on) for name in INPUTS for on in (True, False)}
    assert words == {str(kind) for kind in Kind} | borders | events


def test_every_event_that_is_read_is_asked_for() -> None:
    words = {word for row in rows("What a box has to say") for word in re.findall(r"`([a-z_]+)`", row[0])}
    assert words == {input_event(name, on) for name in INPUTS for on in (True, False)} | {"boot"}

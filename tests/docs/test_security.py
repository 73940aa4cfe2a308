"""docs/security.md names tests that are there; the table of who may do what is executed by tests/broker."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "security.md").read_text("utf-8")
ATTACKERS = ("stolen box", "curious neighbour", "bad technician", "compromised unit", "compromised consumer")


def test_every_test_that_is_named_is_there() -> None:
    named = re.findall(r"`(tests/[a-z0-9_/]+\.py)::(test_[a-z0-9_]+)`", PAGE)
    assert len(named) > 40
    for path, name in named:
        assert f"def {name}(" in (REPOSITORY / path).read_text("utf-8"), f"{path}::{name}"


def test_every_attacker_has_what_he_can_and_each_thing_he_cannot_has_a_test() -> None:
    sections = {title: text for title, _, text in (part.partition("\n") for part in PAGE.split("\n## "))}
    for attacker in ATTACKERS:
        text = next(text for title, text in sections.items() if attacker in title)
        assert "**can**" in text.lower()
        claims = [line for line in text.split("| cannot |")[1].split("\n\n")[0].splitlines()[2:] if line]
        assert claims and all("::test_" in line for line in claims), attacker


def test_what_is_not_defended_is_said() -> None:
    assert PAGE.rstrip().split("\n## ")[-1].startswith("What is not defended")

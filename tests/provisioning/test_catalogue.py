"""Every text that a person reads is there in every language, with the same values in it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import polib
import pytest

from provisioning.words import CATALOGUES, DOMAIN, SOURCE, languages

ROOT = Path(__file__).resolve().parents[2]
# The sentences of the acceptance check, named where they are said: test_sheet.py holds each to its translation.
KEPT_APART = ("words.", "line.todo")


def texts() -> Iterator[str]:
    for path in [*(ROOT / "provisioning").rglob("*.py"), *(ROOT / "pantau/provision").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
                (argument,) = node.args
                if ast.unparse(argument).startswith(KEPT_APART):
                    continue
                assert isinstance(argument, ast.Constant), f"{path}:{node.lineno}: a catalogue cannot hold that"
                yield str(argument.value)


def values(text: str) -> set[str]:
    return {name for _text, name, _spec, _conversion in Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", [code for code in languages() if code != SOURCE])
def test_every_text_is_translated_with_the_same_values_in_it(language: str) -> None:
    catalogue = polib.pofile(str(CATALOGUES / language / "LC_MESSAGES" / f"{DOMAIN}.po"))
    translated = {entry.msgid: entry.msgstr for entry in catalogue if entry.msgstr and not entry.obsolete}
    assert [text for text in texts() if text not in translated] == []
    assert [text for text, other in translated.items() if values(text) != values(other)] == []

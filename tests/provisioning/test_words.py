"""The person's language: found by the environment, and never an error."""

from __future__ import annotations

import ast
from pathlib import Path
from string import Formatter

import polib
import pytest

from provisioning.words import CATALOGUES, DOMAIN, SOURCE, VARIABLES, _, language, languages, translated

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("said", "understood"),
    [("id_ID.UTF-8", "id"), ("id", "id"), ("ID", "id"), ("en_GB.UTF-8", "en"), ("C", "en"), ("zz_ZZ", "en")],
)
def test_the_language_is_the_environments(said: str, understood: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", said)
    assert language() == understood


def test_our_own_variable_is_above_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "en_GB.UTF-8")
    monkeypatch.setenv("PANTAU_LANGUAGE", "id")
    assert language() == "id"
    assert _("not yet due") == "belum waktunya"


def test_what_is_not_translated_is_said_as_it_is() -> None:
    for code in languages():
        assert translated("no catalogue has this", code) == "no catalogue has this"


def given_to_gettext() -> dict[str, str]:
    """Every literal that the code gives to `_()`, with the file it is in."""
    found = {}
    for folder in ("provisioning", "pantau/provision"):
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
                    (said,) = node.args
                    if isinstance(said, ast.Constant):
                        found[str(said.value)] = str(path.relative_to(REPOSITORY))
    return found


@pytest.mark.parametrize("code", [code for code in languages() if code != SOURCE])
def test_everything_that_is_said_is_said_in_every_language(code: str) -> None:
    said = given_to_gettext()
    assert len(said) > 30
    catalogue = {entry.msgid: entry for entry in polib.pofile(str(CATALOGUES / code / "LC_MESSAGES" / f"{DOMAIN}.po"))}
    lacking = {text: path for text, path in said.items() if text not in catalogue or not catalogue[text].translated()}
    assert not lacking


@pytest.mark.parametrize("code", [code for code in languages() if code != SOURCE])
def test_a_translation_has_the_values_of_what_it_translates(code: str) -> None:
    for entry in polib.pofile(str(CATALOGUES / code / "LC_MESSAGES" / f"{DOMAIN}.po")):
        assert values_in(entry.msgstr) == values_in(entry.msgid), entry.msgid
        assert entry.msgid.endswith(" ") == entry.msgstr.endswith(" "), entry.msgid


def values_in(text: str) -> list[str]:
    return sorted(name for _text, name, _spec, _conversion in Formatter().parse(text) if name is not None)

"""The person's language: found by the environment, and never an error."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

import polib
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from pantau.provision.app import app
from pantau.provision.spoken import ERRORS, PARTS, USAGE, translated_error
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


def verbs(command: Any = None, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command there is, groups too, with the words that call it."""
    command = get_command(app) if command is None else command
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from verbs(below, *path, name)


@cache
def shown_in_help() -> dict[str, str]:
    """Every text that `--help` shows and every frame of a usage error, with where it is shown."""
    found = dict.fromkeys((*PARTS.values(), *ERRORS, USAGE), "typer")
    for path, command in verbs():
        where = " ".join(("pantau-provision", *path))
        texts = [command.help, command.rich_help_panel, command.options_metavar]
        texts += [getattr(command, "subcommand_metavar", None), *(each.help for each in command.params)]
        with command.make_context(where, [], resilient_parsing=True) as context:
            texts.append(command.get_help_option(context).help)
        assert command.help, f"{where} does not say what it is for"
        assert all(each.help for each in command.params), f"{where} has an option that nobody explains"
        found.update(dict.fromkeys(filter(None, texts), where))
    return found


@pytest.mark.parametrize("code", [code for code in languages() if code != SOURCE])
def test_everything_that_is_said_is_said_in_every_language(code: str) -> None:
    said, shown = given_to_gettext(), shown_in_help()
    assert len(said) > 30 and len(shown) > 100
    said |= shown
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


@pytest.mark.parametrize("path", [path for path, _command in verbs()], ids=" ".join)
def test_the_help_of_every_verb_is_in_the_persons_language(
    path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    english = {text for text in shown_in_help() if text not in ERRORS and len(text) > 8}
    monkeypatch.setenv("PANTAU_LANGUAGE", "id")  # before the runner makes the command
    done = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "400"})
    assert done.exit_code == 0 and "Pemakaian: " in done.output
    lines = [" ".join(line.strip(" │").split()) for line in done.output.splitlines()]
    told = [text for text in english if translated(text, "id") != text and any(line.endswith(text) for line in lines)]
    assert not told


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("nope", "Tidak ada perintah 'nope'."),
        ("enroll", "Maksudnya 'enrol'?"),
        ("retire", "belum diberikan."),
        ("certificate box-1", "Opsi '--role' belum diberikan."),
        ("retire box-1 --nope", "Tidak ada opsi --nope"),
        ("show box-1 box-2", "Ada argumen yang berlebih (box-2)"),
        ("code box-1 --days many", "Nilai untuk '--days' salah: "),
        ("list fish", "Nilai salah: 'fish': seharusnya units"),
        ("sheet verify", "belum diberikan."),
    ],
)
def test_what_is_wrong_with_a_command_is_said_in_the_persons_language(typed: str, told: str) -> None:
    done = CliRunner().invoke(app, typed.split(), env={"PANTAU_LANGUAGE": "id", "COLUMNS": "200"})
    assert done.exit_code == 2
    assert told in done.output and "Kesalahan" in done.output and "Bantuan: " in done.output
    assert "Usage" not in done.output and "Error" not in done.output


def test_an_error_that_no_pattern_knows_is_said_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANTAU_LANGUAGE", "id")
    assert translated_error("the moon is in the way") == "the moon is in the way"
    assert translated_error("Invalid value for '--lat': 'x' is not a valid float.") == (
        "Nilai untuk '--lat' salah: 'x' bukan bilangan yang sah."
    )

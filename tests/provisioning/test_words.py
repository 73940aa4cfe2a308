"""The person's language: found by the environment, and never an error."""

from __future__ import annotations

import pytest

from provisioning.words import VARIABLES, _, language, languages, translated


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

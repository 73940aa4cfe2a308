"""A registry that is damaged, missing or something else is no empty one: nobody comes back who was retired."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from click.testing import Result
from cryptography import x509
from typer.testing import CliRunner

from pantau.provision.app import app
from provisioning.values import RegistryError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A city with a technician who left, and the list that says so."""
    for words in (
        ("authority", "jakarta"),
        ("certificate", "city-rini", "--role", "technician", "--out", str(tmp_path / "people")),
        ("unit", "box-1"),
        ("retire", "city-rini", "--yes"),
        ("crl", str(tmp_path / "crl.pem")),
    ):
        assert run(tmp_path, *words).exit_code == 0
    return tmp_path


def run(home: Path, *words: str) -> Result:
    places = {"PANTAU_AUTHORITY": str(home / "authority"), "PANTAU_REGISTRY": str(home / "registry.db")}
    return CliRunner().invoke(app, words, env={**places, "PANTAU_LANGUAGE": "en"})


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(done: Result, why: str) -> None:
    assert done.exit_code != 0 and isinstance(done.exception, RegistryError)
    assert why in str(done.exception)


def test_one_damaged_byte_takes_nobody_off_the_list(home: Path) -> None:
    path = home / "registry.db"
    content = path.read_bytes()
    path.write_bytes(content.replace(b'{"serial"', b'["serial"', 1))
    assert path.read_bytes() != content
    before = files(home)
    for words in (("crl", str(home / "crl.pem")), ("retire", "box-1", "--yes"), ("unit", "box-2")):
        refused(run(home, *words), "nothing was changed; put back a copy")
    assert files(home) == before
    path.write_bytes(content)
    assert run(home, "crl", str(home / "crl.pem")).exit_code == 0
    assert len(x509.load_pem_x509_crl((home / "crl.pem").read_bytes())) == 1


@pytest.mark.parametrize("verb", ["list", "unit"])
def test_a_file_that_is_something_else_is_left_alone(home: Path, verb: str) -> None:
    (home / "victim.csv").write_text("unit,kind,iccid,note\nbox-1,,,\n" * 100)
    with sqlite3.connect(home / "store.db") as store:
        store.execute("CREATE TABLE log (log_id INTEGER PRIMARY KEY)")
    store.close()
    before = files(home)
    for name in ("victim.csv", "store.db"):
        refused(run(home, verb, "units", "--registry", str(home / name)), "no registry")
    assert files(home) == before


@pytest.mark.parametrize(
    "words",
    [
        ("publish", "--store", "sqlite:///{home}/store.db"),
        ("crl", "{home}/crl.pem"),
        ("retire", "box-1", "--yes"),
        ("code", "box-1"),
        ("list", "units"),
        ("serve", "--certificate", "{home}/none.pem", "--key", "{home}/none.key"),
    ],
)
@pytest.mark.parametrize("empty", [False, True])
def test_only_who_adds_begins_a_registry(home: Path, words: tuple[str, ...], empty: bool) -> None:
    other = home / "missing.db"
    if empty:
        other.touch()
    before = files(home)
    refused(run(home, *(word.format(home=home) for word in words), "--registry", str(other)), "no registry at")
    assert files(home) == before
    assert run(home, "unit", "box-1", "--registry", str(other)).exit_code == 0
    assert "box-1" in run(home, "list", "--registry", str(other)).stdout

"""A registry that is damaged, missing or something else is no empty one: nobody comes back who was retired."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result
from cryptography import x509
from typer.testing import CliRunner

from pantau.provision.app import app
from pantau.provision.registry import office
from provisioning.registry import Registry
from provisioning.values import RegistryBusy, RegistryError, Unit


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


def test_while_a_large_spreadsheet_is_taken_others_are_told_in_one_line(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(office.__wrapped__.__kwdefaults__, "wait_s", 0.1)  # type: ignore[attr-defined]
    with closing(sqlite3.connect(home / "registry.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        for words in (("code", "box-1"), ("unit", "box-2"), ("retire", "box-1", "--yes")):
            done = run(home, *words)
            assert done.exit_code == 1 and isinstance(done.exception, RegistryBusy)
            assert str(done.exception) == "the registry is busy; try again"
        assert run(home, "list").exit_code == 0, "who only reads does not wait"
        other.rollback()
    assert run(home, "code", "box-1").exit_code == 0


def test_two_clerks_who_change_one_box_both_have_their_say(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together, said = Registry.together, []

    def late(registry: Registry) -> object:
        if not said:
            said.append(True)
            with Registry(home / "registry.db", who="budi") as other:
                other.put_unit(Unit(unit="box-1", note="north"))
        return together(registry)

    monkeypatch.setattr(Registry, "together", late)
    assert run(home, "unit", "box-1", "--kind", "camera_node").exit_code == 0
    with Registry(home / "registry.db", who="siti") as registry:
        assert registry.known_unit("box-1") == Unit(unit="box-1", kind="camera_node", note="north")

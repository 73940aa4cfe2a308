"""`pantau-provision certificate` and `certificates`: names by role, and timers that may call them every day."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from click.testing import Result
from cryptography import x509
from typer.testing import CliRunner

from pantau.provision.app import app
from provisioning.authority import open_authority
from provisioning.enrolment import serial_of, shown_hosts
from provisioning.registry import Registry
from provisioning.values import Enrolment
from provisioning.x509 import Identity, identity_of, key_fingerprint, key_pem, load_key, new_key


@pytest.fixture
def home(tmp_path: Path) -> Path:
    assert run(tmp_path, "authority", "jakarta").exit_code == 0
    return tmp_path


def run(home: Path, *words: str) -> Result:
    places = {"PANTAU_AUTHORITY": str(home / "authority"), "PANTAU_REGISTRY": str(home / "registry.db")}
    return CliRunner().invoke(app, words, env={**places, "PANTAU_LANGUAGE": "en"})


@pytest.mark.parametrize(
    ("role", "name", "taken"),
    [
        ("bridge", "bridge-2", True),
        ("bridge", "box-1", False),
        ("publisher", "bridge-publisher", True),
        ("publisher", "city-fire", False),
        ("consumer", "city-fire", True),
        ("consumer", "box-1", False),
        ("consumer", "bridge-1-receipts", False),
        ("consumer", "city-fire/#", False),
        ("technician", "city-andi", True),
        ("technician", "andi", False),
        ("broker", "broker.city.example", True),
        ("broker", "bridge-1", False),
        ("unit", "box-1", False),
    ],
)
def test_a_role_has_its_own_names(home: Path, role: str, name: str, taken: bool) -> None:
    done = run(home, "certificate", name, "--role", role, "--out", str(home / "out"))
    assert (done.exit_code == 0) == taken, done.output
    assert (home / "out" / f"{name}.key").exists() == taken


def test_a_daily_timer_renews_only_what_is_due(home: Path) -> None:
    words = ("certificate", "bridge-1", "--role", "bridge", "--out", str(home / "out"))
    assert run(home, *words, "--if-due").exit_code == 0, "what is not there is due"
    first = serial(home)
    assert "not yet due" in run(home, *words, "--if-due").output
    assert serial(home) == first
    assert run(home, *words).exit_code == 0
    assert serial(home) != first


def test_one_command_renews_whatever_is_due_in_a_folder_and_nothing_else(home: Path) -> None:
    run(home, "certificate", "bridge-2", "--role", "bridge", "--out", str(home / "out"))
    for who in CENTRE:
        nearly_over(home, who)
    before = {name: found(home, name) for name in ("bridge-2", *(who.name for who in CENTRE))}
    told = json.loads(run(home, "certificates", str(home / "out"), "--json").stdout)
    assert told == {"renewed": sorted(who.name for who in CENTRE), "left": {}, "unreadable": {}}
    assert found(home, "bridge-2") == before["bridge-2"]
    for who in CENTRE:
        now = found(home, who.name)
        assert (identity_of(now), shown_hosts(now)) == (identity_of(before[who.name]), who.hosts)
        assert now.not_valid_after_utc > before[who.name].not_valid_after_utc + dt.timedelta(days=300)
        key = load_key((home / "out" / f"{who.name}.key").read_bytes(), who.name)
        assert key.public_key() == now.public_key() != before[who.name].public_key()
    assert (home / "out" / "crl.pem").exists(), "a broker is given the list with its certificate"
    assert "not yet due" in run(home, "certificates", str(home / "out")).output


def test_a_key_without_its_certificate_is_mended_the_next_day(home: Path) -> None:
    run(home, "certificate", "bridge-1", "--role", "bridge", "--out", str(home / "out"))
    (home / "out" / "bridge-1.key").write_bytes(key_pem(new_key()))  # the power went between the two files
    assert "bridge-1 (bridge) is renewed" in run(home, "certificates", str(home / "out")).output
    key = load_key((home / "out" / "bridge-1.key").read_bytes(), "bridge-1")
    assert key.public_key() == found(home, "bridge-1").public_key()


def test_only_a_renewed_broker_is_told(home: Path) -> None:
    for name in ("bridge-1", "bridge-1-receipts"):
        run(home, "certificate", name, "--role", "bridge", "--out", str(home / "out"))
    nearly_over(home, CENTRE[1])
    words = ("certificates", str(home / "out"), "--centre", str(home / "centre.toml"))
    assert run(home, *words).exit_code == 0, "a machine without a broker has no centre.toml"
    (home / "centre.toml").write_text(
        f'[broker]\nhost = "broker.city.example"\n\n[credentials]\ndirectory = "{home / "out"}"\n\n'
        f'[store]\nurl = "sqlite:///{home / "store.db"}"\nstate_directory = "{home / "centre"}"\n'
    )
    (home / "centre" / "mosquitto").mkdir(parents=True)
    nearly_over(home, CENTRE[0])
    assert "no broker runs here" in run(home, *words).output


def test_what_is_retired_not_ours_or_unreadable_is_left_as_it_is_and_named(home: Path) -> None:
    leaver, stranger, broken = (
        Identity(name="city-rini", role="technician"),
        Identity(name="city-fire", role="consumer"),
        Identity(name="bridge-1", role="bridge"),
    )
    nearly_over(home, leaver)
    assert run(home, "retire", "city-rini", "--yes").exit_code == 0
    nearly_over(home, stranger, known=False)
    nearly_over(home, broken)
    (home / "out" / "bridge-1.pem").write_text("no certificate")
    nearly_over(home, CENTRE[1])
    files = {name: (home / "out" / f"{name}.key").read_bytes() for name in ("city-rini", "city-fire", "bridge-1")}
    done = run(home, "certificates", str(home / "out"), "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == 1 and told["renewed"] == [CENTRE[1].name], "one that is broken holds up no other"
    assert {Path(path).stem: why for path, why in told["left"].items()} == {
        "city-rini": "retired",
        "city-fire": "not a certificate of ours",
    }
    assert [Path(path).stem for path in told["unreadable"]] == ["bridge-1"]
    assert files == {name: (home / "out" / f"{name}.key").read_bytes() for name in files}


@pytest.mark.parametrize(("days", "warned"), [(700, True), (760, False)])
def test_two_years_before_the_issuing_certificate_ends_it_is_said_daily(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, warned: bool
) -> None:
    monkeypatch.setattr("provisioning.authority.ISSUING_LASTS", dt.timedelta(days=days))
    run(tmp_path, "authority", "jakarta")
    run(tmp_path, "certificate", "bridge-1", "--role", "bridge", "--out", str(tmp_path / "out"))
    done = run(tmp_path, "certificates", str(tmp_path / "out"))
    assert done.exit_code == 0 and ("issuing.pem ends on" in done.output) == warned


CENTRE = (
    Identity(name="broker.city.example", role="broker", hosts=("broker.city.example", "192.0.2.7")),
    Identity(name="bridge-publisher", role="publisher"),
    Identity(name="city-police", role="consumer", agencies=("fire", "police")),
)


def nearly_over(home: Path, who: Identity, *, known: bool = True) -> None:
    """Key and certificate of `who` in the folder, with 10 minutes of its 70 to go; `known`: the registry has it."""
    key = new_key()
    text = open_authority(home / "authority").issue(who, key.public_key(), lasts=dt.timedelta(minutes=10))
    (home / "out").mkdir(exist_ok=True)
    (home / "out" / f"{who.name}.pem").write_bytes(text)
    (home / "out" / f"{who.name}.key").write_bytes(key_pem(key))
    if known:
        issued = x509.load_pem_x509_certificate(text)
        kept = Enrolment(
            serial=serial_of(issued), name=who.name, role=who.role, key=key_fingerprint(key.public_key()),
            how="office", at_utc_ms=0, ends_utc_ms=1,
        )  # fmt: skip
        with Registry(home / "registry.db", who="rini") as registry:
            registry.add_enrolment(kept)


def found(home: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((home / "out" / f"{name}.pem").read_bytes())


def serial(home: Path) -> int:
    return found(home, "bridge-1").serial_number

"""`pantau-provision certificate`: names by role, and a timer that may call it every day."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import Result
from cryptography import x509
from typer.testing import CliRunner

from pantau.provision.app import app


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


def serial(home: Path) -> int:
    return x509.load_pem_x509_certificate((home / "out" / "bridge-1.pem").read_bytes()).serial_number

"""`pantau-provision check` before it measures anything: a wrong file is one clear line and 78."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from provisioning.acceptance import filing, words
from provisioning.throwaway import make_authority
from provisioning.words import translated
from settings import EXIT_CONFIG
from stage.city import free_port


def refused(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "pantau.provision", "check", "--unattended", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, stdin=subprocess.DEVNULL)
    assert done.returncode == EXIT_CONFIG, done.stderr
    assert done.stdout == "" and "Traceback" not in done.stderr
    return done.stderr


def unit_toml(folder: Path, name: str) -> Path:
    who = make_authority(folder / "ca").ensure("box-1", "unit")
    file = folder / "unit.toml"
    file.write_text(
        f'[unit]\nid = "{name}"\n[broker]\nhost = "localhost"\nca_path = "{who.ca_path}"\n'
        f'certificate_path = "{who.certificate_path}"\nkey_path = "{who.key_path}"\n[receiver]\ntty = "tty"\n'
    )
    return file


def test_a_box_without_its_unit_toml_or_its_certificate(tmp_path: Path) -> None:
    assert "unit.toml" in refused(tmp_path, "--unit", str(tmp_path / "unit.toml"))
    unit = unit_toml(tmp_path, "box-1")
    (tmp_path / "ca/box-1.key").unlink()
    assert "broker.key_path" in refused(tmp_path, "--unit", str(unit))


def test_the_certificate_of_another_box_signs_nothing(tmp_path: Path) -> None:
    assert "its certificate says box-1" in refused(tmp_path, "--unit", str(unit_toml(tmp_path, "box-9")))


@pytest.mark.parametrize(
    ("text", "said"),
    [("[gnss]\nsatelites = 3\n", "did you mean gnss.satellites"), ("[modem]\nrsrp_dbm = 5\n", "from -140 to -40 dBm")],
)
def test_every_problem_of_check_toml_is_named(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "check.toml").write_text(text)
    files = ("--config", str(tmp_path / "check.toml"), "--unit", str(unit_toml(tmp_path, "box-1")))
    assert said in refused(tmp_path, *files)


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    files = ("--config", str(tmp_path / "other.toml"), "--unit", str(unit_toml(tmp_path, "box-1")))
    assert "other.toml" in refused(tmp_path, *files)


def test_beside_a_technician_it_speaks_indonesian_asks_and_leaves_a_sheet_openssl_verifies(tmp_path: Path) -> None:
    """No receiver, no modem, no centre, a switch nobody moves: each is a line that says what to do."""
    (tmp_path / "check.toml").write_text(
        '[files]\ndirectory = "check"\n[gnss]\nwithin_s = 5\n[card]\nfree_mb = 1\nwrite_mb_per_s = 0.01\n'
        "append_ms = 60000\n[inputs]\nignition_gpio = 17\nwithin_s = 1\n[outputs]\nrelay_gpio = 5\n"
        "[centre]\nwithin_s = 1\n[watchdog]\nthere = false\n"
    )
    unit = unit_toml(tmp_path, "box-1")
    unit.write_text(unit.read_text().replace('"localhost"', f'"localhost"\nport = {free_port()}'))
    command = [sys.executable, "-m", "pantau.provision", "check", "--by", "Siti"]
    command += ["--config", str(tmp_path / "check.toml"), "--unit", str(unit)]
    surroundings = {
        "PANTAU_LANGUAGE": "id",
        "GPIOZERO_PIN_FACTORY": "mock",
        "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={tmp_path / 'no-bus'}",
    }
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, input="ya\n", env={**os.environ, **surroundings}
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    for said in (words.NO_RECEIVER, words.NO_MODEM_MANAGER, words.INPUT_DEAD, words.NO_RECEIPT):
        assert f"  → {translated(said, 'id')}" in done.stdout
    assert "Nyalakan lalu matikan lagi: kunci kontak" in done.stdout
    assert "✓ relai: yes" in done.stdout
    assert "lembar disimpan di boks" in done.stdout
    (sheet,) = (tmp_path / "check/sheets").glob("*.json")
    proven = filing.read(sheet)
    assert (proven.sheet.by, proven.sheet.attended, proven.sheet.verdict) == ("Siti", True, "failed")
    page = sheet.with_suffix(".html").read_text("utf-8")
    assert 'lang="id"' in page and translated(words.NO_RECEIVER, "id") in page
    public = tmp_path / "box.pub"
    public.write_bytes(
        subprocess.check_output(["openssl", "x509", "-in", sheet.with_suffix(".pem"), "-pubkey", "-noout"])
    )
    verify = ["openssl", "dgst", "-sha256", "-verify", public, "-signature", sheet.with_suffix(".sig"), sheet]
    assert subprocess.check_output(verify) == b"Verified OK\n"


def test_an_office_needs_nothing_of_a_box() -> None:
    """The verbs of the office load without what only a check on a box needs."""
    code = "import sys, pantau.provision.app; print(*{'dbus_fast', 'gpiozero', 'serial', 'pynmea2'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "\n"

"""`pantau-provision check` before it measures anything: a wrong file is one clear line and 78."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from provisioning.throwaway import make_authority
from settings import EXIT_CONFIG


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

"""The acceptance check of a camera pole: real streams, beside the running camera node, to a signed sheet.

The field guide's picture of it is drawn from this: `PANTAU_RECORD=1 python -m pytest tests/e2e/test_check_pole.py`.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from office import CHECK
from outing import eventually
from pictures import drawn, seen_in
from test_walk import DOCS, without_values

from broker.store import open_store
from edge.sim.cameras import CameraHost, SimCamera, missing
from edge.sim.onvif_device import OnvifDevice
from pantau.provision.checking import Screen
from provisioning.acceptance import filing, words
from provisioning.acceptance.sheet import Sheet
from provisioning.words import translated
from stage.city import City, UnitPlan

UNIT = "pole-7"
# The fewest frames of a machine that is busy with other tests.
LIMITS = CHECK + "[modem]\nthere = false\n[cameras]\nframes_per_s = 0.5\nfirst_picture_s = 30\n"
ENVIRONMENT = {"GPIOZERO_PIN_FACTORY": "mock"}


@dataclass
class Pole:
    """A pole with two cameras, its node and its centre."""

    city: City
    gate: SimCamera
    yard: SimCamera
    onvif: OnvifDevice

    @property
    def home(self) -> Path:
        return self.city.directory / UNIT

    def check(self, *more: str, code: int, typed: str = "", language: str = "en") -> str:
        """One check; what it said."""
        files = ("--config", str(self.home / "check.toml"), "--unit", str(self.city.unit_config(UNIT)))
        command = [sys.executable, "-m", "pantau.provision", "check", *files, *more]
        around = {**os.environ, **ENVIRONMENT, "PANTAU_LANGUAGE": language}
        done = subprocess.run(
            command, input=typed, capture_output=True, text=True, timeout=200, check=False, env=around
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert self.gate.password not in done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def pole(tmp_path: Path) -> Iterator[Pole]:
    if why := missing():
        pytest.skip(why)
    with ExitStack() as stack:
        host = stack.enter_context(CameraHost(tmp_path / "cameras"))
        gate, yard = (host.camera(name, seed=seed, frames_per_s=5) for seed, name in enumerate(("gate", "yard"), 1))
        onvif = stack.enter_context(gate.onvif(serial_number="SN-17"))
        passwords = tmp_path / "passwords.toml"
        passwords.touch(mode=0o600)
        # JSON's strings are TOML's
        said = [f"[{c.name}]\nuser = {json.dumps(c.user)}\npassword = {json.dumps(c.password)}\n" for c in (gate, yard)]
        passwords.write_text("".join(said), "utf-8")
        plan = UnitPlan(
            name=UNIT, asset="junction-7", agency="transport", kind="pole", environment=ENVIRONMENT,
            settings={"pole": {"passwords_path": str(passwords)}},
            cameras=(
                {"name": "gate", "url": gate.url, "onvif_port": onvif.port, "serial_number": "SN-17", "relay_pin": 5},
                {"name": "yard", "url": yard.url},
            ),
        )  # fmt: skip
        city = City(tmp_path / "city", [plan])
        city.prepare()
        stack.callback(city.stop)
        city.start_centre()
        pole = Pole(city, gate, yard, onvif)
        (pole.home / "check.toml").write_text(LIMITS)
        yield pole


@pytest.mark.slow
def test_good_cameras_pass_beside_the_running_node_and_bad_ones_say_what_to_do(
    pole: Pole, monkeypatch: pytest.MonkeyPatch
) -> None:
    pole.city.start_units()
    eventually(lambda: stored(pole.city), 60, pole.city.children[UNIT].tail)
    night = json.loads(pole.check("--unattended", "--json", code=0))
    assert night["verdict"] == "passed" and night["took_s"] < 120
    lines = {(line["of"], line["name"]): line for line in night["lines"]}
    assert lines["gate", "camera_picture"]["measured"] == lines["yard", "camera_picture"]["measured"] == "seeing"
    assert lines["gate", "camera_serial"]["measured"] == "SN-17"
    assert lines["yard", "camera_clock"]["todo"] == words.NO_ONVIF
    assert lines["gate", "camera_relay"]["todo"] == words.NOBODY_THERE
    assert lines["", "centre_receipt"]["verdict"] == "passed"
    assert not [name for _, name in lines if name.startswith(("gnss", "input", "output"))], "a pole has none of these"
    pole.city.children[UNIT].kill()

    pole.gate.darken(1.0)
    pole.onvif.skew_s = 86_400.0
    pole.yard.wrong_password()
    said = pole.check("--by", "Siti", code=1, typed="ya\n", language="id")
    for todo in (words.PICTURE_BLACK, words.CAMERA_PASSWORD):
        assert f"  → {translated(todo, 'id')}" in said
    assert "Apakah relai gate berbunyi klik dua kali?" in said and "✓ gate, relai catu daya: yes" in said
    newest = sorted((pole.home / "check" / "sheets").glob("*.json"))[-1]
    sheet = filing.read(newest).sheet
    found = {(line.of, line.name): line for line in sheet.lines}
    assert {key for key, line in found.items() if line.verdict == "failed"} == {
        ("gate", "camera_picture"), ("gate", "camera_clock"), ("yard", "camera_login"),
    }  # fmt: skip
    assert translated(words.PICTURE_BLACK, "id") in newest.with_suffix(".html").read_text("utf-8")
    for language, suffix in (("en", ""), ("id", ".id")):
        monkeypatch.setenv("PANTAU_LANGUAGE", language)
        shown, path = screen(sheet), DOCS / "screens" / f"check-pole{suffix}.svg"
        if os.environ.get("PANTAU_RECORD"):
            path.write_text(drawn(shown, "pantau"), "utf-8")
        kept = seen_in(path.read_text("utf-8"))
        assert without_values("\n".join(kept)).split() == without_values("\n".join(shown)).split()


def screen(sheet: Sheet) -> list[str]:
    """What the terminal shows of the cameras, at an address as poles have them."""
    out = io.StringIO()
    for line in sheet.lines:
        if line.name.startswith("camera_"):
            Screen(out).found(line)
    return re.sub(r"127\.0\.0\.1:\d+", "192.168.1.64:554", out.getvalue()).splitlines()


def stored(city: City) -> bool:
    with open_store(city.store_url) as store:
        return any(account.unit == UNIT and account.stored for account in store.ledger())

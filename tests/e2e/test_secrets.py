"""Codes and keys are in no log, no process list and no file that others can read, while a box lives its whole life.

Every command runs with a umask of 0, so that a mode somebody forgot to set shows. A SIM's password at its access point
is in the office's card.toml and in the folders that become cards; SIMs' PINs are kept nowhere, nor yet are cameras'
passwords.
"""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
from boot_partition import flashed
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from test_provisioning import HOST, Office

CODE = re.compile(r">([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4})<")
OTHERS = stat.S_IRGRP | stat.S_IROTH
LOOK_EACH_S = 0.05
SIM_PASSWORD = "a-planted-password"


class ProcessList:
    """What any user of the machine could have read in /proc meanwhile: command lines; and every environment."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="process-list")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_EACH_S):
            for process in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        self.seen.add((process / name).read_bytes())
                    except OSError:
                        continue  # it has ended


class Told(Office):
    """An office whose every word is kept, but for the code that is shown to whoever asked for it."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.said: list[str] = []

    def provision(self, *words: str, code: int = 0) -> str:
        said = super().provision(*words, code=code)
        if words[0] != "code":
            self.said.append(said)
        return said

    def cards_and_labels(self, *names: str) -> list[str]:
        """Cards in bulk and a sheet of tickets; the codes that were drawn for them, in this order."""
        self.site()
        site, units = self.home / "card.toml", self.home / "more.csv"
        site.write_text(f'{site.read_text()}\n[modem]\napn = "internet"\npassword = "{SIM_PASSWORD}"\n')
        site.chmod(0o600)
        units.write_text("unit,kind,iccid,note\n" + "".join(f"{name},gps_unit,,\n" for name in names))
        self.provision("import", str(units))
        card = flashed(self.home / "bootfs", trixie=True)
        self.provision("card", str(card), "--units", str(units), "--out", str(self.home / "cards"))
        on_cards = [(self.home / "cards" / name / "pantau" / "code").read_text().strip() for name in names]
        self.provision("label", "--units", str(units), "--codes", "--out", str(self.home / "sheet.html"))
        return on_cards + CODE.findall((self.home / "sheet.html").read_text("utf-8"))

    def code_for(self, name: str) -> str:
        return str(json.loads(self.provision("code", name, "--json"))[name])

    def enrol_typing(self, name: str, code: str) -> subprocess.CompletedProcess[str]:
        """A technician types the code."""
        card = self.home / name
        card.mkdir(exist_ok=True)
        (card / "enrolment.toml").write_text(
            f'[unit]\nid = "{name}"\n\n[enrolment]\nhost = "{HOST}"\nport = {self.est_port}\n'
            f'ca_path = "{self.home / "authority" / "ca.pem"}"\ncode_path = "code"\n\n'
            f'[broker]\nhost = "{HOST}"\nport = {self.port}\n\n[identity]\ndirectory = "identity"\n'
        )
        command = [sys.executable, "-m", "pantau.provision", "enrol", "--config", str(card / "enrolment.toml")]
        done = subprocess.run(command, input=code + "\n", capture_output=True, text=True, timeout=60, check=False)
        self.said += [done.stdout, done.stderr]
        return done


@pytest.fixture
def careless(tmp_path: Path) -> Iterator[Path]:
    before = os.umask(0)
    yield tmp_path
    os.umask(before)


@pytest.mark.slow
def test_no_secret_is_in_a_log_a_process_list_or_a_file_that_others_can_read(careless: Path) -> None:
    office = Told(careless)
    with ProcessList() as processes:
        try:
            office.build()
            codes = [office.code_for("box-2"), "AAAA-BBBB-CCCC"]
            assert office.enrol_typing("box-2", codes[1]).returncode == 1
            assert office.enrol_typing("box-2", codes[0]).returncode == 0
            keys = secret_files(careless)
            office.box("box-1").give_up()  # with a code on its card
            for name in ("box-1", "box-2"):
                office.provision("renew", "--now", "--config", str(office.home / name / "enrolment.toml"))
                keys |= secret_files(careless)
            drawn = office.cards_and_labels("box-8", "box-9")
            office.provision("show", "box-2")
            office.provision("list", "changes", "--json")
            office.provision("retire", "box-2", "--yes", "--centre", str(office.home / "centre.toml"))
            subprocess.run(["sh", "-c", "sleep 0.3", "a-planted-word"], check=True)
        finally:
            office.close()
    assert len(set(drawn)) == 4, "two cards, two labels"
    codes += drawn
    needles = {SIM_PASSWORD.encode()}
    needles |= {form for code in codes for form in forms_of_code("box-2", code)}
    needles |= {form for key in keys.values() for form in forms_of_key(key)}
    assert_watched(processes, b"a-planted-word", b"enrol", b"renew", b"retire", b"serve", b"mosquitto")
    assert not found_in(needles, {"process list": b"\n".join(processes.seen)})
    assert not found_in(needles, {"what was said": "\n".join(office.said).encode()})
    logs = {str(path): path.read_bytes() for path in careless.rglob("*log*") if path.is_file()}
    assert {"est.log", "centre.log"} <= {Path(name).name for name in logs}
    assert not found_in(needles, logs)
    everything = {path: path.read_bytes() for path in careless.rglob("*") if path.is_file() and not path.is_symlink()}
    holding = {path for path, content in everything.items() if found_in(needles, {"": content})}
    cards = {path for path in everything if (careless / "cards") in path.parents}
    own = {*secret_files(careless), careless / "card.toml", careless / "sheet.html"}
    assert holding <= own | cards, "a secret is in its own file and nowhere else"
    assert holding & cards and careless / "sheet.html" in holding, "the search finds what is there"
    for path in [*own, careless / "registry.db", *(careless / "cards").iterdir()]:
        assert not path.stat().st_mode & OTHERS, path


def secret_files(home: Path) -> dict[Path, bytes]:
    """Every private key under a folder."""
    keys = [path for pattern in ("*.key", "key.pem") for path in home.rglob(pattern) if not path.is_symlink()]
    return {path.resolve(): path.read_bytes() for path in keys}


def forms_of_code(name: str, code: str) -> set[bytes]:
    """A code as it is shown, as it is typed, and as HTTP Basic carries it."""
    plain = {code, code.replace("-", ""), code.lower(), code.lower().replace("-", "")}
    return {one.encode() for one in plain} | {base64.b64encode(f"{name}:{one}".encode()) for one in plain}


def forms_of_key(text: bytes) -> set[bytes]:
    """A private key as it lies in its file, and its number in bytes and in hexadecimal."""
    number = load_pem_private_key(text, None).private_numbers().private_value.to_bytes(32, "big")  # type: ignore[union-attr]
    lines = text.splitlines()
    return {b"\n".join(lines[1:-1]), lines[1], number, number.hex().encode(), number.hex().upper().encode()}


def found_in(needles: set[bytes], places: dict[str, bytes]) -> list[str]:
    """Places that hold one of the needles."""
    return [name for name, content in places.items() if any(needle in content for needle in needles)]


def assert_watched(processes: ProcessList, *words: bytes) -> None:
    """The list was watched while these ran: else it would be clean for want of looking."""
    for word in words:
        assert any(word in line for line in processes.seen), word

"""docs/acceptance.md: its commands are understood, its openssl lines verify a sheet as they stand."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from pantau.provision.app import app
from provisioning.acceptance import filing
from provisioning.acceptance.proof import sign
from provisioning.acceptance.sheet import Line, Sheet, to_bytes
from provisioning.acceptance.words import NO_FIX
from provisioning.throwaway import make_authority
from provisioning.x509 import load_key
from settings.instants import parse_utc_ms

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "acceptance.md").read_text("utf-8")
TYPED = [line.removeprefix("sudo ") for line in PAGE.splitlines()]
COMMANDS = [shlex.split(line, comments=True)[1:] for line in TYPED if line.startswith("pantau-provision ")]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_of_the_page_is_understood(words: list[str]) -> None:
    command, rest = get_command(app).commands[words[0]], words[1:]  # type: ignore[attr-defined]
    if rest and rest[0] in getattr(command, "commands", {}):
        command, rest = command.commands[rest[0]], rest[1:]
    assert command.make_context(words[0], list(rest), resilient_parsing=False).command is command


def test_every_verb_of_sheet_is_on_the_page() -> None:
    assert {words[1] for words in COMMANDS if words[0] == "sheet"} == set(get_command(app).commands["sheet"].commands)  # type: ignore[attr-defined]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not here")
def test_the_openssl_lines_verify_a_sheet_as_they_stand(tmp_path: Path) -> None:
    issued = make_authority(tmp_path).ensure("box-1", "unit")
    shutil.copy(tmp_path / "ca.pem", tmp_path / "issuing.pem")
    line = Line(name="gnss_fix", verdict="failed", todo=NO_FIX)
    sheet = Sheet(
        unit="box-1", at_utc_ms=parse_utc_ms("2026-11-23T06:00:00Z"), took_s=1.0, firmware="0.1.0", attended=False,
        by="", lines=(line,),
    )  # fmt: skip
    signed = sign(to_bytes(sheet), load_key(issued.key_path.read_bytes(), ""), issued.certificate_path.read_bytes())
    filing.save(tmp_path, sheet, signed)
    commands = [line for line in PAGE.splitlines() if line.startswith("openssl ")]
    done = subprocess.run(["sh", "-ec", "\n".join(commands)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Verified OK" in done.stdout and len(commands) == 3

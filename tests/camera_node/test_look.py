"""The command that looks once at every camera: what it says of a good one and of one whose password is another's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from edge.sim.cameras import PASSWORD, USER, SimCamera
from provisioning.throwaway import make_authority


def test_each_camera_is_one_line_and_no_password_is_in_them(
    new_camera: Callable[..., SimCamera], tmp_path: Path
) -> None:
    good, locked = new_camera("gate"), new_camera("yard")
    who = make_authority(tmp_path / "ca").ensure("pole-1", "unit")
    passwords = tmp_path / "passwords.toml"
    passwords.write_text(
        f'[gate]\nuser = "{USER}"\npassword = "{PASSWORD}"\n[yard]\nuser = "{USER}"\npassword = "not-it-5417"\n'
    )
    passwords.chmod(0o600)
    file = tmp_path / "unit.toml"
    file.write_text(
        f'[unit]\nid = "pole-1"\n[broker]\nhost = "localhost"\nca_path = "{who.ca_path}"\n'
        f'certificate_path = "{who.certificate_path}"\nkey_path = "{who.key_path}"\n'
        f'[pole]\npasswords_path = "{passwords}"\n'
        + "".join(f'[[cameras]]\nname = "{each.name}"\nurl = "{each.url}"\n' for each in (good, locked))
    )
    command = [sys.executable, "-m", "edge.camera_node.look", "--config", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1, done.stderr
    gate, yard = (json.loads(line) for line in done.stdout.splitlines())
    assert (gate["camera"], gate["width_px"], gate["height_px"], gate["failure"]) == ("gate", 640, 360, None)
    assert gate["verdict"] == "seeing" and gate["frames_per_s"] > 0 and gate["bitrate_kbps"] > 0
    assert (yard["camera"], yard["failure"], yard["verdict"]) == ("yard", "authentication", None)
    assert PASSWORD not in done.stdout + done.stderr and "not-it-5417" not in done.stdout + done.stderr

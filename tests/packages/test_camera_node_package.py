"""The package of a pole's box: its example runs, and its unit hands over what the example names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge.camera_node.config import NodeConfig, load_node
from edge.camera_node.passwords import read_passwords
from edge.service import STOP_WITHIN_S
from running.turns import TURN_WITHIN_S
from settings import EXIT_CONFIG

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
UNIT = (PACKAGING / "pantau-camera-node.service").read_text("utf-8")
EXAMPLE = (PACKAGING / "camera-node.toml").read_text("utf-8")


def set_in_unit(key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", UNIT, re.MULTILINE)


def loaded(tmp_path: Path, text: str) -> NodeConfig:
    """The example as it lies in /etc/pantau, with its certificates beside it."""
    for name in ("ca.pem", "certificate.pem", "key.pem"):
        (tmp_path / name).touch()
    file = tmp_path / "unit.toml"
    file.write_text(text.replace("/var/lib/pantau/identity/current/", ""))
    return load_node(file)


def test_the_example_is_a_configuration(tmp_path: Path) -> None:
    assert [camera.name for camera in loaded(tmp_path, EXAMPLE).cameras] == ["north", "south"]


def test_so_it_is_with_what_is_commented_out(tmp_path: Path) -> None:
    text = re.sub(r"^# ([a-z_]+ = )", r"\1", EXAMPLE, flags=re.MULTILINE)
    assert text != EXAMPLE
    config = loaded(tmp_path, text)
    assert (config.pole.switch_host, config.cameras[0].relay_pin) == ("192.168.10.2", 17)


def test_its_comment_shows_a_file_of_passwords(tmp_path: Path) -> None:
    shown = tmp_path / "passwords.toml"
    shown.touch(0o600)
    shown.write_text("".join(f"{line}\n" for line in re.findall(r"^#   (.*)$", EXAMPLE, re.MULTILINE)))
    assert read_passwords(shown).keys() == {"north"}


def test_systemd_hands_over_the_file_of_passwords_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = loaded(tmp_path, EXAMPLE).pole.passwords_path
    assert named is not None
    assert set_in_unit("LoadCredential") == [f"{named.name}:{named}"]
    name, _, stands_in = set_in_unit("SetCredential")[0].partition(":")
    assert name == named.name, "a pole without passwords starts, too"
    for path, text in ((tmp_path / name, ""), (tmp_path / "credentials" / name, stands_in)):
        path.parent.mkdir(exist_ok=True)
        path.touch(0o600)
        path.write_text(text)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    assert read_passwords(tmp_path / name) == {}


def test_systemd_waits_longer_than_the_process_promises() -> None:
    assert set_in_unit("Type") == ["notify"]
    assert int(set_in_unit("WatchdogSec")[0]) > TURN_WITHIN_S
    assert int(set_in_unit("TimeoutStopSec")[0]) > STOP_WITHIN_S
    assert set_in_unit("Restart") == ["always"]
    assert set_in_unit("RestartPreventExitStatus") == [str(EXIT_CONFIG)]

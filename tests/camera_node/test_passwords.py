"""The one file with passwords."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.camera_node.passwords import read_passwords
from edge.camera_node.probing import Credentials
from edge.errors import ConfigError

GOOD = '[north]\nuser = "viewer"\npassword = "hunter2"\n'


def written(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    path = tmp_path / "passwords.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_read(tmp_path: Path) -> None:
    assert read_passwords(written(tmp_path, GOOD)) == {"north": Credentials("viewer", "hunter2")}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602])
def test_a_file_that_others_can_open_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigError, match="chmod 600"):
        read_passwords(written(tmp_path, GOOD, mode))


@pytest.mark.parametrize(
    "text",
    [
        '[north]\nuser = "viewer"\npassword = hunter2\n',
        '[north]\nuser = "viewer"\npassword = "hunter2"\nextra = 1\n',
        'north = "hunter2"\n',
        '[north]\nuser = 5\npassword = "hunter2"\n',
    ],
)
def test_no_complaint_quotes_a_password(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_passwords(written(tmp_path, text))
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_the_copy_that_systemd_hands_over_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its mode shows the ACL that systemd lets the agent in by."""
    ours = written(tmp_path, "only root reads this")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    written(credentials, GOOD, 0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert read_passwords(ours) == {"north": Credentials("viewer", "hunter2")}
    ours.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_passwords(ours)
    ours.unlink()
    with pytest.raises(ConfigError, match="No such file"):
        read_passwords(ours)


def test_without_a_copy_of_that_name_the_file_itself_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "of something else"))
    assert read_passwords(written(tmp_path, GOOD)) == {"north": Credentials("viewer", "hunter2")}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        read_passwords(tmp_path / "nowhere.toml")

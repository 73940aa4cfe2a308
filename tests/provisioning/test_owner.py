"""A technician types sudo: what runs then is the box's own user, with what its service would have been handed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning.owner import run_as_owner

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
OWNER = 61_417  # nobody's


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that others may enter, as /var/lib is: pytest's own are closed to them."""
    folder = Path(tempfile.mkdtemp(prefix="pantau-owner-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def owned(home: Path) -> Path:
    (home / "state").mkdir()
    os.chown(home / "state", OWNER, OWNER)
    return home / "state" / "not" / "made" / "yet"


def test_it_runs_as_the_owner_and_ends_as_it_does(home: Path) -> None:
    state = owned(home)
    command = ["/bin/sh", "-c", f"id -u > {home}/state/who; exit 7"]
    assert run_as_owner(state, command, in_memory=home) == 7
    assert (home / "state" / "who").read_text() == f"{OWNER}\n"


def test_a_secret_of_roots_is_handed_over_to_it_alone_and_gone_afterwards(home: Path) -> None:
    secret = home / "passwords.toml"
    secret.write_text("a-planted-password\n")
    secret.chmod(0o600)
    seen = home / "state" / "seen"
    script = (
        f'if cat {secret}; then exit 1; fi; cd "$CREDENTIALS_DIRECTORY" &&'
        f" cat passwords.toml > {seen} && stat -c '%a %u' . passwords.toml >> {seen} && ls >> {seen}"
    )
    assert run_as_owner(owned(home), ["/bin/sh", "-c", script], secrets=[secret, home / "absent"], in_memory=home) == 0
    assert seen.read_text().splitlines() == ["a-planted-password", f"700 {OWNER}", f"400 {OWNER}", "passwords.toml"]
    assert sorted(path.name for path in home.iterdir()) == ["passwords.toml", "state"]


def test_a_folder_of_roots_leaves_it_to_root(home: Path) -> None:
    assert run_as_owner(home, ["/bin/false"], in_memory=home) is None

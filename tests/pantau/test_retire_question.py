"""`pantau-provision retire` asks once; only a yes, in whichever language it comes, retires."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pantau.provision.app import app
from provisioning.registry import Registry
from provisioning.values import Unit


@pytest.mark.parametrize("language", ["en", "id"])
@pytest.mark.parametrize(
    ("typed", "meant"),
    [("y\n", True), ("ya\n", True), (" Yes \n", True), ("t\n", False), ("n\n", False), ("\n", False), ("", False)],
)
def test_only_a_yes_retires(tmp_path: Path, typed: str, meant: bool, language: str) -> None:
    path = tmp_path / "registry.db"
    with Registry(path, who="rini") as registry:
        registry.put_unit(Unit(unit="box-1"))
    words = {"PANTAU_REGISTRY": str(path), "PANTAU_LANGUAGE": language}
    done = CliRunner().invoke(app, ["retire", "box-1"], input=typed, env=words)
    assert done.exit_code == (0 if meant else 1), done.output
    assert {"en": "[y/N] ", "id": "[y/T] "}[language] in done.output
    with Registry(path, who="rini") as registry:
        assert registry.known_unit("box-1").state == ("retired" if meant else "new")

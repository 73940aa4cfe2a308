"""The cameras of `pantau run`, on a machine that has nothing to simulate them with."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import edge.sim.cameras
from pantau.run_cameras import pole


def test_without_gstreamer_one_line_says_what_to_type_and_there_is_no_pole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(edge.sim.cameras, "SYSTEM_PYTHON", str(tmp_path / "no-python"))
    with pole(tmp_path, threading.Event()) as planned:
        assert planned is None
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("no cameras: ")
    assert "type: sh packaging/need-camera.sh" in said

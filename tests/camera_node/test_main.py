"""The whole process of a pole's box, as systemd starts it."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from edge.outbox_reader import OutboxReader
from provisioning.throwaway import make_authority
from stage.city import free_port


def test_a_node_that_has_no_camera_yet_runs_and_says_so(tmp_path: Path) -> None:
    who = make_authority(tmp_path / "ca").ensure("pole-1", "unit")
    file, log = tmp_path / "unit.toml", tmp_path / "log"
    file.write_text(
        f'[unit]\nid = "pole-1"\n[broker]\nhost = "localhost"\nport = {free_port()}\nca_path = "{who.ca_path}"\n'
        f'certificate_path = "{who.certificate_path}"\nkey_path = "{who.key_path}"\n'
        f'[outbox]\npath = "{tmp_path / "outbox.db"}"\n[documents]\npath = "{tmp_path / "documents.db"}"\n'
    )
    with log.open("wb") as err:
        node = subprocess.Popen([sys.executable, "-m", "edge.camera_node", "--config", str(file)], stderr=err)
    try:
        until_s = time.monotonic() + 30.0
        while "no link to localhost" not in log.read_text() and time.monotonic() < until_s:
            time.sleep(0.1)
        node.terminate()
        assert node.wait(20.0) == 0, log.read_text()
    finally:
        node.kill()
    assert "no camera is adopted" in log.read_text()
    with closing(OutboxReader(tmp_path / "outbox.db")) as reader:
        assert reader.waiting()[0] > 0, "the office hears of it all the same"

"""The outbox as a TinyDB table, and the command that shows it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from tinydb import where
from typer.testing import CliRunner

from edge.errors import OutboxCorrupt
from edge.outbox import Outbox
from edge.outbox_table import open_outbox_table
from tests.edge.outbox_ledger import ranges
from wire import encode
from wire.columns import encode_track
from wire.kinds import CLASS_ALARM, CLASS_TRACK, KIND_EVENT, KIND_TRACK


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Forty tracks with two alarms between, some receipted."""
    path = tmp_path / "outbox.db"
    outbox = Outbox(path, limit_bytes=4 << 20)
    for n in range(40):
        if n in (10, 30):
            event = encode.event(at=(None, 7, n), name="panic")
            outbox.append(event, kind=KIND_EVENT, cls=CLASS_ALARM)
        fix = (1_795_000_000_000 + n * 1000, -61_750_000, 1_068_270_000, 1_200, 500, 9_000, 90, 12)
        outbox.append(encode_track([fix]), kind=KIND_TRACK, cls=CLASS_TRACK)
    outbox.receipted(ranges((5, 8)))
    outbox.close()
    return path


def test_tinydbs_queries_work_on_it(path: Path) -> None:
    with open_outbox_table(path) as outbox:
        assert len(outbox) == 38
        assert [row["seq"] for row in outbox.search(where("class") == "alarm")] == [11, 32]
        assert outbox.count((where("kind") == "track") & (where("seq") > 20)) == 21
        found = outbox.get(doc_id=11)
        assert found is not None
        assert encode.check(found["body"]) and found["kind"] == "event"
        assert outbox.tables() == {"rows"}


def test_nothing_can_be_written_through_it(path: Path) -> None:
    before = path.read_bytes()
    with open_outbox_table(path) as outbox:
        for write in (
            lambda: outbox.insert({"seq": 1}),
            lambda: outbox.remove(where("seq") == 1),
            lambda: outbox.update({"seq": 1}),
            outbox.truncate,
            outbox.drop_tables,
        ):
            with pytest.raises(PermissionError):
                write()
    assert path.read_bytes() == before


def test_a_live_file_is_read_while_it_is_written(path: Path) -> None:
    outbox = Outbox(path, limit_bytes=4 << 20)
    with open_outbox_table(path) as table:
        outbox.append(b"new", kind=KIND_TRACK, cls=CLASS_TRACK)
        assert len(table) == 39
    outbox.append(b"newer", kind=KIND_TRACK, cls=CLASS_TRACK)
    outbox.close()


def test_a_copy_without_its_log_and_a_file_that_is_none_are_told_apart(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    shutil.copy(path, copy)
    with open_outbox_table(copy) as table:
        assert len(table) == 38
    copy.write_bytes(os.urandom(5000))
    with pytest.raises(OutboxCorrupt):
        open_outbox_table(copy)
    with pytest.raises(OutboxCorrupt, match="no outbox"):
        open_outbox_table(tmp_path / "absent.db")


def test_the_command_says_depth_ranges_classes_and_decodes_rows(path: Path) -> None:
    from pantau.app import app

    result = CliRunner().invoke(app, ["outbox", str(path), "--rows", "12", "--json"])
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    (only,) = said["outboxes"]
    assert (only["rows"], only["classes"]) == (38, {"track": 36, "alarm": 2})
    assert only["seqs"] == [[1, 4], [9, 42]]
    assert [row["seq"] for row in said["rows"]] == list(range(42, 30, -1))
    assert said["rows"][0]["record"]["lat_e7"] == [-61_750_000]
    assert said["rows"][10]["record"]["name"] == "panic"
    shown = CliRunner().invoke(app, ["outbox", str(path)])
    assert "1-4 9-42" in shown.output

"""What a person typed wrong is one clear line with an exit code of 2, and no table cuts off what is to be copied."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.table import Table
from typer.testing import CliRunner

from pantau.app import app
from pantau.tables import print_table
from pantau.watch import Row
from pantau.watch import table as watch_table


def refused(*words: str) -> str:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2, done.output
    return " ".join(done.output.replace("│", " ").split())  # out of the frame and its line breaks


def test_what_is_no_outbox_is_said_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database, and longer than a header of SQLite's would be" * 20)
    assert "absent.db" in refused("outbox", str(tmp_path / "absent.db"))
    said = refused("outbox", str(tmp_path / "notes.txt"))
    assert "notes.txt: file is not a database" in said
    assert "Errno" not in said


@pytest.mark.parametrize("broker", ["localhost:abc", "localhost:0", "localhost:70000"])
def test_a_port_that_is_none_is_refused(broker: str, tmp_path: Path) -> None:
    assert "wanted HOST" in refused("watch", "--broker", broker, "--credentials", str(tmp_path), "--name", "city-x")


def test_a_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    said = refused("watch", "--broker", "localhost", "--credentials", str(tmp_path), "--name", "city-x")
    assert "is not there" in said


def test_a_wide_table_is_printed_whole(capsys: pytest.CaptureFixture[str]) -> None:
    wide = Table(box=None)
    wide.add_column("outbox", no_wrap=True)
    wide.add_column("seqs", no_wrap=True)
    wide.add_row("98e20f36", "x" * 150)
    print_table(wide)
    assert "x" * 150 in capsys.readouterr().out


def test_on_80_columns_the_live_table_shows_every_column() -> None:
    from rich.console import Console

    row = Row(
        unit="box-003", agency="public-works", asset="excavator-01", kind="excavator", status="stopped",
        lat_deg=-6.17549, lon_deg=106.8271, speed_mps=15.0, fix_utc="2026-11-23T12:00:00Z", fix_age_s=400.0,
        backlog_rows=2, backlog_bytes=120_000, link="online",
    )  # fmt: skip
    console = Console(width=80)
    with console.capture() as shown:
        console.print(watch_table([row]))
    assert "…" not in shown.get()
    assert all(word in shown.get() for word in ("asset", "excava", "-6.17549 106.82710", "7 min", "120.0 kB", "online"))

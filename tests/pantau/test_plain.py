"""What boxes and consumers say is data: it ends no command, hides no row, and moves no cursor."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.table import Table

from broker.calls import Calls
from broker.cameras import Camera
from broker.downlink import Downlink
from broker.ledger import balance
from broker.nearest import Answer, Candidate, LeftOut
from pantau import configure, ledger, nearest, sos
from pantau.cameras import shown
from pantau.plain import plain
from pantau.provision.checking import Screen
from pantau.tables import print_table
from pantau.watch import Row
from pantau.watch import table as watch_table
from wire.ranges import Ranges

HOSTILE = "[/x]\x1b[2J [red]:smile:\u202e"
SHOWN = r"[/x]\x1b[2J [red]:smile:\u202e"
NOON_MS = 1_795_348_800_000


@pytest.fixture
def downlink(tmp_path: Path) -> Iterator[Downlink]:
    with Downlink(tmp_path / "downlink.db") as opened:
        yield opened


def told(capsys: pytest.CaptureFixture[str]) -> str:
    """What was printed: nothing in it that a terminal obeys; in one line, of columns that were folded, too."""
    out = capsys.readouterr().out
    assert all(letter.isprintable() or letter == "\n" for letter in out), out
    return out


def test_what_is_not_printable_is_its_escape() -> None:
    assert plain("Gerbang [utara] é 門") == "Gerbang [utara] é 門"
    assert plain(HOSTILE) == SHOWN
    assert plain("a\nb\x9b\x7f\udc80") == r"a\nb\x9b\x7f\udc80"


def test_a_table_shows_every_text_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(title=HOSTILE, caption=HOSTILE)
    table.add_column(HOSTILE, footer=HOSTILE)
    table.add_row(HOSTILE)
    table.add_row("the [last] row")
    print_table(table)
    out = told(capsys)
    assert out.count(SHOWN) == 4
    assert "the [last] row" in out


def test_the_calls_of_all_are_listed_whatever_one_box_says(
    tmp_path: Path, downlink: Downlink, capsys: pytest.CaptureFixture[str]
) -> None:
    with Calls(tmp_path / "downlink.db") as calls:
        calls.called("box-1", HOSTILE, 1, None, NOON_MS)
        calls.called("box-2", "\x1b" * 64, 1, None, NOON_MS)
        calls.called("box-3", "123456789012", 1, (-61_754_000, 1_068_272_000), NOON_MS)
        calls.ended("box-1", HOSTILE, HOSTILE * 100)
        sos._show(calls.listed(ended=True), as_json=False)
    out = told(capsys)
    assert SHOWN in out
    assert re.search(r"box-3 +123456789012 .*-6\.17540 106\.82720 +nobody +not yet", out)


def camera(name: str, words: str) -> Camera:
    return Camera(
        agency="transport", asset="junction-7", camera=name, unit="pole-7", sees=False, verdict=words, why=words,
        cause=words, confidence_percent=90, said_utc_ms=NOON_MS, since_utc_ms=NOON_MS, link=None,
    )  # fmt: skip


@pytest.mark.parametrize("times", [1, 1000])
def test_every_camera_is_on_the_wall_whatever_one_says(times: int, capsys: pytest.CaptureFixture[str]) -> None:
    found = [camera(HOSTILE * times, HOSTILE * times), camera("gate [north]", "covered")]
    print_table(shown(found, now_utc_ms=NOON_MS + 60_000))
    out = told(capsys)
    assert (SHOWN in out) or times > 1  # folded
    assert re.search(r"transport +junction-7 +gate \[north\] +covered +1 min ago +90 % +covered", out)


def test_every_account_is_in_the_ledger_whatever_one_tombstone_says(capsys: pytest.CaptureFixture[str]) -> None:
    hostile, honest = (
        balance(
            unit=unit, outbox_id=7, stored=Ranges([(1, 5)]), shed={why: Ranges([(6, 7)])}, held=Ranges(), below_seq=8
        )
        for unit, why in (("box-1", HOSTILE), ("box-2", "full"))
    )
    ledger._show([hostile, honest])
    out = told(capsys)
    assert f"{SHOWN} 2" in out
    assert re.search(r"box-2 +00000007 +7 +5 +full 2 ", out)


def test_what_a_box_reports_is_shown_with_all_that_was_asked(
    downlink: Downlink, capsys: pytest.CaptureFixture[str]
) -> None:
    downlink.desire("box-1", {"report": {"interval_s": 5}}, who="[/who]")
    report = {"state": HOSTILE, "error": HOSTILE, "running": {HOSTILE: HOSTILE}}
    downlink.reported("box-1", 1, json.dumps(report), utc_ms=NOON_MS)
    configure._show(downlink, "box-1", as_json=False)
    out = told(capsys)
    assert f"{SHOWN} {SHOWN}" in out
    assert "[/who]" in out
    assert "asked" in out


def test_who_is_near_and_where_everything_is_are_shown_with_any_names(capsys: pytest.CaptureFixture[str]) -> None:
    row = Row(
        unit="box-1", agency=HOSTILE, asset=HOSTILE, kind=HOSTILE, status=HOSTILE, lat_deg=-6.2, lon_deg=106.8,
        speed_mps=15.0, fix_utc="2026-11-23T12:00:00Z", fix_age_s=400.0, backlog_rows=2, backlog_bytes=0, link="online",
    )  # fmt: skip
    print_table(watch_table([row, replace(row, unit="box-2", agency="fire [north]")]))
    out = told(capsys)
    assert SHOWN in out
    assert "box-2" in out
    assert "fire [north]" in out
    assert "7 min" in out
    near = Candidate(
        agency=HOSTILE, asset=HOSTILE, kind=HOSTILE, unit="box-1", distance_m=1.0, fix_age_s=1.0, lat_deg=0.0,
        lon_deg=0.0, course_deg=None, speed_mps=None, status=HOSTILE, uncertain=(HOSTILE,),
    )  # fmt: skip
    left = LeftOut(agency=HOSTILE, asset=HOSTILE, kind=None, reason="stale", fix_age_s=None)
    nearest._show(Answer([near, near._replace(asset="engine-3")], 0, [left]))
    out = told(capsys)
    assert out.count(SHOWN) == 11
    assert "engine-3" in out


def test_the_words_of_a_check_are_shown_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    import sys

    Screen(sys.stdout).say(f"x: {HOSTILE}\n")
    assert told(capsys) == f"x: {SHOWN}\\n\n"

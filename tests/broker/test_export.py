"""`pantau export`, `ledger`, `purge`, `rederive`, `assets` over a real store, as typed in a shell."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import typer
from arrivals import BOOT, DAY, NOON, OUTBOX, UNIT, anchor, arrival, boot_track, drive, fixes, health
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from broker.fixes import fixes_of, in_time_order
from broker.store import LogEntry, open_store
from pantau.export import export
from pantau.ledger import ledger
from pantau.replay import replay
from pantau.rows import HEADER, csv_row
from pantau.store import assets, purge, rederive
from wire.columns import encode_track
from wire.ranges import Ranges

MIDNIGHT = "2026-11-24T00:00:00Z"


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    open_store(url, writer=True).close()
    return url


def commit(url: str, rows: Sequence[object]) -> None:
    with open_store(url, writer=True) as store:
        store.commit(rows)  # type: ignore[arg-type]


def pantau(verb: str, *words: str) -> Result:
    app = typer.Typer()
    for command in (export, replay, ledger, purge, rederive, assets):
        app.command()(command)
    return CliRunner().invoke(app, [verb, *words])


def exported(url: str, *words: str) -> list[str]:
    result = pantau("export", "--store", url, *words)
    assert result.exit_code == 0, result.output
    header, *rows = result.stdout.splitlines()
    assert header == HEADER
    return rows


def rows_of(*seqs: int) -> list[str]:
    return [csv_row(fix) for seq in seqs for fix in fixes(NOON + 10_000 * seq)]


def test_export_writes_every_fix_once_in_time_order(url: str) -> None:
    commit(url, [*drive([3, 1, 2]), *drive([1, 2]), *drive([7], unit="fire-1")])
    assert exported(url, "--unit", UNIT) == rows_of(1, 2, 3)
    assert pantau("export", "--store", url, "--unit", UNIT).stderr == "9 fixes, last log_id 4\n"


def test_export_bounds_are_of_the_fix_in_iso_or_unix_ms(url: str) -> None:
    commit(url, drive([1, 2, 3]))
    start, end = NOON + 11_000, NOON + 22_000
    expected = rows_of(1, 2)[1:5]
    assert exported(url, "--unit", UNIT, "--from", str(start), "--to", str(end)) == expected
    iso = ["--from", "2026-11-23T12:00:11Z", "--to", "2026-11-23T19:00:22+07:00"]
    assert exported(url, "--unit", UNIT, *iso) == expected


def test_export_after_a_log_id_goes_on_where_the_last_one_ended(url: str) -> None:
    commit(url, drive([5, 4]))
    first = pantau("export", "--store", url, "--unit", UNIT, "--after", "0", "--json")
    last = json.loads(first.stderr)["last_log_id"]
    assert len(first.stdout.splitlines()) == 6
    commit(url, drive([4, 3]))
    assert exported(url, "--unit", UNIT, "--after", str(last)) == rows_of(3)


def test_both_of_conflicting_records_are_exported(url: str) -> None:
    other = encode_track(fixes(NOON + 500))
    commit(url, [arrival(1), arrival(1, other)])
    assert exported(url, "--unit", UNIT) == [*rows_of(1), *map(csv_row, fixes(NOON + 500))]


def test_fixes_without_utc_are_exported_with_the_time_the_store_found(url: str) -> None:
    commit(url, [arrival(1, boot_track(5000), received=NOON + DAY)])
    assert exported(url, "--unit", UNIT) == [csv_row((None, *fix[1:])) for fix in fixes(0)]
    commit(url, [anchor(2, 10_000, NOON, boot_id=BOOT)])
    assert exported(url, "--unit", UNIT) == [csv_row(fix) for fix in fixes(NOON - 5000)]


def test_geojson_is_one_collection_longitude_first(url: str) -> None:
    commit(url, drive([1]))
    collection = json.loads(pantau("export", "--store", url, "--unit", UNIT, "--geojson").stdout)
    assert collection["type"] == "FeatureCollection"
    first = collection["features"][0]
    assert first["geometry"] == {"type": "Point", "coordinates": [106.827, -6.175]}
    assert first["properties"]["unix_ms"] == NOON + 10_000
    assert len(collection["features"]) == 3
    assert json.loads(pantau("export", "--store", url, "--unit", "x", "--geojson").stdout)["features"] == []


def test_export_wants_a_unit_or_an_asset_and_a_store_that_is_there(url: str, tmp_path: Path) -> None:
    for words in ([], ["--unit", "a", "--asset", "b"], ["--unit", "a", "--from", "yesterday"]):
        assert pantau("export", "--store", url, *words).exit_code == 2
    missing = pantau("export", "--store", f"sqlite:///{tmp_path}/none.db", "--unit", "a")
    assert missing.exit_code == 2 and "no store at" in missing.stderr
    assert pantau("export", "--store", "mysql://x", "--unit", "a").exit_code == 2


def test_a_name_that_was_never_heard_is_told_from_one_that_has_nothing_to_show(url: str) -> None:
    commit(url, drive([1]))
    assert "nothing was ever stored of a unit fire-7" in pantau("export", "--store", url, "--unit", "fire-7").stderr
    assert "no unit was ever assigned" in pantau("export", "--store", url, "--asset", "fire-engine-7").stderr
    silent = pantau("export", "--store", url, "--unit", UNIT, "--from", "2030-01-01")
    assert silent.stderr == "0 fixes, last log_id 1\n"


def test_assets_names_what_is_wrong_changes_nothing_then_and_corrects_when_right(url: str, tmp_path: Path) -> None:
    commit(url, drive([1, 2]))
    csv = tmp_path / "assets.csv"
    csv.write_text("unit,asset,agency,kind,from_utc,to_utc\nambulance-1,B 1,health,ambulance,2026-01-01,\n")
    wrong = pantau("assets", "--store", url, str(csv))
    assert wrong.exit_code == 2 and "line 2 asset is 'B 1'" in wrong.stderr
    csv.write_text("unit,asset,agency,kind,from_utc,to_utc\nambulance-1,b-1,health,ambulance,2026-01-01T00:00:00Z,\n")
    assert pantau("assets", "--store", url, str(csv)).stdout == "2 records corrected\n"
    assert pantau("assets", "--store", url).stdout == csv.read_text()
    assert exported(url, "--asset", "b-1") == rows_of(1, 2)


def test_ledger_exits_1_when_something_is_missing_and_says_what(url: str) -> None:
    commit(url, [*drive([1, 2]), health(3, [(OUTBOX, 3, Ranges())])])
    assert pantau("ledger", "--store", url).exit_code == 0
    commit(url, [health(9, [(OUTBOX, 9, Ranges([(4, 5)]))])])
    result = pantau("ledger", "--store", url)
    assert (result.exit_code, "0000cafe: 6-8" in result.stderr) == (1, True)
    (account,) = json.loads(pantau("ledger", "--store", url, "--json").stdout)
    assert (account["produced"], account["missing"], account["missing_seqs"]) == (9, 3, [[6, 8]])


def test_purge_and_rederive_say_what_they_did(url: str) -> None:
    commit(url, [*drive([1]), arrival(2, b"\xff")])
    assert json.loads(pantau("rederive", "--store", url, "--json").stdout) == {"readable": 0, "undecoded": 1}
    assert pantau("purge", "--store", url, "--before", "2026-11-23").stdout.startswith("purged 0 records")
    assert pantau("purge", "--store", url, "--before", MIDNIGHT).stdout.startswith("purged 2 records")
    assert exported(url, "--unit", UNIT) == []


_STARTS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), max_size=12)


@given(_STARTS)
def test_fixes_of_overlapping_records_come_in_time_order(starts: list[tuple[int, int]]) -> None:
    entries = [_entry(seq, NOON + start * 1000, count) for seq, (start, count) in enumerate(starts, 1)]
    entries.sort(key=lambda entry: entry.utc_ms or 0)
    ordered = list(in_time_order(entries))
    assert [fix[0] for fix in ordered] == sorted(fix[0] or 0 for entry in entries for fix in fixes_of(entry))


def _entry(seq: int, utc_ms: int, count: int) -> LogEntry:
    body = encode_track(fixes(utc_ms, count))
    to_ms = utc_ms + 1000 * (count - 1)
    return LogEntry(
        log_id=seq,
        row_id=seq,
        revision=0,
        unit=UNIT,
        outbox_id=OUTBOX,
        conflict=0,
        seq=seq,
        cls=0,
        kind=0,
        body=body,
        utc_ms=utc_ms,
        utc_to_ms=to_ms,
        time_doubt_s=None,
        stored_utc_ms=to_ms,
        flags=0,
        agency="unassigned",
        asset=f"unassigned-{UNIT}",
        asset_kind=None,
    )


def test_replay_writes_every_stream_again_and_goes_on_where_it_ended(url: str) -> None:
    commit(url, [*drive([1, 2]), health(3, [(OUTBOX, 3, Ranges())])])
    first = pantau("replay", "--store", url)
    lines = [json.loads(line) for line in first.stdout.splitlines()]
    assert sorted(line["topic"].rsplit("/", 1)[1] for line in lines) == ["health", "track", "track"]
    tracks = [line["message"] for line in lines if line["topic"].endswith("/track")]
    assert [track["prev_log_id"] for track in tracks] == [None, tracks[0]["log_id"]]
    assert len(pantau("replay", "--store", url, "--unit", "nobody").stdout) == 0
    last = first.stderr.split()[-1]
    assert pantau("replay", "--store", url, "--after", last).stdout == ""

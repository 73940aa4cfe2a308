"""`pantau sessions` and `pantau hours` as typed in a shell: from files, and over a real store."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner
from work_days import DAY_MS, MIDNIGHT, H, S, acted

from broker.assets import Assignment
from broker.store import Arrival, open_store
from edge.sim.work import Act, Day, played
from edge.sim.work_box import Cut, Row, recorded
from pantau.hours import hours
from pantau.rows import HEADER
from pantau.sessions import sessions

HOUR = 3600
SHIFT = [
    Act("parked", 6 * HOUR), Act("travelling", 1200, 10.0), Act("working", 4 * HOUR), Act("idling", 900),
    Act("working", 2 * HOUR), Act("travelling", 1200, 10.0), Act("parked", 6 * HOUR),
]  # fmt: skip


def pantau(verb: str, *words: str) -> Result:
    app = typer.Typer()
    app.command()(sessions)
    app.command()(hours)
    return CliRunner().invoke(app, [verb, *words])


def told(verb: str, *words: str) -> Any:
    done = pantau(verb, *words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


# ------------------------------------------------------------------ files


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    day = acted(*SHIFT)
    return track_of(day, tmp_path / "track.csv"), inputs_of(day, tmp_path / "inputs.csv")


def track_of(day: Day, path: Path) -> Path:
    lines = [
        f"{e.at_ms},{e.lat_e7 / 1e7:.7f},{e.lon_e7 / 1e7:.7f},,{e.speed_cmps / 100},,0.9,9" for e in day.epochs if e.sky
    ]
    random.Random(1).shuffle(lines)
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


def inputs_of(day: Day, path: Path) -> Path:
    path.write_text("\n".join(["unix_ms,event", *(f"{e.at_ms},{e.name}_{'on' if e.on else 'off'}" for e in day.edges)]))
    return path


def test_a_track_and_its_inputs_give_the_day(files: tuple[Path, Path]) -> None:
    track, inputs = files
    found = told("sessions", "--track", str(track), "--inputs", str(inputs))
    kinds = [each["kind"] for each in found["sessions"]]
    assert kinds == ["parked", "travelling", "working", "idling", "working", "travelling", "parked"]
    assert abs(found["hours"]["working_s"] - 6 * HOUR) <= 0.01 * 6 * HOUR
    assert abs(found["hours"]["engine_on_s"] - 6 * HOUR - 900 - 2400) <= 60
    assert found["sessions"][0]["from"].startswith("2025-11-24T00:00:00+07:00")
    assert len(found["trips"]) == 2


def test_a_track_alone_gives_journeys_and_stops(files: tuple[Path, Path]) -> None:
    found = told("sessions", "--track", str(files[0]), "--timezone", "UTC")
    assert [each["kind"] for each in found["sessions"]] == ["stopped", "travelling", "stopped", "travelling", "stopped"]
    assert found["sessions"][0]["from"] == "2025-11-23T17:00:00+00:00"
    assert found["hours"]["engine_unknown_s"] == pytest.approx(sum(e["lasts_s"] for e in found["sessions"]))


def test_inputs_alone_give_hours(files: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "inputs.csv"
    begin = MIDNIGHT + 7 * H
    signs = [f"{begin + n * 600 * S},seen,," for n in range(13)]
    path.write_text("\n".join(["unix_ms,event,why", f"{begin},ignition_on,", f"{begin},pto_on,", *signs]))
    done = pantau("sessions", "--inputs", str(path))
    assert "working" in done.stdout
    assert "2 h 00 min" in done.stdout
    assert "13 rows left out: event seen" in done.stderr


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("unix_ms,lat_deg\n", "no column lon_deg"),
        ("unix_ms,lat_deg,lon_deg\n1,x,2\n", "line 2: could not convert string to float: 'x'"),
        ("unix_ms,lat_deg,lon_deg\n1,91,2\n", "line 2: no place on this earth"),
        ("unix_ms,lat_deg,lon_deg\n1,2\n", "line 2"),
    ],
)
def test_a_bad_file_is_one_clear_line(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    done = pantau("sessions", "--track", str(path))
    assert done.exit_code == 2
    assert problem in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_file_that_is_not_there_and_no_file_at_all(tmp_path: Path) -> None:
    assert "No such file" in pantau("sessions", "--track", str(tmp_path / "none.csv")).stderr
    assert pantau("sessions").exit_code == 2
    assert pantau("sessions", "--track", str(tmp_path / "none.csv"), "--timezone", "Asia/Nowhere").exit_code == 2


def test_an_empty_track_is_no_sessions(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text(HEADER + "\n")
    assert told("sessions", "--track", str(tmp_path / "empty.csv"))["sessions"] == []


# ------------------------------------------------------------------ the store


def arrivals(rows: Sequence[Row], day: Day) -> list[Arrival]:
    """What the boxes sent, each with an outbox of its own; all of it has come by the day after."""
    seqs: dict[str, int] = {}
    out = []
    for row in rows:
        seqs[row.box] = seqs.get(row.box, 0) + 1
        received = day.truth[-1].to_ms + DAY_MS
        out.append(
            Arrival(
                unit=row.box, outbox_id=1 + len(row.box) + ord(row.box[-1]), seq=seqs[row.box], cls=row.cls,
                kind=row.kind, body=row.body, received_utc_ms=received,
            )
        )  # fmt: skip
    return out


SWAPPED_AT = MIDNIGHT + 12 * H
SWAP = Cut(SWAPPED_AT, SWAPPED_AT + 1800 * S, "box-2")


@pytest.fixture(scope="module")
def sent() -> tuple[Day, list[Arrival]]:
    day = played([*SHIFT, *SHIFT], MIDNIGHT, 3)
    return day, arrivals(recorded(day, [SWAP]), day)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.db'}"


def commit(url: str, rows: Sequence[Arrival]) -> None:
    with open_store(url, writer=True) as store:
        store.commit(rows)


def assign(url: str) -> None:
    swapped = SWAPPED_AT + 900 * S
    served = [("box-1", MIDNIGHT - DAY_MS, swapped), ("box-2", swapped, None)]
    with open_store(url, writer=True) as store:
        store.set_assignments(
            [
                Assignment(
                    unit=unit, asset="excavator-3", agency="water", kind="excavator", from_utc_ms=begin, to_utc_ms=end
                )
                for unit, begin, end in served
            ]
        )


def test_hours_out_of_the_store_in_any_order_and_over_a_swap(url: str, sent: tuple[Day, list[Arrival]]) -> None:
    day, rows = sent
    shuffled = list(rows)
    random.Random(7).shuffle(shuffled)
    commit(url, shuffled)
    assign(url)  # afterwards: all of it is corrected
    words = ["--store", url, "--asset", "excavator-3", "--from", "2025-11-24", "--to", "2025-11-26"]
    (found,) = told("hours", *words)
    monday, tuesday = found["hours"]
    assert (monday["day"], tuesday["day"]) == ("2025-11-24", "2025-11-25")
    known = [(MIDNIGHT, SWAPPED_AT - 600 * S), (SWAP.to_ms, MIDNIGHT + DAY_MS)]
    for does in ("travelling", "working", "idling"):
        assert abs(monday[f"{does}_s"] - day.hours_ms(does, known) / 1000) <= 660, does
    assert 1800 <= monday["unknown_s"] <= 1800 + 600 + 60
    assert monday["observed_percent"] == pytest.approx(100 - monday["unknown_s"] / 864, abs=0.1)
    tomorrow = [(MIDNIGHT + DAY_MS, MIDNIGHT + 2 * DAY_MS)]
    assert abs(tuesday["working_s"] - day.hours_ms("working", tomorrow) / 1000) <= 216
    assert {stop["kind"] for stop in found["stops"]} >= {"working", "idling", "parked"}
    assert len(found["trips"]) == 4
    (months,) = told("hours", *words, "--by", "month")
    assert [line["month"] for line in months["hours"]] == ["2025-11"]
    assert months["hours"][0]["working_s"] == monday["working_s"] + tuesday["working_s"]


def test_late_records_correct_the_hours(url: str, sent: tuple[Day, list[Arrival]]) -> None:
    _, rows = sent
    late = rows[len(rows) // 4 : len(rows) // 2]
    commit(url, [row for row in rows if row not in late])
    assign(url)
    words = ["--store", url, "--agency", "water", "--from", "2025-11-24", "--to", "2025-11-26"]
    before = told("hours", *words)
    commit(url, late)
    after = told("hours", *words)
    assert sum(line["unknown_s"] for line in before[0]["hours"]) > sum(line["unknown_s"] for line in after[0]["hours"])
    with open_store(url.replace("store.db", "other.db"), writer=True) as store:
        store.commit(rows)
    assign(url.replace("store.db", "other.db"))
    assert told("hours", "--store", url.replace("store.db", "other.db"), *words[2:]) == after


def test_csv_and_table(url: str, sent: tuple[Day, list[Arrival]]) -> None:
    commit(url, sent[1])
    assign(url)
    words = ["hours", "--store", url, "--asset", "excavator-3", "--from", "2025-11-24"]
    (line,) = csv.DictReader(pantau(*words, "--csv").stdout.splitlines())
    assert line["asset"] == "excavator-3"
    assert float(line["working_s"]) > 5 * HOUR
    table = pantau(*words).stdout
    assert "2025-11-24" in table
    assert "98 %" in table or "97 %" in table
    assert "pto_on" in table  # of one day also from when to when, and what shows it
    for more in (["--to", "2025-11-26"], ["--to", "2025-11-26", "--by", "month"]):
        assert "pto_on" not in pantau(*words, *more).stdout


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--from", "2025-11-24"], "wanted --asset A or --agency G"),
        (["--asset", "a", "--from", "monday"], "'monday' is no day"),
        (["--asset", "a", "--from", "2025-11-24", "--to", "2025-11-24"], "--to must be after --from"),
        (["--asset", "a", "--from", "2999-01-01"], "has not begun"),
    ],
)
def test_what_is_asked_wrongly_is_said(url: str, words: list[str], problem: str) -> None:
    open_store(url, writer=True).close()
    done = pantau("hours", "--store", url, *words)
    assert done.exit_code == 2
    assert problem in done.stderr


def test_an_asset_nobody_heard_of_is_said(url: str) -> None:
    open_store(url, writer=True).close()
    done = pantau("hours", "--store", url, "--asset", "exkavator-3", "--from", "2025-11-01")
    assert "no unit was ever assigned to an asset exkavator-3" in done.stderr
    done = pantau("hours", "--store", url, "--agency", "wter", "--from", "2025-11-01")
    assert "no unit was assigned to an agency wter" in done.stderr


# ------------------------------------------------------------------ areas


def site(tmp_path: Path, day: Day) -> Path:
    """A site around where the machine works, of 300 m."""
    working = next(one for one in day.truth if one.does == "working")
    at = next(epoch for epoch in day.epochs if epoch.at_ms >= working.from_ms)
    lat, lon, half = at.lat_e7 / 1e7, at.lon_e7 / 1e7, 0.0014
    ring = [[lon + east * half, lat + north * half] for east, north in ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1))]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    feature = {"type": "Feature", "properties": {"nama": "Waduk Pluit"}, "geometry": geometry}
    path = tmp_path / "site.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return path


def test_sessions_say_in_which_area_they_were(files: tuple[Path, Path], tmp_path: Path) -> None:
    track, inputs = files
    day = acted(*SHIFT)
    words = ["--track", str(track), "--inputs", str(inputs), "--areas", str(site(tmp_path, day))]
    found = told("sessions", *words)
    assert {tuple(each["areas"]) for each in found["sessions"] if each["kind"] == "working"} == {("Waduk Pluit",)}
    assert found["sessions"][0]["areas"] == []
    begin, *_, end = [each for each in found["sessions"] if each["kind"] == "working"]
    (visit,) = [each for each in found["visits"] if each["from"] <= begin["from"] and each["to"] >= end["to"]]
    assert visit["entered"]
    assert visit["left"]
    assert "Waduk Pluit" in pantau("sessions", *words).stdout


def test_hours_have_the_visits_of_each_day(url: str, sent: tuple[Day, list[Arrival]], tmp_path: Path) -> None:
    day, rows = sent
    commit(url, rows)
    assign(url)
    words = ["--store", url, "--asset", "excavator-3", "--from", "2025-11-24", "--areas", str(site(tmp_path, day))]
    (found,) = told("hours", *words)
    assert found["visits"][0]["area"] == "Waduk Pluit"
    assert "Waduk Pluit" in {name for each in found["stops"] for name in each["areas"]}


def test_a_bad_file_of_areas_is_one_clear_line(url: str, tmp_path: Path) -> None:
    open_store(url, writer=True).close()
    (tmp_path / "bad.geojson").write_text("{}")
    for name, problem in (("bad.geojson", "no GeoJSON"), ("none.geojson", "No such file")):
        words = ["--asset", "a", "--from", "2025-11-24", "--areas", str(tmp_path / name)]
        done = pantau("hours", "--store", url, *words)
        assert done.exit_code == 2
        assert problem in done.stderr


# ------------------------------------------------------------------ pictures and pages


def test_a_bar_has_every_session_with_its_length_and_a_map_its_stands(files: tuple[Path, Path], tmp_path: Path) -> None:
    track, inputs = files
    bar, way = tmp_path / "bar.svg", tmp_path / "map.svg"
    words = ["--track", str(track), "--inputs", str(inputs), "--areas", str(site(tmp_path, acted(*SHIFT)))]
    found = told("sessions", *words, "--bar", str(bar), "--map", str(way))["sessions"]
    drawn = [rect for rect in svg(bar).iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]
    assert len(drawn) == len(found)
    whole_s = sum(each["lasts_s"] for each in found)
    for rect, each in zip(drawn, found, strict=True):
        assert float(rect.get("width", 0)) / 904 == pytest.approx(each["lasts_s"] / whole_s, abs=0.001)
    stands = [each for each in found if each["kind"] in ("parked", "idling", "working", "stopped")]
    assert len(list(svg(way).iter(f"{SVG}circle"))) == len(stands)
    assert "Waduk Pluit" in way.read_text()


SVG = "{http://www.w3.org/2000/svg}"


def svg(path: Path) -> ET.Element:
    return ET.fromstring(path.read_text())


def test_a_bar_of_nothing_and_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text(HEADER + "\n")
    words = [
        "--track",
        str(tmp_path / "empty.csv"),
        "--bar",
        str(tmp_path / "bar.svg"),
        "--map",
        str(tmp_path / "m.svg"),
    ]
    assert pantau("sessions", *words).exit_code == 0
    assert "no position is known" in (tmp_path / "m.svg").read_text()
    done = pantau("sessions", *words[:2], "--bar", str(tmp_path / "no" / "bar.svg"))
    assert (done.exit_code, "No such file" in done.stderr) == (2, True)


def test_a_page_to_print_has_a_bar_a_day_and_nothing_from_elsewhere(
    url: str, sent: tuple[Day, list[Arrival]], tmp_path: Path
) -> None:
    commit(url, sent[1])
    assign(url)
    out = tmp_path / "out.html"
    words = ["hours", "--store", url, "--asset", "excavator-3", "--from", "2025-11-24", "--to", "2025-11-26"]
    done = pantau(*words, "--page", str(out))
    assert done.exit_code == 0, done.output
    text = out.read_text()
    assert text.count("what it did, over the day") == 2
    assert text.count("the way it went") == 2
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    for does in ("working", "travelling", "2025-11-25", "Asia/Jakarta"):
        assert does in text
    assert (
        pantau("hours", "--store", url, "--agency", "water", "--from", "2025-11-24", "--page", str(out)).exit_code == 2
    )

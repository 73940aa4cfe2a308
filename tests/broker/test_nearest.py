"""The nearest ones: distances that others computed, an honest list of doubts, and a reason for everybody left out."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from entries import NOON_MS, fix
from typer.testing import CliRunner

from broker.assets import Assignment
from broker.nearest import Point, Question, haversine_m, nearest
from broker.presence import Presence
from broker.store import Arrival, open_store
from pantau.app import app
from provisioning.throwaway import Authority
from wire.columns import encode_track
from wire.kinds import KIND_TRACK

MONAS = Point(-6.1754, 106.8272)


def state(asset: str, lat_deg: float = -6.1754, *, age_s: float = 5, **more: Any) -> dict[str, Any]:
    utc = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(NOON_MS / 1000 - age_s))
    return {
        "agency": "health", "asset": asset, "kind": "ambulance", "unit": f"box-{asset}", "fix_utc": utc,
        "geometry": {"type": "Point", "coordinates": [106.8272, lat_deg]}, "course_deg": 90.0, "speed_mps": 12.0,
        "estimated": False, "status": "moving", **more,
    }  # fmt: skip


def link(asset: str, *, online: bool = True) -> Presence:
    rest = dict.fromkeys(("session", "outbox_id", "firmware", "last_seen_utc_ms", "waiting_bytes"))
    return Presence(unit=f"box-{asset}", online=online, since_utc_ms=0, **rest)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("start", "end", "metres"),
    [
        (Point(0, 0), Point(0, 1), 111_195.08),  # R times one degree
        (Point(0, 0), Point(0, 180), 20_015_114.4),  # half a great circle: pi R
        (Point(-17, 179.5), Point(-17, -179.5), 106_336.3),  # across the date line, by the vectors' cross product
        (Point(36.12, -86.67), Point(33.94, -118.40), 2_886_448.4),  # Rosetta Code: 2,887.26 km at 6,372.8 km
        (MONAS, MONAS, 0.0),
    ],
)
def test_distances_are_those_of_the_great_circle(start: Point, end: Point, metres: float) -> None:
    assert haversine_m(start, end) == pytest.approx(metres, rel=1e-5, abs=1e-6)
    assert haversine_m(end, start) == haversine_m(start, end)


def test_the_nearest_comes_first_and_says_what_is_uncertain() -> None:
    states = [state("far", -6.20), state("near", -6.18, age_s=90, estimated=True), state("third", -6.30)]
    answer = nearest(Question(MONAS, "ambulance", most=2), states, {"box-far": link("far")}, now_utc_ms=NOON_MS)
    assert [each.asset for each in answer.candidates] == ["near", "far"]
    near, far = answer.candidates
    assert near.distance_m == pytest.approx(511.5, abs=0.5)
    assert near.fix_age_s == 90
    assert set(near.uncertain) == {"as the crow flies", "old fix", "position estimated", "link not known"}
    assert far.uncertain == ("as the crow flies",)
    assert answer.further == 1
    assert not answer.left_out


def test_everybody_left_out_has_a_reason() -> None:
    states = [
        state("stale", age_s=1_301),
        state("nowhere", geometry=None, fix_utc=None),
        state("tunnel", status="no_fix"),
        state("dead"),
        state("future", age_s=-3600),
        state("engine", kind="fire_engine"),
        state("others", agency="police"),
        state("good"),
    ]
    question = Question(MONAS, "ambulance", frozenset({"health"}))
    answer = nearest(question, states, {"box-dead": link("dead", online=False)}, now_utc_ms=NOON_MS)
    assert [each.asset for each in answer.candidates] == ["good"]
    assert {each.asset: each.reason for each in answer.left_out} == {
        "stale": "stale", "nowhere": "no_position", "tunnel": "no_fix", "dead": "offline", "future": "future_date",
        "engine": "other_kind",
    }  # fmt: skip


def test_a_road_router_takes_the_place_of_the_straight_line() -> None:
    class Roads:
        """Whoever is south of the river has a long way round."""

        name = "roads"

        def distance_m(self, start: Point, end: Point) -> float:
            return haversine_m(start, end) + (9000 if start.lat_deg < -6.19 else 0)

    states = [state("south", -6.191), state("north", -6.15)]
    answer = nearest(Question(MONAS), states, {}, now_utc_ms=NOON_MS, router=Roads())
    assert [each.asset for each in answer.candidates] == ["north", "south"]
    assert all("as the crow flies" not in each.uncertain for each in answer.candidates)


def test_the_command_answers_from_the_store(tmp_path: Path, authority: Authority) -> None:
    for name, role in {"bridge-1": "bridge", "bridge-1-receipts": "bridge", "bridge-publisher": "publisher"}.items():
        authority.ensure(name, role)
    config = tmp_path / "centre.toml"
    config.write_text(
        f'[broker]\nhost = "localhost"\nrun = false\n[credentials]\ndirectory = "{authority.directory}"\n'
        f'[store]\nurl = "sqlite:///{tmp_path}/store.db"\nstate_directory = "{tmp_path}"\n'
    )
    now_ms = time.time_ns() // 1_000_000
    held = Assignment(unit="box-7", asset="amb-3", agency="health", kind="ambulance", from_utc_ms=0, to_utc_ms=None)
    with open_store(f"sqlite:///{tmp_path}/store.db", writer=True) as store:
        store.set_assignments([held])
        store.commit([Arrival("box-7", 7, 1, 0, KIND_TRACK, encode_track([fix(now_ms - 2000)]), now_ms)])
    command = ["nearest", "--config", str(config), "--kind", "ambulance"]
    done = CliRunner().invoke(app, [*command, "--json", "--", "-6.1854", "106.8272"])
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.output)["candidates"]
    assert (found["asset"], found["distance_m"]) == ("amb-3", pytest.approx(1112, abs=1))
    shown = CliRunner().invoke(app, [*command, "--", "-6.1854", "106.8272"])
    assert "1,112 m" in shown.output
    nobody = CliRunner().invoke(app, [*command, "--kind", "crane", "--", "-6.1854", "106.8272"])
    assert nobody.exit_code == 1
    assert "amb-3: other kind" in nobody.output

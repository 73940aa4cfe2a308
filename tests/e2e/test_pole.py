"""A whole camera pole: simulated cameras, a real camera_node, and what the centre is told of them.

docs/screens/cameras.svg is the wall of this city: `PANTAU_RECORD=1 python -m pytest tests/e2e/test_pole.py`.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from outing import balanced, eventually
from pictures import drawn, seen_in
from poles import UNIT, looks, pole_plan, snapshots, verdicts

from broker.assets import Assignment
from broker.store import open_store
from edge.camera_node.verdict import LEARNING
from edge.sim.cameras import CameraHost, SimCamera, missing
from stage.city import City
from torture.consumer import pantau

PICTURE = Path(__file__).parents[2] / "docs" / "screens" / "cameras.svg"
HEADLINE = "1 of at least 3 cameras see, of 1 nobody can say (1 pole was never heard)"
COMMAND = "pantau cameras --all --config /etc/pantau/centre.toml"
NEW = Assignment(unit="pole-8", asset="junction-8", agency="transport", kind="pole", from_utc_ms=0, to_utc_ms=None)
WITHIN_S = 90.0  # a picture each second is judged; a busy machine decodes late


@pytest.fixture(scope="module")
def cameras(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[SimCamera]]:
    if why := missing():
        pytest.skip(why)
    with CameraHost(tmp_path_factory.mktemp("cameras")) as host:
        yield [host.camera("gate", seed=1, frames_per_s=5), host.camera("yard", seed=2, frames_per_s=5)]


def wall(city: City) -> list[str]:
    """What `pantau cameras` shows on a terminal, with its colours."""
    done = pantau("cameras", "--all", "--config", str(city.centre_config), FORCE_COLOR="1", COLORTERM="truecolor")
    assert done.returncode == 1, done.stderr
    return done.stdout.splitlines()


def columns(lines: list[str]) -> list[list[str]]:
    """The headline's words, and of each camera whose it is and its verdict; times and reasons are others each time."""
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line).split() for line in lines]
    return [plain[0], *(words[:4] for words in plain[1:] if words[:1] in (["agency"], ["transport"]))]


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_a_camera_that_no_longer_sees_is_known_at_the_centre(cameras: list[SimCamera], tmp_path: Path) -> None:
    gate, yard = cameras
    tables: list[dict[str, object]] = [{"name": camera.name, "url": camera.url} for camera in cameras]
    passwords = {camera.name: (camera.user, camera.password) for camera in cameras}
    city = City(tmp_path / "city", [pole_plan(tables, passwords, tmp_path)])
    city.prepare()
    node = city.children[UNIT]

    def told(camera: str, verdict: str, cause: str | None = None) -> None:
        def known() -> bool:
            return any(c == camera and v == verdict and cause in (None, why) for c, v, why in verdicts(city))

        eventually(known, WITHIN_S, lambda: f"{verdicts(city)}\n{node.tail()}")

    try:
        city.start_centre()
        with open_store(city.store_url) as store:
            three_days_ago_ms = time.time_ns() // 1_000_000 - 3 * 86_400_000
            store.set_assignments([*store.assignments(), replace(NEW, from_utc_ms=three_days_ago_ms)])
        city.start_units()
        told("gate", "seeing")
        told("yard", "seeing")
        # A view has to be learned before a lens can be said to be covered.
        eventually(
            lambda: any(one.camera == "gate" and one.reason != LEARNING for one in looks(city)), WITHIN_S, node.tail
        )
        gate.cover()
        told("gate", "covered", "picture")
        eventually(lambda: any(one.camera == "gate" for one in snapshots(city)), WITHIN_S, node.tail)
        assert all(one.image[:2] == b"\xff\xd8" and len(one.image) < 16_000 for one in snapshots(city))
        shown = wall(city)
        assert columns(shown) == [
            HEADLINE.split(),
            ["agency", "asset", "camera", "verdict"],
            ["transport", "junction-7", "gate", "covered"],
            ["transport", "junction-8", "?", "never_heard"],
            ["transport", "junction-7", "yard", "seeing"],
        ]
        if "PANTAU_RECORD" in os.environ:
            PICTURE.write_text(drawn(shown, COMMAND, widest=160), "utf-8")
        assert columns(seen_in(PICTURE.read_text("utf-8"))) == columns(shown)
        yard.vanish()
        told("yard", "offline", "port")
        node.kill()  # what it had said is stored, and that it sees again is said once it is sure
        gate.recover()
        yard.come_back()
        before = len(verdicts(city))
        node.start()
        eventually(
            lambda: {("gate", "seeing"), ("yard", "seeing")} <= {one[:2] for one in verdicts(city)[before:]},
            WITHIN_S,
            lambda: f"{verdicts(city)}\n{node.tail()}",
        )
        assert gate.password not in node.log_path.read_text("utf-8")
    finally:
        late = city.stop()
    assert late == []
    balanced(city)

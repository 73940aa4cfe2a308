"""A whole camera pole: simulated cameras, a real camera_node, and what the centre is told of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from outing import balanced, eventually
from poles import UNIT, looks, pole_plan, snapshots, verdicts

from edge.camera_node.verdict import LEARNING
from edge.sim.cameras import CameraHost, SimCamera, missing
from stage.city import City

WITHIN_S = 90.0  # a picture each second is judged; a busy machine decodes late


@pytest.fixture(scope="module")
def cameras(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[SimCamera]]:
    if why := missing():
        pytest.skip(why)
    with CameraHost(tmp_path_factory.mktemp("cameras")) as host:
        yield [host.camera("gate", seed=1, frames_per_s=5), host.camera("yard", seed=2, frames_per_s=5)]


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
        city.start_units()
        told("gate", "seeing")
        told("yard", "seeing")
        # A view has to be learned before a lens can be said to be covered.
        eventually(
            lambda: any(one.camera == "gate" and one.reason != LEARNING for one in looks(city)), WITHIN_S, node.tail
        )
        gate.cover()
        yard.vanish()
        told("gate", "covered", "picture")
        eventually(lambda: any(one.camera == "gate" for one in snapshots(city)), WITHIN_S, node.tail)
        assert all(one.image[:2] == b"\xff\xd8" and len(one.image) < 16_000 for one in snapshots(city))
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

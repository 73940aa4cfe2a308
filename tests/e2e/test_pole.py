"""A whole camera pole: simulated cameras, a real camera_node, and what the centre is told of them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from outing import eventually

from broker.store import open_store
from edge.sim.cameras import CameraHost, SimCamera, missing
from stage.city import City, UnitPlan
from torture.consumer import pantau
from wire import records_pb2
from wire.kinds import KIND_CAMERA, KIND_SNAPSHOT

UNIT, ASSET = "pole-7", "junction-7"
LEARNED_AFTER_S = 30.0
WITHIN_S = 90.0  # a picture each second is judged; a busy machine decodes late


@pytest.fixture(scope="module")
def cameras(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[SimCamera]]:
    if why := missing():
        pytest.skip(why)
    with CameraHost(tmp_path_factory.mktemp("cameras")) as host:
        yield [host.camera("gate", seed=1, frames_per_s=5), host.camera("yard", seed=2, frames_per_s=5)]


def planned(cameras: list[SimCamera], folder: Path) -> UnitPlan:
    passwords = folder / "passwords.toml"
    passwords.touch(mode=0o600)
    # JSON's strings are TOML's
    words = [f"[{c.name}]\nuser = {json.dumps(c.user)}\npassword = {json.dumps(c.password)}\n" for c in cameras]
    passwords.write_text("".join(words), "utf-8")
    return UnitPlan(
        name=UNIT,
        asset=ASSET,
        agency="transport",
        kind="pole",
        settings={"pole": {"every_s": 1.0, "passwords_path": str(passwords)}},
        cameras=tuple({"name": camera.name, "url": camera.url} for camera in cameras),
    )


def verdicts(city: City) -> list[tuple[str, str, str]]:
    """Camera, verdict and cause of every record at the centre, as they came."""
    with open_store(city.store_url) as store:
        found = [records_pb2.Camera.FromString(row.body) for row in store.rows(unit=UNIT) if row.kind == KIND_CAMERA]
    return [(one.camera, one.verdict, one.cause) for one in found]


def snapshots(city: City) -> list[records_pb2.Snapshot]:
    with open_store(city.store_url) as store:
        return [records_pb2.Snapshot.FromString(row.body) for row in store.rows(unit=UNIT) if row.kind == KIND_SNAPSHOT]


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_a_camera_that_no_longer_sees_is_known_at_the_centre(cameras: list[SimCamera], tmp_path: Path) -> None:
    gate, yard = cameras
    city = City(tmp_path / "city", [planned(cameras, tmp_path)])
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
        time.sleep(LEARNED_AFTER_S)  # a view has to be learned before a lens can be said to be covered
        gate.cover()
        told("gate", "covered", "picture")
        eventually(lambda: any(one.camera == "gate" for one in snapshots(city)), WITHIN_S, node.tail)
        assert all(one.image[:2] == b"\xff\xd8" and len(one.image) < 16_000 for one in snapshots(city))
        yard.vanish()
        told("yard", "offline", "port")
        node.kill()  # what it had said is stored, what it had learned is kept, what had been said is said again
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
    balance = pantau("ledger", "--store", city.store_url, "--json")
    accounts: list[dict[str, Any]] = json.loads(balance.stdout)
    assert sum(account["missing"] for account in accounts) == 0

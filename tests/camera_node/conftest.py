"""One process of simulated cameras for a whole test module."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from edge.camera_node.probing import Credentials
from edge.sim.cameras import PASSWORD, USER, CameraHost, SimCamera, missing


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CameraHost]:
    if why := missing():
        pytest.skip(why)
    with CameraHost(tmp_path_factory.mktemp("cameras")) as running:
        yield running


@pytest.fixture
def new_camera(host: CameraHost) -> Iterator[Callable[..., SimCamera]]:
    """Sets up cameras that end with the test: each composes its scene, watched or not."""
    made: list[SimCamera] = []

    def camera(name: str, **more: object) -> SimCamera:
        made.append(host.camera(name, **more))  # type: ignore[arg-type]
        return made[-1]

    yield camera
    for one in made:
        one.close()


@pytest.fixture
def credentials() -> Credentials:
    return Credentials(USER, PASSWORD)

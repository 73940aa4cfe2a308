"""One process of simulated cameras for a whole test module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edge.camera_node.probing import Credentials
from edge.sim.cameras import PASSWORD, USER, CameraHost, missing


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CameraHost]:
    if why := missing():
        pytest.skip(why)
    with CameraHost(tmp_path_factory.mktemp("cameras")) as running:
        yield running


@pytest.fixture
def credentials() -> Credentials:
    return Credentials(USER, PASSWORD)

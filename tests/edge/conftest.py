"""A simulated card, where the machine can have one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.sim.card import SimulatedCard


@pytest.fixture
def card(tmp_path: Path) -> Iterator[SimulatedCard]:
    """An empty card; its `run` stands for tmpfs."""
    folder = tmp_path / "card"
    (folder / "run").mkdir(parents=True)
    made = SimulatedCard(folder, volatile=["run"])
    try:
        made.__enter__()
    except OSError as error:
        pytest.skip(f"no simulated card here: {error.strerror}")
    yield made
    made.__exit__(None, None, None)

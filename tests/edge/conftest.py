"""A simulated card for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.sim.card import SimulatedCard
from tests.cards import mounted_card


@pytest.fixture
def card(tmp_path: Path) -> Iterator[SimulatedCard]:
    """An empty card; its `run` stands for tmpfs."""
    folder = tmp_path / "card"
    (folder / "run").mkdir(parents=True)
    with mounted_card(folder) as card:
        yield card

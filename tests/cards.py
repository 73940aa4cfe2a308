"""A simulated card for a test, where the machine can have one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.sim.card import SimulatedCard


@contextmanager
def mounted_card(folder: Path) -> Iterator[SimulatedCard]:
    """A card at `folder` whose `run` stands for tmpfs; the test is skipped where there is no FUSE."""
    card = SimulatedCard(folder, volatile=["run"])
    try:
        card.__enter__()
    except OSError as error:
        pytest.skip(f"no simulated card here: {error.strerror}")
    try:
        yield card
    finally:
        card.__exit__(None, None, None)

"""One minute of `pantau torture`: the whole city, killed part by part while a drive plays."""

from __future__ import annotations

from pathlib import Path

import pytest

from torture.kill import Run, summary


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_whatever_is_killed_every_due_epoch_is_stored_once_and_a_consumer_misses_nothing(tmp_path: Path) -> None:
    outcome = Run(tmp_path, seed=20261123, minutes=1.0).run()
    assert outcome.holds, "\n".join(f"{what}: {figure}" for what, figure in summary(outcome))
    assert sum(outcome.kills.values()) >= 10

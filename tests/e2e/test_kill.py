"""The fault suite's own way: the whole city, killed part by part while a drive plays."""

from __future__ import annotations

from pathlib import Path

import pytest

from torture.run import run
from torture.scenario import chosen


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_whatever_is_killed_every_due_epoch_is_stored_once_and_a_consumer_misses_nothing(tmp_path: Path) -> None:
    (scenario,) = chosen(["kill-random"])
    report = run(scenario, tmp_path, seed=20261123, seconds=45.0)
    assert report.holds, [*report.broken(), report.error]
    assert sum(report.faults.values()) >= 10
    assert report.due > 100

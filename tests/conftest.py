"""What every test may lean on: the real data folder, and no thread left behind."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Properties are about behaviour, not about how busy the machine is. Whoever works looks at new examples each time;
# what decides whether a change lands looks at the same ones.
settings.register_profile("pantau", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("pantau")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real receiver logs and drives (PANTAU_DATA, else ../shared/data beside the repository)."""
    folder = Path(os.environ.get("PANTAU_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data not here: {folder} (set PANTAU_DATA)")
    return folder


@pytest.fixture(autouse=True)
def no_thread_left_behind() -> Iterator[None]:
    """A test that leaves a thread running fails: on a box it would be a leak for years."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 5.0
    while left := [t for t in threading.enumerate() if t not in before and t.is_alive()]:
        if time.monotonic() > deadline:
            pytest.fail(f"threads left behind: {[t.name for t in left]}")
        time.sleep(0.01)

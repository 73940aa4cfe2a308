"""What the service manager hears of a process whose loops may wait for a store, over a real socket."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from service_manager import Manager

from running import turns
from running.turns import StopSwitch, Turns
from running.watched import Watched

WATCHDOG_S = 0.3
NEVER_S = 3600.0


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path, watchdog_s=WATCHDOG_S)
    yield made
    made.close()


@pytest.fixture
def switch() -> Iterator[StopSwitch]:
    made = StopSwitch()
    yield made
    made.close()


def unfed(manager: Manager, watched_s: float = 5 * WATCHDOG_S) -> bool:
    """Whether a whole stretch of time goes by in which nobody feeds, after a last one that was on its way."""
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        manager.heard()
        time.sleep(watched_s)
        if "WATCHDOG=1" not in manager.heard():
            return True
    return False


def test_it_is_ready_when_it_says_so_then_fed_and_stopping_at_once(manager: Manager, switch: StopSwitch) -> None:
    ready = threading.Event()
    watched = Watched(switch, environment=manager.environment)
    with watched.telling(ready=ready.is_set, status=lambda: "ready" if ready.is_set() else "waiting"):
        assert manager.until("STATUS") == ["STATUS=waiting"]
        time.sleep(3 * WATCHDOG_S)
        assert manager.heard() == [], "not ready, and the same as before"
        ready.set()
        assert manager.until("READY") == ["READY=1"]
        manager.until("STATUS=ready")
        manager.until("WATCHDOG=1")
        switch.set()
        assert set(manager.until("STOPPING=1")) <= {"WATCHDOG=1", "STOPPING=1"}
    assert manager.heard() == []
    assert manager.told.count("READY=1") == 1


def test_what_is_away_holds_up_a_start_for_so_long_and_no_longer(manager: Manager, switch: StopSwitch) -> None:
    watched = Watched(switch, environment=manager.environment, ready_within_s=0.5)
    with watched.telling(ready=lambda: False, status=lambda: "waiting for the broker"):
        manager.until("READY=1")
    assert "STATUS=waiting for the broker" in manager.told


def test_a_start_that_hangs_is_never_ready(
    manager: Manager, switch: StopSwitch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(turns, "TURN_WITHIN_S", 0.2)
    watched = Watched(switch, environment=manager.environment, ready_within_s=0.5)
    watched.loop("desk")
    with watched.telling(ready=lambda: False, status=lambda: ""):
        time.sleep(1.5)
        assert manager.heard() == []
    assert caplog.text.count("desk has not turned") == 1


def test_a_loop_that_hangs_is_not_fed_for_and_one_that_waits_for_a_store_is(
    manager: Manager, switch: StopSwitch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "TURN_WITHIN_S", 0.5)
    watched = Watched(switch, environment=manager.environment)
    loop = watched.loop("committer")
    with watched.telling(ready=lambda: True, status=lambda: ""):
        with loop.elsewhere():
            time.sleep(1.5)
            manager.heard()
            manager.until("WATCHDOG=1")
        assert unfed(manager)
        loop.turned()
        manager.until("WATCHDOG=1")


def test_elsewhere_within_elsewhere_ends_with_the_outer_one() -> None:
    one = Turns(lambda: 1000.0)
    with one.elsewhere():
        with one.elsewhere():
            pass
        one.turned()
        assert one.due_mono_s == float("inf")
    assert one.due_mono_s == 1000.0 + turns.TURN_WITHIN_S


def test_without_a_manager_there_is_no_thread(switch: StopSwitch) -> None:
    before = threading.active_count()
    with Watched(switch, environment={}).telling(ready=lambda: True, status=lambda: ""):
        assert threading.active_count() == before
    assert not switch.is_set()

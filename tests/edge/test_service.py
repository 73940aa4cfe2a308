"""A process of ours ends in time, says why, and is kept alive by local progress only."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from service_manager import Manager

from edge import service
from edge.service import EXIT_CLEAN, EXIT_FAILED, run
from running.systemd import Systemd
from running.turns import TURN_WITHIN_S, LoopStop, Stop, StopSwitch, Watchdog


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    made = Manager(tmp_path)
    monkeypatch.setenv("NOTIFY_SOCKET", str(made.path))
    yield made
    made.close()


def until_stopped(stop: Stop) -> None:
    while not stop.wait(0.05):
        pass


def test_sigterm_stops_every_loop_and_the_exit_is_clean(manager: Manager) -> None:
    woken: list[str] = []

    def main(stop: Stop) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        until_stopped(stop)

    assert run(main, {"uplink": until_stopped}, on_stop=[lambda: woken.append("uplink")]) == EXIT_CLEAN
    assert woken == ["uplink"]
    assert manager.heard() == ["READY=1", "STOPPING=1"]


@pytest.mark.parametrize("failing", ["main", "uplink"])
def test_the_first_to_fail_stops_the_rest_and_the_exit_says_so(failing: str, caplog: pytest.LogCaptureFixture) -> None:
    def fail(stop: Stop) -> None:
        raise OSError("no such card")

    loops = {"main": until_stopped, "uplink": until_stopped, failing: fail}
    assert run(loops["main"], {"uplink": loops["uplink"]}) == EXIT_FAILED
    assert f"{failing} failed" in caplog.text
    assert "no such card" in caplog.text


def test_a_worker_that_ends_by_itself_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    assert run(until_stopped, {"uplink": lambda stop: None}) == EXIT_FAILED
    assert "uplink ended by itself" in caplog.text


def test_a_worker_that_will_not_end_is_named_and_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(service, "STOP_WITHIN_S", 0.1)
    release, left = threading.Event(), []

    def main(stop: Stop) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        until_stopped(stop)

    def leave(code: int) -> None:
        left.append(code)
        release.set()

    def deaf(stop: Stop) -> None:
        release.wait(30)

    assert run(main, {"uplink": deaf}, leave=leave) == EXIT_FAILED
    assert left == [EXIT_FAILED]
    assert "did not stop within 0 s: uplink" in caplog.text


def test_signal_handlers_are_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    run(lambda stop: None, {})
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_set_switch_wakes_a_waiter_in_another_thread() -> None:
    switch = StopSwitch()
    stop = LoopStop(switch, time.monotonic)
    waiter = threading.Thread(target=lambda: stop.wait(60))
    waiter.start()
    switch.set()
    waiter.join(5)
    assert not waiter.is_alive()
    assert stop.wait(60)
    switch.close()


class Minutes:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_the_watchdog_is_fed_while_every_loop_turns_and_no_longer(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    clock, switch, systemd = Minutes(), StopSwitch(), Systemd(os.environ)
    uplink = LoopStop(switch, clock)
    watchdog = Watchdog(systemd, {"uplink": uplink}, clock)

    watchdog.feed()
    watchdog.feed()
    assert manager.heard() == ["WATCHDOG=1"]
    clock.now_s += 11
    uplink.is_set()
    watchdog.feed()
    assert manager.heard() == ["WATCHDOG=1"]
    clock.now_s += TURN_WITHIN_S + 1
    watchdog.feed()
    assert manager.heard() == []
    assert caplog.text.count("uplink has not turned") == 1
    uplink.is_set()
    watchdog.feed()
    assert manager.heard() == ["WATCHDOG=1"]
    systemd.close()
    switch.close()


def test_while_main_is_away_it_is_fed_for_and_a_hang_is_found_all_the_same(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "600000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    with service.away():
        time.sleep(0.9)
    fed = manager.heard()
    assert len(fed) >= 2 and set(fed) == {"WATCHDOG=1"}
    time.sleep(0.3)
    assert manager.heard() == []
    with service.away(at_most_s=0.0):
        time.sleep(0.3)
    for _ in range(20):
        with service.away():
            pass
    assert manager.heard() == []


def test_a_long_sleep_asked_for_is_not_a_hang() -> None:
    clock, switch = Minutes(), StopSwitch()
    switch.set()
    uplink = LoopStop(switch, clock)
    uplink.wait(600)
    assert uplink.due_mono_s == clock.now_s + TURN_WITHIN_S
    asleep: list[float] = []
    LoopStop.wait(watcher := LoopStop(switch, clock, lambda: asleep.append(watcher.due_mono_s)), 600)
    assert asleep[0] == clock.now_s + 600 + TURN_WITHIN_S
    switch.close()


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "/nonexistent/socket", "WATCHDOG_USEC": "x"}])
def test_without_a_manager_nothing_is_sent_and_nothing_fails(environment: dict[str, str]) -> None:
    systemd = Systemd(environment)
    systemd.notify("READY=1")
    assert systemd.watchdog_s is None
    systemd.close()


def test_another_process_watchdog_is_not_ours() -> None:
    assert Systemd({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}).watchdog_s is None


def test_a_wrong_configuration_exits_78_with_every_problem_on_stderr() -> None:
    program = textwrap.dedent("""
        import sys
        from edge.service import exit_code
        from settings import ConfigError, Problem
        def main():
            raise ConfigError("unit.toml", [Problem(key="unit.id", value=None, wanted="a name")])
        sys.exit(exit_code(main))
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert done.returncode == 78
    assert done.stderr == "unit.toml: 1 problem\n  unit.id missing: a name\n"

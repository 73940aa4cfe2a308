"""Commands and configuration from the command line to a box and back, over a real broker; one that cuts it off."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from broker.config import load_centre
from broker.downlink import Downlink
from stage.city import City, UnitPlan
from torture.consumer import pantau

WITHIN_S = 60.0
BOX = UnitPlan(
    name="box-1", asset="car-1", agency="health", kind="ambulance",
    settings={"remote": {"trial_s": 10}, "broker": {"fleet_units": 1}},
)  # fmt: skip


def until(true: Callable[[], bool], city: City) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not true():
        assert time.monotonic() < deadline, city.children["box-1"].tail()
        time.sleep(0.1)


def shown(city: City) -> dict[str, Any]:
    done = pantau("configure", "box-1", "--show", "--json", "--config", str(city.centre_config))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def reported(city: City) -> tuple[int, str] | None:
    with Downlink(load_centre(city.centre_config).downlink_path) as downlink:
        report = downlink.report("box-1")
    return None if report is None else (report.version, json.loads(report.told)["state"])


def again(city: City) -> None:
    """It ends by itself, cleanly, and is started as systemd would."""
    box = city.children["box-1"]
    until(lambda: not box.running, city)
    assert box.exit_code == 0, box.tail()
    box.start()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_box_obeys_from_afar_and_comes_back_by_itself_from_what_cuts_it_off(tmp_path: Path) -> None:
    city = City(tmp_path, [BOX])
    city.prepare()
    centre = ("--config", str(city.centre_config))
    try:
        city.start_centre()
        city.start_units()
        ping = pantau("command", "box-1", "ping", "--wait", "--good-for-s", "60", *centre)
        assert (ping.returncode, ping.stdout) == (0, "done: pong\n"), ping.stderr

        dry = pantau("configure", "box-1", "report.interval_s=5", "--dry-run", *centre)
        assert dry.stdout == 'would want 1: {"report": {"interval_s": 5}}\n', dry.stderr
        assert shown(city)["desired"] is None
        assert pantau("configure", "box-1", "report.interval_s=5", *centre).returncode == 0
        again(city)
        until(lambda: reported(city) == (1, "applied"), city)
        assert shown(city)["in_step"]

        bad = pantau("configure", "box-1", "report.interval_s=0", *centre)
        assert bad.returncode == 2
        assert "report.interval_s is 0" in bad.stderr
        with Downlink(load_centre(city.centre_config).downlink_path) as downlink:
            downlink.desire("box-1", {"report": {"interval_s": 0}})  # past the check: the box has its own
        until(lambda: reported(city) == (2, "refused"), city)
        assert shown(city)["reported"]["running"] == {"report": {"interval_s": 5}}

        cut_off = pantau("configure", "box-1", "report.interval_s=5", "broker.port=9", *centre)
        assert cut_off.returncode == 0
        again(city)
        again(city)  # after ten seconds without a receipt
        until(lambda: reported(city) == (3, "reverted"), city)

        restart = pantau("command", "box-1", "restart", *centre)
        assert restart.returncode == 0
        again(city)
        burst = pantau("command", "box-1", "burst", "5", "--wait", "--good-for-s", "60", *centre)
        assert burst.stdout == "done: every fix for 5 min\n", burst.stderr
        too_long = pantau("command", "box-1", "burst", "500", "--wait", "--good-for-s", "60", *centre)
        assert too_long.returncode == 1
        assert "wanted 0 to 60" in too_long.stdout
        time.sleep(1.0)
        assert city.children["box-1"].running, "restarted once"
        assert [asked["what"] for asked in shown(city)["asked"]][:3] == ["command"] * 3
    finally:
        city.stop()

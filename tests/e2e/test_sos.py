"""A panic button: pressed without a link, the box killed, the link back; a person answers, and the driver hears it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from outing import eventually

from broker.calls import Calls
from edge.outbox_reader import OutboxReader
from edge.sim.link import SimulatedLink
from edge.sim.pins import SimulatedBoard
from stage.city import City, UnitPlan, free_port
from torture.consumer import pantau
from wire import records_pb2
from wire.kinds import CLASS_ALARM

UNIT = "amb-017"
BUTTON, BUZZER, FAULT = 17, 22, 23
WITHIN_S = 5.0  # of the link, the centre has it
LONG_BEEP_S = 0.6  # of the acknowledgement's pattern; the button's own is 0.1 s


def plan(board: SimulatedBoard) -> UnitPlan:
    return UnitPlan(
        name=UNIT, asset="ambulance-1", agency="health", kind="ambulance",
        settings={"buzzer": {"pin": BUZZER}, "lamps": {"fault_pin": FAULT}},
        inputs=({"name": "panic", "pin": BUTTON, "kind": "panic"},),
        environment=board.environment,
    )  # fmt: skip


def calls(city: City, *more: str) -> list[dict[str, Any]]:
    """What a dispatcher sees."""
    listed = pantau("sos", "list", "--config", str(city.centre_config), "--json", *more)
    assert listed.returncode == 0, listed.stderr
    found: list[dict[str, Any]] = json.loads(listed.stdout)
    return found


def alarms(city: City) -> list[records_pb2.Event]:
    reader = OutboxReader(city.outbox_path(UNIT))
    try:
        return [records_pb2.Event.FromString(row.body) for row in reader.above(0, 1000) if row.cls == CLASS_ALARM]
    finally:
        reader.close()


@pytest.mark.timeout(120)
def test_a_call_without_a_link_survives_a_kill_arrives_and_its_answer_is_heard(tmp_path: Path) -> None:
    port = free_port()
    with SimulatedBoard(tmp_path) as board, SimulatedLink("127.0.0.1", port) as link:
        board.drive(BUTTON, high=True)
        city = City(tmp_path / "city", [plan(board)], port=port, broker_port=link.port)
        city.prepare()
        box = city.children[UNIT]
        try:
            city.start_centre()
            link.cut()
            box.start()
            eventually(lambda: link.attempts > 1, 20, box.tail)

            board.drive(BUTTON, high=False)
            eventually(lambda: board.switched(BUZZER), 10, box.tail)  # he hears that the button was felt
            board.drive(BUTTON, high=True)
            eventually(lambda: alarms(city), 10, box.tail)
            box.kill()
            city.forget_run(UNIT)
            attempts = link.attempts
            box.start()
            eventually(lambda: len(alarms(city)) > 1, 20, box.tail)  # nobody has it: the next life says it again
            eventually(lambda: link.attempts > attempts + 3, 60, box.tail)  # long enough for a wait to have grown
            assert calls(city) == []

            link.mend()
            mended_ms = time.time_ns() // 1_000_000
            with Calls(city.directory / "centre" / "downlink.db") as heard:
                eventually(heard.listed, 30, lambda: [box.tail(), city.children["bridge"].tail()])
            (call,) = calls(city)
            assert call["unit"] == UNIT and call["by"] is None
            assert call["heard_utc_ms"] - mended_ms < WITHIN_S * 1000
            assert {event.detail["call"] for event in alarms(city)} <= {call["call"]}
            blinked = len(board.switched(FAULT))
            eventually(lambda: len(board.switched(FAULT)) > blinked + 4, 10)
            assert board.longest_high_s(BUZZER) < LONG_BEEP_S, "nobody has acknowledged it"

            told = pantau("sos", "acknowledge", UNIT, "--by", "Ibu Sari", "--config", str(city.centre_config))
            assert told.returncode == 0, told.stderr
            eventually(lambda: board.longest_high_s(BUZZER) >= LONG_BEEP_S, 30, box.tail)
            eventually(lambda: not calls(city), 30, box.tail)
            (ended,) = calls(city, "--all")
            assert (ended["by"], ended["ended"]) == ("Ibu Sari", True)
            again = pantau("sos", "acknowledge", UNIT, "--by", "Ibu Sari", "--config", str(city.centre_config))
            assert again.returncode == 1 and "no call of amb-017 goes on" in again.stderr
        finally:
            late = city.stop()
        assert late == []
        exported = pantau("replay", "--store", city.store_url, "--after", "0")
        assert '"sos_acknowledged"' in exported.stdout and "Ibu Sari" in exported.stdout

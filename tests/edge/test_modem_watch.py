"""The modem, looked at and mended over D-Bus, on a bus of the test's own; real modems were not at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from system_bus import GOOD, bus_with

from edge import modem
from edge.errors import ModemRefused
from edge.modem_cell import Cell
from edge.modem_ladder import POWER_CYCLE, REATTACH, RESTART, Ladder
from edge.modem_watch import ModemWatch
from wire import records_pb2


def said(watch: ModemWatch) -> records_pb2.Modem:
    return records_pb2.Modem.FromString(watch.account())


def test_a_look_brings_signal_operator_cell_and_sim_into_the_account(tmp_path: Path) -> None:
    with bus_with(GOOD, tmp_path) as address:
        watch = ModemWatch(
            lambda within_s: modem.look(within_s, address=address), lambda step: None, Ladder(),
            heard_centre=lambda: True, quiet=lambda: True, now_s=lambda: 0.0, keep=lambda taken: None,
        )  # fmt: skip
        watch.turn()
    told = said(watch)
    assert (told.operator, told.state, told.registration) == ("TELKOMSEL", "registered", "home")
    assert (told.cell, told.iccid) == ("510,10,FFFE,9F2C11,2F4A", GOOD["iccid"])
    assert (told.rsrp_dbm, told.rsrq_db, told.sinr_db) == (-87, -9, 14)


def test_the_steps_of_the_modem_itself_are_calls_of_modemmanager(tmp_path: Path) -> None:
    with bus_with(GOOD, tmp_path) as address:
        modem.take(REATTACH, address=address)
        modem.take(RESTART, address=address)
        with pytest.raises(ModemRefused):
            modem.take(POWER_CYCLE, address=address)
    assert (tmp_path / "steps").read_text() == "reattach restart "


def test_without_a_modem_manager_the_ladder_goes_on_and_nothing_is_made_up() -> None:
    now_s, taken, kept, heard = [0.0], [], [], [False]

    def look(within_s: float) -> Cell:
        raise ModemRefused("no answer")

    def take(step: str) -> None:
        taken.append(step)
        raise ModemRefused("no answer")

    watch = ModemWatch(
        look, take, Ladder(), heard_centre=lambda: heard[0], quiet=lambda: False, now_s=lambda: now_s[0],
        keep=lambda steps: kept.append(len(steps)),
    )  # fmt: skip
    for now_s[0] in range(0, 600, 60):
        watch.turn()
    assert taken == [REATTACH, RESTART]
    assert kept == [1, 2]
    heard[0] = True
    watch.turn()
    told = said(watch)
    assert (told.model, told.state) == ("", "")
    assert not told.HasField("rsrp_dbm")
    assert dict(told.steps) == {REATTACH: 1, RESTART: 1}
    assert dict(told.helped) == {RESTART: 1}

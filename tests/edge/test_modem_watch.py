"""The modem, looked at and mended over D-Bus, on a bus of the test's own; real modems were not at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory
from system_bus import GOOD, SICK, bus_with, sick_bus

from edge import modem
from edge.errors import ModemRefused, SmsUnsure
from edge.modem_cell import Cell
from edge.modem_ladder import LADDER, POWER_CYCLE, REATTACH, RESTART, Ladder
from edge.modem_relay import ModemRelay
from edge.modem_watch import ModemWatch
from edge.relays import Coil, Relays
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


@pytest.mark.parametrize("how", SICK)
def test_a_sick_bus_is_a_modem_that_refuses_and_nothing_else(how: str, tmp_path: Path) -> None:
    with sick_bus(how, tmp_path) as address:
        with pytest.raises(ModemRefused):
            modem.look(1.0, address=address)
        with pytest.raises(ModemRefused) as caught:
            modem.send_sms("+62811", "SOS", address=address)
    assert not isinstance(caught.value, SmsUnsure), "it never left"


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


PIN = 23
DAY_S = 86_400


class Lost:
    """A box with a relay whose modem hears nobody, on a mock pin and a clock that waiting moves."""

    def __init__(self, *, quiet: bool = True, active_low: bool = False) -> None:
        self.now_s, self.stopped = 1000.0, False
        self.taken: list[str] = []
        self.kept: list[tuple[float, str]] = []
        self.factory = MockFactory()
        self.relay = ModemRelay(
            Coil(PIN, active_low), 10.0, factory=self.factory, monotonic_s=lambda: self.now_s
        )  # fmt: skip
        self.watch = ModemWatch(
            self._look, self.taken.append, Ladder([step for step in LADDER if step.name == POWER_CYCLE]),
            heard_centre=lambda: False, quiet=lambda: quiet, now_s=lambda: self.now_s, keep=self._keep,
            relay=self.relay,
        )  # fmt: skip

    def _look(self, within_s: float) -> Cell:
        raise ModemRefused("no modem")

    def _keep(self, taken: list[tuple[float, str]]) -> None:
        self.kept = taken

    def wait(self, for_s: float) -> bool:
        self.now_s += for_s
        return self.stopped

    def coil(self) -> bool:
        """The level on the wire."""
        return bool(self.factory.pin(PIN).state)

    def cuts_s(self) -> list[float]:
        """When the coil was energised, by the pin's own account."""
        return [each.timestamp for each in self.factory.pin(PIN).states if each.state]

    def close(self) -> None:
        self.relay.close()
        self.factory.reset()


def minutes_go_by(lost: Lost, for_s: float) -> None:
    until_s = lost.now_s + for_s
    while lost.now_s < until_s:
        lost.watch.turn(lost.wait)
        lost.now_s += 60.0


def test_a_power_cycle_takes_the_modems_power_away_and_gives_it_back_counted_and_capped() -> None:
    lost = Lost()
    lost.relay.open()
    assert not lost.coil(), "a modem has power while nothing is done"
    minutes_go_by(lost, 540.0)
    assert lost.cuts_s() == []
    minutes_go_by(lost, 120.0)
    assert [each.state for each in lost.factory.pin(PIN).states] == [False, True, False]
    assert not lost.coil()
    minutes_go_by(lost, DAY_S - 3600.0)
    assert len(lost.cuts_s()) == 6, "a day's most"
    assert lost.taken == [], "nothing of it was asked of the modem"
    assert dict(said(lost.watch).steps) == {POWER_CYCLE: 6}
    assert [name for _, name in lost.kept] == [POWER_CYCLE] * 6
    minutes_go_by(lost, 3 * 3600.0)
    assert len(lost.cuts_s()) > 6, "and the next day again"
    lost.close()


def test_what_drives_is_never_without_power() -> None:
    lost = Lost(quiet=False)
    minutes_go_by(lost, DAY_S / 4)
    assert not lost.coil()
    assert dict(said(lost.watch).steps) == {}
    lost.close()


@pytest.mark.parametrize("active_low", [False, True])
def test_told_to_stop_in_the_middle_of_a_cut_it_gives_the_power_back(active_low: bool) -> None:
    lost = Lost(active_low=active_low)
    dark: list[bool] = []

    def wait(for_s: float) -> bool:
        dark.append(lost.coil() is not active_low)
        return True

    lost.relay.cycle(wait)
    assert dark == [True], "it was cut, and waited once"
    levels = [bool(each.state) for each in lost.factory.pin(PIN).states]
    assert levels[-2:] == [not active_low, active_low], "energised, and let go"
    lost.relay.open()
    assert lost.coil() is active_low
    lost.close()


def test_a_pin_that_cannot_be_had_is_said_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    lost = Lost()
    taken = Relays({"other": Coil(PIN)}, factory=lost.factory)
    minutes_go_by(lost, 660.0)
    assert "power_cycle did not work" in caplog.text and "GPIO 23" in caplog.text
    assert dict(said(lost.watch).steps) == {POWER_CYCLE: 1}
    taken.close()
    minutes_go_by(lost, 660.0)
    assert len(lost.cuts_s()) == 1
    lost.close()

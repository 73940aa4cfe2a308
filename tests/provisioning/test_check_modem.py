"""The modem's lines, from a ModemManager on a bus of its own: what a technician would find in a vehicle."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from system_bus import GOOD, bus_with

from provisioning.acceptance import words
from provisioning.acceptance.config import Modem
from provisioning.acceptance.modem import modem
from provisioning.acceptance.sheet import Line

LIMITS = Modem()


def asked(state: dict[str, Any] | None, folder: Path, limits: Modem = LIMITS, within_s: float = 3.0) -> dict[str, Line]:
    with bus_with(state, folder) as address:
        return {line.name: line for line in modem(limits, within_s, address=address)}


def test_a_good_modem_passes_with_every_figure_of_its_cell(tmp_path: Path) -> None:
    lines = asked(GOOD, tmp_path)
    assert {line.verdict for line in lines.values()} == {"passed"}
    assert lines["modem_sim"].measured == GOOD["iccid"]
    assert lines["modem_operator"].measured == "TELKOMSEL"
    assert lines["modem_registration"].measured == "home"
    figures = [lines[f"modem_{name}"].measured for name in ("rsrp", "rsrq", "sinr")]
    assert figures == [-87.0, -9.0, 14.2], "measured only since it was told to (Signal.Setup)"


@pytest.mark.parametrize(
    ("state", "line", "todo"),
    [
        ({"no_modem": True}, "modem", words.NO_MODEM),
        ({"state": -1}, "modem_sim", words.NO_SIM),
        ({**GOOD, "state": 2}, "modem_sim", words.SIM_LOCKED),
        ({**GOOD, "registration": 3}, "modem_registration", words.NOT_REGISTERED),
        ({**GOOD, "rsrp": -121.0}, "modem_rsrp", words.WEAK_NETWORK),
    ],
)
def test_each_fault_has_its_line_and_its_words(state: dict[str, Any], line: str, todo: str, tmp_path: Path) -> None:
    lines = asked(state, tmp_path, within_s=1.5)
    failed = {name: each.todo for name, each in lines.items() if each.verdict == "failed"}
    assert failed[line] == todo


def test_a_figure_the_modem_does_not_tell_is_skipped_not_passed(tmp_path: Path) -> None:
    lines = asked({key: value for key, value in GOOD.items() if key != "snr"}, tmp_path)
    assert lines["modem_sinr"].verdict == "skipped"
    assert lines["modem_rsrp"].verdict == "passed"


def test_a_modem_that_may_not_be_told_to_measure_is_not_waited_for(tmp_path: Path) -> None:
    begun = time.monotonic()
    lines = asked({**GOOD, "setup_refused": True}, tmp_path, within_s=20.0)
    assert time.monotonic() - begun < 15
    assert [lines[f"modem_{name}"].verdict for name in ("registration", "rsrp")] == ["passed", "skipped"]


def test_without_modemmanager_the_line_says_whom_to_call(tmp_path: Path) -> None:
    (line,) = asked(None, tmp_path).values()
    assert (line.verdict, line.todo) == ("failed", words.NO_MODEM_MANAGER)
    assert "ServiceUnknown" in str(line.measured)


def test_without_a_bus_it_is_the_same(tmp_path: Path) -> None:
    (line,) = modem(LIMITS, 1.0, address=f"unix:path={tmp_path / 'no-bus'}")
    assert (line.verdict, line.todo) == ("failed", words.NO_MODEM_MANAGER)


def test_a_box_on_a_cable_is_not_asked() -> None:
    (line,) = modem(Modem(there=False), 1.0)
    assert (line.verdict, line.todo) == ("skipped", words.NO_MODEM_WANTED)

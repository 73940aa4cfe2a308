"""A relay cuts a camera's power for some seconds, and a box that is dead, killed or ended leaves it on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory

from edge.errors import DeviceLost
from edge.relays import Coil, Relays

PIN = 17
# A board whose pin keeps its level when the process that drove it is gone, as a Raspberry Pi's does: a file.
BOARD = """
import sys, time
from pathlib import Path
from gpiozero.pins.mock import MockFactory, MockPin
from edge.relays import Coil, Relays

level = Path(sys.argv[1])

class Pin(MockPin):
    def __init__(self, factory, info):
        super().__init__(factory, info)
        self._state = level.exists() and level.read_text() == "1"
    def _change_state(self, value):
        changed = super()._change_state(value)
        level.write_text(str(int(self._state)))
        return changed

relays = Relays({"north": Coil(17)}, factory=MockFactory(pin_class=Pin))
print("powered" if relays.powered()["north"] else "dark", flush=True)
if sys.argv[2] == "cut":
    relays.cut("north", 60)
    print("cut", flush=True)
    time.sleep(60)
"""


class Bench:
    """Relays on a mock board with a clock that the test moves."""

    def __init__(self, factory: MockFactory, *, active_low: bool = False) -> None:
        self.now_s = 100.0
        self.factory = factory
        self.relays = Relays(
            {"north": Coil(PIN, active_low), "south": Coil(27, active_low)},
            factory=factory,
            monotonic_s=lambda: self.now_s,
        )

    def coil(self, pin: int = PIN) -> bool:
        """The level on the wire."""
        return bool(self.factory.pin(pin).state)


@pytest.fixture
def factory() -> Iterator[MockFactory]:
    board = MockFactory()
    yield board
    board.reset()


def test_a_cut_takes_the_power_for_its_seconds_and_no_other_cameras(factory: MockFactory) -> None:
    bench = Bench(factory)
    assert bench.relays.powered() == {"north": True, "south": True}
    bench.relays.cut("north", 10)
    assert bench.relays.powered() == {"north": False, "south": True}
    assert (bench.coil(), bench.coil(27)) == (True, False)
    bench.now_s += 9.9
    bench.relays.turn()
    assert not bench.relays.powered()["north"]
    bench.now_s += 0.2
    bench.relays.turn()
    assert bench.relays.powered() == {"north": True, "south": True}
    bench.relays.close()


def test_a_board_that_energises_at_low_level_has_its_pin_high_while_cameras_are_on(factory: MockFactory) -> None:
    bench = Bench(factory, active_low=True)
    assert bench.coil()
    bench.relays.cut("north", 5)
    assert (bench.coil(), bench.relays.powered()["north"]) == (False, False)
    bench.relays.close()


def test_a_second_cut_does_not_make_the_first_one_longer(factory: MockFactory) -> None:
    bench = Bench(factory)
    bench.relays.cut("north", 10)
    bench.now_s += 8
    bench.relays.cut("north", 10)
    bench.now_s += 2
    bench.relays.turn()
    assert bench.relays.powered()["north"]
    bench.relays.close()


@pytest.mark.parametrize("off_s", [0, 1.9, 61, -1, float("nan")])
def test_no_cut_is_too_short_to_count_or_longer_than_a_minute(factory: MockFactory, off_s: float) -> None:
    bench = Bench(factory)
    with pytest.raises(ValueError, match="a cut lasts"):
        bench.relays.cut("north", off_s)
    assert bench.relays.powered()["north"]
    bench.relays.close()


def test_the_end_of_the_process_gives_the_power_back(factory: MockFactory) -> None:
    bench = Bench(factory)
    wire = factory.pin(PIN)
    bench.relays.cut("north", 10)
    bench.relays.close()
    assert not wire.state
    again = Bench(factory)
    assert again.relays.powered()["north"]
    again.relays.close()


def test_killed_in_the_middle_of_a_cut_the_next_start_gives_the_power_back(tmp_path: Path) -> None:
    level = tmp_path / "level"
    command = [sys.executable, "-c", BOARD, str(level)]
    with subprocess.Popen([*command, "cut"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert [process.stdout.readline().strip(), process.stdout.readline().strip()] == ["powered", "cut"]
        os.kill(process.pid, signal.SIGKILL)
    assert level.read_text() == "1", "the pin keeps its level: the camera is dark"
    said = subprocess.run([*command, "start"], check=True, capture_output=True, text=True, timeout=60)
    assert (said.stdout.strip(), level.read_text()) == ("powered", "0")


def test_a_pin_that_another_has_is_a_lost_device_and_the_others_are_given_back(factory: MockFactory) -> None:
    with pytest.raises(DeviceLost, match="south, GPIO 17"):
        Relays({"north": Coil(PIN), "south": Coil(PIN)}, factory=factory)
    Relays({"north": Coil(PIN)}, factory=factory).close()

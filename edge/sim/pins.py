"""A box's pins in another process: levels driven from here, lamps and buzzer seen here, an MCP3008 to turn.

`SimulatedBoard` is the bench on which the box lies: it is held by a test. In the box's process `BoxPins` stands where
the hardware ends, as gpiozero's own mock pins do, found by the environment that `SimulatedBoard.environment` names:
the box's code is none the wiser. The two speak lines over TCP: `pin GPIO17 1`, `channel 0 0.5`, and back `GPIO22 1`.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from gpiozero.pins.mock import MockFactory, MockPin, MockSPIDevice

PORT: Final = "PANTAU_SIMULATED_PINS"
_NAME: Final = "pantau-simulated"
_ADC_BITS: Final = 10


class Switched(NamedTuple):
    """An output of the box changed: its GPIO number, whether it is high, and a monotonic second."""

    pin: int
    high: bool
    at_s: float


class SimulatedBoard:
    """Levels and outputs of one box, across as many lives of its process as there are."""

    def __init__(self, folder: Path) -> None:
        """`folder` gets what makes gpiozero find the pins."""
        self._site = folder / "site"
        self._levels: dict[str, str] = {}
        self._switched: list[Switched] = []
        self._lock = threading.Lock()
        self._box: socket.socket | None = None
        self._stopped = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run, name="simulated-board")
        _entry_point(self._site)
        self._thread.start()

    @property
    def environment(self) -> dict[str, str]:
        """For the box's process."""
        paths = [str(self._site), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {
            "GPIOZERO_PIN_FACTORY": _NAME,
            PORT: str(self._listener.getsockname()[1]),
            "PYTHONPATH": os.pathsep.join(paths),
        }

    # ------------------------------------------------------------------ verbs

    def drive(self, pin: int, *, high: bool) -> None:
        """Put a level on an input, for this and every later life of the box's process."""
        self._say(f"pin GPIO{pin}", str(int(high)))

    def turn(self, channel: int, share: float) -> None:
        """What a channel of the MCP3008 reads, 0 .. 1 of full scale."""
        self._say(f"channel {channel}", str(share))

    def switched(self, pin: int) -> list[Switched]:
        """Every change of one output so far."""
        with self._lock:
            return [each for each in self._switched if each.pin == pin]

    def longest_high_s(self, pin: int) -> float:
        """The longest time an output was high and then low again; 0 when it never was."""
        changes = self.switched(pin)
        spans = [b.at_s - a.at_s for a, b in pairwise(changes) if a.high and not b.high]
        return max(spans, default=0.0)

    def close(self) -> None:
        """Let go of the box."""
        with self._lock:
            self._stopped = True
            if self._box is not None:
                self._box.shutdown(socket.SHUT_RDWR)
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------------ the wire

    def _say(self, what: str, value: str) -> None:
        with self._lock:
            self._levels[what] = value
            if self._box is not None:
                try:
                    self._box.sendall(f"{what} {value}\n".encode())
                except OSError:  # it was killed; its next life hears all of it
                    self._box = None

    def _run(self) -> None:
        while not self._stopped:
            try:
                box, _ = self._listener.accept()
            except OSError:
                return
            with box:
                with self._lock:
                    said = "".join(f"{what} {value}\n" for what, value in self._levels.items())
                    box.sendall(f"{said}ready\n".encode())
                    self._box = box
                self._hear(box)

    def _hear(self, box: socket.socket) -> None:
        with box.makefile("r", encoding="ascii") as lines:
            try:
                for line in lines:
                    name, high = line.split()
                    with self._lock:
                        self._switched.append(Switched(int(name.removeprefix("GPIO")), high == "1", time.monotonic()))
            except OSError:  # a kill resets the connection
                pass
        with self._lock:
            self._box = None


class BoxPin(MockPin):  # type: ignore[misc]  # gpiozero has no type information
    """A pin of the box's process."""

    def _change_state(self, value: bool) -> bool:
        changed = bool(super()._change_state(value))
        if changed and self._function == "output":
            self.factory.say(self.info.name, value)
        return changed

    def _set_pull(self, value: str) -> None:
        super()._set_pull(value)
        self.factory.restore(self)  # what drives a wire is stronger than a pull


class BoxPins(MockFactory):  # type: ignore[misc]
    """gpiozero's pin factory of the box's process."""

    def __init__(self) -> None:
        super().__init__(pin_class=BoxPin)
        self._driven: dict[str, bool] = {}
        self._adc = _Mcp3008(self)
        self._board = socket.create_connection(("127.0.0.1", int(os.environ[PORT])))
        self._lines = self._board.makefile("r", encoding="ascii")
        for line in iter(self._lines.readline, "ready\n"):
            self._take(line)
        # A daemon, as gpiozero's own threads are: the box's process ends without knowing of it.
        threading.Thread(target=self._hear, name="simulated-pins", daemon=True).start()

    def say(self, name: str, high: bool) -> None:
        """Tell the board that an output changed."""
        self._board.sendall(f"{name} {int(high)}\n".encode())

    def restore(self, pin: Any) -> None:
        """Drive a pin to what the board says of it."""
        if pin.info.name in self._driven:
            _drive(pin, self._driven[pin.info.name])

    def _hear(self) -> None:
        for line in self._lines:
            self._take(line)

    def _take(self, line: str) -> None:
        what, name, value = line.split()
        if what == "channel":
            self._adc.shares[int(name)] = float(value)
            return
        self._driven[name] = value == "1"
        for info, pin in list(self.pins.items()):
            if info.name == name and pin.function == "input":
                _drive(pin, self._driven[name])


class _Mcp3008(MockSPIDevice):  # type: ignore[misc]
    """The converter: start bit, single-ended bit, three bits of channel; then a null bit and ten of the value."""

    def __init__(self, factory: MockFactory) -> None:
        super().__init__(clock_pin=11, mosi_pin=10, miso_pin=9, select_pin=8, pin_factory=factory)
        self.shares = [0.0] * 8
        self._asked: list[int] = []
        self._begun = False

    def on_start(self) -> None:
        super().on_start()
        self._asked, self._begun = [], False

    def on_bit(self) -> None:
        bit = int(self.rx_buf[-1])
        if not self._begun:
            self._begun = bool(bit)
        elif len(self._asked) < 4:
            self._asked.append(bit)
            if len(self._asked) == 4:
                channel = self._asked[1] * 4 + self._asked[2] * 2 + self._asked[3]
                top = (1 << _ADC_BITS) - 1
                self.tx_word(min(int(self.shares[channel] * (top + 1)), top), _ADC_BITS + 2)


def _drive(pin: Any, high: bool) -> None:
    if high:
        pin.drive_high()
    else:
        pin.drive_low()


def _entry_point(site: Path) -> None:
    """What an installed distribution has, so that gpiozero finds the factory by its name."""
    about = site / "pantau_simulated_pins-1.dist-info"
    about.mkdir(parents=True, exist_ok=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: pantau-simulated-pins\nVersion: 1\n", "utf-8")
    (about / "entry_points.txt").write_text(f"[gpiozero_pin_factories]\n{_NAME} = edge.sim.pins:BoxPins\n", "utf-8")

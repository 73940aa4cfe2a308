"""The thread between a box's pins and its main loop: wires become changes, signs become blinking and beeps.

It writes no records: what changed is put into a queue that the main loop empties (edge/gps_unit/vehicle.py).
"""

import logging
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final, NamedTuple, Protocol

from edge.gps_unit.inputs import Change, Inputs
from edge.gps_unit.lamps import ACKNOWLEDGED, LAMPS, SILENT, TAKEN, Pattern, Signs, lit, patterns, sounds
from edge.gps_unit.pins import Level, PinRefused
from edge.service import Stop
from wire.inputs import PANIC

log = logging.getLogger(__name__)

TURN_S: Final = 0.05  # half of the shortest blink
LOOK_S: Final = 1.0  # an edge that the kernel dropped is found by looking
SAMPLE_S: Final = 1.0
LEVELS_S: Final = 3600.0  # how inputs stand: what the centre heard holds for 25 h, and not across an outage
OPEN_AGAIN_S: Final = 60.0


class Reading(NamedTuple):
    """An analogue channel, 0 .. 1 of full scale, at a monotonic second."""

    channel: str
    share: float
    at_s: float


class Refused(NamedTuple):
    """The pins cannot be had, or had again (None)."""

    why: str | None


class Sounded(NamedTuple):
    """The driver has heard that a person at the centre has the call."""


Told = Change | Reading | Refused | Sounded


class Pins(Protocol):
    """What the thread asks of the opened pins (edge/gps_unit/pins.py)."""

    def levels(self) -> list[Level]: ...
    def readings(self) -> dict[str, float]: ...
    def switch(self, name: str, on: bool) -> None: ...
    def close(self) -> None: ...


class Cab:
    """`run` is the thread; `signs` is set whole by the main loop, `told` is emptied by it."""

    def __init__(
        self,
        inputs: Inputs,
        open_pins: Callable[[SimpleQueue[Level]], Pins],
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.told: SimpleQueue[Told] = SimpleQueue()
        self.signs = Signs()
        self._inputs = inputs
        self._open_pins = open_pins
        self._monotonic_s = monotonic_s
        self._heard: SimpleQueue[Level] = SimpleQueue()
        self._asked: SimpleQueue[Pattern] = SimpleQueue()
        self._sound: tuple[Pattern, float] | None = None
        self._pressed: set[str] = set()
        self._look_s = self._sample_s = self._levels_s = float("-inf")
        self._refused: str | None = None

    def acknowledge(self) -> None:
        """For the main loop: let the driver hear that a person has the call; `Sounded` says when that is done."""
        self._asked.put(ACKNOWLEDGED)

    def run(self, stop: Stop) -> None:
        """Until `stop`: pins that cannot be had are tried again, and a box without them goes on all the same."""
        while not stop.is_set():
            try:
                pins = self._open_pins(self._heard)
            except PinRefused as error:
                self._refuse(error)
                stop.wait(OPEN_AGAIN_S)
                continue
            try:
                self._serve(pins, stop)
            finally:
                pins.close()

    def _refuse(self, error: PinRefused) -> None:
        if self._refused is None:
            log.error("pins: %s; trying again each %.0f s", error, OPEN_AGAIN_S)
            self.told.put(Refused(str(error)))
        self._refused = str(error)

    def _serve(self, pins: Pins, stop: Stop) -> None:
        self._look_s = self._sample_s = float("-inf")
        while not stop.is_set():
            self._turn(pins)
            stop.wait(TURN_S)
        for name in (*LAMPS, "buzzer"):
            pins.switch(name, False)

    def _turn(self, pins: Pins) -> None:
        now_s = self._monotonic_s()
        self._listen(pins, now_s)
        if now_s >= self._sample_s:
            self._sample(pins, now_s)
        for name, pattern in patterns(self.signs).items():
            pins.switch(name, lit(pattern, now_s))
        self._beep(pins, now_s)

    def _sample(self, pins: Pins, now_s: float) -> None:
        """Read the converter; one that fails is let alone for a while, and blinds no wire and no lamp."""
        try:
            readings = pins.readings()
        except PinRefused as error:
            self._sample_s = now_s + OPEN_AGAIN_S
            self._refuse(error)
            return
        self._sample_s = now_s + SAMPLE_S
        for channel, share in readings.items():
            self.told.put(Reading(channel, share, now_s))
        if self._refused is not None:
            self._refused = None
            self.told.put(Refused(None))

    def _listen(self, pins: Pins, now_s: float) -> None:
        for _ in range(self._heard.qsize()):
            level = self._heard.get_nowait()
            self._inputs.heard(level.wire, level.on, level.at_s)
        if now_s >= self._look_s:
            self._look_s = now_s + LOOK_S
            for level in pins.levels():
                self._inputs.heard(level.wire, level.on, now_s)
        for change in self._inputs.settled(now_s):
            self._tell(change, now_s)
        if now_s >= self._levels_s and self._inputs.known:
            self._levels_s = now_s + LEVELS_S
            for change in self._inputs.levels():
                self._tell(change, now_s)

    def _tell(self, change: Change, now_s: float) -> None:
        self.told.put(change)
        if change.said != PANIC:
            return
        if change.on and change.wire not in self._pressed:  # also when it was pressed before the box could look
            self._sound = (TAKEN, now_s)
        (self._pressed.add if change.on else self._pressed.discard)(change.wire)

    def _beep(self, pins: Pins, now_s: float) -> None:
        if self._asked.qsize():
            self._sound = (self._asked.get_nowait(), now_s)
        pattern, since_s = self._sound or (SILENT, now_s)
        on = sounds(pattern, now_s - since_s)
        pins.switch("buzzer", bool(on))
        if on is None and self._sound is not None:
            self._sound = None
            if pattern is ACKNOWLEDGED:
                self.told.put(Sounded())

"""The main loop's side of what is wired to the box: changes become records, a call is said until somebody has it, the
box goes off in order. Pins and blinking are the other thread's (cab.py)."""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from queue import Empty
from typing import Any, Final, Protocol

from edge.gps_unit.cab import Cab, Reading, Refused, Sounded, Told
from edge.gps_unit.fuel import Fuel
from edge.gps_unit.inputs import Change, Meter
from edge.gps_unit.lamps import Signs
from edge.gps_unit.power import Act, Power, State
from edge.gps_unit.sos import Sos
from edge.starting import BATTERY, PARKED
from wire.inputs import (
    BY,
    CALL,
    EDGE,
    IGNITION,
    INPUT,
    LEVEL,
    PANIC,
    TAMPER,
    TIMES,
    WHY,
    input_event,
)

log = logging.getLogger(__name__)

KEEP_S: Final = 600.0  # a kill loses ten minutes of engine hours at most; one keeping costs the card 45 kB
TELL_S: Final = 3600.0  # fuel and supply, beside the inputs' levels
FUEL, SUPPLY = "fuel", "supply"  # the channels


class Recording(Protocol):
    """What is asked of the recorder."""

    def happened(self, name: str, **detail: str) -> None: ...
    def alarm(self, name: str, **detail: str) -> None: ...
    def flush(self) -> None: ...


class Notes(Protocol):
    """What survives the process (edge/memory.py)."""

    def recall(self, name: str, default: Any) -> Any: ...
    def remember(self, name: str, value: Any) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What the vehicle's part needs of the rest of the box."""

    recorder: Recording
    notes: Notes
    monotonic_s: Callable[[], float]
    signs: Callable[[], Signs]
    hurry: Callable[[bool], None]  # somebody calls for help: do not wait long between two attempts to connect
    power_off: Callable[[], str | None]
    on_input: Callable[[str, bool], None] = lambda _name, _on: None  # told how each input stands, under its said name
    sync: Callable[[], None] = os.sync
    new_id: Callable[[], str] = lambda: os.urandom(6).hex()


class Vehicle:
    """`turn` at every turn of the main loop, `keep` at a clean stop; `acknowledge` is a command's verb."""

    def __init__(
        self, around: Around, cab: Cab, power: Power, *, fuel: Fuel | None = None, full_scale_v: float
    ) -> None:
        self.leaving = ""  # why this process has asked for the power-off
        self._around = around
        self._cab = cab
        self._power = power
        self._fuel = fuel
        self._full_scale_v = full_scale_v
        self._meter = Meter.restored(around.notes.recall("meter", None))
        self._sos = Sos(around.notes.recall("sos", None))
        self._heard: set[str] = set()
        self._ignition: bool | None = None
        self._supply_v: float | None = None
        self._wires = True
        self._changed = False
        self._keep_s = around.monotonic_s() + KEEP_S
        self._tell_s: dict[str, float] = {}
        if self._sos.to_be_heard:
            cab.acknowledge()

    def turn(self) -> None:
        """Take what the wires said, and do what is due."""
        now_s = self._around.monotonic_s()
        for told in self._told():
            self._take(told, now_s)
        if (call := self._sos.due(now_s)) is not None:
            self._around.recorder.alarm("sos", **{CALL: call.id, TIMES: str(call.times)})
        self._around.hurry(self._sos.calling)
        for act in self._power.seen(now_s, ignition=self._ignition, supply_v=self._supply_v):
            self._act(act)
        if now_s >= self._keep_s:
            self.keep()
        self._cab.signs = replace(
            self._around.signs(),
            wires=self._wires,
            calling=self._sos.calling,
            parked=self._ignition is False,
            low=self._power.state is State.LOW,
        )

    @property
    def calling(self) -> str | None:
        """The id of the call that goes on, None when there is none."""
        return self._sos.call.id if self._sos.call is not None and self._sos.calling else None

    def acknowledge(self, arguments: Mapping[str, Any]) -> str:
        """A person at the centre has the call; what the result says. ValueError when there is no such call."""
        call = self._sos.acknowledged(arguments)
        self._around.notes.remember("sos", call.kept())
        by = call.by or ""
        self._around.recorder.alarm("sos_acknowledged", **{CALL: call.id, BY: by})
        self._cab.acknowledge()
        return "acknowledged"

    def keep(self) -> None:
        """Counters and the tank's level to the documents, when they are other than those there."""
        now_s = self._around.monotonic_s()
        self._keep_s = now_s + KEEP_S
        if not self._changed and not self._ignition:
            return
        self._changed = False
        self._around.notes.remember("meter", self._meter.state(now_s))
        if self._fuel is not None and self._fuel.level_l is not None:
            self._around.notes.remember("fuel_l", round(self._fuel.level_l, 1))

    # ------------------------------------------------------------------ what the wires said

    def _told(self) -> list[Told]:
        found: list[Told] = []
        try:
            while True:
                found.append(self._cab.told.get_nowait())
        except Empty:
            return found

    def _take(self, told: Told, now_s: float) -> None:
        match told:
            case Change():
                self._input(told, now_s)
            case Reading():
                self._analogue(told)
            case Refused(why):
                self._wires = why is None
                if why is None:
                    self._around.recorder.happened("pins_found")
                else:
                    self._around.recorder.happened("pins_refused", reason=why)
            case Sounded():
                self._sos.heard()
                self._around.notes.remember("sos", None)

    def _input(self, change: Change, now_s: float) -> None:
        detail = {WHY: EDGE if change.edge else LEVEL, INPUT: change.wire}
        if change.edge:
            detail["count"] = str(self._meter.edge(change.wire))
            self._changed = True
        if change.said == IGNITION and change.tells:
            self._ignition = change.on
            self._meter.ignition(change.on, now_s)
            detail["engine_s"] = str(int(self._meter.engine_until(now_s)))
        if change.tells:
            tampered = change.said == TAMPER and change.on and change.edge
            say = self._around.recorder.alarm if tampered else self._around.recorder.happened
            say(input_event(change.said, change.on), **detail)
            self._around.on_input(change.said, change.on)
        # A button that latches may have been pressed before the box could look.
        if change.said == PANIC and change.on and (change.edge or change.wire not in self._heard):
            self._call(now_s)
        self._heard.add(change.wire)

    def _call(self, now_s: float) -> None:
        self._sos.pressed(self._around.new_id(), now_s)
        if self._sos.call is not None:  # on the card before it is said: no kill ends a call
            self._around.notes.remember("sos", self._sos.call.kept())

    def _analogue(self, reading: Reading) -> None:
        recorder = self._around.recorder
        if reading.channel == SUPPLY:
            self._supply_v = reading.share * self._full_scale_v
            if self._due(SUPPLY, reading.at_s):
                recorder.happened("supply", volts=f"{self._supply_v:.1f}")
        elif self._fuel is not None:
            change = self._fuel.sampled(reading.share, reading.at_s)
            if change is not None:
                litres, level_l = f"{abs(change.litres):.1f}", f"{change.level_l:.1f}"
                recorder.happened(
                    "fuel_filled" if change.litres > 0 else "fuel_dropped",
                    litres=litres, level_l=level_l, ignition=_word(self._ignition),
                )  # fmt: skip
                self._changed = True
                self.keep()
            if self._fuel.measured and self._due(FUEL, reading.at_s):
                recorder.happened("fuel_level", level_l=f"{self._fuel.level_l:.1f}")
                self._changed = True

    def _due(self, what: str, now_s: float) -> bool:
        if now_s < self._tell_s.get(what, float("-inf")):
            return False
        self._tell_s[what] = now_s + TELL_S
        return True

    # ------------------------------------------------------------------ power

    def _act(self, act: Act) -> None:
        volts = {} if self._supply_v is None else {"volts": f"{self._supply_v:.1f}"}
        match act:
            case Act.PARK:
                self._around.recorder.happened("parked", **volts)
                self._settle()
            case Act.WARN:
                self._around.recorder.alarm("battery_low", **volts)
            case Act.RECOVER:
                self._around.recorder.happened("battery_recovered", **volts)
            case Act.LEAVE_PARKED:
                self._leave(PARKED, volts)
            case Act.LEAVE_LOW:
                self._leave(BATTERY, volts)

    def _leave(self, why: str, volts: Mapping[str, str]) -> None:
        self._around.recorder.happened("power_off", reason=why, **volts)
        self._settle()
        refused = self._around.power_off()
        if refused is not None:
            log.error("power-off refused: %s", refused)
            self._around.recorder.happened("power_off_refused", reason=refused)
        self.leaving = "" if refused is not None else why

    def _settle(self) -> None:
        """What is known is on the card, and the card has it: from here on anybody may cut the power."""
        self._changed = True
        self.keep()
        self._around.recorder.flush()
        self._around.sync()


def _word(on: bool | None) -> str:
    return "unknown" if on is None else "on" if on else "off"

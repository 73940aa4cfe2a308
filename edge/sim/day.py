"""A day of edge/sim/work.py played at high speed into a real box: its receiver's port, and the wires of its inputs.

The box's own clocks run as ever; only the receiver's runs faster. So while an input changes, the day stands still: the
box hears of the change, says it, and only then the receiver goes on. What the box takes for the instant of the change
is then right to about a second of the day, at any speed. What would come faster than it is read waits, too.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from math import atan2, cos, degrees, hypot, radians
from typing import Final, Protocol

from edge.sim import nmea
from edge.sim.pins import SimulatedBoard
from edge.sim.receiver import SimulatedReceiver, Stop
from edge.sim.work import Day, Edge, Epoch
from wire.inputs import input_event

ROOM_BYTES: Final = 2_500  # of the tty's 4,096, so that nothing is ever lost in it
LOOK_S: Final = 0.01
EMPTY_LOOKS: Final = 3
# A change counts after 50 ms (inputs' debounce_ms), and the box looks at its pins each 50 ms (edge/gps_unit/cab.py).
NOTICED_S: Final = 0.15
# A turn of the box's loop is a second at most; a busy machine, and a sync to its disk, take some more.
WRITTEN_S: Final = 20.0
WAKING_S: Final = 0.1  # between two epochs before the day begins
WAKING_EPOCHS: Final = 60
AWAKE: Final = frozenset({"receiver_found", "anchor"})

_COURSE_FROM_MPS: Final = 1.0
_M_PER_E7: Final = 1 / 89.93  # of latitude, as in edge/sim/work.py


def script(day: Day, from_ms: int, to_ms: int) -> Iterator[tuple[Epoch, list[Edge]]]:
    """The epochs of that stretch in order, each with the inputs that change between it and the next one."""
    edges = [edge for edge in day.edges if from_ms <= edge.at_ms < to_ms]
    epochs = [epoch for epoch in day.epochs if from_ms <= epoch.at_ms < to_ms]
    later = 0
    for epoch, after in zip(epochs, [*epochs[1:], None], strict=True):
        first = later
        while later < len(edges) and (after is None or edges[later].at_ms < after.at_ms):
            later += 1
        yield epoch, edges[first:later]


class Said(Protocol):
    """The events that the box writes from now on; asked by the playing thread alone."""

    def new(self) -> list[str]:
        """Names of the events written since the last call, and `anchor` when its clock was tied to the receiver's."""

    def close(self) -> None:
        """Nothing more is asked."""


class DayPlayer:
    """Plays a stretch of a day into one box; `play` is a thread, the rest may be asked by others."""

    def __init__(
        self,
        day: Day,
        from_ms: int,
        to_ms: int,
        *,
        receiver: SimulatedReceiver,
        board: SimulatedBoard,
        wires: Mapping[str, int],
        said: Said,
        speed: float,
    ) -> None:
        """`wires`: the pin of each input that is wired, on when it is low. The box is started after this."""
        self.day = day
        self.from_ms = from_ms
        self.now_ms = from_ms  # what the receiver said last
        self.over = False
        self.unsaid: list[str] = []  # events that it should have said and did not
        self._to_ms = to_ms
        self._receiver = receiver
        self._board = board
        self._wires = wires
        self._said = said
        self._speed = speed
        self._before: Epoch | None = None
        self._course_deg: float | None = None
        levels = day.levels(from_ms)
        self._first_levels = {input_event(name, levels[name]) for name in wires}
        for name, pin in wires.items():
            board.drive(pin, high=not levels[name])

    def close(self) -> None:
        """Pull the receiver's plug; the wires stay as they are."""
        self._receiver.close()

    def play(self, stop: Stop) -> None:
        """Wait for the box, then play the day until its end or until `stop`."""
        try:
            moments = list(script(self.day, self.from_ms, self._to_ms))
            self._wake(moments[0][0], stop)
            self._play(moments, stop)
        finally:
            self._said.close()

    def _wake(self, first: Epoch, stop: Stop) -> None:
        """Say where it stands until the box has its receiver, its wires and its clock: what it cannot date is lost."""
        missing = {*AWAKE, *self._first_levels}
        before = WAKING_EPOCHS
        while not self._heard(missing, stop, WAKING_S) and not stop.is_set():
            self._say(first._replace(at_ms=first.at_ms - 1000 * before))
            before = max(1, before - 1)  # a box that is slow to start hears the last one again and again

    def _play(self, moments: Iterable[tuple[Epoch, list[Edge]]], stop: Stop) -> None:
        begun_s = time.monotonic()
        unheard: set[str] = set()
        for epoch, edges in moments:
            self._pace(begun_s + (epoch.at_ms - self.from_ms) / 1000 / self._speed, stop)
            if stop.is_set():
                return
            wired = [edge for edge in edges if edge.name in self._wires]
            if wired:
                self._all_read(stop)  # else the box would be as far behind as the port holds
            self._say(epoch)  # and the epoch before it is complete: the box is at its time
            self._demand(unheard, stop)
            unheard = self._change(wired, stop)
            self.now_ms = epoch.at_ms
        self._demand(unheard, stop)
        if not stop.is_set():
            self.now_ms, self.over = self._to_ms, True

    def _pace(self, due_s: float, stop: Stop) -> None:
        """Not before its time, and not before there is room."""
        early_s = due_s - time.monotonic()
        if early_s > LOOK_S:
            stop.wait(early_s)
        while self._receiver.unread_bytes > ROOM_BYTES and not stop.wait(LOOK_S):
            pass

    def _all_read(self, stop: Stop) -> None:
        """Wait for a port that stays empty: what the kernel has yet to hand over is not in its count."""
        empty = 0
        while empty < EMPTY_LOOKS and not stop.wait(LOOK_S):
            empty = 0 if self._receiver.unread_bytes else empty + 1

    def _change(self, edges: list[Edge], stop: Stop) -> set[str]:
        """Put the new levels on the wires once the box has read all so far; the events that it is to say of them."""
        if not edges:
            return set()
        self._all_read(stop)
        for edge in edges:
            self._board.drive(self._wires[edge.name], high=not edge.on)
        stop.wait(NOTICED_S)
        return {input_event(edge.name, edge.on) for edge in edges}

    def _demand(self, events: set[str], stop: Stop) -> None:
        if not self._heard(events, stop, WRITTEN_S) and not stop.is_set():
            self.unsaid += sorted(events)

    def _heard(self, events: set[str], stop: Stop, patience_s: float) -> bool:
        """Wait for the box to have said them all, and take them out of the set as it does."""
        until_s = time.monotonic() + patience_s
        while events:
            events.difference_update(self._said.new())
            if not events or stop.is_set() or time.monotonic() >= until_s:
                break
            stop.wait(LOOK_S)
        return not events

    def _say(self, epoch: Epoch) -> None:
        self._course_deg, self._before = self._course(epoch), epoch
        lat_deg, lon_deg = epoch.lat_e7 / 1e7, epoch.lon_e7 / 1e7
        seen = nmea.Observation(
            utc_ms=epoch.at_ms,
            lat_deg=lat_deg if epoch.sky else None,
            lon_deg=lon_deg if epoch.sky else None,
            speed_mps=epoch.speed_cmps / 100,
            course_deg=self._course_deg,
            hdop=1.0,
            satellites=9,
        )
        data = nmea.say(seen, nmea.BRIEF)
        self._receiver.say(nmea.Epoch(at_s=0.0, utc_ms=epoch.at_ms, valid=epoch.sky, data=data))

    def _course(self, epoch: Epoch) -> float | None:
        """Where it goes by its last step; a receiver that stands does not say."""
        if self._before is None or epoch.speed_cmps / 100 < _COURSE_FROM_MPS:
            return None
        north_m = (epoch.lat_e7 - self._before.lat_e7) * _M_PER_E7
        east_m = (epoch.lon_e7 - self._before.lon_e7) * _M_PER_E7 * cos(radians(epoch.lat_e7 / 1e7))
        return degrees(atan2(east_m, north_m)) % 360 if hypot(north_m, east_m) >= _COURSE_FROM_MPS else self._course_deg

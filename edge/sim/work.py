"""A day of a vehicle or machine of which the truth is known: what it does second by second, and what a box sees of it.

A day is a list of acts. The truth follows docs/work.md: a red light is travelling, a rest of the bucket is work.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import cos, radians, sin, sqrt
from typing import Final, NamedTuple

from wire.inputs import BEACON, IGNITION, PTO

TRAVELLING, WORKING, IDLING, PARKED = "travelling", "working", "idling", "parked"
WIRED: Final = (IGNITION, PTO, BEACON)

_E7_PER_M: Final = 89.93  # of latitude: 1e7 / 111,195
_JAKARTA: Final = (-61_754_000, 1_068_272_000)
# A standing receiver under buildings: its error changes slowly, and by how much.
_WANDER_M, _WANDER_S = 4.0, 60.0
_DOPPLER_NOISE_MPS: Final = 0.08
_PARKED_STEP_S: Final = 5  # nothing is lost by looking less often at what does not move


class Act(NamedTuple):
    """One thing done for so long: `sky` False gives no fix (a tunnel, a basement); `beacon`: on a mission."""

    does: str
    lasts_s: int
    speed_mps: float = 0.0
    sky: bool = True
    beacon: bool = False


class Told(NamedTuple):
    """What is true from from_ms to to_ms."""

    from_ms: int
    to_ms: int
    does: str


class Epoch(NamedTuple):
    """What the receiver gives at an instant."""

    at_ms: int
    lat_e7: int
    lon_e7: int
    speed_cmps: int
    sky: bool


class Edge(NamedTuple):
    """An input that changes."""

    at_ms: int
    name: str
    on: bool


@dataclass(slots=True)
class Day:
    """All of it. `epochs` at 1 Hz, less often while parked."""

    truth: list[Told] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)

    def hours_ms(self, does: str, seen: Sequence[tuple[int, int]]) -> int:
        """How long it truly did that within the stretches given."""
        return sum(
            max(0, min(told.to_ms, to_ms) - max(told.from_ms, from_ms))
            for told in self.truth
            if told.does == does
            for from_ms, to_ms in seen
        )

    def on_ms(self, name: str, from_ms: int, to_ms: int) -> int:
        """How long an input was on within that stretch."""
        changes = [edge for edge in self.edges if edge.name == name]
        ends = [edge.at_ms for edge in changes[1:]] + [to_ms]
        return sum(
            max(0, min(end_ms, to_ms) - max(edge.at_ms, from_ms))
            for edge, end_ms in zip(changes, ends, strict=False)
            if edge.on
        )

    def levels(self, at_ms: int) -> dict[str, bool]:
        """How the inputs stand just before that instant."""
        return dict.fromkeys(WIRED, False) | {edge.name: edge.on for edge in self.edges if edge.at_ms < at_ms}


def played(
    acts: Sequence[Act], from_ms: int, seed: int, *, wander_m: float = _WANDER_M, home: tuple[int, int] = _JAKARTA
) -> Day:
    """The day of these acts, one after the other; it begins at home (1e-7 deg)."""
    return _Player(random.Random(seed), from_ms, wander_m, home).play(acts)


def excavator_day(seed: int) -> list[Act]:
    """Never moves farther than across its site; works, rests, idles, and sleeps where it stands."""
    dice = random.Random(seed)
    acts = [Act(PARKED, dice.randint(6, 8) * 3600)]
    for _ in range(dice.randint(4, 7)):
        acts += [Act(IDLING, dice.randint(200, 900)), Act(WORKING, dice.randint(1200, 5400))]
    return _to_the_end([*acts, Act(IDLING, dice.randint(130, 400))])


def ambulance_day(seed: int) -> list[Act]:
    """Missions: out with the engine kept on at the scene, to a hospital, parked, back to its post."""
    dice = random.Random(seed)
    acts = [Act(PARKED, dice.randint(3, 9) * 3600)]
    for _ in range(dice.randint(3, 7)):
        acts += [
            Act(IDLING, dice.randint(40, 120)),
            Act(TRAVELLING, dice.randint(300, 1500), dice.uniform(7, 16), beacon=True),
            Act(IDLING, dice.randint(300, 1500), beacon=True),
            Act(TRAVELLING, dice.randint(300, 1500), dice.uniform(7, 16), beacon=True),
            Act(PARKED, dice.randint(600, 5400)),
        ]
    return _to_the_end(acts)


def fire_engine_day(seed: int) -> list[Act]:
    """Calls: out, the pump works from the power take-off, home; some tunnels on the way."""
    dice = random.Random(seed)
    acts = [Act(PARKED, dice.randint(2, 10) * 3600)]
    for _ in range(dice.randint(1, 4)):
        acts += [
            Act(TRAVELLING, dice.randint(240, 900), dice.uniform(8, 18), beacon=True),
            Act(TRAVELLING, dice.randint(20, 50), 12.0, sky=False, beacon=True),
            Act(TRAVELLING, dice.randint(240, 900), dice.uniform(8, 18), beacon=True),
            Act(WORKING, dice.randint(600, 7200)),
            Act(IDLING, dice.randint(200, 900)),
            Act(TRAVELLING, dice.randint(600, 1500), dice.uniform(6, 12)),
            Act(PARKED, dice.randint(1800, 7200)),
        ]
    return _to_the_end(acts)


def _to_the_end(acts: list[Act]) -> list[Act]:
    """Parked until the day is over."""
    return [*acts, Act(PARKED, max(1800, 86_400 - sum(act.lasts_s for act in acts)))]


class _Player:
    def __init__(self, dice: random.Random, from_ms: int, wander_m: float, home: tuple[int, int]) -> None:
        self._dice = dice
        self._home = home
        self._now_ms = from_ms
        self._wander_m = wander_m
        self._north_m = self._east_m = 0.0
        self._error = [0.0, 0.0]
        self._course_deg = dice.uniform(0, 360)
        self._levels = dict.fromkeys(WIRED, False)
        self._day = Day()

    def play(self, acts: Sequence[Act]) -> Day:
        for act in acts:
            begin_ms = self._now_ms
            self._set(IGNITION, act.does != PARKED)
            self._set(PTO, act.does == WORKING)
            self._set(BEACON, act.beacon)
            if act.does == TRAVELLING:
                self._travel(act)
            elif act.does == WORKING:
                self._work(act)
            else:
                self._stand(act.lasts_s, act, _PARKED_STEP_S if act.does == PARKED else 1)
            self._tell(begin_ms, act.does)
        return self._day

    def _tell(self, begin_ms: int, does: str) -> None:
        truth = self._day.truth
        if truth and truth[-1].does == does:
            truth[-1] = truth[-1]._replace(to_ms=self._now_ms)
        else:
            truth.append(Told(begin_ms, self._now_ms, does))

    def _set(self, name: str, on: bool) -> None:
        if self._levels[name] != on:
            self._levels[name] = on
            self._day.edges.append(Edge(self._now_ms, name, on))

    def _travel(self, act: Act) -> None:
        """Gathers speed, stops at lights, turns corners, and stands at the end."""
        left_s, speed_mps, light_s = act.lasts_s, 0.0, self._dice.randint(60, 300)
        red_s = 0
        while left_s > 0:
            brake_s = speed_mps / 2.0
            if red_s > 0 or left_s <= brake_s + 1 or (light_s <= brake_s and act.sky and left_s > 200):
                speed_mps = max(0.0, speed_mps - 2.0)
            else:
                speed_mps = min(act.speed_mps, speed_mps + 1.5)
            if red_s > 0:
                red_s -= 1
            elif light_s <= 0 and act.sky:
                light_s = self._dice.randint(60, 400)
                if left_s > 200:  # a light just before the end would be the stop itself
                    red_s = self._dice.randint(10, 100)
            light_s -= 1
            if self._dice.random() < 0.02:
                self._course_deg += self._dice.choice((-90, 90))
            self._move(speed_mps)
            self._look(speed_mps, act.sky)
            left_s -= 1

    def _work(self, act: Act) -> None:
        """The bucket rests now and then; the machine shifts by a metre or two, and turns."""
        left_s, until_rest_s = act.lasts_s, self._dice.randint(60, 600)
        home = (self._north_m, self._east_m)
        while left_s > 0:
            if until_rest_s <= 0 and left_s > 200:
                rest_s = self._dice.randint(5, 80)
                self._set(PTO, False)
                self._stand(rest_s, act, 1)
                self._set(PTO, True)
                left_s -= rest_s
                until_rest_s = self._dice.randint(60, 600)
            if self._dice.random() < 0.01:
                self._north_m = home[0] + self._dice.uniform(-15, 15)
                self._east_m = home[1] + self._dice.uniform(-15, 15)
            self._look(abs(self._dice.gauss(0, 0.3)), act.sky)
            left_s, until_rest_s = left_s - 1, until_rest_s - 1

    def _stand(self, lasts_s: int, act: Act, step_s: int) -> None:
        end_ms = self._now_ms + 1000 * lasts_s
        while self._now_ms < end_ms:
            self._look(0.0, act.sky, min(step_s, (end_ms - self._now_ms) // 1000))

    def _move(self, speed_mps: float) -> None:
        self._north_m += speed_mps * cos(radians(self._course_deg))
        self._east_m += speed_mps * sin(radians(self._course_deg))

    def _look(self, speed_mps: float, sky: bool, step_s: int = 1) -> None:
        keep = max(0.0, 1 - step_s / _WANDER_S)
        shake_m = self._wander_m * sqrt(1 - keep * keep)
        self._error = [error * keep + self._dice.gauss(0, shake_m) for error in self._error]
        doppler_mps = abs(speed_mps + self._dice.gauss(0, _DOPPLER_NOISE_MPS))
        lat_e7 = self._home[0] + round((self._north_m + self._error[0]) * _E7_PER_M)
        lon_e7 = self._home[1] + round((self._east_m + self._error[1]) * _E7_PER_M / cos(radians(6.17)))
        self._day.epochs.append(Epoch(self._now_ms, lat_e7, lon_e7, round(100 * doppler_mps), sky))
        self._now_ms += 1000 * step_s

"""Streets as a fixed camera sees them, drawn from a seed: geometry, traffic, weather, light, noise; one picture a call.

Drawn at the size in which pictures are judged. No street is like a real one; what matters to a judge is there: edges
and plain areas, places that never rest (trees, the road), a sensor's noise, lamps and headlights at night.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.camera_node.picture import CHROMA_SHAPE, LUMA_SHAPE, Picture

Plane = NDArray[np.float32]
HEIGHT, WIDTH = LUMA_SHAPE
_NOISE_SIDE: Final = 1200
_NOISE: Final = np.random.default_rng(5).standard_normal((_NOISE_SIDE, _NOISE_SIDE)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Weather:
    """What is going on: light 0 (night) .. 1 (day), exposure as a factor, rain 0 .. 1, wind 0 .. 1."""

    light: float = 1.0
    exposure: float = 1.0
    rain: float = 0.0
    wind: float = 0.3


@dataclass(slots=True)
class _Vehicle:
    from_s: float
    speed_pxps: float
    lane: int
    length_px: int
    height_px: int
    luma: float
    u: float
    v: float


@dataclass(slots=True)
class Scene:
    """One street; the same seed is the same street with the same traffic."""

    seed: int
    infrared: bool = False  # whether the camera goes over to it at night
    noise: float = 1.5  # sigma by day, levels
    busy_per_min: float = 8.0
    clock: bool = True
    _day: Plane = field(init=False)
    _night: Plane = field(init=False)
    _u: Plane = field(init=False)
    _v: Plane = field(init=False)
    _leaves: list[tuple[slice, slice]] = field(init=False)
    _lanes: list[int] = field(init=False)
    _vehicles: list[_Vehicle] = field(init=False)
    _until_s: float = field(init=False, default=0.0)
    _random: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)
        self._vehicles = []
        self._draw(self._random)

    def picture(self, at_s: float, weather: Weather) -> Picture:
        """The picture of a time (seconds, rising from call to call), before any encoder."""
        light = weather.light
        mono = self.infrared and light < 0.25
        luma = self._day * (0.12 + 0.88 * light) if light > 0.02 else self._day * 0.12
        luma = luma + self._night * (1 - light) * (1.4 if mono else 1.0)
        self._sway(luma, at_s, weather.wind)
        u, v = self._u * min(1.0, 0.35 + light), self._v * min(1.0, 0.35 + light)
        self._traffic(luma, u, v, at_s, light)
        if weather.rain:
            self._rain(luma, weather.rain)
        luma *= weather.exposure
        luma += self._grain() * self.noise * (1 + 1.5 * (1 - light))
        if self.clock:
            burn_clock(luma, at_s)
        if mono:
            u, v = u * 0, v * 0
        colours = [(128 + plane + 0.4 * self._grain()[:180, :320]).clip(0, 255).astype(np.uint8) for plane in (u, v)]
        return Picture(luma.clip(0, 255).astype(np.uint8), colours[0], colours[1], 1920, 1080)

    def _draw(self, random: np.random.Generator) -> None:
        horizon = int(random.integers(90, 170))
        day = np.empty(LUMA_SHAPE, np.float32)
        day[:horizon] = np.linspace(random.uniform(180, 225), random.uniform(150, 200), horizon)[:, None]
        day[horizon:] = np.linspace(random.uniform(70, 100), random.uniform(90, 125), HEIGHT - horizon)[:, None]
        day[horizon:] += 5 * _smooth(random, (HEIGHT - horizon, WIDTH), 3)
        self._u, self._v = np.zeros(CHROMA_SHAPE, np.float32), np.zeros(CHROMA_SHAPE, np.float32)
        self._u[: horizon // 2], self._v[: horizon // 2] = 8, -5
        night = np.zeros(LUMA_SHAPE, np.float32)
        for _ in range(int(random.integers(5, 10))):
            self._house(random, day, night, horizon)
        self._leaves = [self._tree(random, day, horizon) for _ in range(int(random.integers(1, 5)))]
        road = int(random.integers(horizon + 40, horizon + 90))
        self._lanes = [road + 25, road + 75]
        for y in (road, road + 50, road + 100):
            if y < HEIGHT - 4:
                day[y : y + 3] = 205
                if y == road + 50:
                    day[y : y + 3].reshape(3, -1, 40)[:, :, 20:] = 95
        for _ in range(int(random.integers(2, 6))):
            self._pole(random, day, night, horizon)
        self._day, self._night = day, night

    def _house(self, random: np.random.Generator, day: Plane, night: Plane, horizon: int) -> None:
        x, wide = int(random.integers(0, WIDTH - 60)), int(random.integers(60, 190))
        top, bottom = int(random.integers(10, horizon)), horizon + int(random.integers(0, 40))
        wall = random.uniform(60, 190)
        day[top:bottom, x : x + wide] = wall
        across = slice(x // 2, (x + wide) // 2)
        self._u[top // 2 : bottom // 2, across] = random.uniform(-22, 10)
        self._v[top // 2 : bottom // 2, across] = random.uniform(-8, 25)
        step, pane = int(random.integers(14, 30)), random.uniform(25, 70)
        for y in range(top + 6, bottom - 10, step):
            for left in range(x + 5, min(x + wide, WIDTH) - 9, step):
                day[y : y + step // 2, left : left + step // 2] = pane
                if random.random() < 0.25:
                    night[y : y + step // 2, left : left + step // 2] = random.uniform(60, 170)

    def _tree(self, random: np.random.Generator, day: Plane, horizon: int) -> tuple[slice, slice]:
        x, wide, high = (
            int(random.integers(0, WIDTH - 110)),
            int(random.integers(50, 110)),
            int(random.integers(40, 90)),
        )
        top = max(0, horizon - high // 2)
        at = (slice(top, top + high), slice(x, x + wide))
        day[at] = 70 + 22 * _smooth(random, (high, wide), 2)
        self._u[top // 2 : (top + high) // 2, x // 2 : (x + wide) // 2] = -9
        self._v[top // 2 : (top + high) // 2, x // 2 : (x + wide) // 2] = -7
        return at

    def _pole(self, random: np.random.Generator, day: Plane, night: Plane, horizon: int) -> None:
        x, top = int(random.integers(10, WIDTH - 14)), int(random.integers(20, 80))
        day[top : horizon + 60, x : x + 4] = random.uniform(30, 60)
        y, xs = np.ogrid[:HEIGHT, :WIDTH]
        away = np.sqrt((y - top) ** 2 + (xs - x) ** 2)
        night += np.float32(230) * np.exp(-((away / 9) ** 2)).astype(np.float32)
        ground = np.exp(-(((y - horizon - 90) / 60.0) ** 2) - ((xs - x) / 90.0) ** 2)
        night += (0.5 * ground * self._lit(day)).astype(np.float32)

    @staticmethod
    def _lit(day: Plane) -> Plane:
        return np.asarray(day * 0.8, np.float32)

    def _sway(self, luma: Plane, at_s: float, wind: float) -> None:
        for number, at in enumerate(self._leaves):
            way = wind * 9 * math.sin(at_s * (0.7 + 0.2 * number) + number)
            luma[at] = np.roll(luma[at], (round(way / 3), round(way)), axis=(0, 1))

    def _traffic(self, luma: Plane, u: Plane, v: Plane, at_s: float, light: float) -> None:
        while self._until_s < at_s + 30:
            self._until_s += float(self._random.exponential(60 / max(self.busy_per_min * (0.25 + 0.75 * light), 0.01)))
            self._vehicles.append(self._next_vehicle())
        self._vehicles = [each for each in self._vehicles if (at_s - each.from_s) * each.speed_pxps < WIDTH + 500]
        for each in self._vehicles:
            way = (at_s - each.from_s) * each.speed_pxps
            if way <= 0:
                continue
            right = int(way if each.lane == 0 else WIDTH + each.length_px - way)
            left, bottom = max(0, right - each.length_px), self._lanes[each.lane] + 20
            if right <= 0 or left >= WIDTH:
                continue
            top = max(0, bottom - each.height_px)
            luma[top:bottom, left:right] = each.luma * (0.15 + 0.85 * light)
            pane = top + max(3, each.height_px // 6)
            luma[pane : pane + each.height_px // 4, left + 5 : max(left + 5, right - 5)] = 30 * (0.2 + 0.8 * light)
            luma[bottom - 6 : bottom, left:right] = 15
            u[top // 2 : bottom // 2, left // 2 : right // 2] = each.u
            v[top // 2 : bottom // 2, left // 2 : right // 2] = each.v
            if light < 0.5:
                front = right if each.lane == 0 else left
                luma[max(0, bottom - 22) : bottom - 8, max(0, front - 8) : front + 8] = 250
                luma[bottom - 10 : bottom + 20, max(0, front - 60) : front + 60] += 50

    def _next_vehicle(self) -> _Vehicle:
        random = self._random
        lorry = random.random() < 0.12
        return _Vehicle(
            from_s=self._until_s,
            speed_pxps=float(random.uniform(60, 220)),
            lane=int(random.integers(0, 2)),
            length_px=int(random.integers(220, 420) if lorry else random.integers(50, 110)),
            height_px=int(random.integers(110, 200) if lorry else random.integers(28, 50)),
            luma=float(random.uniform(30, 230)),
            u=float(random.uniform(-20, 20)),
            v=float(random.uniform(-20, 30)),
        )

    def _rain(self, luma: Plane, rain: float) -> None:
        mean = float(luma.mean())
        luma += (mean - luma) * (0.35 * rain)
        for _ in range(int(220 * rain)):
            x, y = int(self._random.integers(0, WIDTH - 2)), int(self._random.integers(0, HEIGHT - 20))
            luma[y : y + int(self._random.integers(8, 20)), x] += 28

    def _grain(self) -> Plane:
        y, x = self._random.integers(0, (_NOISE_SIDE - HEIGHT, _NOISE_SIDE - WIDTH))
        return _NOISE[y : y + HEIGHT, x : x + WIDTH]


def burn_clock(luma: NDArray[np.float32] | NDArray[np.uint8], at_s: float) -> None:
    """Six digits in the corner that a camera draws over the picture: seven segments each, seconds last."""
    seconds = int(at_s)
    text = f"{seconds // 3600 % 24:02}{seconds // 60 % 60:02}{seconds % 60:02}"
    luma[8:24, 8:96] = 0
    for place, digit in enumerate(text):
        x = 12 + 14 * place
        bars = (
            (10, x, 2, 8),
            (10, x, 7, 2),
            (10, x + 6, 7, 2),
            (15, x, 2, 8),
            (15, x, 7, 2),
            (15, x + 6, 7, 2),
            (20, x, 2, 8),
        )
        for bar, (top, left, high, wide) in enumerate(bars):
            if _SEGMENTS[int(digit)] >> bar & 1:
                luma[top : top + high, left : left + wide] = 255


_SEGMENTS: Final = (
    0b1110111,
    0b0100100,
    0b1011101,
    0b1101101,
    0b0101110,
    0b1101011,
    0b1111011,
    0b0100101,
    0b1111111,
    0b1101111,
)


def _smooth(random: np.random.Generator, shape: tuple[int, int], rounds: int) -> Plane:
    plane: Plane = random.standard_normal(shape).astype(np.float32)
    for _ in range(rounds):
        plane = np.asarray(
            (plane + np.roll(plane, 1, 0) + np.roll(plane, 1, 1) + np.roll(plane, -1, 1)) / 4, np.float32
        )
    return np.asarray(plane / plane.std(), np.float32)

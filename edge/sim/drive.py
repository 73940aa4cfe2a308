"""A synthetic drive through Jakarta with a receiver's believable faults: endless, and the same for the same seed."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from edge.sim.nmea import Observation

EARTH_M_PER_DEG = 111_320.0  # along a meridian

# A round trip on Jakarta's main roads, by eye from public landmarks (deg, WGS 84) and how the way to the next one is.
OPEN, CANYON, TUNNEL = "open", "canyon", "tunnel"
ROUTE = (
    (-6.17540, 106.82715, OPEN),  # Monas
    (-6.18610, 106.82290, OPEN),  # Thamrin, Bank Indonesia
    (-6.19500, 106.82305, CANYON),  # Bundaran HI
    (-6.20460, 106.82230, CANYON),  # Dukuh Atas
    (-6.21460, 106.81830, CANYON),  # Karet
    (-6.22000, 106.81420, TUNNEL),  # Semanggi, under the clover leaf
    (-6.22330, 106.81830, OPEN),  # Gatot Subroto
    (-6.23420, 106.82760, OPEN),  # Kuningan
    (-6.23130, 106.83010, CANYON),  # Rasuna Said
    (-6.21530, 106.83200, CANYON),  # Setiabudi
    (-6.20470, 106.82950, OPEN),  # Menteng, Latuharhary
    (-6.19640, 106.83480, OPEN),  # Cikini
    (-6.18310, 106.83240, OPEN),  # Tugu Tani
)

COLD_START_S = 26.0  # u-blox 7 data sheet: cold start 29 s typical, without aiding, open sky
SPEED_LIMIT_MPS = 14.0
CORNER_MPS = 4.0
ACCELERATION_MPS2 = 1.4
LIGHT_CHANCE = 0.5  # of standing at a corner
LIGHT_S = (8.0, 45.0)

# Errors drift, they do not jump: first-order Gauss-Markov, time constants as in the literature on code multipath.
DRIFT_M, DRIFT_TAU_S = 1.8, 90.0
MULTIPATH_M, MULTIPATH_TAU_S = 9.0, 12.0
WHITE_M = 0.25


@dataclass(slots=True)
class _Wander:
    """A Gauss-Markov error in two directions, in m."""

    sigma_m: float
    tau_s: float
    north_m: float = 0.0
    east_m: float = 0.0

    def step(self, dt_s: float, luck: random.Random, scale: float = 1.0) -> None:
        keep = math.exp(-dt_s / self.tau_s)
        push = self.sigma_m * scale * math.sqrt(1 - keep * keep)
        self.north_m = self.north_m * keep + luck.gauss(0, push)
        self.east_m = self.east_m * keep + luck.gauss(0, push)


@dataclass(slots=True)
class _Vehicle:
    """Where it really is: `leg` of the route and `along_m` on it, `speed_mps`, and how long it still stands."""

    leg: int = 0
    along_m: float = 0.0
    speed_mps: float = 0.0
    standing_s: float = 20.0  # it starts parked: the ideal log is no fix, then a fix at rest, then moving

    def step(self, dt_s: float, luck: random.Random) -> None:
        if self.standing_s > 0:
            self.standing_s -= dt_s
            self.speed_mps = 0.0
            return
        left_m = _leg_m(self.leg) - self.along_m
        brake_mps = math.sqrt(CORNER_MPS**2 + 2 * ACCELERATION_MPS2 * max(0.0, left_m))
        self.speed_mps = min(SPEED_LIMIT_MPS, brake_mps, self.speed_mps + ACCELERATION_MPS2 * dt_s)
        self.along_m += self.speed_mps * dt_s
        while self.along_m >= _leg_m(self.leg):
            self.along_m -= _leg_m(self.leg)
            self.leg = (self.leg + 1) % len(ROUTE)
            self.standing_s = luck.uniform(*LIGHT_S) if luck.random() < LIGHT_CHANCE else 0.0

    @property
    def around(self) -> str:
        """What stands around the road here."""
        return ROUTE[self.leg][2]

    def place(self) -> tuple[float, float, float]:
        """Latitude, longitude and course in deg."""
        (lat, lon, _), (to_lat, to_lon, _) = ROUTE[self.leg], ROUTE[(self.leg + 1) % len(ROUTE)]
        part = self.along_m / _leg_m(self.leg)
        east = (to_lon - lon) * math.cos(math.radians(lat))
        course = math.degrees(math.atan2(east, to_lat - lat)) % 360
        return lat + (to_lat - lat) * part, lon + (to_lon - lon) * part, course


def _leg_m(leg: int) -> float:
    (lat, lon, _), (to_lat, to_lon, _) = ROUTE[leg], ROUTE[(leg + 1) % len(ROUTE)]
    return math.hypot(to_lat - lat, (to_lon - lon) * math.cos(math.radians(lat))) * EARTH_M_PER_DEG


def drive(
    utc_ms: int, *, seed: int = 0, step_s: float = 1.0, speed: float = 1.0, cold_start: bool = True
) -> Iterator[Observation]:
    """One observation each `step_s` of the drive, without end: cold start, rest, traffic, canyons, tunnels.

    It is stamped from `utc_ms` on, `step_s / speed` apart: a drive played faster still happens now.
    """
    luck = random.Random(seed)
    vehicle = _Vehicle(leg=seed % len(ROUTE))
    drift, multipath = _Wander(DRIFT_M, DRIFT_TAU_S), _Wander(MULTIPATH_M, MULTIPATH_TAU_S)
    blind_s = COLD_START_S if cold_start else 0.0
    settled_s = 0.0
    index = 0
    while True:
        vehicle.step(step_s, luck)
        canyon = vehicle.around == CANYON
        drift.step(step_s, luck)
        multipath.step(step_s, luck, 1.0 if canyon else 0.05)
        # Leaving a tunnel costs a hot start of one to three seconds.
        blind_s = luck.uniform(1, 3) if vehicle.around == TUNNEL else blind_s - step_s
        settled_s = 0.0 if blind_s > 0 else settled_s + step_s
        seen = Observation(
            utc_ms=utc_ms + round(index * step_s * 1000 / speed), satellites=max(0, 4 - int(blind_s / 8))
        )
        yield seen if blind_s > 0 else _measured(seen, vehicle, (drift, multipath), settled_s, luck)
        index += 1


def _measured(
    seen: Observation, vehicle: _Vehicle, errors: tuple[_Wander, _Wander], settled_s: float, luck: random.Random
) -> Observation:
    lat, lon, course = vehicle.place()
    canyon = vehicle.around == CANYON
    north_m = sum(error.north_m for error in errors) + luck.gauss(0, WHITE_M)
    east_m = sum(error.east_m for error in errors) + luck.gauss(0, WHITE_M)
    speed = abs(vehicle.speed_mps + luck.gauss(0, 0.08))
    fresh = math.exp(-settled_s / 15)  # the first fixes have few satellites and a poor geometry
    return replace(
        seen,
        lat_deg=lat + north_m / EARTH_M_PER_DEG,
        lon_deg=lon + east_m / EARTH_M_PER_DEG / math.cos(math.radians(lat)),
        alt_msl_m=8.0 + errors[0].north_m * 1.7,
        speed_mps=speed,
        course_deg=(course + luck.gauss(0, 20 / max(speed, 0.5)) / 10) % 360 if speed > 0.5 else None,
        hdop=0.9 + 2.5 * fresh + (0.8 if canyon else 0.0) + abs(luck.gauss(0, 0.05)),
        satellites=max(4, round(11 - 6 * fresh - (4 if canyon else 0) + luck.uniform(-1, 1))),
    )

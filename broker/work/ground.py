"""Distances on the ground, in whole centimetres: sums of them are the same in every order."""

from math import cos, hypot, pi
from typing import Final

# Mean Earth radius 6371.0 km: 0.5 % off at worst.
CM_PER_E7: Final = 6_371_000 * 100 * pi / 180 / 1e7
RADIANS_PER_E7: Final = pi / 180 / 1e7
_TURN_E7: Final = 3_600_000_000


def apart_cm(lat_a: int, lon_a: int, lat_b: int, lon_b: int) -> int:
    """Centimetres between two places (1e-7 deg) on the local tangent plane, the shorter way round the earth."""
    east = lon_b - lon_a
    if not -_TURN_E7 // 2 <= east < _TURN_E7 // 2:
        east = (east + _TURN_E7 // 2) % _TURN_E7 - _TURN_E7 // 2
    return round(CM_PER_E7 * hypot(lat_b - lat_a, east * cos((lat_a + lat_b) / 2 * RADIANS_PER_E7)))

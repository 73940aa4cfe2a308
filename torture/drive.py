"""What the suite plays into a port: a drive that never names a place twice, so that every epoch can be told again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from edge.sim.nmea import Epoch, Observation, say

EPOCHS_PER_S: Final = 5.0

# Northwards from Monas, 1e-5 deg (1.1 m) an epoch: 0.0006 minutes, exact in a sentence and exact on the wire.
FROM_LAT_E7: Final = -62_000_000
LON_E7: Final = 1_068_270_000
STEP_E7: Final = 100
LANE_E7: Final = 10_000  # boxes drive beside each other
TURN_AFTER: Final = 200_000  # epochs, 220 km: then the next lane but 100

_GGA: Final = re.compile(rb"GGA,[^,]*,(\d\d)(\d\d\.\d+),([NS]),(\d{3})(\d\d\.\d+),([EW])")


def marked(begin_utc_ms: int, *, per_s: float, lane: int = 0) -> Iterator[Epoch]:
    """Epochs at `per_s` in honest time from `begin_utc_ms` on, each at a place of its own; without end."""
    index = 0
    while True:
        turn, step = divmod(index, TURN_AFTER)
        seen = Observation(
            utc_ms=begin_utc_ms + round(index * 1000 / per_s),
            lat_deg=(FROM_LAT_E7 + step * STEP_E7) / 1e7,
            lon_deg=(LON_E7 + (lane + 100 * turn) * LANE_E7) / 1e7,
            alt_msl_m=10.0 + index % 7,
            speed_mps=1.1 * per_s,
            course_deg=0.0,
            hdop=0.9,
            satellites=9,
        )
        yield Epoch(at_s=index / per_s, utc_ms=seen.utc_ms, valid=True, data=say(seen))
        index += 1


def undated(begin_utc_ms: int, lane: int) -> Iterator[Epoch]:
    """The same drive by a receiver that says GGA alone, and so never a date."""
    for epoch in marked(begin_utc_ms, per_s=EPOCHS_PER_S, lane=lane):
        yield replace(epoch, data=b"".join(line for line in epoch.data.splitlines(True) if line[3:6] == b"GGA"))


def place_of(data: bytes) -> tuple[int, int] | None:
    """The place (1e-7 deg) that an epoch's GGA names; None when it names none."""
    found = _GGA.search(data)
    if found is None:
        return None
    lat_e7 = round((int(found[1]) + float(found[2]) / 60) * 1e7) * (-1 if found[3] == b"S" else 1)
    lon_e7 = round((int(found[4]) + float(found[5]) / 60) * 1e7) * (-1 if found[6] == b"W" else 1)
    return lat_e7, lon_e7

"""Real drives for real units: as NMEA for a receiver's port, and as the rows a unit recorded while it had no link."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Final

from bench.drives import Fix8
from edge.gps_unit.record import QUANTUM
from edge.outbox import Outbox
from edge.sim.nmea import Epoch, sentence
from wire.columns import encode_track
from wire.kinds import CLASS_TRACK, KIND_TRACK
from wire.thin import thin

ROW_FIXES: Final = 10  # at 1 Hz, the default report interval
LIMIT_BYTES: Final = 1_000_000_000
_MINUTE: Final = 10**7
_KNOTS_PER_MPS: Final = 3600 / 1852


def endless(drives: Sequence[Sequence[Fix8]], begin_utc_ms: int) -> Iterator[Fix8]:
    """The drives one after the other, again and again, dated from `begin_utc_ms` on."""
    for drive in cycle(drives):
        shift_ms = begin_utc_ms - drive[0][0]
        yield from ((fix[0] + shift_ms, *fix[1:]) for fix in drive)
        begin_utc_ms = drive[-1][0] + shift_ms + 1000


def from_now(drives: Sequence[Sequence[Fix8]]) -> Iterator[Fix8]:
    """`endless` from the moment the first fix is asked for: an older date would look like a clock set back."""
    yield from endless(drives, time.time_ns() // 1_000_000)


def spoken(fixes: Iterator[Fix8]) -> Iterator[Epoch]:
    """The fixes as a receiver says them, at their own pace."""
    begin_ms: int | None = None
    for fix in fixes:
        begin_ms = fix[0] if begin_ms is None else begin_ms
        yield Epoch(at_s=(fix[0] - begin_ms) / 1000, utc_ms=fix[0], valid=True, data=say(fix))


def say(fix: Fix8) -> bytes:
    """RMC and GGA with digits enough that no field loses anything."""
    utc_ms, lat_e7, lon_e7, alt_cm, speed_cmps, course_cdeg, hdop_c, sats = fix
    at = datetime.fromtimestamp(utc_ms // 1000, UTC)
    clock = f"{at:%H%M%S}.{utc_ms % 1000:03d}"
    place = f"{_angle(lat_e7, 2, 'NS')},{_angle(lon_e7, 3, 'EW')}"
    knots = "" if speed_cmps is None else f"{speed_cmps / 100 * _KNOTS_PER_MPS:.4f}"
    alt = ",M" if alt_cm is None else f"{alt_cm / 100:.2f},M"
    return sentence(f"GPRMC,{clock},A,{place},{knots},{_hundredths(course_cdeg)},{at:%d%m%y},,,A") + sentence(
        f"GPGGA,{clock},{place},1,{'' if sats is None else sats},{_hundredths(hdop_c)},{alt},,M,,"
    )


def record(path: Path, fixes: Sequence[Fix8], *, quantum: str, tolerance_m: float) -> None:
    """Append the fixes to the outbox at `path` as a unit does, ten to a row."""
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    for start in range(0, len(fixes), ROW_FIXES):
        row = fixes[start : start + ROW_FIXES]
        kept = [row[index] for index in thin([fix[:3] for fix in row], tolerance_m)]
        body = encode_track(kept, scales=QUANTUM[quantum], observed=len(row))
        outbox.append(body, kind=KIND_TRACK, cls=CLASS_TRACK)
    outbox.close()


def _angle(e7: int, digits: int, sides: str) -> str:
    whole, part = divmod(abs(e7) * 60, 60 * _MINUTE)  # a minute in units of 1e-7: exact
    return f"{whole:0{digits}d}{part // _MINUTE:02d}.{part % _MINUTE:07d},{sides[e7 < 0]}"


def _hundredths(value: int | None) -> str:
    return "" if value is None else f"{value / 100:.2f}"

"""What one sentence says: every field converted and range-checked once, here. Pure.

pynmea2 knows which field is where; we convert them ourselves, because it gives 0.0 for a position without hemisphere,
text for HDOP and satellites, the raw text for what it cannot convert, loses milliseconds to a float (.29 s becomes
.289999), refuses minutes without decimals, and its RMC.is_valid says False for every u-blox of NMEA 4.1 (navigational
status V, "not provided": corpus navsat_driver_nmea) and for status D. Its parse() is left out too: a second pattern and
a second checksum cost half of an epoch's whole CPU time on a process that sleeps between two epochs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from operator import itemgetter
from re import compile as pattern
from typing import NamedTuple

import pynmea2

from edge.gps_unit.dates import day_number, full_year
from edge.gps_unit.nmea import Sentence

_MPS_PER_KNOT = 1852 / 3600  # the international nautical mile
_MPS_PER_KMH = 1 / 3.6

# COCOM: civil receivers stop at 1000 knots and 18 km. The lowest land is the shore of the Dead Sea at -430 m;
# corpus: genivi_munich starts at -704.5 m with HDOP 23.9.
_SPEED_MAX_MPS = 515.0
_ALT_MIN_M, _ALT_MAX_M = -500.0, 18_000.0

# 99.99 is "none" on MediaTek and BT-451, 50.0 on SiRF (its clamp); 58.7 has been seen as a true figure.
_HDOP_NONE = 50.0
_HDOP_MAX = 99.0
_SATELLITES_MAX = 99

_NOWHERE_DEG = 1e-6  # the coarsest quantum on the air: what is nearer to 0,0 would be rounded to it

_MEASURED = frozenset("ADFPR")  # autonomous, differential, RTK float, precise, RTK: NMEA 0183 v4.11 mode indicator
_ESTIMATED = "E"
_SYNTHETIC = frozenset("MS")  # entered by hand, simulator
_GGA_ESTIMATED = "6"
_GGA_SYNTHETIC = frozenset("78")
_GGA_FIX = frozenset("123456789")  # 9 is not NMEA's: NovAtel OEM says so of SBAS

_TIME = pattern(r"(\d\d)(\d\d)(\d\d)(?:\.(\d*))?")
_DATE = pattern(r"(\d\d)(\d\d)(\d\d)")
# Zeros in front may be missing; a number that is short and still begins with 0 has lost a digit.
_LATITUDE = pattern(r"(\d\d|[1-9])(\d\d(?:\.(\d*))?)")
_LONGITUDE = pattern(r"(\d\d\d|[1-9]\d?)(\d\d(?:\.(\d*))?)")
_NUMBER = pattern(r"[+-]?\d+(?:\.\d*)?|[+-]?\.\d+")


class Malformed(ValueError):
    """A sentence whose checksum held and whose time or position cannot be one."""


@dataclass(frozen=True, slots=True)
class Position:
    """WGS 84, degrees."""

    lat_deg: float
    lon_deg: float


class Reading(NamedTuple):
    """One sentence. None is not said. `time_step_ms` is the resolution of the time as written.

    valid: the sentence's own word on the fix; None when it has none.
    estimated: dead reckoning; synthetic: entered by hand or simulated.
    """

    talker: str
    kind: str
    time_ms: int | None = None
    time_step_ms: int = 1
    day: int | None = None
    position: Position | None = None
    valid: bool | None = None
    alt_msl_m: float | None = None
    speed_mps: float | None = None
    course_deg: float | None = None
    hdop: float | None = None
    satellites: int | None = None
    estimated: bool = False
    synthetic: bool = False


Texts = tuple[str, ...]


def _places(sentence: type[pynmea2.TalkerSentence], *names: str) -> Callable[[list[str]], Texts]:
    """Takes those fields out of a sentence's texts, by pynmea2's names and in this order."""
    return itemgetter(*(sentence.name_to_idx[name] for name in names))


_POSITION = "lat", "lat_dir", "lon", "lon_dir"
_RMC = _places(
    pynmea2.RMC,
    *("timestamp", "status", *_POSITION, "spd_over_grnd", "true_course", "datestamp", "mode_indicator"),
)
_GGA = _places(
    pynmea2.GGA,
    *("timestamp", "gps_qual", *_POSITION, "num_sats", "horizontal_dil", "altitude", "altitude_units"),
)
_GNS = _places(pynmea2.GNS, "timestamp", "mode_indicator", *_POSITION, "num_sats", "hdop", "altitude")
_GLL = _places(pynmea2.GLL, "timestamp", "status", *_POSITION, "faa_mode")
_VTG = _places(pynmea2.VTG, "true_track", "spd_over_grnd_kts", "spd_over_grnd_kmph", "faa_mode")
_ZDA = _places(pynmea2.ZDA, "timestamp", "year", "month", "day")
_NOT_SENT = [""] * 16  # the fields that an older receiver does not send; no kind of ours has more


def read(sentence: Sentence) -> Reading | None:
    """Convert a sentence; None when its kind says nothing about a fix. Raises Malformed."""
    reader = _READERS.get(sentence.kind)
    if reader is None or not sentence.talker:
        return None
    _, *texts = sentence.text[:-3].split(",")  # less `*hh`
    if not texts or not sentence.talker.isalnum():
        raise Malformed(sentence.text)
    if " " in sentence.text:
        texts = [text.strip() for text in texts]
    return reader(sentence.talker, texts + _NOT_SENT)


def _rmc(talker: str, texts: list[str]) -> Reading:
    time, status, lat, lat_dir, lon, lon_dir, speed, course, date, mode = _RMC(texts)
    valid = status in ("A", "D") and mode != "N"
    time_ms, step_ms = _time(time)
    return Reading(
        talker=talker,
        kind="RMC",
        time_ms=time_ms,
        time_step_ms=step_ms,
        day=_date(date),
        position=_position(lat, lat_dir, lon, lon_dir) if valid else None,
        valid=valid,
        speed_mps=_speed(speed, _MPS_PER_KNOT),
        course_deg=_course(course),
        estimated=mode == _ESTIMATED,
        synthetic=mode in _SYNTHETIC,
    )


def _gga(talker: str, texts: list[str]) -> Reading:
    time, quality, lat, lat_dir, lon, lon_dir, satellites, hdop, altitude, unit = _GGA(texts)
    quality = quality.lstrip("0") or quality[:1]
    valid = quality in _GGA_FIX if quality else None
    time_ms, step_ms = _time(time)
    return Reading(
        talker=talker,
        kind="GGA",
        time_ms=time_ms,
        time_step_ms=step_ms,
        position=_position(lat, lat_dir, lon, lon_dir) if valid else None,
        valid=valid,
        alt_msl_m=_altitude(altitude) if unit in ("M", "") else None,
        hdop=_hdop(hdop),
        satellites=_satellites(satellites),
        estimated=quality == _GGA_ESTIMATED,
        synthetic=quality in _GGA_SYNTHETIC,
    )


def _gns(talker: str, texts: list[str]) -> Reading:
    time, mode, lat, lat_dir, lon, lon_dir, satellites, hdop, altitude = _GNS(texts)
    modes = frozenset(mode) - {"N"}  # one letter a constellation; GPGNS etc. may be empty
    valid = bool(modes & (_MEASURED | _SYNTHETIC | {_ESTIMATED}))
    time_ms, step_ms = _time(time)
    return Reading(
        talker=talker,
        kind="GNS",
        time_ms=time_ms,
        time_step_ms=step_ms,
        position=_position(lat, lat_dir, lon, lon_dir) if valid else None,
        valid=valid,
        alt_msl_m=_altitude(altitude),
        hdop=_hdop(hdop),
        satellites=_satellites(satellites),
        estimated=bool(modes) and modes <= {_ESTIMATED},
        synthetic=bool(modes & _SYNTHETIC),
    )


def _gll(talker: str, texts: list[str]) -> Reading:
    time, status, lat, lat_dir, lon, lon_dir, mode = _GLL(texts)
    valid = status == "A" and mode != "N"
    time_ms, step_ms = _time(time)
    return Reading(
        talker=talker,
        kind="GLL",
        time_ms=time_ms,
        time_step_ms=step_ms,
        position=_position(lat, lat_dir, lon, lon_dir) if valid else None,
        valid=valid,
        estimated=mode == _ESTIMATED,
        synthetic=mode in _SYNTHETIC,
    )


def _vtg(talker: str, texts: list[str]) -> Reading:
    course, knots, kmh, mode = _VTG(texts)
    valid = mode != "N"
    speed = _speed(knots, _MPS_PER_KNOT)
    if speed is None:
        speed = _speed(kmh, _MPS_PER_KMH)
    return Reading(
        talker=talker,
        kind="VTG",
        valid=valid,
        speed_mps=speed if valid else None,
        course_deg=_course(course) if valid else None,
    )


def _zda(talker: str, texts: list[str]) -> Reading:
    time, *parts = _ZDA(texts)
    time_ms, step_ms = _time(time)
    day = day_number(*map(int, parts)) if all(part.isdecimal() and part.isascii() for part in parts) else None
    return Reading(talker=talker, kind="ZDA", time_ms=time_ms, time_step_ms=step_ms, day=day)


_READERS = {"RMC": _rmc, "GGA": _gga, "GNS": _gns, "GLL": _gll, "VTG": _vtg, "ZDA": _zda}

# The sentences of an epoch repeat its time and position, letter by letter.
_once_an_epoch = lru_cache(maxsize=2)


@_once_an_epoch
def _time(text: str) -> tuple[int | None, int]:
    """hhmmss[.s…] → (milliseconds of the day, resolution in ms), truncated to the millisecond."""
    if not text:
        return None, 1
    match = _TIME.fullmatch(text)
    if not match:
        raise Malformed(f"time {text!r}")
    hours, minutes, seconds = int(match[1]), int(match[2]), int(match[3])
    if hours > 23 or minutes > 59 or seconds > 60:  # 60: a leap second
        raise Malformed(f"time {text!r}")
    fraction = match[4] or ""
    milliseconds = int(fraction[:3].ljust(3, "0"))
    step_ms: int = 10 ** max(0, 3 - len(fraction))
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds, step_ms


def _date(text: str) -> int | None:
    match = _DATE.fullmatch(text)
    return day_number(full_year(int(match[3])), int(match[2]), int(match[1])) if match else None


@_once_an_epoch
def _position(lat: str, lat_dir: str, lon: str, lon_dir: str) -> Position | None:
    """None when a part is empty. Raises Malformed when it is no position, or when a digit seems to be lost.

    Ask only for a valid one: without a fix MTK-3301 says 8960.000000,N and TN-200 says 36000.0000,N.
    """
    texts = lat, lat_dir, lon, lon_dir
    if not all(texts):
        return None
    north, east = _LATITUDE.fullmatch(lat), _LONGITUDE.fullmatch(lon)
    if not north or not east or lat_dir not in ("N", "S") or lon_dir not in ("E", "W"):
        raise Malformed(f"position {texts}")
    # Two lost bytes that are equal leave the checksum whole, but a receiver writes both with about the same decimals.
    if abs(len(north[3] or "") - len(east[3] or "")) > 1:
        raise Malformed(f"position {texts}")
    lat_deg, lon_deg = int(north[1]) + _minutes(north[2]) / 60, int(east[1]) + _minutes(east[2]) / 60
    if lat_deg > 90 or lon_deg > 180:
        raise Malformed(f"position {texts}")
    if max(lat_deg, lon_deg) < _NOWHERE_DEG:  # I5: 0,0 is how receivers say "none", never where a vehicle is
        return None
    return Position(-lat_deg if lat_dir == "S" else lat_deg, -lon_deg if lon_dir == "W" else lon_deg)


def _minutes(text: str) -> float:
    minutes = float(text)
    if minutes >= 60:
        raise Malformed(f"minutes {text!r}")
    return minutes


def _number(text: str, low: float, high: float) -> float | None:
    """None when empty, no number, or outside the range: an absurd value never enters."""
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if isfinite(value) and low <= value <= high else None


def _speed(text: str, mps_per_unit: float) -> float | None:
    value = _number(text, 0, _SPEED_MAX_MPS / mps_per_unit)
    return None if value is None else value * mps_per_unit


def _course(text: str) -> float | None:
    value = _number(text, 0, 360)
    return None if value is None else value % 360


def _altitude(text: str) -> float | None:
    return _number(text, _ALT_MIN_M, _ALT_MAX_M)


def _hdop(text: str) -> float | None:
    value = _number(text, 0.01, _HDOP_MAX)
    return None if value in (_HDOP_NONE, _HDOP_MAX) else value


def _satellites(text: str) -> int | None:
    value = _number(text, 0, _SATELLITES_MAX)
    return None if value is None else int(value)

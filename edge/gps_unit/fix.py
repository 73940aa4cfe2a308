"""Sentences to fixes: one Fix per epoch, whatever the receiver's talkers, order, rate and omissions. Pure.

An epoch is closed by the first sentence of another instant, by a sentence it already has (a receiver whose clock
stands still), or by `flush`. In it RMC's word on validity counts before all others, and a position is never mixed from
two sentences.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import isfinite

from edge.gps_unit.dates import DAY_MS, instant_after, instant_before, unroll
from edge.gps_unit.nmea import Sentence
from edge.gps_unit.reading import Malformed, Position, Reading, read
from wire.columns import HIGHEST, LOWEST, TIME

# Positions of one epoch differ by rounding, or by metres behind a multiplexer (corpus: bundg_zeus_9, 2.7 m). 0.001 deg
# (110 m) is damage that the checksum does not show (two flips of one bit: 1 pair in 8), or editing (pynmeagps_nmea4).
_CONFLICT_DEG = 0.001

# A receiver that lost its satellites may repeat its last epochs (Trimble Placer), and two on one wire may take turns.
_REMEMBERED_EPOCHS = 16  # about three cycles of the busiest multiplexer we saw

# Whose time an epoch carries: a GLL may have it to the millisecond when RMC and GGA of the same instant are rounded
# (corpus: eXplorist210, magellan315).
_TIME_RANK = {"RMC": 3, "GGA": 2, "GNS": 1, "GLL": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """One epoch's valid position, WGS 84. None is unknown.

    utc_ms: Unix time; None until the receiver has named a date. estimated: dead reckoning, or synthetic.
    synthetic: entered by hand or simulated (GGA quality 7, 8; mode M, S); policy rejects it.
    parked: the position is the parked anchor's, set by policy only.
    """

    utc_ms: int | None
    time_of_day_ms: int | None
    boottime_ms: int | None
    lat_deg: float
    lon_deg: float
    alt_msl_m: float | None = None
    speed_mps: float | None = None
    course_deg: float | None = None
    hdop: float | None = None
    satellites: int | None = None
    estimated: bool = False
    synthetic: bool = False
    parked: bool = False


Columns = tuple[int | None, int, int, int | None, int | None, int | None, int | None, int | None]


def to_columns(fix: Fix) -> Columns:
    """The fix in the wire's base units: ms, 1e-7 deg, 1e-7 deg, cm, cm/s, 0.01 deg, 0.01, count.

    The time is Unix ms, of CLOCK_BOOTTIME when the fix has no UTC, None when it has neither.
    """
    course = _hundredths(fix.course_deg)
    return (
        fix.utc_ms if fix.utc_ms is not None else fix.boottime_ms,
        round(fix.lat_deg * 1e7),
        round(fix.lon_deg * 1e7),
        _hundredths(fix.alt_msl_m),
        _hundredths(fix.speed_mps),
        course if course is None else course % 36_000,
        _hundredths(fix.hdop),
        fix.satellites,
    )


def within_limits(fix: Fix) -> bool:
    """Whether the wire can carry it: a receiver, or a file that a kill left, may say anything."""
    if not all(isfinite(value) for value in (fix.lat_deg, fix.lon_deg, *_figures(fix)) if value is not None):
        return False
    times = (fix.utc_ms, fix.boottime_ms, fix.time_of_day_ms)
    return all(time_ms is None or 0 <= time_ms <= HIGHEST[TIME] for time_ms in times) and all(
        value is None or low <= value <= high for value, low, high in zip(to_columns(fix), LOWEST, HIGHEST, strict=True)
    )


def _figures(fix: Fix) -> tuple[float | None, ...]:
    return fix.alt_msl_m, fix.speed_mps, fix.course_deg, fix.hdop


def _hundredths(value: float | None) -> int | None:
    return None if value is None else round(value * 100)


def backfill_dates(fixes: Sequence[Fix]) -> list[Fix]:
    """Date the undated fixes backwards from the next dated one; those after the last dated one stay as they are.

    So do those that a receiver whose calendar begins in 1970 would put before it: no record carries such a time.
    """
    dated: list[Fix] = []
    reference: int | None = None
    for fix in reversed(fixes):
        if fix.utc_ms is None and fix.time_of_day_ms is not None and reference is not None:
            fix = _dated(fix, instant_before(fix.time_of_day_ms, reference))
        reference = fix.utc_ms if fix.utc_ms is not None else reference
        dated.append(fix)
    return dated[::-1]


def _dated(fix: Fix, utc_ms: int) -> Fix:
    return replace(fix, utc_ms=utc_ms) if utc_ms >= 0 else fix


@dataclass(slots=True)
class _Epoch:
    """What has been said of one instant so far."""

    boottime_ms: int | None
    time: Reading | None = None  # the reading whose time the epoch has
    readings: list[Reading] = field(default_factory=list)
    echoed: set[tuple[str, str]] = field(default_factory=set)

    def has(self, reading: Reading) -> bool:
        return any(one.kind == reading.kind and one.talker == reading.talker for one in self.readings)

    def is_echo(self, reading: Reading) -> bool:
        """Whether the sentence came twice, as a multiplexer or a splitter does. A third time the clock stands still."""
        name = reading.talker, reading.kind
        if name in self.echoed or reading not in self.readings:
            return False
        self.echoed.add(name)
        return True

    def is_of(self, reading: Reading) -> bool:
        """Whether the reading is of this instant. A time written with fewer digits may be rounded or cut."""
        if reading.time_ms is None:
            return True
        if self.time is None or self.time.time_ms is None:
            return False
        apart_ms = abs(reading.time_ms - self.time.time_ms)
        if reading.time_step_ms == self.time.time_step_ms:
            return apart_ms == 0
        return min(apart_ms, DAY_MS - apart_ms) < max(reading.time_step_ms, self.time.time_step_ms)

    def add(self, reading: Reading) -> None:
        self.readings.append(reading)
        if reading.time_ms is not None and (self.time is None or _time_rank(reading) > _time_rank(self.time)):
            self.time = reading


def _time_rank(reading: Reading) -> tuple[bool, int]:
    return reading.time_step_ms < 1000, _TIME_RANK[reading.kind]


class EpochAssembler:
    """Joins the sentences of one instant to a Fix. Epochs without one are counted in `rejected`, by reason:

    no_fix (no valid position), not_valid (RMC said so), no_time, repeated (an instant that already came out),
    conflicting (positions of one instant that do not agree); sentences: malformed.
    """

    def __init__(self, not_before_utc_ms: int | None = None, floor_utc_ms: int | None = None) -> None:
        """`not_before_utc_ms` (the build date) turns week rollover correction on; `floor_utc_ms` defaults to it."""
        self.rejected: Counter[str] = Counter()
        self._not_before = not_before_utc_ms
        self._floor = floor_utc_ms if floor_utc_ms is not None else not_before_utc_ms
        self._epoch: _Epoch | None = None
        self._reference: int | None = None  # the last instant whose date was named
        self._recent: deque[tuple[int | None, int, Position]] = deque(maxlen=_REMEMBERED_EPOCHS)

    def feed(self, sentence: Sentence, boottime_ms: int | None = None) -> Fix | None:
        """Take the next sentence; return the epoch that it shows to be complete."""
        try:
            reading = read(sentence)
        except Malformed:
            self.rejected["malformed"] += 1
            return None
        if reading is None:
            return None
        if reading.kind == "ZDA":
            self._date(reading)
            return None
        if reading.kind == "VTG":
            # It has no time: it is of the open epoch (a cycle that begins with it and has no RMC shows it one early).
            if self._epoch and not self._epoch.has(reading):
                self._epoch.add(reading)
            return None
        fix = None
        if self._epoch is None or not self._epoch.is_of(reading) or self._epoch.has(reading):
            if self._epoch and self._epoch.is_echo(reading):
                return None
            fix = self.flush()
            self._epoch = _Epoch(boottime_ms)
        self._epoch.add(reading)
        return fix

    def flush(self) -> Fix | None:
        """Close the open epoch: the source is idle, unplugged, or at its end."""
        epoch, self._epoch = self._epoch, None
        if epoch is None:
            return None
        outcome = self._judge(epoch)
        if isinstance(outcome, str):
            self.rejected[outcome] += 1
            return None
        return outcome

    def _date(self, zda: Reading) -> None:
        if zda.day is not None and zda.time_ms is not None:
            self._reference = self._unrolled(zda.day * DAY_MS + zda.time_ms)

    def _judge(self, epoch: _Epoch) -> Fix | str:
        """The epoch's fix, or the reason why it has none."""
        valid = [reading for reading in epoch.readings if reading.valid]
        recommended = [reading for reading in epoch.readings if reading.kind == "RMC"]
        if recommended and not any(reading.valid for reading in recommended):
            return "not_valid"
        positions = [reading.position for reading in valid if reading.position]
        if not positions:
            return "no_fix"
        if epoch.time is None or epoch.time.time_ms is None:
            return "no_time"
        position = _agreed(positions)
        if position is None:
            return "conflicting"
        time_ms = epoch.time.time_ms
        utc_ms = self._utc(time_ms, recommended)
        if self._came_out(utc_ms, time_ms, position):
            return "repeated"
        self._recent.append((utc_ms, time_ms, position))
        return _merge(epoch, position, utc_ms, sorted(valid, key=_speed_rank))

    def _utc(self, time_ms: int, recommended: list[Reading]) -> int | None:
        for rmc in recommended:
            # MTK3301 and RGM-3800 name bogus dates while RMC says V.
            if rmc.valid and rmc.day is not None and rmc.time_ms is not None:
                self._reference = self._unrolled(rmc.day * DAY_MS + rmc.time_ms)
                break
        if self._reference is None:
            return None
        self._reference = instant_after(time_ms, self._reference)
        return self._reference

    def _unrolled(self, utc_ms: int) -> int:
        if self._not_before is None or self._floor is None:
            return utc_ms
        return unroll(utc_ms, self._not_before, self._floor)

    def _came_out(self, utc_ms: int | None, time_ms: int, position: Position) -> bool:
        """Whether this instant was the last one, or came out lately with this position.

        A receiver whose clock is set back names instants again that are others (corpus: genivi_munich, humminbird-M37).
        """
        for age, (past_utc_ms, past_time_ms, past_position) in enumerate(reversed(self._recent)):
            dated = utc_ms is not None and past_utc_ms is not None
            same_instant = utc_ms == past_utc_ms if dated else time_ms == past_time_ms
            if same_instant and (age == 0 or position == past_position):
                return True
        return False


def _speed_rank(reading: Reading) -> int:
    return {"RMC": 0, "VTG": 1}.get(reading.kind, 2)


def _agreed(positions: list[Position]) -> Position | None:
    """The last position that more than half of them agree with. gpsd takes the last as well, so answers compare."""
    if positions.count(positions[-1]) == len(positions):
        return positions[-1]  # as nearly always
    support = [sum(_near(one, other) for other in positions) for one in positions]
    most = max(support)
    if 2 * most <= len(positions):
        return None
    return next(
        position for position, count in zip(reversed(positions), reversed(support), strict=True) if count == most
    )


def _near(a: Position, b: Position) -> bool:
    apart_lon = abs(a.lon_deg - b.lon_deg)
    return abs(a.lat_deg - b.lat_deg) <= _CONFLICT_DEG and min(apart_lon, 360 - apart_lon) <= _CONFLICT_DEG


def _merge(epoch: _Epoch, position: Position, utc_ms: int | None, readings: list[Reading]) -> Fix:
    alt: float | None = None
    speed: float | None = None
    course: float | None = None
    hdop: float | None = None
    satellites: int | None = None
    for said in readings:  # best word first
        alt = said.alt_msl_m if alt is None else alt
        speed = said.speed_mps if speed is None else speed
        course = said.course_deg if course is None else course
        hdop = said.hdop if hdop is None else hdop
        if said.satellites is not None:  # SiRF V counts each constellation in a GGA of its own
            satellites = max(satellites or 0, said.satellites)
    synthetic = any(reading.synthetic for reading in readings)
    return Fix(
        utc_ms=utc_ms,
        time_of_day_ms=epoch.time.time_ms if epoch.time else None,
        boottime_ms=epoch.boottime_ms,
        lat_deg=position.lat_deg,
        lon_deg=position.lon_deg,
        alt_msl_m=alt,
        speed_mps=speed,
        course_deg=course,
        hdop=hdop,
        satellites=satellites,
        estimated=synthetic or any(reading.estimated for reading in readings),
        synthetic=synthetic,
    )

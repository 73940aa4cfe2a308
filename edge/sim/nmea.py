"""What a receiver says: epochs as NMEA 0183 sentences, and recorded logs as epochs that can be played again."""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from operator import xor

DAY_MS = 86_400_000
ALL = ("RMC", "VTG", "GGA", "GSA")
BRIEF = ("RMC", "GGA")  # all that a fix needs, in half the bytes

# A sentence whose first field is UTC time of day (ZDA too); GLL has it fifth.
_TIMED = re.compile(rb"\$[A-Z]{2}(?:(RMC|GGA|GNS|ZDA),|(GLL),[^,*]*,[^,*]*,[^,*]*,[^,*]*,)(\d{6}(?:\.\d+)?)")
_SENTENCE = re.compile(rb"\$([\x20-\x23\x25-\x29\x2b-\x7e]*)\*([0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One epoch as a receiver sends it: `at_s` after the first, `utc_ms` as it says (None = no date)."""

    at_s: float
    utc_ms: int | None
    valid: bool
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a receiver knows at one instant; position None = no fix."""

    utc_ms: int
    lat_deg: float | None = None
    lon_deg: float | None = None
    alt_msl_m: float = 0.0
    speed_mps: float = 0.0
    course_deg: float | None = None
    hdop: float = 99.9
    satellites: int = 0


def sentence(body: str) -> bytes:
    """`body` with its `$`, checksum and line end."""
    return f"${body}*{reduce(xor, body.encode(), 0):02X}\r\n".encode()


def say(seen: Observation, sentences: Container[str] = ALL) -> bytes:
    """RMC, VTG, GGA and GSA of one epoch, in a u-blox 7's order; a position unknown is an empty field."""
    at = datetime.fromtimestamp(seen.utc_ms / 1000, UTC)
    time = f"{at:%H%M%S}.{seen.utc_ms % 1000:03d}"
    fixed = seen.lat_deg is not None and seen.lon_deg is not None
    place = f"{_angle(seen.lat_deg, 2, 'NS')},{_angle(seen.lon_deg, 3, 'EW')}" if fixed else ",,,"
    # At rest a u-blox leaves the course empty instead of 0.
    course = "" if seen.course_deg is None or not fixed else f"{seen.course_deg:.2f}"
    knots = f"{seen.speed_mps * 3600 / 1852:.3f}" if fixed else ""
    kmh = f"{seen.speed_mps * 3.6:.3f}" if fixed else ""
    alt = f"{seen.alt_msl_m:.1f},M,2.6,M" if fixed else ",,,"
    hdop, status, mode = f"{seen.hdop:.2f}", "AV"[not fixed], "AN"[not fixed]
    bodies = (
        f"GPRMC,{time},{status},{place},{knots},{course},{at:%d%m%y},,,{mode}",
        f"GPVTG,{course},T,,M,{knots},N,{kmh},K,{mode}",
        f"GPGGA,{time},{place},{int(fixed)},{seen.satellites:02d},{hdop},{alt},,",
        f"GPGSA,A,{3 if fixed else 1},,,,,,,,,,,,,{seen.hdop * 1.6:.2f},{hdop},{seen.hdop * 1.2:.2f}",
    )
    return b"".join(sentence(body) for body in bodies if body[2:5] in sentences)


def _angle(value: float | None, digits: int, sides: str) -> str:
    minutes = round(abs(value or 0.0) * 60 * 100_000)  # five digits of a minute: 0.02 m
    whole, part = divmod(minutes, 60 * 100_000)
    return f"{whole:0{digits}d}{part / 100_000:08.5f},{sides[(value or 0.0) < 0]}"


def epochs_of(log: bytes) -> Iterator[Epoch]:
    """A recorded log cut at each new time of day; every byte of it is in one epoch, in order.

    The date comes from the RMC or ZDA seen last; a clock that stands still or goes back does not wait.
    """
    start, time_ms, at_ms, day = 0, None, 0, None
    for match in _TIMED.finditer(log):
        said_ms = _time_ms(match[3])
        if time_ms is not None and said_ms != time_ms:
            yield _cut(log[start : match.start()], at_ms, time_ms, day)
            start = match.start()
            step_ms = (said_ms - time_ms) % DAY_MS
            at_ms += step_ms if step_ms < DAY_MS // 2 else 0
        time_ms = said_ms
        day = _day_ms(log[match.start() : match.start() + 100]) or day
    yield _cut(log[start:], at_ms, time_ms, day)


def _cut(data: bytes, at_ms: int, time_ms: int | None, day_ms: int | None) -> Epoch:
    utc_ms = None if time_ms is None or day_ms is None else day_ms + time_ms
    return Epoch(at_s=at_ms / 1000, utc_ms=utc_ms, valid=_says_valid(data), data=data)


def _says_valid(data: bytes) -> bool:
    """Whether the epoch has a fix: RMC's word where there is one, else GGA's."""
    checked = [match[1].split(b",") for match in _SENTENCE.finditer(data) if _holds(match)]
    words = [fields[2] == b"A" for fields in checked if fields[0][2:] == b"RMC" and len(fields) > 2]
    return any(words or [fields[6] not in b"0" for fields in checked if fields[0][2:] == b"GGA" and len(fields) > 6])


def _holds(match: re.Match[bytes]) -> bool:
    return reduce(xor, match[1], 0) == int(match[2], 16)


def _time_ms(said: bytes) -> int:
    clock, _, fraction = said.decode().partition(".")
    seconds = int(clock[:2]) * 3600 + int(clock[2:4]) * 60 + int(clock[4:6])
    return (seconds * 1000 + int(fraction[:3].ljust(3, "0"))) % DAY_MS


def _day_ms(text: bytes) -> int | None:
    """Unix ms of the day that an RMC or ZDA at the start of `text` names."""
    fields = text.split(b"*")[0].decode("ascii", "replace").split(",")
    try:
        if fields[0].endswith("RMC"):
            day, month, year = int(fields[9][:2]), int(fields[9][2:4]), 2000 + int(fields[9][4:6])
        elif fields[0].endswith("ZDA"):
            day, month, year = int(fields[2]), int(fields[3]), int(fields[4])
        else:
            return None
        return int(datetime(year, month, day, tzinfo=UTC).timestamp()) * 1000
    except (IndexError, ValueError):
        return None


def restamped(epoch: Epoch, utc_ms: int) -> Epoch:
    """The same epoch said at `utc_ms`: times and dates of its checked sentences rewritten, all else as it was."""
    at = datetime.fromtimestamp(utc_ms / 1000, UTC)
    time = f"{at:%H%M%S}.{utc_ms % 1000:03d}"

    def rewrite(match: re.Match[bytes]) -> bytes:
        if not _holds(match):
            return match[0]
        fields = match[1].decode("ascii").split(",")
        _stamp(fields, time, at)
        return sentence(",".join(fields))[:-2]

    return Epoch(at_s=epoch.at_s, utc_ms=utc_ms, valid=epoch.valid, data=_SENTENCE.sub(rewrite, epoch.data))


def _stamp(fields: list[str], time: str, at: datetime) -> None:
    kind = fields[0][2:]
    place = {"RMC": 1, "GGA": 1, "GNS": 1, "ZDA": 1, "GLL": 5}.get(kind)
    if place is None or len(fields) <= place or not fields[place]:
        return
    fields[place] = time
    if kind == "RMC" and len(fields) > 9:
        fields[9] = f"{at:%d%m%y}"
    if kind == "ZDA" and len(fields) > 4:
        fields[2:5] = [f"{at:%d}", f"{at:%m}", f"{at:%Y}"]

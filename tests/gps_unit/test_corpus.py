"""The receiver path against independent answers, over every real log that has one.

Answers: gpsd (`.gpsd.jsonl`, `.tpv.jsonl`) and gpsbabel (`.gpsbabel.csv`). Where one of them is wrong or guesses, or
where an instant has two names, the table below names log and reason; nothing else is forgiven.
"""

import csv
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from itertools import pairwise
from math import cos, hypot, radians
from operator import xor
from pathlib import Path

import pytest

from edge.gps_unit.dates import DAY_MS
from edge.gps_unit.fix import Fix
from pantau.decode import decoded

TOLERANCE_M, TOLERANCE_MPS = 0.02, 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgiven:
    """What of one answer is not compared, and why."""

    reason: str
    days_off: int = 0
    not_instants: frozenset[str] = field(default_factory=frozenset)  # times of day whose answer does not count
    from_time: str = "99"  # from this time of day on the answer does not count
    speeds_of_gpsd: int = 0  # epochs where the receiver gave no speed
    no_nmea: bool = False


FORGIVEN = {
    "neo-m8n.log": Forgiven(reason="gpsd takes 2015 for a rollover and adds 1024 weeks", days_off=7168),
    "ublox-neo-m8l.log": Forgiven(reason="UBX alone, there is no NMEA position in it", no_nmea=True),
    "eXplorist210.log": Forgiven(
        reason="GLL has the instant to the millisecond, GGA and RMC of the same cycle rounded; gpsd answers for both",
        not_instants=frozenset({"20:06:20.303", "20:06:21.297", "20:06:22.305"}),
    ),
    "magellan315.log": Forgiven(reason="as eXplorist210", not_instants=frozenset({"12:08:27.523"})),
    "ericsson-gru04-02-70sec.log": Forgiven(
        reason="once a minute gpsd takes a survey position from a sentence of the maker's own",
        not_instants=frozenset({"21:37:13.000", "21:38:13.000"}),
    ),
    "bundg_zeus_9.log": Forgiven(
        reason="a chart plotter's multiplexer: from here on GLL is ahead of GGA by a cycle, and gpsd answers before it "
        "has heard RMC (its speed is 0 or 0.29 m/s where every RMC says 5 to 6 knots)",
        from_time="09:48:17.000",
    ),
    "humminbird-M37.log": Forgiven(reason="GLL and GGA epochs without speed: gpsd derives one", speeds_of_gpsd=6),
    "triton400.log": Forgiven(reason="a GLL alone, its GGA and RMC were cut: gpsd derives a speed", speeds_of_gpsd=1),
    "ublox-lea-5h.log": Forgiven(reason="RMC and VTG of one epoch are missing: gpsd derives a speed", speeds_of_gpsd=1),
}

# gpsbabel pairs the time of an RMC with the position of the GGA before it: in these its positions are one epoch late.
RMC_FIRST_IN_GPSBABEL = {
    "genivi_geko_regensburg.nmea", "genivi_munich.nmea", "hazer_bu353w10_1.nmea", "hazer_bu353w10_3.nmea",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    utc_ms: int | None
    lat_deg: float
    lon_deg: float
    speed_mps: float | None


def metres(a: Answer | Fix, b: Answer | Fix) -> float:
    return 111_195 * hypot(a.lat_deg - b.lat_deg, (a.lon_deg - b.lon_deg) * cos(radians(a.lat_deg)))


def unix_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def gpsd_answers(path: Path) -> list[Answer]:
    """All TPV with a position; of one `time` the last is the complete one."""
    answers: list[Answer] = []
    for line in path.read_text().splitlines():
        tpv = json.loads(line)
        if tpv.get("class", "TPV") != "TPV" or tpv.get("mode", 0) < 2 or "lat" not in tpv:
            continue
        utc_ms = unix_ms(tpv["time"].replace("Z", "+00:00")) if "time" in tpv else None
        answers.append(Answer(utc_ms, tpv["lat"], tpv["lon"], tpv.get("speed")))
    return answers


def gpsbabel_answers(path: Path) -> list[Answer]:
    with path.open() as lines:
        return [
            Answer(
                unix_ms(f"{row['Date'].replace('/', '-')}T{row['Time']}+00:00"),
                float(row["Latitude"]),
                float(row["Longitude"]),
                float(row["Speed"]) if row["Speed"] else None,
            )
            for row in csv.DictReader(lines)
        ]


def intact_sentences(log: bytes) -> Iterator[list[str]]:
    """An independent framing: every `$…*hh` whose checksum holds, as fields."""
    for match in re.finditer(rb"\$([^$*\r\n]{5,}?)\*([0-9A-Fa-f]{2})", log):
        if reduce(xor, match[1], 0) == int(match[2], 16):
            yield match[1].decode("latin-1").split(",")


def rmc_says_v(log: bytes) -> set[int]:
    """Times of day in ms at which RMC says V."""
    rmcs = [fields for fields in intact_sentences(log) if re.fullmatch("[A-OQ-Z].RMC", fields[0])]
    return {of_day_ms(fields[1]) for fields in rmcs if fields[1] and fields[2] != "A"}


def of_day_ms(text: str) -> int:
    return (int(text[:2]) * 3600 + int(text[2:4]) * 60) * 1000 + round(float(text[4:]) * 1000)


def places_said(log: bytes) -> set[tuple[str, str]]:
    """Every position an intact sentence names, to 1e-7 deg."""
    at = {"RMC": 3, "GGA": 2, "GNS": 2, "GLL": 1}
    said = set()
    for fields in intact_sentences(log):
        first = at.get(fields[0][2:])
        if first and len(fields) > first + 3 and all(fields[first : first + 4]):
            lat, north, lon, east = fields[first : first + 4]
            said.add((signed(lat, 2, north == "S"), signed(lon, 3, east == "W")))
    return said


def signed(text: str, digits: int, negative: bool) -> str:
    degrees = int(text[:digits]) + float(text[digits:]) / 60
    return f"{-degrees if negative else degrees:.7f}"


def logs(*answers: str) -> pytest.MarkDecorator:
    """One case a log (that has such an answer), found when the tests are collected; a single one where no data is."""
    folder = Path(os.environ.get("PANTAU_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")) / "nmea"
    found = [path for path in folder.glob("*/*") if path.suffix in (".log", ".nmea")]
    if answers:
        found = [path for path in found if any(Path(f"{path}{end}").exists() for end in answers)]
    names = sorted(str(path.relative_to(folder)) for path in found)
    return pytest.mark.parametrize("log", names or ["no log here"], indirect=True)


def decode(path: Path) -> list[Fix]:
    with path.open("rb") as stream:
        return list(decoded(stream, Counter()))


@pytest.fixture
def log(request: pytest.FixtureRequest, real_data: Path) -> Path:
    return real_data / "nmea" / request.param


@logs()
def test_no_epoch_twice_and_none_that_is_not_in_the_log(log: Path) -> None:
    fixes = decode(log)
    assert all(here.utc_ms != there.utc_ms or here.utc_ms is None for here, there in pairwise(fixes))
    epochs = [(fix.utc_ms, fix.time_of_day_ms, fix.lat_deg, fix.lon_deg) for fix in fixes]
    assert len(set(epochs)) == len(epochs)
    said = places_said(log.read_bytes())
    assert {(f"{fix.lat_deg:.7f}", f"{fix.lon_deg:.7f}") for fix in fixes} <= said


@logs(".gpsd.jsonl", ".tpv.jsonl")
def test_every_valid_epoch_of_gpsd_comes_out(log: Path) -> None:
    answer: Path = next(path for end in (".gpsd.jsonl", ".tpv.jsonl") if (path := Path(f"{log}{end}")).exists())
    known = FORGIVEN.get(log.name, Forgiven(reason=""))
    if known.no_nmea:
        assert decode(log) == []
        return
    fixes = decode(log)
    answers = gpsd_answers(answer)
    not_valid = rmc_says_v(log.read_bytes())
    dated = {
        answer.utc_ms - known.days_off * DAY_MS: answer
        for answer in answers
        if answer.utc_ms is not None and counts(answer.utc_ms, known, not_valid)
    }
    ours = {fix.utc_ms: fix for fix in fixes}
    missing = [instant for instant in dated if instant not in ours]
    assert len(missing) <= len(dated) * 0.001, [instant_text(utc_ms) for utc_ms in missing]
    apart = {instant_text(t): metres(answer, ours[t]) for t, answer in dated.items() if t in ours}
    assert {text: far for text, far in apart.items() if far > TOLERANCE_M} == {}
    assert_speeds(dated, ours, known)
    if log.parent.name == "drives":  # in the short logs these are halves of the first epoch, or RMC says V later
        assert_in_order([answer for answer in answers if answer.utc_ms is None], fixes)


def instant_text(utc_ms: int) -> str:
    of_day = utc_ms % DAY_MS
    return f"{of_day // 3_600_000:02}:{of_day // 60_000 % 60:02}:{of_day // 1000 % 60:02}.{of_day % 1000:03}"


def counts(utc_ms: int, known: Forgiven, not_valid: set[int]) -> bool:
    text = instant_text(utc_ms)
    return utc_ms % DAY_MS not in not_valid and text not in known.not_instants and text < known.from_time


def assert_speeds(answers: dict[int, Answer], ours: dict[int | None, Fix], known: Forgiven) -> None:
    both = [(a.speed_mps, ours[t].speed_mps) for t, a in answers.items() if t in ours and a.speed_mps is not None]
    apart = [(a, mine) for a, mine in both if mine is None or abs(a - mine) > TOLERANCE_MPS]
    assert len(apart) == known.speeds_of_gpsd, apart


def assert_in_order(answers: list[Answer], fixes: list[Fix]) -> None:
    """For answers without time or with a late one: their positions are ours, in order."""
    rest = iter(fixes)
    current = next(rest, None)
    for answer in answers:
        while current is not None and metres(answer, current) > TOLERANCE_M:
            current = next(rest, None)
        assert current is not None, answer


@logs(".gpsbabel.csv")
def test_every_epoch_of_gpsbabel_comes_out(log: Path) -> None:
    fixes = decode(log)
    answers = gpsbabel_answers(Path(f"{log}.gpsbabel.csv"))
    ours = {fix.utc_ms: fix for fix in fixes}
    assert [a for a in answers if a.utc_ms not in ours] == []
    if log.name in RMC_FIRST_IN_GPSBABEL:
        assert_in_order(answers, fixes)
    else:
        assert [a for a in answers if metres(a, ours[a.utc_ms]) > TOLERANCE_M] == []
    speeds = [(a.speed_mps, ours[a.utc_ms].speed_mps) for a in answers if ours[a.utc_ms].speed_mps is not None]
    close = sum(abs(a - mine) <= TOLERANCE_MPS for a, mine in speeds if a is not None and mine is not None)
    assert close >= 0.998 * sum(a is not None for a, _ in speeds)  # two instants of genivi_munich are named twice


def test_the_corpus_as_a_whole_is_what_it_was(real_data: Path) -> None:
    """A change in any of these figures has to be explained."""
    drives = {
        path.name: len(decode(path))
        for path in (real_data / "nmea" / "drives").glob("*")
        if path.suffix in (".log", ".nmea")
    }
    assert drives == {
        "dotmorten_trimble_r2.nmea": 34,
        "genivi_geko_regensburg.nmea": 774,
        "genivi_munich.nmea": 1847,
        "genivi_route_gga_only.nmea": 505,
        "gpsbabel_nmea.nmea": 154,
        "hazer_bu353w10_1.nmea": 103,
        "hazer_bu353w10_3.nmea": 60,
        "navsat_driver_nmea.log": 120,
        "pynmeagps_nmea4.log": 1,
        "pyubx2_mixed_ubx_nmea_rtcm.log": 0,
    }

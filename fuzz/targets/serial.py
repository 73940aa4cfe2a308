"""Whatever comes from the tty: only sentences that check, fixes that can be, records that can be read again."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import xor

from edge.clock import BUILT_UTC_MS
from edge.gps_unit.fix import EpochAssembler, Fix, to_columns
from edge.gps_unit.nmea import LONGEST_SENTENCE, Framer, Sentence
from edge.sim.nmea import Observation, say, sentence
from fuzz.box import Shelved, StillClock, recorder
from fuzz.claims import MENDED, check_place, with_checksums
from fuzz.forms import FIELDS, behind, lines_changed, parts_changed
from fuzz.scratch import scratch

MAX_BYTES = 1000  # about two seconds of a talkative receiver
form = behind(1, lines_changed(parts_changed(b",", FIELDS)))


def hold(data: bytes) -> None:
    """The bytes whole and in pieces; the fixes through recorder and wire."""
    stream = with_checksums(data[1:]) if data[:1] == bytes([MENDED]) else data
    sentences = _framed(stream, len(stream) or 1)
    assert sentences == _framed(stream, 1 + len(stream) % 61), "how bytes are cut makes no difference"
    clock = StillClock()
    fixes = _fixes(sentences, clock)
    for fix in fixes:
        check_fix(fix)
    if fixes:
        _check_records(fixes, clock, ("receiver", "lossless")[len(stream) % 2])


def _check_records(fixes: list[Fix], clock: StillClock, quantum: str) -> None:
    outbox = Shelved()
    recording = recorder(scratch("serial"), clock, outbox, quantum=quantum)
    for fix in fixes:
        recording.take(fix)
    recording.end()
    for track in outbox.tracks():
        for lat_e7, lon_e7 in zip(track.lat_e7, track.lon_e7, strict=True):
            check_place(lat_e7, lon_e7)


def _framed(stream: bytes, size: int) -> list[Sentence]:
    framer, found = Framer(), []
    for start in range(0, len(stream), size):
        found += framer.feed(stream[start : start + size])
        assert len(framer._held) <= LONGEST_SENTENCE
    for one in found:
        assert reduce(xor, one.text[1:-3].encode("ascii"), 0) == int(one.text[-2:], 16)
        assert len(one.text) <= LONGEST_SENTENCE + 3
    return found


def _fixes(sentences: list[Sentence], clock: StillClock) -> list[Fix]:
    epochs, fixes = EpochAssembler((BUILT_UTC_MS, None)[len(sentences) % 2]), []
    for one in sentences:
        clock.pass_s(0.1)
        fixes.append(epochs.feed(one, clock.boottime_ms()))
    return [fix for fix in [*fixes, epochs.flush()] if fix is not None]


def check_fix(fix: Fix) -> None:
    """A fix is where something can be, and its figures are what a vehicle can have."""
    assert -90 <= fix.lat_deg <= 90
    assert -180 <= fix.lon_deg <= 180
    check_place(*to_columns(fix)[1:3])
    for value, low, high in (
        (fix.alt_msl_m, -500, 18_000),
        (fix.speed_mps, 0, 515.01),
        (fix.course_deg, 0, 360),
        (fix.hdop, 0.01, 99),
        (fix.satellites, 0, 99),
        (fix.time_of_day_ms, 0, 86_401_000),
    ):
        assert value is None or low <= value <= high, (value, low, high)


def seeds() -> Mapping[str, bytes]:
    """A drive, each kind of sentence, and what stands between them in real logs."""
    drive = b"".join(
        say(
            Observation(
                utc_ms=BUILT_UTC_MS + 1000 * n, lat_deg=-6.1754 + n / 1e4, lon_deg=106.8272, alt_msl_m=12.0,
                speed_mps=8.0, course_deg=10.0 * n, hdop=0.9, satellites=9,
            )
        )
        for n in range(4)
    )  # fmt: skip
    kinds = (
        "GPZDA,100000.00,23,11,2026,00,00",
        "GNGNS,100000.00,0610.524,S,10649.633,E,AAN,11,0.8,12.3,2.0,,",
        "GPGLL,0610.5240,S,10649.6330,E,100000.00,A,A",
        "GPVTG,90.0,T,,M,7.00,N,12.9,K,A",
        "GPRMC,100001.00,A,0610.5240,S,10649.6330,E,5.00,45.0,231126,,,A",
        "GPRMC,100002,V,,,,,,,,,,N",
        "GPGGA,100003.5,0610.5240,S,10649.6330,E,6,09,99.99,12.3,M,2.0,M,,",
        "PUBX,00,1",
    )
    noise = (
        b"\xb5\x62\x01\x07\x08\x00$GP\x00$\xff*4D!AIVDM,1,1,,A,13u*24\r\n$GPGGA,1000*\r\n*** program startup ***\r\n"
    )
    return {
        "drive": drive,
        "no-fix": say(Observation(utc_ms=BUILT_UTC_MS)),
        "kinds": b"".join(sentence(kind) for kind in kinds),
        "kinds-mended": bytes([MENDED]) + "\n".join(kinds).encode(),
        "noise": noise + drive[:200] + noise,
    }

"""Sentences for tests: checksums, and the cycles of a receiver that drives north-east from Monas."""

from functools import reduce
from operator import xor

from edge.gps_unit.fix import EpochAssembler, Fix
from edge.gps_unit.nmea import Framer

LAT_MINUTES, LON_MINUTES = 10.5240, 49.6330  # 6 deg S, 106 deg E: Monas, Jakarta


def nmea(body: str, end: bytes = b"\r\n") -> bytes:
    """`GPGGA,…` as it goes over the wire."""
    text = body.encode("ascii")
    return b"$" + text + b"*%02X" % reduce(xor, text, 0) + end


def place(step: int) -> str:
    """The four position fields of step n: about 2.6 m a step."""
    return f"06{LAT_MINUTES - step * 0.001:07.4f},S,106{LON_MINUTES + step * 0.001:07.4f},E"


def rmc(
    time: str, step: int = 0, date: str = "231126", status: str = "A", talker: str = "GP", mode: str = "A"
) -> bytes:
    where = place(step) if status == "A" else ",,,"
    return nmea(f"{talker}RMC,{time},{status},{where},5.00,45.0,{date},,,{mode}")


def gga(time: str, step: int = 0, quality: str = "1", talker: str = "GP", hdop: str = "0.9") -> bytes:
    where = place(step) if quality not in ("", "0") else ",,,"
    return nmea(f"{talker}GGA,{time},{where},{quality},09,{hdop},12.3,M,2.0,M,,")


def gll(time: str, step: int = 0, status: str = "A", talker: str = "GP") -> bytes:
    return nmea(f"{talker}GLL,{place(step)},{time},{status},A")


def gns(time: str, step: int = 0, modes: str = "AAN", talker: str = "GN") -> bytes:
    return nmea(f"{talker}GNS,{time},{place(step)},{modes},11,0.8,12.3,2.0,,")


def vtg(knots: str = "7.00", course: str = "90.0", mode: str = "A") -> bytes:
    return nmea(f"GPVTG,{course},T,,M,{knots},N,12.9,K,{mode}")


def zda(time: str, date: str = "23,11,2026") -> bytes:
    return nmea(f"GPZDA,{time},{date},00,00")


def heard(stream: bytes, epochs: EpochAssembler | None = None) -> list[Fix]:
    """All fixes of a stream, to its end."""
    framer, epochs = Framer(), epochs or EpochAssembler()
    fixes = [epochs.feed(sentence) for sentence in framer.feed(stream)]
    return [fix for fix in [*fixes, epochs.flush()] if fix]

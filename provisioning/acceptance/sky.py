"""What was heard of the sky, judged; and what a receiver says of its antenna and of each satellite. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from provisioning.acceptance import words
from provisioning.acceptance.config import Gnss
from provisioning.acceptance.sheet import Line, at_least, at_most, demanded, skipped

MEASURED_BY: Final = 4  # satellites that a position needs: the weakest of them decides
RUNNING: Final = "gps_unit"

# GlobalTop's $PGTOP,11,n (MediaTek receivers): 1 short or open, 2 internal antenna, 3 external antenna.
_PGTOP: Final = {"1": "OPEN", "2": "internal", "3": "OK"}


@dataclass(slots=True, kw_only=True)
class Sky:
    """What one listening brought. `source` is the port's line, or gps_unit when it has the port; None: not heard."""

    source: str | None = None
    error: str = ""
    fix_s: float | None = None
    satellites: int | None = None
    hdop: float | None = None
    signal_dbhz: int | None = None
    antenna: str | None = None


def good_enough(sky: Sky, limits: Gnss) -> bool:
    """Whether there is nothing more to wait for."""
    if sky.fix_s is None or sky.satellites is None or sky.hdop is None:
        return False
    return sky.satellites >= limits.satellites and sky.hdop <= limits.hdop


def lines_of(sky: Sky, limits: Gnss) -> list[Line]:
    """The sheet's lines."""
    if sky.error:
        return [demanded("gnss_receiver", sky.error, False, words.NO_RECEIVER)]
    if sky.source is None:
        return [demanded("gnss_receiver", "", False, words.RECEIVER_SILENT)]
    first = demanded("gnss_receiver", sky.source, True, "")
    if sky.fix_s is None:
        none_within = Line(
            name="gnss_fix", verdict="failed", unit="s", bound="at most", limit=limits.within_s, todo=words.NO_FIX
        )
        return [first, none_within, *_antenna(sky, limits)]
    unknown = words.NOT_TOLD_BY_RECEIVER
    few = words.FEW_SATELLITES
    return [
        first,
        at_most("gnss_fix", round(sky.fix_s, 1), limits.within_s, "s", todo=words.NO_FIX, unknown=unknown),
        at_least("gnss_satellites", sky.satellites, limits.satellites, "", todo=few, unknown=unknown),
        at_most("gnss_hdop", sky.hdop, limits.hdop, "", todo=few, unknown=unknown),
        *_antenna(sky, limits),
    ]


def _antenna(sky: Sky, limits: Gnss) -> list[Line]:
    unknown = words.RUNNING_UNIT if sky.source == RUNNING else words.NOT_TOLD_BY_RECEIVER
    signal = at_least(
        "gnss_signal", sky.signal_dbhz, limits.signal_dbhz, "dBHz", todo=words.WEAK_SIGNAL, unknown=unknown
    )
    if sky.antenna is None:
        return [signal, skipped("gnss_antenna", unknown)]
    todo = words.ANTENNA_SHORT if sky.antenna == "SHORT" else words.ANTENNA_OPEN
    return [signal, demanded("gnss_antenna", sky.antenna, sky.antenna not in ("OPEN", "SHORT"), todo)]


# ---------------------------------------------------------------- what receivers say beside positions


def antenna_of(text: str) -> str | None:
    """OK, OPEN, SHORT or internal in a checked sentence; None when it says nothing of an antenna.

    u-blox: `$GNTXT,01,01,02,ANTSTATUS=OK` once at power-on; Quectel, CASIC: `$GPTXT,01,01,01,ANTENNA OPEN` each second.
    """
    cells = text.partition("*")[0].split(",")
    if cells[0] == "$PGTOP" and cells[1:2] == ["11"]:
        return _PGTOP.get(cells[2] if len(cells) > 2 else "")
    if not cells[0].endswith("TXT") or "ANT" not in (said := cells[-1].upper()):
        return None
    return next((state for state in ("SHORT", "OPEN", "OK") if state in said), None)


class Signals:
    """C/N0 in dBHz of every satellite in view, from GSV sentences; the newest word of each satellite counts."""

    def __init__(self) -> None:
        self._dbhz: dict[tuple[str, str], int] = {}

    def feed(self, text: str) -> None:
        """Take a checked GSV sentence (NMEA 0183: number, elevation, azimuth, C/N0 of up to four satellites)."""
        cells = text.partition("*")[0].split(",")
        talker, rest = cells[0], cells[4:]
        for at in range(0, len(rest) - 3, 4):
            number, signal = rest[at], rest[at + 3]
            if number and signal.isascii() and signal.isdigit():
                self._dbhz[talker, number] = int(signal)

    def decisive_dbhz(self) -> int | None:
        """The fourth strongest; None when fewer are heard."""
        return fourth(self._dbhz.values())


def fourth(signals: Iterable[int]) -> int | None:
    """The value that four of them reach."""
    strongest = sorted(signals, reverse=True)
    return strongest[MEASURED_BY - 1] if len(strongest) >= MEASURED_BY else None

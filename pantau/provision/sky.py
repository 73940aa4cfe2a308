"""Listening to the sky for a check: on the receiver's port, or beside a gps_unit that has it.

It stands here because `provisioning` does not know gps_unit, and a check must hear what gps_unit would hear.
"""

from __future__ import annotations

import time
from errno import EAGAIN, EBUSY, EWOULDBLOCK
from typing import Final

from edge.config import UnitConfig
from edge.errors import DeviceLost
from edge.gps_unit.fix import EpochAssembler, Fix
from edge.gps_unit.interval import waiting_in
from edge.gps_unit.nmea import Framer
from edge.gps_unit.receiver import Receiver
from edge.gps_unit.wiring import interval_path
from provisioning.acceptance.config import Gnss
from provisioning.acceptance.sheet import Line
from provisioning.acceptance.sky import RUNNING, Signals, Sky, antenna_of, good_enough, lines_of

TAKEN: Final = (EAGAIN, EWOULDBLOCK, EBUSY)  # the port is locked by another process
MORE_S: Final = 3.0  # after all is good: satellites' signals and the antenna's word come once a second
LOOK_EVERY_S: Final = 0.5


def sky(config: UnitConfig, limits: Gnss, within_s: float) -> list[Line]:
    """The receiver's lines, after up to `within_s`."""
    return lines_of(_heard(config, limits, within_s), limits)


def _heard(config: UnitConfig, limits: Gnss, within_s: float) -> Sky:
    try:
        return _listen(config, limits, within_s)
    except DeviceLost as error:
        if getattr(error.__cause__, "errno", None) in TAKEN:
            return _look_on(config, limits, within_s)
        return Sky(error=str(error))


def _listen(config: UnitConfig, limits: Gnss, within_s: float) -> Sky:
    """The port is free: everything the receiver says."""
    receiver = Receiver(str(config.receiver.tty), speed=config.receiver.speed)
    framer, epochs, signals, heard = Framer(), EpochAssembler(config.receiver.not_before_utc_ms), Signals(), Sky()
    begun_s, good_s = time.monotonic(), None
    try:
        while (now_s := time.monotonic()) - begun_s < within_s and (good_s is None or now_s - good_s < MORE_S):
            for sentence in framer.feed(receiver.read().data):
                receiver.understood()
                heard.source = str(receiver.line)
                heard.antenna = antenna_of(sentence.text) or heard.antenna
                if sentence.kind == "GSV":
                    signals.feed(sentence.text)
                fix = epochs.feed(sentence)
                if fix is not None:
                    _take(heard, fix, time.monotonic() - begun_s)
            heard.signal_dbhz = signals.decisive_dbhz()
            if good_s is None and good_enough(heard, limits):
                good_s = time.monotonic()
    finally:
        receiver.close()
    return heard


def _look_on(config: UnitConfig, limits: Gnss, within_s: float) -> Sky:
    """A gps_unit has the port: its open interval says what it hears."""
    heard, path = Sky(source=RUNNING), interval_path(config)
    begun_s, since_ms = time.monotonic(), time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    while time.monotonic() - begun_s < within_s and not good_enough(heard, limits):
        for waiting in waiting_in(path)[-1:]:
            if (waiting.fix.boottime_ms or 0) >= since_ms:
                _take(heard, waiting.fix, time.monotonic() - begun_s)
        time.sleep(LOOK_EVERY_S)
    return heard


def _take(heard: Sky, fix: Fix, after_s: float) -> None:
    heard.fix_s = after_s if heard.fix_s is None else heard.fix_s
    heard.satellites, heard.hdop = fix.satellites, None if fix.hdop is None else round(fix.hdop, 2)

"""The sky through a real pty: alone on the port, and beside a process that has it."""

from __future__ import annotations

import fcntl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from edge.config import UnitConfig
from edge.gps_unit.fix import Fix
from edge.gps_unit.interval import OpenInterval, Waiting
from edge.gps_unit.wiring import interval_path
from edge.sim.nmea import Epoch, Observation, say, sentence
from edge.sim.receiver import SimulatedReceiver
from pantau.provision.sky import sky
from provisioning.acceptance import words
from provisioning.acceptance.config import Gnss
from provisioning.acceptance.sheet import Line
from provisioning.acceptance.sky import Signals, antenna_of
from settings.load import from_document

NOON_MS = 1_793_534_400_000
GSV = "GPGSV,2,1,08,02,55,120,{0},05,40,200,{0},09,30,030,{0},12,60,300,{0}"


def box(folder: Path) -> UnitConfig:
    for name in ("ca.pem", "unit.pem", "unit.key"):
        (folder / name).write_text("")
    broker = {"host": "localhost", "ca_path": "ca.pem", "certificate_path": "unit.pem", "key_path": "unit.key"}
    document = {
        "unit": {"id": "box-1"},
        "broker": broker,
        "receiver": {"tty": "tty"},
        "run": {"directory": "run"},
    }
    return from_document(document, UnitConfig, name="unit.toml", folder=folder)


def epochs(*, fixed: bool = True, satellites: int = 9, hdop: float = 0.9, more: bytes = b"") -> Iterator[Epoch]:
    for index in count():
        place = {"lat_deg": -6.2, "lon_deg": 106.8} if fixed else {}
        utc_ms = NOON_MS + index * 100
        seen = Observation(utc_ms=utc_ms, hdop=hdop, satellites=satellites, **place)
        yield Epoch(at_s=index / 10, utc_ms=utc_ms, valid=fixed, data=say(seen) + more)


@contextmanager
def receiver(folder: Path, said: Iterator[Epoch]) -> Iterator[SimulatedReceiver]:
    stop = threading.Event()
    simulated = SimulatedReceiver(said, link=folder / "tty")
    player = threading.Thread(target=simulated.play, args=(stop,))
    player.start()
    try:
        yield simulated
    finally:
        stop.set()
        player.join()
        simulated.close()


def heard(folder: Path, said: Iterator[Epoch], within_s: float = 8.0) -> dict[str, Line]:
    with receiver(folder, said):
        return {line.name: line for line in sky(box(folder), Gnss(), within_s)}


def test_a_good_sky_passes_with_antenna_and_signal(tmp_path: Path) -> None:
    more = sentence(GSV.format(44)) + sentence("GNTXT,01,01,02,ANTSTATUS=OK")
    lines = heard(tmp_path, epochs(more=more))
    assert {line.verdict for line in lines.values()} == {"passed"}
    assert (lines["gnss_satellites"].measured, lines["gnss_hdop"].measured) == (9, 0.9)
    assert (lines["gnss_signal"].measured, lines["gnss_antenna"].measured) == (44, "OK")
    assert 0 < float(lines["gnss_fix"].measured or 0) < 8


def test_no_fix_a_bad_antenna_and_a_weak_signal_each_say_what_to_do(tmp_path: Path) -> None:
    more = sentence(GSV.format(21)) + sentence("GPTXT,01,01,01,ANTENNA OPEN")
    lines = heard(tmp_path, epochs(fixed=False, more=more), within_s=3.0)
    failed = {name: line.todo for name, line in lines.items() if line.verdict == "failed"}
    assert failed == {
        "gnss_fix": words.NO_FIX,
        "gnss_signal": words.WEAK_SIGNAL,
        "gnss_antenna": words.ANTENNA_OPEN,
    }


def test_few_satellites_fail_though_there_is_a_position(tmp_path: Path) -> None:
    lines = heard(tmp_path, epochs(satellites=4, hdop=6.0), within_s=3.0)
    assert lines["gnss_fix"].verdict == "passed"
    assert lines["gnss_satellites"].todo == lines["gnss_hdop"].todo == words.FEW_SATELLITES
    assert lines["gnss_antenna"].verdict == "skipped"


def test_a_port_that_is_not_there_and_one_that_is_silent(tmp_path: Path) -> None:
    (gone,) = sky(box(tmp_path), Gnss(), 1.0)
    assert (gone.verdict, gone.todo) == ("failed", words.NO_RECEIVER)
    with receiver(tmp_path, iter(())):
        (silent,) = sky(box(tmp_path), Gnss(), 1.5)
    assert (silent.verdict, silent.todo) == ("failed", words.RECEIVER_SILENT)


def test_beside_a_gps_unit_it_reads_what_that_one_hears(tmp_path: Path) -> None:
    config = box(tmp_path)
    interval = OpenInterval(interval_path(config))
    interval.reconcile(0)
    boot_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    fix = Fix(
        utc_ms=NOON_MS, time_of_day_ms=0, boottime_ms=boot_ms + 500, lat_deg=-6.2, lon_deg=106.8, hdop=1.1, satellites=8
    )
    interval.add(Waiting(fix, 7))
    with receiver(tmp_path, iter(())) as simulated, simulated.tty.open("rb") as port:
        fcntl.flock(port, fcntl.LOCK_EX | fcntl.LOCK_NB)  # as pyserial's exclusive does
        lines = {line.name: line for line in sky(config, Gnss(), 3.0)}
    interval.close()
    assert lines["gnss_receiver"].measured == "gps_unit"
    assert (lines["gnss_satellites"].measured, lines["gnss_hdop"].verdict) == (8, "passed")
    assert lines["gnss_antenna"].todo == words.RUNNING_UNIT


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("$GNTXT,01,01,02,ANTSTATUS=OK*25", "OK"),
        ("$GPTXT,01,01,02,ANTSTATUS=SHORT*00", "SHORT"),
        ("$GPTXT,01,01,01,ANTENNA OPEN*25", "OPEN"),
        ("$PGTOP,11,3*6F", "OK"),
        ("$PGTOP,11,1*6D", "OPEN"),
        ("$PGTOP,11*00", None),
        ("$GPTXT,01,01,02,HW UBX-G70xx*00", None),
        ("$GPRMC,,V,,,,,,,,,,N*53", None),
    ],
)
def test_what_receivers_say_of_their_antenna(text: str, state: str | None) -> None:
    assert antenna_of(text) == state


def test_four_signals_decide_and_damage_is_passed_over() -> None:
    signals = Signals()
    for cell in ("44", "x", ""):
        signals.feed("$" + GSV.format(cell) + "*00")
    signals.feed("$GPGSV,2,2,08,20,10*00")
    assert signals.decisive_dbhz() == 44
    assert Signals().decisive_dbhz() is None

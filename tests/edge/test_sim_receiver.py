"""The simulated receiver behaves like the part: a tty, checked sentences, believable faults, a plug."""

import os
import select
import threading
import time
from collections.abc import Iterator
from functools import reduce
from itertools import islice, pairwise
from operator import xor
from pathlib import Path

import pynmea2
import pytest

from edge.sim.drive import COLD_START_S, drive
from edge.sim.nmea import BRIEF, Epoch, epochs_of, restamped, say, sentence
from edge.sim.receiver import SimulatedReceiver, Written, recorded, synthetic

NOON = 1_793_534_400_000  # 2026-11-01T12:00:00Z

LOG = b"".join((
    b"# made by hand\r\n",
    sentence("GPRMC,235958.00,A,0610.50000,S,10649.60000,E,10.0,90.0,311226,,,A"),
    sentence("GPGGA,235958.00,0610.50000,S,10649.60000,E,1,08,1.0,12.0,M,,M,,"),
    b"\xb5\x62\x01\x02 binary $GP",
    sentence("GPRMC,235959.00,V,,,,,,,311226,,,N"),
    sentence("GPGGA,235959.00,,,,,0,00,99.9,,M,,M,,"),
    b"$GPRMC,235959.00,A,bad*00\r\n",
    sentence("GPRMC,000001.00,A,0610.60000,S,10649.60000,E,10.0,90.0,010127,,,A"),
    sentence("GPGLL,0610.60000,S,10649.60000,E,000001.00,A,A"),
))  # fmt: skip


def test_a_log_is_cut_at_each_new_time_and_no_byte_is_lost() -> None:
    epochs = list(epochs_of(LOG))
    assert b"".join(epoch.data for epoch in epochs) == LOG
    assert [epoch.at_s for epoch in epochs] == [0, 1, 3]
    assert [epoch.valid for epoch in epochs] == [True, False, True]
    assert [epoch.utc_ms for epoch in epochs] == [1798761598000, 1798761599000, 1798761601000]  # across the year's end


def test_restamping_rewrites_times_with_valid_checksums_and_leaves_the_rest() -> None:
    first, _, last = (restamped(epoch, NOON + 250) for epoch in epochs_of(LOG))
    assert first.utc_ms == NOON + 250
    rmc, gga = (pynmea2.parse(line.decode(), check=True) for line in first.data.split(b"\r\n")[1:3])
    assert rmc.datetime.timestamp() * 1000 == NOON + 250
    assert (gga.timestamp, gga.latitude) == (rmc.timestamp, rmc.latitude)
    assert b"\xb5\x62\x01\x02 binary $GP" in first.data
    gll = pynmea2.parse(last.data.split(b"\r\n")[1].decode(), check=True)
    assert gll.timestamp == rmc.timestamp


def test_as_recorded_not_a_byte_is_changed_and_a_loop_goes_on_in_time() -> None:
    as_recorded = list(recorded(LOG, NOON, speed=2, as_recorded=True))
    assert b"".join(epoch.data for epoch in as_recorded) == LOG
    assert [epoch.at_s for epoch in as_recorded] == [0, 0.5, 1.5]
    looped = list(islice(recorded(LOG, NOON, loop=True), 5))
    assert [epoch.at_s for epoch in looped] == [0, 1, 3, 4, 5]
    assert [epoch.utc_ms for epoch in looped] == [NOON + 1000 * n for n in (0, 1, 3, 4, 5)]


def test_real_logs_lose_no_byte_and_stay_checked_when_restamped(real_data: Path) -> None:
    logs = sorted((real_data / "nmea" / "drives").glob("*.nmea"))[:4]
    assert logs
    for path in logs:
        log = path.read_bytes()[:200_000]
        epochs = list(epochs_of(log))
        assert b"".join(epoch.data for epoch in epochs) == log
        assert sum(epoch.valid for epoch in epochs) > len(epochs) / 4
        for epoch in islice(epochs, 50):
            _assert_checked(restamped(epoch, NOON).data, epoch.data)


def _assert_checked(new: bytes, old: bytes) -> None:
    assert _checked(new) == _checked(old)


def _checked(data: bytes) -> int:
    lines = [line.strip()[1:].partition(b"*") for line in data.split(b"\n") if line.startswith(b"$")]
    return sum(reduce(xor, body, 0) == int(digits[:2], 16) for body, mark, digits in lines if mark and len(digits) >= 2)


def test_the_drive_is_in_jakarta_repeatable_and_starts_cold() -> None:
    hour = list(islice(drive(NOON, seed=3), 3600))
    assert hour == list(islice(drive(NOON, seed=3), 3600))
    blind = [seen for seen in hour if seen.lat_deg is None]
    assert all(seen.lat_deg is None for seen in hour[: int(COLD_START_S) - 1])
    assert len(blind) > COLD_START_S, "tunnels take the fix away"
    for seen in hour:
        if seen.lat_deg is not None and seen.lon_deg is not None:
            assert -6.25 < seen.lat_deg < -6.16
            assert 106.80 < seen.lon_deg < 106.85
            assert 0 <= seen.speed_mps < 16
    assert {seen.course_deg is None for seen in hour if seen.lat_deg is not None} == {True, False}, (
        "it stops and drives"
    )


def test_noise_is_correlated_and_a_stop_is_still() -> None:
    seen = [each for each in islice(drive(NOON, cold_start=False), 18) if each.lat_deg is not None]
    steps = [abs(b.lat_deg - a.lat_deg) * 111_320 for a, b in pairwise(seen)]  # type: ignore[operator]
    assert max(steps) < 3.0, "parked: the error wanders, it does not jump"
    assert max(steps) > 0.01


@pytest.fixture
def link(tmp_path: Path) -> Path:
    return tmp_path / "ttyGNSS"


def read(path: Path, at_least: int, within_s: float = 5.0) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        data, deadline = b"", time.monotonic() + within_s
        while len(data) < at_least and time.monotonic() < deadline:
            if select.select([fd], [], [], 0.1)[0]:
                data += os.read(fd, 4096)
        return data
    finally:
        os.close(fd)


def test_what_is_played_comes_out_of_the_tty_and_is_accounted_for(link: Path) -> None:
    written: list[Written] = []
    receiver = SimulatedReceiver(recorded(LOG, NOON, speed=1000), link=link, on_written=written.append)
    receiver.play(threading.Event())
    expected = b"".join(epoch.data for epoch in recorded(LOG, NOON, speed=1000))
    assert read(link, len(expected)) == expected
    assert [each.utc_ms for each in written] == [NOON, NOON + 1, NOON + 3]
    assert all(each.whole and each.first_mono_s <= each.last_mono_s for each in written)
    receiver.close()


def _three() -> Iterator[Epoch]:
    return iter(list(islice(synthetic(NOON, cold_start=False, speed=1000), 3)))


def test_without_satellites_it_says_so_at_the_same_times(link: Path) -> None:
    receiver = SimulatedReceiver(_three(), link=link)
    receiver.lose_fix()
    receiver.step_clock(3600)
    receiver.play(threading.Event())
    first = read(link, 300).split(b"\r\n")[0].decode()
    assert pynmea2.parse(first, check=True).status == "V"
    assert first.startswith("$GPRMC,130000.000,V,,,,,,,011126")
    receiver.close()


def test_a_frozen_or_unplugged_receiver_says_nothing_and_a_replugged_one_is_behind_the_same_link(link: Path) -> None:
    receiver = SimulatedReceiver(_three(), link=link)
    receiver.freeze()
    receiver.play(threading.Event())
    assert read(link, 1, within_s=0.1) == b""
    before = link.readlink()
    receiver.unplug()
    assert not link.is_symlink()
    receiver.garbage(10)
    keep = os.openpty()  # takes the number that was given back
    receiver.replug()
    assert link.readlink() != before
    receiver.garbage(64)
    assert len(read(link, 64)) == 64
    receiver.close()
    for end in keep:
        os.close(end)


def test_a_port_that_nobody_reads_loses_bytes_instead_of_blocking(link: Path) -> None:
    written: list[Written] = []
    endless = (Epoch(at_s=0, utc_ms=NOON, valid=True, data=b"x" * 3000) for _ in range(12))
    receiver = SimulatedReceiver(endless, link=link, on_written=written.append)
    receiver.play(threading.Event())
    assert written[0].whole
    assert not written[-1].whole
    receiver.close()


def test_a_stuck_receiver_says_its_last_epoch_until_it_goes_on(link: Path) -> None:
    told: list[Written] = []
    receiver = SimulatedReceiver(iter(()), link=link, on_written=told.append)
    first, second = islice(synthetic(NOON, cold_start=False), 2)
    receiver.say(first)
    receiver.stick()
    receiver.say(second)
    receiver.unstick()
    receiver.say(second)
    receiver.close()
    assert [written.utc_ms for written in told] == [first.utc_ms, first.utc_ms, second.utc_ms]


def test_who_listens_at_another_speed_hears_what_a_uart_makes_of_it(link: Path) -> None:
    told: list[Written] = []
    receiver = SimulatedReceiver(iter(()), link=link, on_written=told.append)
    epoch = next(synthetic(NOON, cold_start=False))
    listener = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    for speed, whole in ((4_800, False), (38_400, True)):  # a new pty is at 38400
        receiver.talk_at(speed)
        receiver.say(epoch)
        heard = os.read(listener, 4_096)
        assert (heard == epoch.data) is whole and told[-1].whole is whole
    os.close(listener)
    receiver.close()


def test_what_waits_in_the_port_is_known_until_it_is_read(link: Path) -> None:
    receiver = SimulatedReceiver(iter(()), link=link)
    listener = os.open(link, os.O_RDWR | os.O_NOCTTY)
    seen = next(drive(NOON, cold_start=False))
    said = say(seen, BRIEF)
    assert [line[:6] for line in said.split()] == [b"$GPRMC", b"$GPGGA"]
    receiver.say(Epoch(at_s=0.0, utc_ms=NOON, valid=True, data=said))
    deadline = time.monotonic() + 10  # the kernel hands it over when it has the time
    while receiver.unread_bytes < len(said):
        assert time.monotonic() < deadline
    assert os.read(listener, 4_096) == said
    assert receiver.unread_bytes == 0
    os.close(listener)
    receiver.close()
    assert receiver.unread_bytes == 0


def test_what_was_said_tells_how_far_its_clock_was_moved(link: Path) -> None:
    told: list[Written] = []
    receiver = SimulatedReceiver(iter(()), link=link, on_written=told.append)
    epoch = next(synthetic(NOON, cold_start=False))
    receiver.step_clock(-3_600)
    receiver.say(epoch)
    receiver.close()
    assert (told[0].utc_ms, told[0].step_ms) == (NOON - 3_600_000, -3_600_000)

"""The receiver's line is found by listening, nothing is written to it, and it may go away and come back."""

import os
import random
import select
import threading
import time
import tty
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import DeviceLost
from edge.gps_unit.nmea import Framer
from edge.gps_unit.receiver import (
    LAPSE_S,
    OTHER_FRAMING_SPEEDS,
    OTHER_FRAMINGS,
    SPEEDS,
    Line,
    Port,
    Receiver,
    SerialPort,
    is_noise,
    lines_to_try,
)
from edge.sim.drive import drive
from edge.sim.nmea import Observation, say
from edge.sim.receiver import SimulatedReceiver

NOON = 1_793_534_400_000


class Wire:
    """A receiver of 1 Hz on a UART that hears noise at every line but the right one; time is the test's."""

    def __init__(self, line: Line, *, talks: bool = True) -> None:
        self.line = line
        self.talks = talks
        self.plugged = True
        self.now_s = 0.0
        self.opened: list[Line] = []
        self.changed_s: list[float] = []
        self._noise = random.Random(1)
        self._seen = drive(NOON, cold_start=False)

    def open(self, tty: str, line: Line) -> Port:
        if not self.plugged:
            raise FileNotFoundError(2, "No such file or directory", tty)
        self.opened.append(line)
        return _Uart(self, line)

    def burst(self, at: Line) -> bytes:
        said = say(next(self._seen))
        if at == self.line:
            return said
        # A slower listener samples fewer bits, a faster one sees every bit as several bytes; neither sees text.
        size = max(2, len(said) * at.speed // self.line.speed)
        return self._noise.randbytes(min(size, 4096))


class _Uart:
    def __init__(self, wire: Wire, line: Line) -> None:
        self._wire = wire
        self._line = line
        self._waiting = b""

    def wait(self) -> bool:
        if not self._wire.plugged:
            raise OSError(5, "Input/output error")
        self._wire.now_s += 0.5
        if self._wire.talks and self._wire.now_s % 1 == 0:
            self._waiting = self._wire.burst(self._line)
        return bool(self._waiting)

    def take(self) -> bytes:
        data, self._waiting = self._waiting, b""
        return data

    def cancel(self) -> None:
        self._wire.now_s += 0.0

    def listen_at(self, line: Line) -> None:
        self._line = line
        self._wire.changed_s.append(self._wire.now_s)

    def close(self) -> None:
        self._waiting = b""


def receiver_on(wire: Wire, *, speed: int = 0, remembered: Line | None = None) -> Receiver:
    return Receiver(
        "/dev/ttyTEST", speed=speed, remembered=remembered, open_port=wire.open,
        monotonic_s=lambda: wire.now_s, boottime_ms=lambda: round(wire.now_s * 1000), gather=lambda _: None,
    )  # fmt: skip


def listen(receiver: Receiver, wire: Wire, seconds: float) -> int:
    """Read for that long, telling the receiver what was understood; sentences heard."""
    framer, heard, until = Framer(), 0, wire.now_s + seconds
    while wire.now_s < until:
        sentences = framer.feed(receiver.read().data)
        if sentences:
            receiver.understood()
            heard += len(sentences)
    return heard


ALL = [Line(speed) for speed in SPEEDS] + [
    Line(speed, framing) for framing in OTHER_FRAMINGS for speed in OTHER_FRAMING_SPEEDS
]


@pytest.mark.parametrize("line", ALL, ids=str)
def test_every_speed_and_framing_is_found_within_a_minute(line: Line) -> None:
    wire = Wire(line)
    receiver = receiver_on(wire)
    listen(receiver, wire, 60)
    assert receiver.line == line
    assert listen(receiver, wire, 10) == 40, "and from then on nothing is missed"


@given(st.sampled_from(ALL))
def test_the_remembered_line_is_listened_to_first(line: Line) -> None:
    wire = Wire(line)
    receiver = receiver_on(wire, remembered=line)
    assert listen(receiver, wire, 2) == 8
    assert wire.opened == [line]
    assert wire.changed_s == []


def test_a_given_speed_is_the_only_one_tried() -> None:
    assert {line.speed for line in lines_to_try(38400, remembered=Line(9600))} == {38400}
    assert lines_to_try(38400, remembered=None)[0] == Line(38400)


def test_every_line_is_tried_once_and_the_remembered_one_first() -> None:
    lines = lines_to_try(0, Line(4800, "7E1"))
    assert lines[0] == Line(4800, "7E1")
    assert len(lines) == len(set(lines)) == len(ALL)


def test_where_nothing_talks_the_scan_is_slow() -> None:
    wire = Wire(Line(9600), talks=False)
    receiver = receiver_on(wire)
    listen(receiver, wire, 3600)
    assert 100 <= len(wire.changed_s) <= 120, "one change in 30 s"
    wire.talks = True
    listen(receiver, wire, 60)
    assert receiver.line == Line(9600)


def test_another_receiver_at_another_speed_is_found_without_a_restart() -> None:
    wire = Wire(Line(9600))
    receiver = receiver_on(wire)
    listen(receiver, wire, 20)
    wire.line = Line(115200)
    listen(receiver, wire, LAPSE_S + 40)
    assert receiver.line == Line(115200)


def test_silence_of_a_receiver_that_was_understood_changes_nothing() -> None:
    wire = Wire(Line(9600))
    receiver = receiver_on(wire)
    listen(receiver, wire, 20)
    changes = len(wire.changed_s)
    wire.talks = False
    listen(receiver, wire, 3600)
    assert len(wire.changed_s) == changes


def test_unplugged_is_device_lost_at_each_read_and_replugged_is_read_at_the_same_line() -> None:
    wire = Wire(Line(115200))
    receiver = receiver_on(wire)
    listen(receiver, wire, 20)
    wire.plugged = False
    for _ in range(3):
        with pytest.raises(DeviceLost, match="/dev/ttyTEST"):
            receiver.read()
    wire.plugged = True
    assert listen(receiver, wire, 3) == 12
    assert wire.opened[-1] == Line(115200)


@given(st.binary(max_size=400))
def test_noise_is_judged_only_when_there_is_enough_of_it(sample: bytes) -> None:
    if len(sample) < 96:
        assert not is_noise(sample)
    assert not is_noise(sample + b"\xb5b" + sample)


def test_sentences_are_no_noise_and_neither_is_u_blox_binary_between_them() -> None:
    said = say(Observation(utc_ms=NOON)) + say(next(drive(NOON, cold_start=False)))
    assert not is_noise(said)
    assert not is_noise(b"\xb5b\x01\x07\x5c\x00" + bytes(range(92)) + said)
    assert is_noise(bytes(byte | 0x80 for byte in said)), "seven bits listened to as eight"


# ---------------------------------------------------------------- a real tty


@pytest.fixture
def simulated(tmp_path: Path) -> SimulatedReceiver:
    return SimulatedReceiver(iter(()), link=tmp_path / "ttyGNSS")


def read_some(receiver: Receiver, at_least: int) -> bytes:
    data, deadline = b"", time.monotonic() + 5
    while len(data) < at_least and time.monotonic() < deadline:
        data += receiver.read().data
    return data


def test_a_tty_is_read_through_pyserial_and_survives_unplug_and_replug(simulated: SimulatedReceiver) -> None:
    receiver = Receiver(str(simulated.tty))
    assert receiver.read().data == b""
    simulated.garbage(64)
    assert len(read_some(receiver, 64)) == 64
    simulated.unplug()
    with pytest.raises(DeviceLost):
        receiver.read()
    with pytest.raises(DeviceLost):
        receiver.read()
    simulated.replug()
    receiver.read()
    simulated.garbage(64)
    assert len(read_some(receiver, 64)) == 64
    receiver.close()
    simulated.close()


def test_the_time_of_the_first_byte_is_before_the_bytes_were_gathered(simulated: SimulatedReceiver) -> None:
    receiver = Receiver(str(simulated.tty))
    receiver.read()
    threading.Timer(0.05, simulated.garbage, (64,)).start()
    heard = receiver.read()
    now_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    assert 15 <= now_ms - heard.boottime_ms < 1000
    receiver.close()
    simulated.close()


def test_a_read_that_waits_can_be_cancelled(simulated: SimulatedReceiver) -> None:
    receiver = Receiver(str(simulated.tty))
    receiver.cancel()  # not open yet: nothing to end
    receiver.read()
    reader = threading.Thread(target=lambda: [receiver.read() for _ in range(100)])
    reader.start()
    receiver.cancel()  # ends this wait and every one after it: the process is stopping
    reader.join(5)
    assert not reader.is_alive()
    receiver.close()
    simulated.close()


def test_nothing_is_ever_written_to_the_receiver(tmp_path: Path) -> None:
    master, slave = os.openpty()
    tty.setraw(slave)  # else the kernel itself echoes what comes in before the port is opened
    receiver = Receiver(os.ttyname(slave))
    for _ in ALL[:6]:
        os.write(master, bytes(range(128, 256)))
        read_some(receiver, 100)
    receiver.understood()
    receiver.close()
    assert not select.select([master], [], [], 0.1)[0]
    os.close(master)
    os.close(slave)


def test_a_second_reader_of_the_same_tty_is_refused(simulated: SimulatedReceiver) -> None:
    port = SerialPort(str(simulated.tty), Line(9600))
    with pytest.raises(DeviceLost, match="lock"):
        Receiver(str(simulated.tty)).read()
    port.close()
    simulated.close()


@pytest.mark.parametrize("name", ["absent", "file", "folder"])
def test_what_is_no_tty_is_device_lost(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("$GPRMC")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DeviceLost):
        Receiver(str(tmp_path / name)).read()


def test_a_change_of_speed_on_a_real_tty_drops_what_came_in_at_the_wrong_one(simulated: SimulatedReceiver) -> None:
    port = SerialPort(str(simulated.tty), Line(9600))
    simulated.garbage(64)
    time.sleep(0.05)
    port.listen_at(Line(115200))
    assert not port.wait()
    port.listen_at(Line(115200, "7E1"))  # a pty has no seven bits: no reason to lose the device
    simulated.garbage(64)
    assert port.wait()
    port.close()
    simulated.close()

"""The GNSS receiver's tty: finds speed and framing by listening, never writes, and survives being unplugged.

The only file that imports pyserial. A `Scan` decides which line to listen on; it is pure, so that every speed can be
tried in a test, where a pty would ignore them.
"""

import os
import select
import termios
import time
from collections.abc import Callable
from errno import EINVAL, ENODEV
from typing import Any, NamedTuple, Protocol

import serial

from edge.errors import DeviceLost

# Ordered by how often receivers come set so: NMEA 0183's 4800 is rarer today than 9600 (u-blox 6 to 8, MTK, Quectel)
# and 38400 (u-blox 9 and 10); USB modems and RTK boards talk at 115200 and above.
SPEEDS = (9600, 115200, 4800, 38400, 57600, 19200, 230400, 460800, 921600)
# Old marine and military receivers; gpsd hunts through the same framings. None is known above 38400.
OTHER_FRAMINGS = ("7E1", "7O1", "8O1", "8E1")
FRAMINGS = ("8N1", *OTHER_FRAMINGS)
OTHER_FRAMING_SPEEDS = (4800, 9600, 19200, 38400)

# A receiver of 1 Hz that was caught at the end of its burst speaks again within this.
PROBE_S = 1.5
# On a line that was right before: how long bytes may come without one sentence (a burst of binary, a bad cable).
LAPSE_S = 5.0
# Nothing at all comes in: no speed is wrong then, so the next one is tried only this often.
SILENT_S = 30.0
# Enough bytes to see that they are not text, and the share of them that says so; noise is about 60 % non-text.
SAMPLE_BYTES = 96
NOISE_SHARE = 0.2
UBX_SYNC = b"\xb5b"  # u-blox binary between sentences is no sign of a wrong speed

# Just above the pause of a 1 Hz receiver, which then wakes the process once a second and not twice.
READ_TIMEOUT_S = 1.05
# A burst is read in a few large pieces instead of many small ones; well below the 200 ms after which an epoch is due.
GATHER_S = 0.05
READ_BYTES = 4096  # the kernel's tty buffer


class Line(NamedTuple):
    """How a receiver talks: speed in bit/s, and data bits, parity, stop bits as in `8N1`."""

    speed: int
    framing: str = "8N1"

    def __str__(self) -> str:
        return f"{self.speed} {self.framing}"


class Heard(NamedTuple):
    """What one read brought, and CLOCK_BOOTTIME in ms of its first byte."""

    data: bytes
    boottime_ms: int


class Port(Protocol):
    """An open tty; every method raises OSError when the device is gone."""

    def wait(self) -> bool:
        """Wait for a byte up to READ_TIMEOUT_S, or until `cancel`; whether there may be one."""

    def take(self) -> bytes:
        """What has come in; call it when `wait` said that there may be something."""

    def cancel(self) -> None:
        """End the present or the next wait; a signal handler may call it."""

    def listen_at(self, line: Line) -> None:
        """Change speed and framing, and forget what came in before."""

    def close(self) -> None:
        """Give the tty back."""


class SerialPort:
    """A tty through pyserial, locked against a second reader; nothing is ever written to it."""

    def __init__(self, tty: str, line: Line) -> None:
        try:
            self._serial = serial.Serial(tty, line.speed, timeout=0, exclusive=True)
        except termios.error as error:  # pyserial lets it through; it is no OSError
            raise OSError(*error.args) from error
        self._fd = self._serial.fileno()
        self.listen_at(line)
        self._woken, self._wake = os.pipe()

    def wait(self) -> bool:
        """Wait for a byte up to READ_TIMEOUT_S, or until `cancel`; whether there may be one."""
        return self._fd in select.select([self._fd, self._woken], [], [], READ_TIMEOUT_S)[0]

    def take(self) -> bytes:
        """What has come in; call it when `wait` said that there may be something."""
        # Past pyserial's own read: it costs a tenth of the epoch's whole CPU time for what one system call does.
        data = os.read(self._fd, READ_BYTES)
        if not data:
            # pyserial: "disconnected devices, at least on Linux, show the behavior that they are always ready to read
            # immediately but reading returns nothing."
            raise OSError(ENODEV, os.strerror(ENODEV))
        return data

    def cancel(self) -> None:
        """End the present or the next wait; a signal handler may call it."""
        os.write(self._wake, b".")

    def listen_at(self, line: Line) -> None:
        """Change speed and framing, and forget what came in before."""
        try:
            self._serial.apply_settings(_settings(line))
            self._serial.reset_input_buffer()
        except termios.error as error:
            # A tty that has only eight data bits (a pty, some USB adapters) stays as it was; the scan goes on.
            if error.args[0] != EINVAL:
                raise OSError(*error.args) from error

    def close(self) -> None:
        """Give the tty back."""
        self._serial.close()
        os.close(self._woken)
        os.close(self._wake)


def _settings(line: Line) -> dict[str, Any]:
    bits, parity, stops = int(line.framing[0]), line.framing[1], int(line.framing[2])
    return {"baudrate": line.speed, "bytesize": bits, "parity": parity, "stopbits": stops}


def lines_to_try(speed: int, remembered: Line | None) -> list[Line]:
    """All lines worth listening on, most likely first; `speed` 0 = any."""
    speeds = (speed,) if speed else SPEEDS
    others = (speed,) if speed else OTHER_FRAMING_SPEEDS
    lines = [Line(at) for at in speeds] + [Line(at, framing) for framing in OTHER_FRAMINGS for at in others]
    if remembered is not None and (not speed or remembered.speed == speed):
        lines = [remembered, *(line for line in lines if line != remembered)]
    return lines


class Scan:
    """Which line to listen on, decided from what is heard on the present one."""

    def __init__(self, lines: list[Line], monotonic_s: Callable[[], float]) -> None:
        self._lines = lines
        self._monotonic_s = monotonic_s
        self._at = 0
        self._since_mono_s = monotonic_s()
        self._first_byte_mono_s: float | None = None
        self._sample = b""
        self.found = False

    @property
    def line(self) -> Line:
        """The line to listen on now."""
        return self._lines[self._at]

    def understood(self) -> bool:
        """A checked sentence came in: the line is right; True when that is news."""
        news, self.found = not self.found, True
        self._listen()
        return news

    def heard(self, data: bytes) -> bool:
        """Bytes (or none) came in before any sentence did; True when `line` has changed."""
        now = self._monotonic_s()
        if data and self._first_byte_mono_s is None:
            self._first_byte_mono_s = now
        if len(self._sample) < SAMPLE_BYTES:
            self._sample += data
        if not self._wrong(now):
            return False
        self.found = False
        self._at = (self._at + 1) % len(self._lines)
        self._listen()
        return len(self._lines) > 1

    def _wrong(self, now: float) -> bool:
        if self._first_byte_mono_s is None:
            return not self.found and now - self._since_mono_s > SILENT_S
        if self.found:
            return now - self._first_byte_mono_s > LAPSE_S
        return now - self._first_byte_mono_s > PROBE_S or is_noise(self._sample)

    def _listen(self) -> None:
        self._since_mono_s = self._monotonic_s()
        self._first_byte_mono_s = None
        self._sample = b""


def is_noise(sample: bytes) -> bool:
    """True when `sample` is long enough to say that it is neither text nor u-blox binary: the speed is wrong."""
    if len(sample) < SAMPLE_BYTES or UBX_SYNC in sample:
        return False
    text = sum(1 for byte in sample if 32 <= byte < 127 or byte in b"\r\n")
    return text < len(sample) * (1 - NOISE_SHARE)


def _pause(seconds: float) -> None:
    # Not time.sleep: libfaketime 0.9.10, with which the fault suite sets a box's OS clock, fails the absolute
    # clock_nanosleep that it is made of.
    select.select([], [], [], seconds)


class Receiver:
    """The receiver on `tty`; opened at the first read, and again after each DeviceLost."""

    def __init__(
        self,
        tty: str,
        *,
        speed: int = 0,
        remembered: Line | None = None,
        open_port: Callable[[str, Line], Port] = SerialPort,
        monotonic_s: Callable[[], float] = time.monotonic,
        boottime_ms: Callable[[], int] = lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000,
        gather: Callable[[float], None] = _pause,
    ) -> None:
        self._tty = tty
        self._open_port = open_port
        self._boottime_ms = boottime_ms
        self._gather = gather
        self._scan = Scan(lines_to_try(speed, remembered), monotonic_s)
        self._port: Port | None = None

    @property
    def line(self) -> Line | None:
        """Speed and framing once they are known, else None."""
        return self._scan.line if self._scan.found else None

    def read(self) -> Heard:
        """The next bytes, or none after READ_TIMEOUT_S; raises DeviceLost, after which the next read opens anew."""
        try:
            if self._port is None:
                self._port = self._open_port(self._tty, self._scan.line)
            data = b""
            ready, boottime_ms = self._port.wait(), self._boottime_ms()
            if ready:
                self._gather(GATHER_S)
                data = self._port.take()
            if self._scan.heard(data):
                self._port.listen_at(self._scan.line)
        except OSError as error:
            self.close()
            self._scan.found = False
            raise DeviceLost(f"{self._tty}: {error}") from error
        return Heard(data, boottime_ms)

    def understood(self) -> bool:
        """Say that what was read held a checked sentence; True when the line has just been found."""
        return self._scan.understood()

    def cancel(self) -> None:
        """End the present read; a signal handler may call it."""
        if self._port is not None:
            self._port.cancel()

    def close(self) -> None:
        """Give the tty back; a port that is gone cannot fail any more."""
        port, self._port = self._port, None
        if port is not None:
            try:
                port.close()
            except OSError:
                return

"""Whatever a port does, a receiver that then talks is found at its own speed, and nothing but DeviceLost comes out."""

from __future__ import annotations

from collections.abc import Mapping
from errno import EIO
from itertools import pairwise

from edge.errors import DeviceLost
from edge.gps_unit.nmea import Framer
from edge.gps_unit.receiver import (
    LAPSE_S,
    OTHER_FRAMING_SPEEDS,
    OTHER_FRAMINGS,
    PROBE_S,
    READ_TIMEOUT_S,
    SAMPLE_BYTES,
    SPEEDS,
    Line,
    Receiver,
    lines_to_try,
)
from edge.sim.nmea import Observation, say
from fuzz.box import NOW_UTC_MS, StillClock

MAX_BYTES = 2048
NEXT = b"\xff"  # between two events of the port
SILENCE, LOST, CLOSED, FULL_LINE = b"S", b"L", b"C", b"F"

LINES = lines_to_try(0, None)
# Each line is listened on for PROBE_S, the one that was right before for LAPSE_S; and then a read to see it.
FOUND_WITHIN_READS = int((len(LINES) * (PROBE_S + READ_TIMEOUT_S) + LAPSE_S) / READ_TIMEOUT_S) + 10
SPOKEN = say(Observation(utc_ms=NOW_UTC_MS, lat_deg=-6.1754, lon_deg=106.8272, hdop=0.9, satellites=9))


class ScriptedPort:
    """A tty at the hardware's end: what it brings is written down before, and time passes while it is waited for."""

    def __init__(self, tty: str, line: Line, clock: StillClock, speaks: Line, events: list[bytes]) -> None:
        if events and events[-1] == CLOSED:
            events.pop()
            raise OSError(EIO, tty)
        self.line = line
        self._clock = clock
        self._speaks = speaks
        self._events = events
        self._now = b""

    def wait(self) -> bool:
        """Wait for a byte, or for the end of patience."""
        self._now = self._events.pop() if self._events else SPOKEN
        self._clock.pass_s(READ_TIMEOUT_S)
        if self._now == LOST:
            raise OSError(EIO, "gone")
        return self._now != SILENCE

    def take(self) -> bytes:
        """What came; at another speed than the receiver's own it is noise."""
        said = SPOKEN if self._now == FULL_LINE else self._now
        return said if self.line == self._speaks else bytes(byte & 0x55 | 0x80 for byte in said[:SAMPLE_BYTES])

    def cancel(self) -> None:
        """Nobody waits."""

    def listen_at(self, line: Line) -> None:
        """Change speed and framing."""
        self.line = line

    def close(self) -> None:
        """Give it back."""


def hold(data: bytes) -> None:
    """The first byte chooses the receiver's line and whether one is remembered; the rest is what the port does."""
    choice, script = (data or b"\0")[0], data[1:]
    speaks = LINES[choice % len(LINES)]
    events = [event for event in script.split(NEXT) if event][::-1]
    clock = StillClock()
    receiver = Receiver(
        "/dev/ttyTEST",
        remembered=LINES[len(data) % len(LINES)] if choice & 0x80 else None,
        open_port=lambda tty, line: ScriptedPort(tty, line, clock, speaks, events),
        monotonic_s=clock.monotonic_s,
        boottime_ms=clock.boottime_ms,
        gather=clock.pass_s,
    )
    framer, reads, since = Framer(), 0, 0
    while receiver.line != speaks or events:
        reads += 1
        since = 0 if events else since + 1
        assert since <= FOUND_WITHIN_READS, f"{speaks} not found, listening at {receiver._scan.line}"
        try:
            heard = receiver.read()
        except DeviceLost:
            assert receiver.line is None
            continue
        if framer.feed(heard.data):
            receiver.understood()
        assert receiver._scan.line in LINES
        assert len(receiver._scan._sample) <= SAMPLE_BYTES + 4096
    receiver.close()


def seeds() -> Mapping[str, bytes]:
    """Plugging, silence, noise, binary, half a sentence; over several lines."""
    assert all(a != b for a, b in pairwise(LINES))
    assert len(LINES) == len(SPEEDS) + len(OTHER_FRAMINGS) * len(OTHER_FRAMING_SPEEDS)
    return {
        "at-once": b"\x00" + FULL_LINE,
        "unplugged": b"\x01" + NEXT.join([FULL_LINE, LOST, CLOSED, CLOSED, FULL_LINE]),
        "silence": b"\x02" + NEXT.join([SILENCE] * 40),
        "noise": b"\x0c" + NEXT.join([b"\x80\x01\xfe" * 60, b"\xb5\x62\x01" * 40, SILENCE]),
        "remembered": b"\x83" + NEXT.join([FULL_LINE, b"\xb5b" * 50, SPOKEN[:40], b"$GPGGA,", FULL_LINE]),
    }

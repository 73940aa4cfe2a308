"""What a UART hears of bytes that were sent at another speed, bit by bit. Pure, but for asking a tty its speed."""

from __future__ import annotations

import termios
from typing import Final

_SPEEDS: Final = {
    getattr(termios, name): int(name[1:]) for name in dir(termios) if name[0] == "B" and name[1:].isdecimal()
}


def heard(data: bytes, said_at: int, listened_at: int) -> bytes:
    """The bytes that a listener at `listened_at` bit/s makes of `data` sent at `said_at` bit/s, 8N1, without a pause.

    It looks at the middle of each of its own bits after a falling edge; a byte without a stop bit is read as 0
    (termios(3), neither IGNPAR nor PARMRK set).
    """
    if said_at == listened_at:
        return data
    bits = _line(data)
    step = said_at / listened_at  # one bit of the listener, in bits of the sender
    found, at = bytearray(), 0.0  # where the line is looked at again for the next start
    while (edge := _falling_edge(bits, at)) is not None:
        value = sum(_level(bits, edge + (1.5 + index) * step) << index for index in range(8))
        stop_at = edge + 9.5 * step
        found.append(value if _level(bits, stop_at) else 0)
        at = stop_at
    return bytes(found)


def speed_of(fd: int) -> int:
    """The input speed that a tty is set to, bit/s; 0 when it is none that termios names."""
    return _SPEEDS.get(termios.tcgetattr(fd)[4], 0)


def _line(data: bytes) -> list[int]:
    """The levels of the line, one a bit: idle is 1."""
    bits = [1]
    for byte in data:
        bits += [0, *((byte >> index) & 1 for index in range(8)), 1]
    return bits


def _level(bits: list[int], at: float) -> int:
    return bits[int(at)] if at < len(bits) else 1


def _falling_edge(bits: list[int], after: float) -> int | None:
    for index in range(int(after) + 1, len(bits)):
        if bits[index - 1] and not bits[index]:
            return index
    return None

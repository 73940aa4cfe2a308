"""Has this box a way out at all: notices when its own link comes back, so that the next attempt need not wait."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

_IPV4_ROUTES: Final = Path("/proc/net/route")
_IPV6_ROUTES: Final = Path("/proc/net/ipv6_route")
_RTF_UP: Final = 0x0001  # linux/route.h
_RTF_REJECT: Final = 0x0200


def has_default_route() -> bool:
    """Is there a default route that is up, IPv4 or IPv6: gone when the modem lost its carrier or address."""
    return _ipv4_default(_read(_IPV4_ROUTES)) or _ipv6_default(_read(_IPV6_ROUTES))


class OwnLink:
    """Sees the edge from no way out to a way out. Never a reason not to try: a broker may be on this machine."""

    def __init__(self, has_way_out: Callable[[], bool] = has_default_route) -> None:
        self._has_way_out = has_way_out
        self._had = has_way_out()

    def came_back(self) -> bool:
        """True once, at the first call after the way out came back."""
        had, self._had = self._had, self._has_way_out()
        return self._had and not had


def _read(path: Path) -> list[list[str]]:
    try:
        return [line.split() for line in path.read_text("ascii").splitlines()]
    except OSError:  # a kernel without that protocol
        return []


def _ipv4_default(lines: list[list[str]]) -> bool:
    # Iface Destination Gateway Flags RefCnt Use Metric Mask ...
    return any(len(w) > 7 and w[1] == w[7] == "00000000" and _up(w[3]) for w in lines[1:])


def _ipv6_default(lines: list[list[str]]) -> bool:
    # destination prefix-length source prefix-length next-hop metric refcount use flags interface
    return any(len(w) > 9 and w[1] == "00" and w[9] != "lo" and _up(w[8]) for w in lines)


def _up(flags: str) -> bool:
    return int(flags, 16) & (_RTF_UP | _RTF_REJECT) == _RTF_UP

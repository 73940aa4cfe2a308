"""A real IP link between the box and the centre: a network namespace, a veth pair, MTU 1400, and its counters.

Loopback shows neither TCP's segments nor their acknowledgements as 4G would bill them. Segmentation offload is off, so
that every packet counted is one that would be on the air.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MTU: Final = 1400  # what mobile operators leave after their tunnels
ETHERNET_HEADER_BYTES: Final = 14  # a veth counts it, 4G has none
CENTRE_ADDRESS: Final = "10.213.77.1"
BOX_ADDRESS: Final = "10.213.77.2"


class NamespaceRefused(OSError):
    """This machine or user may not make network namespaces."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Bytes at IP level and packets, seen from the centre's end of the link."""

    up_bytes: int
    down_bytes: int
    up_packets: int
    down_packets: int

    @property
    def bytes(self) -> int:
        return self.up_bytes + self.down_bytes

    def since(self, before: Counted) -> Counted:
        return Counted(
            self.up_bytes - before.up_bytes,
            self.down_bytes - before.down_bytes,
            self.up_packets - before.up_packets,
            self.down_packets - before.down_packets,
        )


class Link:
    """The made link; `inside` is the command prefix that runs a program on the box's side."""

    def __init__(self, namespace: str, device: str) -> None:
        self.inside = ["ip", "netns", "exec", namespace]
        self._statistics = Path("/sys/class/net") / device / "statistics"

    def counted(self) -> Counted:
        def read(name: str) -> int:
            return int((self._statistics / name).read_text())

        up, down = read("rx_packets"), read("tx_packets")
        return Counted(
            up_bytes=read("rx_bytes") - up * ETHERNET_HEADER_BYTES,
            down_bytes=read("tx_bytes") - down * ETHERNET_HEADER_BYTES,
            up_packets=up,
            down_packets=down,
        )


@contextlib.contextmanager
def link() -> Iterator[Link]:
    """Make the link and take it away again; raises NamespaceRefused where that is not allowed."""
    namespace, outer, inner = f"pantau-{os.getpid()}", f"pt{os.getpid()}c", f"pt{os.getpid()}b"
    try:
        _ip("netns", "add", namespace)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NamespaceRefused(f"cannot make a network namespace (root and iproute2 are needed): {error}") from error
    try:
        _ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", namespace)
        _ip("addr", "add", f"{CENTRE_ADDRESS}/30", "dev", outer)
        _ip("link", "set", outer, "mtu", str(MTU), "gso_max_segs", "1", "up")
        _ip("-n", namespace, "addr", "add", f"{BOX_ADDRESS}/30", "dev", inner)
        _ip("-n", namespace, "link", "set", inner, "mtu", str(MTU), "gso_max_segs", "1", "up")
        _ip("-n", namespace, "link", "set", "lo", "up")
        yield Link(namespace, outer)
    finally:
        _ip("netns", "del", namespace)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)

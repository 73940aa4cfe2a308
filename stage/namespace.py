"""A real IP link between boxes and the centre: a network namespace, a veth pair, MTU 1400, its counters and its faults.

Loopback shows neither TCP's segments nor their acknowledgements as 4G would bill them. Segmentation offload is off, so
that every packet counted is one that would be on the air. Packets are lost where they come in, as on the air: a sender
that loses its own is told so by the kernel.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MTU: Final = 1400  # what mobile operators leave after their tunnels
ETHERNET_HEADER_BYTES: Final = 14  # a veth counts it, 4G has none
BURST_BYTES: Final = 2 * (MTU + ETHERNET_HEADER_BYTES)  # a token bucket of less than one packet carries none
_NET: Final = f"10.{128 + os.getpid() // 250 % 100}.{os.getpid() % 250}"  # two benches may run at once
CENTRE_ADDRESS: Final = f"{_NET}.1"  # the same on every link
# A mobile link has no ARP: without it a veth writes its own address into every frame, so both ends have the same.
_NO_ARP: Final = ("arp", "off", "address", "02:00:00:00:77:01")
_CLONE_NEWNET: Final = 0x40000000  # linux/sched.h
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


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
    """The made link; `inside` is the command prefix that runs a program on the box's side, at `box_device`."""

    def __init__(self, namespace: str, outer: str, inner: str) -> None:
        self.inside = ("ip", "netns", "exec", namespace)
        self.box_device = inner
        self._namespace = Path("/run/netns") / namespace
        self._statistics = Path("/sys/class/net") / outer / "statistics"
        self._ends = ((), outer), (self.inside, inner)
        self._table = f"pantau-{outer}"
        self.losing = False

    def lose(self, percent: int) -> None:
        """From now on so many of a hundred packets are lost each way; 0: none. Raises NamespaceRefused without nft."""
        for inside, device in self._ends:
            rules = [f"add table netdev {self._table}", f"delete table netdev {self._table}"]
            if percent:
                hook = f"type filter hook ingress device {device} priority 0;"
                rules += [
                    f"add table netdev {self._table}",
                    f"add chain netdev {self._table} air {{ {hook} }}",
                    f"add rule netdev {self._table} air numgen random mod 100 < {percent} drop",
                ]
            try:
                _run(*inside, "nft", "; ".join(rules))
            except (OSError, subprocess.CalledProcessError) as error:
                raise NamespaceRefused(f"cannot lose packets (root and nftables are needed): {error}") from error
        self.losing = percent > 0

    def limit(self, bits_per_s: int | None) -> None:
        """From now on each way carries so much, through a queue of two seconds as a cell has; None: no limit."""
        for inside, device in self._ends:
            if bits_per_s is None:
                _run(*inside, "tc", "qdisc", "del", "dev", device, "root")
                continue
            bucket = ("tbf", "rate", f"{bits_per_s}bit", "burst", str(BURST_BYTES), "latency", "2s")
            _run(*inside, "tc", "qdisc", "replace", "dev", device, "root", *bucket)

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
    def entered(self) -> Iterator[None]:
        """This thread is on the box's side meanwhile: a socket made here stays there."""
        with Path("/proc/thread-self/ns/net").open("rb") as home, self._namespace.open("rb") as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())


@contextlib.contextmanager
def link(number: int = 0, *, timestamps: bool = True) -> Iterator[Link]:
    """Make the link (one process may have several) and take it away; raises NamespaceRefused where none may be made.

    `timestamps`: whether the box's TCP has them, as every stock kernel does (12 bytes a packet, both ways).
    """
    namespace, outer, inner = f"pantau-{os.getpid()}-{number}", f"pt{os.getpid()}c{number}", f"pt{os.getpid()}b{number}"
    box_address = f"{_NET}.{2 + number}"
    try:
        _ip("netns", "add", namespace)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NamespaceRefused(f"cannot make a network namespace (root and iproute2 are needed): {error}") from error
    made: Link | None = None
    try:
        _ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", namespace)
        made = Link(namespace, outer, inner)
        _no_ipv6(outer)
        with made.entered():
            _no_ipv6(inner)
            Path("/proc/sys/net/ipv4/tcp_timestamps").write_text("01"[timestamps])
        _ip("addr", "add", CENTRE_ADDRESS, "peer", box_address, "dev", outer)
        _ip("link", "set", outer, "mtu", str(MTU), "gso_max_segs", "1", *_NO_ARP, "up")
        _ip("-n", namespace, "addr", "add", box_address, "peer", CENTRE_ADDRESS, "dev", inner)
        _ip("-n", namespace, "link", "set", inner, "mtu", str(MTU), "gso_max_segs", "1", *_NO_ARP, "up")
        _ip("-n", namespace, "link", "set", "lo", "up")
        yield made
    finally:
        if made is not None and made.losing:
            made.lose(0)  # its table of the centre's end would outlive the device
        _ip("netns", "del", namespace)


def _no_ipv6(device: str) -> None:
    """Neighbour discovery and its kin are no part of a mobile link, and would be counted."""
    setting = Path("/proc/sys/net/ipv6/conf") / device / "disable_ipv6"
    if setting.exists():
        setting.write_text("1")


def _enter(namespace_fd: int) -> None:
    if _LIBC.setns(namespace_fd, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _ip(*words: str) -> None:
    _run("ip", *words)


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)

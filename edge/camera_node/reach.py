"""What lies below a camera's stream: the node's own port, the way, the address, the TCP port."""

from __future__ import annotations

import errno
import os
import select
import shutil
import socket
import struct
import subprocess
import time
import urllib.parse
from pathlib import Path
from typing import Final

from edge.camera_node.probing import Reach

WITHIN_S: Final = 2.0  # an ARP answer, a SYN-ACK on the pole's own switch: milliseconds; a camera that boots is slower
RTSP_PORT: Final = 554  # RFC 7826 §19.2
_ECHO_REQUEST: Final = 8  # RFC 792
_NO_ROUTE: Final = frozenset({errno.ENETUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL})
_CLASS_NET: Final = Path("/sys/class/net")


def host_and_port(url: str) -> tuple[str, int]:
    """Where a stream's URL leads; raises ValueError when it leads nowhere."""
    parts = urllib.parse.urlsplit(url)
    if not parts.hostname:
        raise ValueError("the URL names no host")
    return parts.hostname, parts.port or {"rtsps": 322, "http": 80, "https": 443}.get(parts.scheme, RTSP_PORT)


def reach(
    host: str, port: int, *, interface: str | None = None, powered: bool | None = None, within_s: float = WITHIN_S
) -> Reach:
    """Ask the port first, and what lies under it only when it does not open: at most 2 x `within_s`."""
    carrier = carried(interface) if interface else None
    if powered is False or carrier is False:
        return Reach(powered=powered, carrier=carrier)
    answer = connect(host, port, within_s=within_s)
    if answer == 0:
        return Reach(powered=powered, carrier=carrier, port_open=True)
    if answer == errno.ECONNREFUSED:
        return Reach(powered=powered, carrier=carrier, port_open=False, port_refused=True, pinged=True)
    routed = answer not in _NO_ROUTE
    pinged = ping(host, within_s=within_s) if routed else None
    return Reach(powered=powered, carrier=carrier, routed=routed, port_open=False, pinged=pinged)


def connect(host: str, port: int, *, within_s: float = WITHIN_S) -> int:
    """0 when the TCP port opens, else the errno; ETIMEDOUT when nothing answers."""
    try:
        with socket.create_connection((host, port), timeout=within_s):
            return 0
    except TimeoutError:
        return errno.ETIMEDOUT
    except socket.gaierror:
        return errno.ENETUNREACH
    except OSError as error:
        return error.errno or errno.EIO


def carried(interface: str) -> bool | None:
    """Whether the node's port has a carrier; None when there is no such port or it is switched off."""
    try:
        return (_CLASS_NET / interface / "carrier").read_text().strip() == "1"
    except OSError:
        return None


def ping(host: str, *, within_s: float = WITHIN_S) -> bool | None:
    """Whether an echo comes back; by an unprivileged ICMP socket, else the system's ping; None without either."""
    try:
        icmp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
    except PermissionError:  # net.ipv4.ping_group_range does not hold our group
        return _system_ping(host, within_s)
    with icmp:
        return _echoed(icmp, host, within_s)


def _echoed(icmp: socket.socket, host: str, within_s: float) -> bool:
    """The kernel sets the identifier and the checksum, and gives back only our own echoes."""
    until_s = time.monotonic() + within_s
    marked = os.urandom(8)
    try:
        icmp.sendto(struct.pack("!BBHHH", _ECHO_REQUEST, 0, 0, 0, 1) + marked, (host, 0))
        while (left_s := until_s - time.monotonic()) > 0:
            if select.select([icmp], [], [], left_s)[0] and icmp.recv(1500).endswith(marked):
                return True
    except OSError:  # no route, host unreachable: nothing came back
        return False
    return False


def _system_ping(host: str, within_s: float) -> bool | None:
    program = shutil.which("ping")
    if program is None:
        return None
    words = [program, "-n", "-q", "-c", "1", "-W", str(max(1, round(within_s))), "--", host]
    try:
        return subprocess.run(words, capture_output=True, timeout=within_s + 2.0, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False

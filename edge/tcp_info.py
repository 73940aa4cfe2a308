"""What the kernel counts of one TCP connection: bytes really on the wire, and when something last came in."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import Final

# struct tcp_info, linux/tcp.h: 8 bytes, 24 u32, then counters; fields are only ever added at its end.
_LAST_DATA_RECEIVED_AT: Final = 52
_COUNTERS_AT: Final = 120
_COUNTERS: Final = struct.Struct("=QQIIIIII QQQQ II QQ")  # tcpi_bytes_acked (Linux 4.1) to tcpi_bytes_retrans (4.19)
_MILLISECONDS: Final = struct.Struct("=I")
_OPTIONS_AT: Final = 5
_TIMESTAMPS: Final = 1
SEGMENT_OVERHEAD_BYTES: Final = 40  # IPv4 and TCP
TIMESTAMPS_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class TcpInfo:
    """Counters since the connection began; `up_bytes` and `down_bytes` at IP level, resends included."""

    up_bytes: int
    down_bytes: int
    acked_bytes: int
    silent_s: float  # since something last came in, or since the connection began
    busy_s: float
    least_rtt_s: float


def read_tcp_info(sock: socket.socket) -> TcpInfo | None:
    """The kernel's counters of this connection; None when it is closed or the kernel is older than 4.19."""
    try:
        raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _COUNTERS_AT + _COUNTERS.size)
    except OSError:
        return None
    if len(raw) < _COUNTERS_AT + _COUNTERS.size:
        return None
    counters = _COUNTERS.unpack_from(raw, _COUNTERS_AT)
    (silent_ms,) = _MILLISECONDS.unpack_from(raw, _LAST_DATA_RECEIVED_AT)
    acked, received, segments_out, segments_in, _notsent, least_rtt_us = counters[:6]
    busy_us, sent = counters[9], counters[14]
    segment_bytes = SEGMENT_OVERHEAD_BYTES + (TIMESTAMPS_BYTES if raw[_OPTIONS_AT] & _TIMESTAMPS else 0)
    return TcpInfo(
        up_bytes=sent + segments_out * segment_bytes,
        down_bytes=received + segments_in * segment_bytes,
        acked_bytes=acked,
        silent_s=silent_ms / 1_000,
        busy_s=busy_us / 1e6,
        least_rtt_s=least_rtt_us / 1e6,
    )

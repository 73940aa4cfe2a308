"""One direction of one connection through a simulated link: what waits, when it is due, and the fuse that ends it."""

from __future__ import annotations

import socket
from collections import deque
from dataclasses import dataclass, field
from typing import Final, Literal

Direction = Literal["up", "down"]
# What the way holds before it pushes back on the sender, like a modem's buffer: half a second of 1 Mbit/s.
QUEUE_BYTES: Final = 64_000
RETRY_S: Final = 0.01  # a target that does not read is asked again after this


@dataclass(slots=True)
class Fuse:
    """After `left_bytes` more bytes the way stands still (`stall`) or its connection is reset."""

    left_bytes: int
    then: Literal["stall", "reset"]


class Reset(Exception):
    """The connection is to be reset now."""


@dataclass(slots=True)
class Way:
    """Bytes read from `source` are written to `target` when they are due; `b""` in the queue is the sender's end."""

    direction: Direction
    source: socket.socket
    target: socket.socket
    fuse: Fuse | None = None
    stalled: bytes | None = None  # what did not get through when the fuse blew; None: the way is open
    _queue: deque[tuple[float, bytes | None]] = field(default_factory=deque)
    _queued_bytes: int = 0
    _free_at_s: float = 0.0

    @property
    def full(self) -> bool:
        """No room for more: the sender's own TCP waits."""
        return self._queued_bytes >= QUEUE_BYTES

    @property
    def due_s(self) -> float | None:
        """When the next bytes are to be written."""
        return self._queue[0][0] if self._queue else None

    def put(self, chunk: bytes, now_s: float, *, delay_s: float, bytes_per_s: float | None, fuse: Fuse | None) -> None:
        """Take what was read; what is beyond the fuse stands still, or blows the connection up."""
        if fuse is None or len(chunk) < fuse.left_bytes:
            self._put(chunk, now_s, delay_s, bytes_per_s)
            if fuse is not None:
                fuse.left_bytes -= len(chunk)
            return
        through, rest = chunk[: fuse.left_bytes], chunk[fuse.left_bytes :]
        fuse.left_bytes = 0
        if through:
            self._put(through, now_s, delay_s, bytes_per_s)
        if fuse.then == "stall":
            self.stalled = rest
        else:
            self._queue.append((self._free_at_s + delay_s, None))

    def reopen(self, now_s: float) -> None:
        """Let through what had stood still."""
        rest, self.stalled = self.stalled, None
        if rest:
            self._put(rest, now_s, 0.0, None)

    def write_due(self, now_s: float) -> int | None:
        """Write what is due; how many bytes were taken, None when this way has ended. Raises Reset."""
        written = 0
        while self._queue and self._queue[0][0] <= now_s:
            due_s, chunk = self._queue.popleft()
            if chunk is None and written:
                self._queue.appendleft((due_s, None))  # what was written is told first
                break
            if chunk is None:
                raise Reset
            sent = self._deliver(chunk)
            if sent is None:
                return None
            written += sent
            self._queued_bytes -= sent
            if sent < len(chunk):
                self._queue.appendleft((now_s + RETRY_S, chunk[sent:]))
        return written

    def _put(self, chunk: bytes, now_s: float, delay_s: float, bytes_per_s: float | None) -> None:
        self._free_at_s = max(self._free_at_s, now_s) + (len(chunk) / bytes_per_s if bytes_per_s else 0.0)
        self._queue.append((self._free_at_s + delay_s, chunk))
        self._queued_bytes += len(chunk)

    def _deliver(self, chunk: bytes) -> int | None:
        """How many bytes the target took (0: it does not read now); None when this way has ended."""
        if not chunk:
            return None
        try:
            return self.target.send(chunk, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        except OSError:
            return None

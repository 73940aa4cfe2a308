"""A link that can go bad: a TCP proxy between unit and broker with the verbs a mobile network has.

Up is from the unit to the broker. Bytes are delayed, limited, swallowed or cut; each way is counted at TCP level.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Literal, Self

Direction = Literal["up", "down"]
CHUNK_BYTES: Final = 4_096
# What the way holds before it pushes back on the sender, like a modem's buffer: half a second of 1 Mbit/s.
QUEUE_BYTES: Final = 64_000
RETRY_S: Final = 0.01  # a target that does not read is asked again after this


@dataclass(slots=True)
class _Way:
    """One direction of one connection: read from `source`, written to `target` when it is due."""

    direction: Direction
    source: socket.socket
    target: socket.socket
    queue: deque[tuple[float, bytes]] = field(default_factory=deque)
    queued_bytes: int = 0
    free_at_s: float = 0.0


class SimulatedLink:
    """Forwards connections to `(host, port)`; `with SimulatedLink(...) as link:` listens on `link.port`."""

    def __init__(self, host: str, port: int, *, delay_s: float = 0.0, bytes_per_s: float | None = None) -> None:
        self.connections = 0
        self._bytes: dict[Direction, int] = {"up": 0, "down": 0}
        self._to = (host, port)
        self._delay_s, self._bytes_per_s = delay_s, bytes_per_s
        self._silent: set[Direction] = set()
        self._down = False
        self._lock = threading.Lock()  # verbs come from the test's thread
        self._ways: list[_Way] = []
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._waker, self._woken = socket.socketpair()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="simulated-link")

    @property
    def host(self) -> str:
        return "127.0.0.1"

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def bytes_up(self) -> int:
        """Bytes delivered to the broker so far."""
        with self._lock:
            return self._bytes["up"]

    @property
    def bytes_down(self) -> int:
        """Bytes delivered to the unit so far."""
        with self._lock:
            return self._bytes["down"]

    # ------------------------------------------------------------------ verbs

    def cut(self) -> None:
        """Every connection is reset, and new ones are refused until `mend`."""
        with self._lock:
            self._down = True
            for way in self._ways:
                way.source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self._close_all()
        self._wake()

    def mend(self) -> None:
        """Whole again: connections are taken, nothing is silent (bytes swallowed meanwhile are gone)."""
        with self._lock:
            self._down = False
            self._silent.clear()
        self._wake()

    def silence(self, direction: Direction) -> None:
        """Half-open: bytes of that direction are swallowed and nobody is told."""
        with self._lock:
            self._silent.add(direction)

    def delay(self, seconds: float) -> None:
        """Each way takes this long from now on (half a round trip)."""
        with self._lock:
            self._delay_s = seconds

    def limit(self, bytes_per_s: float | None) -> None:
        """Each way carries at most so much from now on; None: no limit."""
        with self._lock:
            self._bytes_per_s = bytes_per_s

    # ------------------------------------------------------------------ running

    def __enter__(self) -> Self:
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopped = True
        self._wake()
        self._thread.join()
        self._close_all()
        for sock in (self._listener, self._waker, self._woken):
            sock.close()
        self._selector.close()

    def _wake(self) -> None:
        self._waker.send(b".")

    def _run(self) -> None:
        while not self._stopped:
            ready = [key.fileobj for key, _ in self._selector.select(self._pause_s())]
            with self._lock:
                if self._woken in ready:
                    self._woken.recv(4_096)
                if self._listener in ready:
                    self._accept()
                for way in list(self._ways):
                    if way not in self._ways:
                        continue  # ended just now, with the other way of its connection
                    if way.source in ready:
                        self._read(way)
                    self._write_due(way)

    def _pause_s(self) -> float | None:
        with self._lock:
            times = [way.queue[0][0] for way in self._ways if way.queue]
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        try:
            far = None if self._down else socket.create_connection(self._to, timeout=5.0)
        except OSError:
            far = None
        if far is None:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            near.close()
            return
        self.connections += 1
        for sock in (near, far):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(sock, selectors.EVENT_READ)
        self._ways += [_Way("up", near, far), _Way("down", far, near)]

    def _read(self, way: _Way) -> None:
        try:
            chunk = way.source.recv(CHUNK_BYTES)
        except OSError:
            chunk = b""
        if way.direction in self._silent:
            if not chunk:
                self._selector.unregister(way.source)
            return
        now_s = time.monotonic()
        way.free_at_s = max(way.free_at_s, now_s) + (len(chunk) / self._bytes_per_s if self._bytes_per_s else 0.0)
        way.queue.append((way.free_at_s + self._delay_s, chunk))
        way.queued_bytes += len(chunk)
        if not chunk or way.queued_bytes >= QUEUE_BYTES:
            self._selector.unregister(way.source)  # ended, or full: the sender's own TCP waits

    def _write_due(self, way: _Way) -> None:
        was_full = way.queued_bytes >= QUEUE_BYTES
        while way.queue and way.queue[0][0] <= time.monotonic():
            chunk = way.queue.popleft()[1]
            sent = self._deliver(way, chunk)
            if sent is None:
                self._close(way)
                return
            way.queued_bytes -= sent
            if sent < len(chunk):
                way.queue.appendleft((time.monotonic() + RETRY_S, chunk[sent:]))
        if was_full and way.queued_bytes < QUEUE_BYTES and way in self._ways:
            self._selector.register(way.source, selectors.EVENT_READ)

    def _deliver(self, way: _Way, chunk: bytes) -> int | None:
        """How many bytes the target took (0: it does not read now); None when this way has ended."""
        if not chunk:
            return None
        try:
            sent = way.target.send(chunk, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        except OSError:
            return None
        self._bytes[way.direction] += sent
        return sent

    def _close_all(self) -> None:
        for way in list(self._ways):
            if way in self._ways:
                self._close(way)

    def _close(self, way: _Way) -> None:
        """Both ways of a connection end together."""
        for other in [w for w in self._ways if w.source in (way.source, way.target)]:
            self._ways.remove(other)
            if other.source in self._selector.get_map():
                self._selector.unregister(other.source)
        way.source.close()
        way.target.close()

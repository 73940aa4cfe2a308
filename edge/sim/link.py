"""A link that can go bad: a TCP proxy between unit and broker with the verbs a mobile network has.

Up is from the unit to the broker. Bytes are delayed, limited, swallowed, stalled or cut; each way is counted at TCP
level.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from types import TracebackType
from typing import Final, Self

from edge.sim.way import Direction, Fuse, Reset, Way

CHUNK_BYTES: Final = 4_096
_AT_ONCE: Final = b"\1\0\0\0\0\0\0\0"  # struct linger: on, 0 s: a close is a reset


class SimulatedLink:
    """Forwards connections to `(host, port)`; `with SimulatedLink(...) as link:` listens on `link.port`.

    `attempts` counts every connection that was asked for, `connections` those that reached the far end.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        delay_s: float = 0.0,
        bytes_per_s: float | None = None,
        listen: str = "127.0.0.1",
    ) -> None:
        self.host: Final = listen
        self.attempts = 0
        self.connections = 0
        self.portal_heard: list[bytes] = []
        self._bytes: dict[Direction, int] = {"up": 0, "down": 0}
        self._to = (host, port)
        self._delay_s, self._bytes_per_s = delay_s, bytes_per_s
        self._silent: set[Direction] = set()
        self._fuses: dict[Direction, Fuse] = {}
        self._down = False
        self._slam_after: int | None = None
        self._page: bytes | None = None
        self._lock = threading.Lock()  # verbs come from the test's thread
        self._ways: list[Way] = []
        self._visitors: set[socket.socket] = set()  # who talks to the portal
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server((listen, 0))
        self._waker, self._woken = socket.socketpair()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="simulated-link")

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
            self._reset_all()
        self._wake()

    def mend(self) -> None:
        """Whole again: connections are taken, nothing is silent or stalled (bytes swallowed meanwhile are gone)."""
        with self._lock:
            self._down, self._slam_after, self._page = False, None, None
            self._silent.clear()
            self._fuses.clear()
            for way in self._ways:
                if way.stalled is not None:
                    way.reopen(time.monotonic())
                    self._listen_to(way)
        self._wake()

    def silence(self, direction: Direction) -> None:
        """Half-open: bytes of that direction are swallowed and nobody is told."""
        with self._lock:
            self._silent.add(direction)

    def stall_after(self, size_bytes: int, direction: Direction) -> None:
        """Once so many more bytes of that direction are through, it stands still in mid-record until `mend`."""
        with self._lock:
            self._fuses[direction] = Fuse(size_bytes, "stall")

    def reset_after(self, size_bytes: int, direction: Direction) -> None:
        """Once so many more bytes of that direction are through, their connection is reset; then all is well again."""
        with self._lock:
            self._fuses[direction] = Fuse(size_bytes, "reset")

    def slam(self, after_bytes: int = 0) -> None:
        """A broker that dies at once: each connection is reset after so many bytes up, until `mend`."""
        with self._lock:
            self._slam_after = after_bytes
            self._reset_all()
        self._wake()

    def portal(self, page: bytes) -> None:
        """A captive portal: whoever says anything is given this page by somebody else, until `mend`.

        What each visitor said first is in `portal_heard`.
        """
        with self._lock:
            self._page = page
            self._reset_all()
        self._wake()

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
            ready = {key.fileobj for key, _ in self._selector.select(self._pause_s())}
            with self._lock:
                if self._woken in ready:
                    self._woken.recv(4_096)
                if self._listener in ready:
                    self._accept()
                for visitor in self._visitors & ready:
                    self._show_page(visitor)
                for way in list(self._ways):
                    if way not in self._ways:
                        continue  # ended just now, with the other way of its connection
                    if way.source in ready:
                        self._read(way)
                    self._write_due(way)

    def _pause_s(self) -> float | None:
        with self._lock:
            times = [way.due_s for way in self._ways if way.due_s is not None]
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        self.attempts += 1
        if self._page is not None:
            self._visitors.add(near)
            self._selector.register(near, selectors.EVENT_READ)
            return
        far = None if self._down or self._slam_after == 0 else self._reach()
        if far is None:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            near.close()
            return
        self.connections += 1
        for sock in (near, far):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(sock, selectors.EVENT_READ)
        fuse = None if self._slam_after is None else Fuse(self._slam_after, "reset")
        self._ways += [Way("up", near, far, fuse), Way("down", far, near)]

    def _reach(self) -> socket.socket | None:
        try:
            return socket.create_connection(self._to, timeout=5.0)
        except OSError:
            return None

    def _show_page(self, visitor: socket.socket) -> None:
        with contextlib.suppress(OSError):  # gone already: nobody reads the page
            self.portal_heard.append(visitor.recv(CHUNK_BYTES))
            visitor.sendall(self._page or b"")
        self._forget(visitor)

    def _read(self, way: Way) -> None:
        try:
            chunk = way.source.recv(CHUNK_BYTES)
        except OSError:
            chunk = b""
        if way.direction in self._silent:
            if not chunk:
                self._selector.unregister(way.source)
            return
        fuse = way.fuse or self._fuses.get(way.direction)
        way.put(
            chunk, time.monotonic(), delay_s=self._delay_s, bytes_per_s=self._bytes_per_s, fuse=fuse if chunk else None
        )
        if fuse is not None and not fuse.left_bytes and self._fuses.get(way.direction) is fuse:
            del self._fuses[way.direction]  # it was for this connection
        if not chunk or way.full or way.stalled is not None or (fuse is not None and not fuse.left_bytes):
            self._selector.unregister(way.source)

    def _write_due(self, way: Way) -> None:
        was_full = way.full
        try:
            written = way.write_due(time.monotonic())
        except Reset:
            self._reset(way)
            return
        if written is None:
            self._close(way)
            return
        self._bytes[way.direction] += written
        if was_full and not way.full and way.stalled is None:
            self._listen_to(way)

    def _listen_to(self, way: Way) -> None:
        if way.source not in self._selector.get_map():
            self._selector.register(way.source, selectors.EVENT_READ)

    def _reset_all(self) -> None:
        for way in list(self._ways):
            if way in self._ways:
                self._reset(way)

    def _reset(self, way: Way) -> None:
        for sock in (way.source, way.target):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self._close(way)

    def _close_all(self) -> None:
        for way in list(self._ways):
            if way in self._ways:
                self._close(way)
        for visitor in list(self._visitors):
            self._forget(visitor)

    def _close(self, way: Way) -> None:
        """Both ways of a connection end together."""
        for other in [w for w in self._ways if w.source in (way.source, way.target)]:
            self._ways.remove(other)
            if other.source in self._selector.get_map():
                self._selector.unregister(other.source)
        way.source.close()
        way.target.close()

    def _forget(self, visitor: socket.socket) -> None:
        self._visitors.discard(visitor)
        self._selector.unregister(visitor)
        visitor.close()

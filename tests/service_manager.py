"""systemd's end of sd_notify(3): a real socket, and what came in on it."""

from __future__ import annotations

import select
import socket
import time
from pathlib import Path

PATIENCE_S = 60.0


class Manager:
    """What a process tells its service manager; `environment` is what the manager gives it."""

    def __init__(self, directory: Path, *, watchdog_s: float | None = None) -> None:
        self.path = directory / "notify"
        self.environment = {"NOTIFY_SOCKET": str(self.path)}
        if watchdog_s is not None:
            self.environment["WATCHDOG_USEC"] = str(int(watchdog_s * 1e6))
        self.told: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        """What came in since the last time it was asked."""
        states = []
        while True:
            try:
                states.append(self._socket.recv(256).decode())
            except BlockingIOError:
                self.told += states
                return states

    def until(self, wanted: str, within_s: float = PATIENCE_S) -> list[str]:
        """What came in up to a state that begins so, that one last; what comes after it stays for the next question."""
        deadline, states = time.monotonic() + within_s, []
        while True:
            readable, _, _ = select.select([self._socket], [], [], max(0.0, deadline - time.monotonic()))
            assert readable, f"no {wanted} within {within_s:.0f} s after {states}"
            states.append(self._socket.recv(256).decode())
            self.told.append(states[-1])
            if states[-1].startswith(wanted):
                return states

    def close(self) -> None:
        self._socket.close()

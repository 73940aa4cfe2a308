"""One child process of the stage: its own session, its log in a file, gone when the stage is gone."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
STOP_DEADLINE_S: Final = 5.0  # what a unit promises after SIGTERM


def _die_with_the_stage() -> None:
    """In the child, before exec: a stage that was killed itself leaves nothing running."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Child:
    """A command that can be started, stopped and killed again and again; every start and end is on its record."""

    def __init__(
        self, name: str, command: list[str], log_path: Path, *, environment: dict[str, str] | None = None
    ) -> None:
        self.name = name
        self.command = command
        self.log_path = log_path
        self.lives: list[tuple[float, float | None]] = []
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._asked_s: float | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self.running else None

    @property
    def exit_code(self) -> int | None:
        """How the last life ended; None while it runs or before the first."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start it; does nothing when it runs."""
        if self.running:
            return
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
                preexec_fn=_die_with_the_stage,  # only prctl runs between fork and exec
            )
        self._asked_s = None
        self.lives.append((time.monotonic(), None))

    def send(self, what: signal.Signals) -> None:
        """Send it a signal; nothing happens when it does not run."""
        if self._process is not None and self.running:
            self._process.send_signal(what)

    def kill(self) -> None:
        """SIGKILL, at once."""
        self._end(signal.SIGKILL)

    def struck(self, at_s: float) -> None:
        """Somebody else killed it at that time, as a power cut does: reap it."""
        if self._process is not None:
            self._process.wait(STOP_DEADLINE_S)
            self._closed(at_s)

    def terminate(self) -> None:
        """Ask it to stop; `join` waits for it."""
        if self._process is not None and self.running:
            self._asked_s = time.monotonic()  # before the signal: what happens after it may be left to the next life
            self._process.send_signal(signal.SIGTERM)

    def join(self, deadline_s: float = STOP_DEADLINE_S) -> bool:
        """True when it ended by itself in time; else it is killed, and its log says where it was."""
        if self._process is None:
            return True
        try:
            self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        self._closed(self._asked_s or time.monotonic())
        return True

    def tail(self, lines: int = 15) -> str:
        """The last lines it logged."""
        if not self.log_path.exists():
            return ""
        return "\n".join(self.log_path.read_text("utf-8", "replace").splitlines()[-lines:])

    def _end(self, with_signal: signal.Signals) -> None:
        if self._process is None:
            return
        at_s = time.monotonic()  # before the signal: what happens after it may be lost
        if self.running:
            self._process.send_signal(with_signal)
        self._process.wait()
        self._closed(at_s)

    def _closed(self, at_s: float) -> None:
        if self.lives and self.lives[-1][1] is None:
            self.lives[-1] = (self.lives[-1][0], at_s)

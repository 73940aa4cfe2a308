"""A stop flag that a signal handler may set: on a pipe, because threading.Event's lock can be held by the very code
the handler interrupts."""

from __future__ import annotations

import os
import select
import signal
from types import FrameType


class Stop:
    """Set once, asked by every loop; pass it on as it is."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self._set = False

    def set(self) -> None:
        """Ask every loop to end; callable from a signal handler and from any thread, more than once."""
        if not self._set:
            self._set = True
            os.write(self._writer, b".")

    def is_set(self) -> bool:
        """True once `set` was called."""
        return self._set

    def wait(self, timeout: float) -> bool:
        """Sleep up to `timeout` seconds or until set; the byte stays in the pipe, so every thread is woken."""
        if not self._set:
            select.select([self._reader], [], [], max(0.0, timeout))
        return self._set

    def on_signals(self) -> None:
        """Be set by SIGTERM and SIGINT."""

        def handler(_number: int, _frame: FrameType | None) -> None:
            self.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, handler)

    def close(self) -> None:
        """Give the pipe back; no loop may ask any more."""
        os.close(self._reader)
        os.close(self._writer)

"""The stop flag of a part of the centre, and the signals that set it."""

from __future__ import annotations

import signal
from types import FrameType

from running.turns import StopSwitch


class Stop(StopSwitch):
    """Set once, asked by every loop (running/turns.py)."""

    def on_signals(self) -> None:
        """Be set by SIGTERM and SIGINT."""

        def handler(_number: int, _frame: FrameType | None) -> None:
            self.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, handler)

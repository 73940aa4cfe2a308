"""The relay in the modem's supply: the ladder's step that needs no answer from the modem."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from edge.errors import DeviceLost, ModemRefused
from edge.relays import Coil, Relays

NAME: Final = "modem"
LOOK_S: Final = 0.5  # how late the power may come back


class ModemRelay:
    """The modem has power while the coil has none (edge/relays.py). Used by one thread."""

    def __init__(
        self, coil: Coil, off_s: float, *, factory: Any = None, monotonic_s: Callable[[], float] = monotonic
    ) -> None:
        """`off_s`: 2 .. 60; `factory`: a gpiozero pin factory, None: the one that gpiozero finds."""
        self._coil = coil
        self._off_s = off_s
        self._factory = factory
        self._monotonic_s = monotonic_s
        self._relays: Relays | None = None

    def open(self) -> None:
        """Power on, whatever the pin was: who was killed in a cut gives it back at the next start. ModemRefused."""
        if self._relays is None:
            try:
                self._relays = Relays({NAME: self._coil}, factory=self._factory, monotonic_s=self._monotonic_s)
            except DeviceLost as error:
                raise ModemRefused(str(error)) from error

    def cycle(self, wait: Callable[[float], bool]) -> None:
        """Take the power away, and give it back after `off_s`, or as soon as `wait` is told to stop. ModemRefused."""
        self.open()
        assert self._relays is not None
        self._relays.cut(NAME, self._off_s)
        while not self._relays.powered()[NAME]:
            if wait(LOOK_S):
                self.close()
                return
            self._relays.turn()

    def close(self) -> None:
        """Power on, and the pin given back."""
        if self._relays is not None:
            self._relays.close()
            self._relays = None

"""The thread that looks at the modem each minute, and takes the ladder's steps. It holds up nobody."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final, Protocol

from edge.errors import ModemRefused
from edge.modem_cell import REGISTRATIONS, STATES, Cell
from edge.modem_ladder import POWER_CYCLE, Ladder, Seen
from wire import encode

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 60.0
LOOK_WITHIN_S: Final = 3.0  # for a signal that is measured only once it was asked for
CONNECTED: Final = 11  # ModemManager's state


class Stop(Protocol):
    """What the loop asks at every turn (edge/service.py)."""

    def wait(self, timeout_s: float) -> bool: ...


class Relay(Protocol):
    """What is asked of the relay (edge/modem_relay.py)."""

    def open(self) -> None: ...
    def cycle(self, wait: Callable[[float], bool]) -> None: ...
    def close(self) -> None: ...


def _sleep(for_s: float) -> bool:
    time.sleep(for_s)
    return False


class ModemWatch:
    """`run` is the thread; `account` may be asked from any. `look` and `take` are edge/modem.py's."""

    def __init__(
        self,
        look: Callable[[float], Cell],
        take: Callable[[str], None],
        ladder: Ladder,
        *,
        heard_centre: Callable[[], bool],
        quiet: Callable[[], bool],
        now_s: Callable[[], float],
        keep: Callable[[list[tuple[float, str]]], None],
        relay: Relay | None = None,
    ) -> None:
        """`heard_centre`: now; `quiet`: nobody needs the box this minute; `keep`: the ladder's steps, over a reboot;
        `relay`: the modem's supply, where it is wired."""
        self._look = look
        self._take = take
        self._ladder = ladder
        self._heard_centre = heard_centre
        self._quiet = quiet
        self._now_s = now_s
        self._keep = keep
        self._relay = relay
        self._cell: Cell | None = None
        self._told = False

    def run(self, stop: Stop) -> None:
        """Until `stop` is set; then, as before the first look, the modem has power."""
        try:
            self._open_relay()
            self.turn(stop.wait)
            while not stop.wait(LOOK_EVERY_S):
                self.turn(stop.wait)
        finally:
            if self._relay is not None:
                self._relay.close()

    def _open_relay(self) -> None:
        if self._relay is not None:
            try:
                self._relay.open()
            except ModemRefused as error:  # asked again when it is needed
                log.warning("%s", error)

    def turn(self, wait: Callable[[float], bool] = _sleep) -> None:
        """One look, and the step that it calls for; `wait` sleeps so many seconds, True when told to stop."""
        cell = self._looked()
        self._cell = cell
        works = cell is not None and cell.registered and cell.state == CONNECTED
        seen = Seen(heard_centre=self._heard_centre(), modem_works=works, quiet=self._quiet())
        step = self._ladder.look(seen, self._now_s())
        if step is None:
            return
        self._keep(self._ladder.recent(self._now_s()))  # first: a reboot leaves no time for it
        log.warning("modem: %s", step)
        try:
            if step == POWER_CYCLE and self._relay is not None:
                self._relay.cycle(wait)
            else:
                self._take(step)
        except ModemRefused as error:
            log.warning("modem: %s did not work: %s", step, error)

    def _looked(self) -> Cell | None:
        try:
            cell = self._look(LOOK_WITHIN_S)
        except ModemRefused as error:
            log.log(logging.DEBUG if self._told else logging.WARNING, "modem: %s", error)
            self._told = True
            return None
        self._told = False
        return cell

    def account(self) -> bytes:
        """The Modem part of a health record."""
        cell = self._cell or Cell()
        return encode.modem(
            model=cell.model or "",
            state=STATES.get(cell.state, str(cell.state)) if self._cell else "",
            registration="" if cell.registration is None else REGISTRATIONS.get(cell.registration, ""),
            operator=cell.operator,
            cell=cell.place,
            iccid=cell.iccid,
            rsrp_dbm=_whole(cell.rsrp_dbm),
            rsrq_db=_whole(cell.rsrq_db),
            sinr_db=_whole(cell.sinr_db),
            steps=dict(self._ladder.steps),
            helped=dict(self._ladder.helped),
        )


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)

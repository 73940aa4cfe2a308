"""What a modem said at one look. Pure; numbers are ModemManager's (ModemManager-enums.h)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

STATE_FAILED: Final = -1
STATE_LOCKED: Final = 2
STATES: Final = {
    -1: "failed",
    0: "unknown",
    1: "initializing",
    2: "locked",
    3: "disabled",
    4: "disabling",
    5: "enabling",
    6: "enabled",
    7: "searching",
    8: "registered",
    9: "disconnecting",
    10: "connecting",
    11: "connected",
}
REGISTRATIONS: Final = {0: "idle", 1: "home", 2: "searching", 3: "denied", 4: "unknown", 5: "roaming"}
REGISTERED: Final = (1, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One look at the first modem; None: it was not told. `iccid` is "" without a SIM card.

    `place` is MCC,MNC,LAC,CI,TAC; "" where the modem does not say.
    """

    manager: str = ""
    model: str | None = None
    state: int = 0
    iccid: str = ""
    operator: str = ""
    registration: int | None = None
    place: str = ""
    rsrp_dbm: float | None = None
    rsrq_db: float | None = None
    sinr_db: float | None = None
    measures: bool = True  # the modem has a signal to tell, and lets us ask for it

    @property
    def registered(self) -> bool:
        return self.registration in REGISTERED


def settled(cell: Cell) -> bool:
    """Whether there is nothing more to wait for."""
    told = cell.rsrp_dbm is not None or not cell.measures
    return (cell.registered and told) or cell.state in (STATE_FAILED, STATE_LOCKED)

"""What the modem said, judged. Pure; numbers are ModemManager's (ModemManager-enums.h)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from provisioning.acceptance import words
from provisioning.acceptance.config import Modem
from provisioning.acceptance.sheet import Line, at_least, demanded

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
    """One look at the first modem; None: it was not told. `iccid` is "" without a SIM card."""

    manager: str = ""
    model: str | None = None
    state: int = 0
    iccid: str = ""
    operator: str = ""
    registration: int | None = None
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


def lines_of(cell: Cell, limits: Modem) -> list[Line]:
    """The sheet's lines."""
    if cell.model is None:
        return [demanded("modem", "", False, words.NO_MODEM)]
    found = [demanded("modem", cell.model, True, "")]
    if not cell.iccid:
        return [*found, demanded("modem_sim", STATES.get(cell.state, str(cell.state)), False, words.NO_SIM)]
    locked = cell.state == STATE_LOCKED
    found.append(demanded("modem_sim", "locked" if locked else cell.iccid, not locked, words.SIM_LOCKED))
    registration = REGISTRATIONS.get(cell.registration or 0, str(cell.registration))
    found.append(demanded("modem_registration", registration, cell.registered, words.NOT_REGISTERED))
    if not cell.registered:
        return found
    weak, unknown = words.WEAK_NETWORK, words.NOT_TOLD_BY_MODEM
    return [
        *found,
        demanded("modem_operator", cell.operator, True, ""),
        at_least("modem_rsrp", cell.rsrp_dbm, limits.rsrp_dbm, "dBm", todo=weak, unknown=unknown),
        at_least("modem_rsrq", cell.rsrq_db, limits.rsrq_db, "dB", todo=weak, unknown=unknown),
        at_least("modem_sinr", cell.sinr_db, limits.sinr_db, "dB", todo=weak, unknown=unknown),
    ]

"""What the modem said, judged. Pure."""

from __future__ import annotations

from edge.modem_cell import REGISTRATIONS, STATE_LOCKED, STATES, Cell
from provisioning.acceptance import words
from provisioning.acceptance.config import Modem
from provisioning.acceptance.sheet import Line, at_least, demanded


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

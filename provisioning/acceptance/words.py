"""Every sentence of a check that a technician reads: what each line is called, and what to do. English; `_` translates.

No values are in them (those stand beside them on the sheet), so that a signed sheet can be shown in any language.
"""

from __future__ import annotations

from typing import Final

TITLES: Final[dict[str, str]] = {
    "gnss_receiver": "GPS receiver",
    "gnss_fix": "time to a position",
    "gnss_satellites": "satellites",
    "gnss_hdop": "HDOP",
    "gnss_signal": "satellite signal",
    "gnss_antenna": "GPS antenna",
    "modem": "modem",
    "modem_sim": "SIM card",
    "modem_operator": "operator",
    "modem_registration": "mobile network",
    "modem_rsrp": "signal strength (RSRP)",
    "modem_rsrq": "signal quality (RSRQ)",
    "modem_sinr": "signal to noise (SINR)",
    "centre_receipt": "receipt from the centre",
    "clock": "clock against the centre",
    "clock_source": "clock is set by",
    "card_free": "free on the card",
    "card_write": "writing to the card",
    "card_append": "slowest small write",
    "card_used": "card's life used",
    "power_undervoltage": "undervoltage",
    "power_supply": "supply voltage",
    "input_ignition": "ignition",
    "input_pto": "power take-off",
    "input_panic": "panic button",
    "output_relay": "relay",
    "watchdog": "watchdog",
    "package_firmware": "firmware",
    "package_state": "packages",
    "package_system": "system",
}

VERDICTS: Final = {"passed": "passed", "failed": "FAILED", "skipped": "skipped"}
BOUNDS: Final = {"": "", "at least": "at least", "at most": "at most", "is": "must be"}

# ---------------------------------------------------------------- what to do when it failed

NO_RECEIVER: Final = "Push the GPS plug in until it clicks. If it still fails, check the name of the port in unit.toml."
RECEIVER_SILENT: Final = "The port is there but nothing speaks GPS on it. Check the cable and the receiver's power."
NO_FIX: Final = (
    "Drive out under open sky and check again. If it still fails, the antenna's plug is loose or it lies under metal."
)
FEW_SATELLITES: Final = "Move the antenna to where it sees the whole sky: on the roof or the dashboard, label down."
WEAK_SIGNAL: Final = (
    "The antenna hears too little. Screw its plug tight, look for a bent or crushed cable, move it away from metal."
)
ANTENNA_OPEN: Final = "The antenna is not connected. Screw its plug tight; if it still fails, change the antenna."
ANTENNA_SHORT: Final = "The antenna's cable is crushed or wet inside (short circuit). Change the antenna."
NO_MODEM_MANAGER: Final = "ModemManager does not answer. Restart the box; if it still fails, call the office."
NO_MODEM: Final = "No modem is found. Push the modem and its USB plug in, then restart the box."
NO_SIM: Final = "No SIM card is found. Take it out, wipe its contacts, put it in with the cut corner as drawn."
SIM_LOCKED: Final = "The SIM card asks for a PIN or PUK. Call the office: our SIM cards have none."
NOT_REGISTERED: Final = (
    "The network does not let the SIM in. Screw the 4G antenna tight; if it still fails, call the office: the SIM"
    " is not active."
)
WEAK_NETWORK: Final = (
    "Weak 4G here. Screw the 4G antenna tight and check again in the street; only in a basement this is no fault."
)
NO_RECEIPT: Final = (
    "The centre did not answer. Look at the mobile network's lines above first; if they passed, call the office."
)
REFUSED_BY_BROKER: Final = "The centre does not let this box in. Call the office: it needs to be enrolled again."
CLOCK_WRONG: Final = "The clock is wrong. Leave the box on under open sky for ten minutes and check again."
CARD_FULL: Final = "The card is full. Call the office; do not delete anything."
CARD_SLOW: Final = "The card is too slow: worn out or false. Change the card."
CARD_WORN: Final = "The card is nearly worn out. Change the card before the vehicle leaves."
CARD_BROKEN: Final = "The card takes no writes. Change the card."
UNDERVOLTAGE: Final = "The supply is too weak. Use a thicker or shorter cable, and the supply that came with the box."
SUPPLY: Final = "The supply's voltage is wrong. Check the fuse, the battery and the cable's plugs."
INPUT_DEAD: Final = (
    "The box did not see the switch go on and off. Check the wire from the switch to the box, and ground."
)
PIN_REFUSED: Final = "This pin cannot be used. Check its number in check.toml; another program may hold it."
RELAY_SILENT: Final = "The relay did not click. Check its plug and its wire to the box."
NO_WATCHDOG: Final = "This computer has no watchdog switched on. Call the office: the card's image is wrong."
WATCHDOG_OFF: Final = "Nobody feeds the watchdog. Restart the box; if it still fails, call the office."
OTHER_FIRMWARE: Final = "Another firmware than wanted. Call the office, or let the box update itself tonight."
PACKAGE_BROKEN: Final = "A package is only half installed. Restart the box; if it still fails, call the office."

# ---------------------------------------------------------------- why it was skipped

NOBODY_THERE: Final = "nobody was there to ask"
NOT_WIRED: Final = "not wired (no pin in check.toml)"
NOT_TOLD_BY_RECEIVER: Final = "the receiver does not tell"
NOT_TOLD_BY_MODEM: Final = "the modem does not tell"
NOT_TOLD_BY_CARD: Final = "the card does not tell"
NOT_TOLD_BY_COMPUTER: Final = "this computer does not tell"
NOT_MEASURED: Final = "not measured on this box"
NO_MODEM_WANTED: Final = "this box has none (check.toml)"
NO_ANSWER: Final = "the centre did not answer"
RUNNING_UNIT: Final = "the running gps_unit has the receiver; stop it to see this"
TIME_OVER: Final = "the ten minutes were over"

# ---------------------------------------------------------------- said while it runs

SAID: Final = {
    "gnss": "listening to the sky, up to {seconds} s",
    "modem": "asking the modem, up to {seconds} s",
    "centre": "sending a record to the centre, up to {seconds} s",
    "toggle": "Switch {title} on and off again (within {seconds} s) …",
    "saw_on": "on",
    "saw_off": "off",
    "click": "Did the relay click twice? [y/n] ",
    "verdict": "{unit}: {verdict} ({passed} passed, {failed} failed, {skipped} skipped)",
    "delivered": "the sheet is at the centre",
    "kept": "the sheet is kept on the box and goes with the next check: {why}",
    "page": "to print: {path}",
    "heading": "Acceptance check",
    "limit": "limit",
    "measured": "measured",
    "line": "what",
    "result": "result",
    "when": "when",
    "took": "took",
    "firmware": "firmware",
    "by": "checked by",
    "unattended": "by itself",
    "scan": "The code holds the digest of the signed file and its signature.",
    "signed": "signed by the box's own key",
}


def sentences() -> list[str]:
    """All of them, for whoever checks a catalogue."""
    constants = [value for name, value in globals().items() if name.isupper() and isinstance(value, str)]
    shown = [*TITLES.values(), *VERDICTS.values(), *BOUNDS.values(), *SAID.values()]
    return sorted({*constants, *shown} - {""})

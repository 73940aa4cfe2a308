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
    "camera_look": "look at the cameras",
    "camera_reach": "address",
    "camera_login": "user and password",
    "camera_stream": "stream",
    "camera_first": "first picture after",
    "camera_rate": "frames a second",
    "camera_bitrate": "bit rate",
    "camera_picture": "picture",
    "camera_onvif": "ONVIF",
    "camera_clock": "clock against the box",
    "camera_serial": "serial number",
    "camera_relay": "relay of the supply",
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
NO_CAMERA_NODE: Final = "The camera node is not on this box. Install the package pantau-camera-node, then check again."
NONE_ADOPTED: Final = "No camera is adopted yet. Adopt each one: pantau-provision adopt, then check again."
LOOK_REFUSED: Final = (
    "The file with the cameras' passwords is wrong, or this user cannot read it. Correct what is said, then check"
    " again."
)
LOOK_BROKEN: Final = (
    "The look at the cameras ended before it had a result. Restart the box and check again; if it still fails, call"
    " the office."
)
LOOK_LATE: Final = (
    "This camera was not looked at in time. Restart it and check again; if it still fails, call the office."
)
CAMERA_POWER: Final = "The camera has no power. Check its relay, its supply and the cable between them."
CAMERA_LINK: Final = (
    "The box has no way to the cameras. Plug in the cable between box and switch until the switch's light is on; if it"
    " still fails, call the office."
)
CAMERA_ADDRESS: Final = (
    "Nothing answers at the camera's address. Check its power and its network cable (the light at the switch), then"
    " whether its address is the one in unit.toml."
)
CAMERA_PORT: Final = (
    "The camera is there but gives no stream. Wait two minutes if it was just switched on; else switch RTSP on in the"
    " camera's own page and compare the port with unit.toml."
)
CAMERA_PASSWORD: Final = (
    "The camera refuses user or password. Do not try again and again: it would lock itself. Ask the office for the"
    " right ones, correct the file of passwords, then check once."
)
CAMERA_PATH: Final = (
    "The camera does not know this stream. Compare its address in unit.toml with the camera's own page."
)
CAMERA_CODEC: Final = "The stream cannot be read. Set it to H.264 or H.265, 4K at most, in the camera's own page."
CAMERA_NO_FRAMES: Final = (
    "The stream begins and no picture comes. Restart the camera; if it still fails, set a key frame each 2 seconds in"
    " its own page."
)
CAMERA_LATE: Final = "The first picture comes late. Set a key frame each 2 seconds in the camera's own page."
CAMERA_SLOW: Final = (
    "Too few frames. Check the camera's cable and plugs, and the frames a second in its own page; end what else watches"
    " it."
)
CAMERA_HEAVY: Final = "The stream is too heavy for this box. Set a lower bit rate in the camera's own page."
PICTURE_BLACK: Final = (
    "The picture is black. Take the cap or the film off the lens; at night look whether the camera's own light works."
)
PICTURE_DARK: Final = (
    "The picture is too dark. Look whether the camera's own light works, and set its exposure to automatic."
)
PICTURE_BRIGHT: Final = (
    "The picture is too bright. Turn the camera away from sun and lamps, and set its exposure to automatic."
)
PICTURE_FROZEN: Final = "The camera shows the same picture again and again. Restart it; if it still fails, change it."
PICTURE_BLURRED: Final = "The picture is blurred. Wipe lens and dome dry, then focus the camera anew."
PICTURE_COVERED: Final = "Something is in front of the lens. Take it away, and wipe the lens."
PICTURE_MOVED: Final = (
    "The camera looks elsewhere than before. Turn it back; if this is its new view, ask the office to accept it."
)
PICTURE_GREY: Final = "The picture has lost its colours by day. Restart the camera; if it still fails, change it."
PICTURE_NOISY: Final = (
    "The picture is full of noise. Check the camera's supply and its cable; at night whether its own light works."
)
PICTURE_TORN: Final = (
    "The picture is torn: parts of the stream are lost. Change the network cable or plug it into another socket."
)
CAMERA_ONVIF: Final = (
    "The camera does not answer by ONVIF. Switch it on in the camera's own page, for the same user, and compare its"
    " port with unit.toml."
)
CAMERA_CLOCK: Final = "The camera's clock is wrong. Set time server and time zone in its own page."
OTHER_CAMERA: Final = (
    "This is another camera than the office knows. Put the right one back, or tell the office the new serial number."
)
CAMERA_PIN_REFUSED: Final = (
    "This pin cannot be used. Stop the camera node while you check (systemctl stop pantau-camera-node); if it still"
    " fails, check the pin's number in unit.toml."
)
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
NOT_TOLD_BY_CAMERA: Final = "the camera does not tell"
NO_ONVIF: Final = "not asked (no onvif_port in unit.toml)"
NO_CAMERA_RELAY: Final = "not wired (no relay_pin in unit.toml)"
NOT_MEASURED: Final = "not measured on this box"
NO_MODEM_WANTED: Final = "this box has none (check.toml)"
NO_ANSWER: Final = "the centre did not answer"
RUNNING_UNIT: Final = "the running gps_unit has the receiver; stop it to see this"
TIME_OVER: Final = "the ten minutes were over"

# ---------------------------------------------------------------- what a camera node says, and what to do about it

# By the words of edge/camera_node/probing.py's Failure, each at its line; slow_frames has a stream.
UNREACHED: Final = {"power": CAMERA_POWER, "link": CAMERA_LINK, "address": CAMERA_ADDRESS, "port": CAMERA_PORT}
REFUSED: Final = {"authentication": CAMERA_PASSWORD}
UNREAD: Final = {"path": CAMERA_PATH, "codec": CAMERA_CODEC, "no_frames": CAMERA_NO_FRAMES}
# By the kinds of edge/camera_node/verdict.py; "seeing" needs no words.
BLIND: Final = {
    "black": PICTURE_BLACK,
    "dark": PICTURE_DARK,
    "overexposed": PICTURE_BRIGHT,
    "frozen": PICTURE_FROZEN,
    "blurred": PICTURE_BLURRED,
    "covered": PICTURE_COVERED,
    "moved": PICTURE_MOVED,
    "colour_lost": PICTURE_GREY,
    "noisy": PICTURE_NOISY,
    "torn": PICTURE_TORN,
}

# ---------------------------------------------------------------- said while it runs

SAID: Final = {
    "gnss": "listening to the sky, up to {seconds} s",
    "cameras": "looking at the cameras, up to {seconds} s",
    "modem": "asking the modem, up to {seconds} s",
    "centre": "sending a record to the centre, up to {seconds} s",
    "toggle": "Switch {title} on and off again (within {seconds} s) …",
    "saw_on": "on",
    "saw_off": "off",
    "click": "Did the relay click twice? [y/n] ",
    "click_of": "Did the relay of {cameras} click twice? [y/n] ",
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

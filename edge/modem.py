"""The modem through ModemManager over D-Bus: the only file that imports dbus_fast.

Each call opens a bus of its own and ends it: a look a minute costs nothing, and nothing is kept that could hang.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import Any, Final

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from edge.errors import ModemRefused, SmsUnsure
from edge.modem_cell import Cell, settled
from edge.modem_ladder import REATTACH, REBOOT, RESTART

log = logging.getLogger(__name__)

NAME: Final = "org.freedesktop.ModemManager1"
PATH: Final = "/org/freedesktop/ModemManager1"
MODEM: Final = NAME + ".Modem"
SIGNAL: Final = MODEM + ".Signal"
SIM: Final = NAME + ".Sim"
LOCATION: Final = MODEM + ".Location"
MESSAGING: Final = MODEM + ".Messaging"
SMS: Final = NAME + ".Sms"
LAC_CI: Final = 1  # MM_MODEM_LOCATION_SOURCE_3GPP_LAC_CI, which ModemManager enables by itself
LOGIN: Final = "org.freedesktop.login1"
LOGIN_PATH: Final = "/org/freedesktop/login1"
NO_SIM_PATH: Final = "/"
LOOK_EVERY_S: Final = 1.0
ANSWER_S: Final = 10.0
SEND_S: Final = 25.0  # a network takes its time; with all that comes before it a turn stays below a minute
SIGNAL_EVERY_S: Final = 2  # how often the modem is asked for its signal while we look (Signal.Setup)

Properties = dict[str, dict[str, Any]]  # interface -> name -> value


def look(within_s: float, *, address: str | None = None) -> Cell:
    """What the first modem says, once it is registered and tells its signal, or after `within_s`.

    Raises ModemRefused. `address` is a bus other than the system's.
    """
    return asyncio.run(_watch(within_s, address))


def take(step: str, *, address: str | None = None) -> None:
    """One step of the ladder (edge/modem_ladder.py): re-attach, restart the modem, or reboot the box; ModemRefused."""
    asyncio.run(_take(step, address))


def send_sms(number: str, text: str, *, address: str | None = None) -> None:
    """One short message, at most 160 characters of ASCII. ModemRefused: it never left; SmsUnsure: it may have."""
    asyncio.run(_send_sms(number, text, address))


async def _send_sms(number: str, text: str, address: str | None) -> None:
    bus = await _connected(address)
    try:
        modem = await _first_modem(bus)
        message = {"number": Variant("s", number), "text": Variant("s", text)}
        (path,) = await _call(bus, modem, MESSAGING, "Create", "a{sv}", [message])
        try:
            await _call(bus, path, SMS, "Send", within_s=SEND_S)
        except ModemRefused as error:
            raise SmsUnsure(str(error)) from error
        finally:
            await _forget(bus, modem, path)
    finally:
        bus.disconnect()


async def _forget(bus: MessageBus, modem: str, path: str) -> None:
    """The modem's memory has room for a few dozen messages; one that stays there harms nothing yet."""
    try:
        await _call(bus, modem, MESSAGING, "Delete", "o", [path])
    except ModemRefused as error:
        log.info("%s", error)


async def _first_modem(bus: MessageBus) -> str:
    (objects,) = await _call(bus, PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
    path = next((path for path, found in sorted(objects.items()) if MODEM in found), None)
    if path is None:
        raise ModemRefused("no modem")
    return str(path)


async def _take(step: str, address: str | None) -> None:
    bus = await _connected(address)
    try:
        if step == REBOOT:
            await _call(bus, LOGIN_PATH, LOGIN + ".Manager", "Reboot", "b", [False], to=LOGIN)
            return
        path = await _first_modem(bus)
        if step == REATTACH:
            await _call(bus, path, MODEM + ".Modem3gpp", "Register", "s", [""])
        elif step == RESTART:
            await _call(bus, path, MODEM, "Reset")
        else:
            raise ModemRefused(f"{step}: not a step of the modem's own")
    finally:
        bus.disconnect()


async def _connected(address: str | None) -> MessageBus:
    bus: MessageBus | None = None
    try:
        bus = MessageBus(bus_address=address, bus_type=BusType.SYSTEM)
        return await asyncio.wait_for(bus.connect(), ANSWER_S)
    except Exception as error:  # what dbus_fast raises has a common base in its newest versions only
        if bus is not None:
            bus.disconnect()
        raise ModemRefused(f"D-Bus: {_why(error)}") from error


async def _watch(within_s: float, address: str | None) -> Cell:
    deadline_s = time.monotonic() + within_s
    bus = await _connected(address)
    try:
        asked: dict[str, bool] = {}
        while True:
            cell = await _look(bus, asked)
            if settled(cell) or time.monotonic() + LOOK_EVERY_S > deadline_s:
                return cell
            await asyncio.sleep(LOOK_EVERY_S)
    finally:
        bus.disconnect()


async def _look(bus: MessageBus, asked: dict[str, bool]) -> Cell:
    """One look; `asked` remembers which modems were told to measure their signal, and whether they do."""
    (objects,) = await _call(bus, PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
    version = await _property(bus, PATH, NAME, "Version")
    modems = {path: _plain(found) for path, found in sorted(objects.items()) if MODEM in found}
    if not modems:
        return Cell(manager=str(version))
    path, properties = next(iter(modems.items()))
    if path not in asked:
        asked[path] = SIGNAL in properties and await _told_to_measure(bus, path)
    cell = _cell(str(version), properties, await _iccid(bus, properties))
    return replace(cell, measures=asked[path], place=await _place(bus, path) if LOCATION in properties else "")


async def _place(bus: MessageBus, path: str) -> str:
    """MCC,MNC,LAC,CI,TAC of the cell; "" where the modem does not say."""
    try:
        (places,) = await _call(bus, path, LOCATION, "GetLocation")
    except ModemRefused as error:
        log.debug("%s", error)
        return ""
    return str(_bare(places.get(LAC_CI, "")))


async def _told_to_measure(bus: MessageBus, path: str) -> bool:
    """Whether the modem lets us: polkit asks for Device.Control, and old modems have no signal to tell."""
    try:
        await _call(bus, path, SIGNAL, "Setup", "u", [SIGNAL_EVERY_S])
    except ModemRefused as error:
        log.info("%s", error)
        return False
    return True


def _cell(version: str, properties: Properties, iccid: str) -> Cell:
    own, network = properties[MODEM], properties.get(MODEM + ".Modem3gpp", {})
    signal = properties.get(SIGNAL, {})
    # What a modem of 4G and 5G does not measure at this moment is an empty dictionary.
    measured: dict[str, Any] = next((signal[kind] for kind in ("Nr5g", "Lte") if signal.get(kind)), {})
    return Cell(
        manager=version,
        model=f"{own.get('Manufacturer', '')} {own.get('Model', '')}".strip(),
        state=int(own.get("State", 0)),
        iccid=iccid,
        operator=str(network.get("OperatorName") or network.get("OperatorCode", "")),
        registration=network.get("RegistrationState"),
        rsrp_dbm=measured.get("rsrp"),
        rsrq_db=measured.get("rsrq"),
        sinr_db=measured.get("snr"),
    )


async def _iccid(bus: MessageBus, properties: Properties) -> str:
    path = properties[MODEM].get("Sim", NO_SIM_PATH)
    return "" if path == NO_SIM_PATH else str(await _property(bus, path, SIM, "SimIdentifier"))


async def _property(bus: MessageBus, path: str, interface: str, name: str) -> Any:
    (value,) = await _call(bus, path, "org.freedesktop.DBus.Properties", "Get", "ss", [interface, name])
    return _bare(value)


async def _call(
    bus: MessageBus,
    path: str,
    interface: str,
    member: str,
    signature: str = "",
    body: list[Any] | None = None,
    *,
    to: str = NAME,
    within_s: float = ANSWER_S,
) -> list[Any]:
    message = Message(
        destination=to, path=path, interface=interface, member=member, signature=signature, body=body or []
    )
    try:
        answer = await asyncio.wait_for(bus.call(message), within_s)
    except Exception as error:  # as in _connected
        raise ModemRefused(f"{member}: {_why(error)}") from error
    if answer is None or answer.message_type is not MessageType.METHOD_RETURN:
        raise ModemRefused(f"{member}: {answer.error_name if answer else 'no answer'}")
    return list(answer.body)


def _why(error: Exception) -> str:
    return str(error) or ("no answer" if isinstance(error, TimeoutError) else type(error).__name__)


def _plain(interfaces: dict[str, dict[str, Any]]) -> Properties:
    return {interface: {name: _bare(value) for name, value in held.items()} for interface, held in interfaces.items()}


def _bare(value: Any) -> Any:
    """A value out of its variants."""
    if isinstance(value, Variant):
        return _bare(value.value)
    if isinstance(value, dict):
        return {key: _bare(inner) for key, inner in value.items()}
    return value

"""The modem through ModemManager over D-Bus: the only file that imports dbus_fast."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import Any, Final

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from provisioning.acceptance import words
from provisioning.acceptance.cell import Cell, lines_of, settled
from provisioning.acceptance.config import Modem
from provisioning.acceptance.sheet import Line, demanded, skipped

log = logging.getLogger(__name__)

NAME: Final = "org.freedesktop.ModemManager1"
PATH: Final = "/org/freedesktop/ModemManager1"
MODEM: Final = NAME + ".Modem"
SIGNAL: Final = MODEM + ".Signal"
SIM: Final = NAME + ".Sim"
NO_SIM_PATH: Final = "/"
LOOK_EVERY_S: Final = 1.0
ANSWER_S: Final = 10.0
SIGNAL_EVERY_S: Final = 2  # how often the modem is asked for its signal while we look (Signal.Setup)

Properties = dict[str, dict[str, Any]]  # interface -> name -> value


class ModemRefused(Exception):
    """ModemManager is not there, or does not answer as it should."""


def modem(limits: Modem, within_s: float, *, address: str | None = None) -> list[Line]:
    """The modem's lines, after up to `within_s` for a network; `address` is a bus other than the system's."""
    if not limits.there:
        return [skipped("modem", words.NO_MODEM_WANTED)]
    try:
        return lines_of(asyncio.run(_watch(within_s, address)), limits)
    except ModemRefused as error:
        return [demanded("modem", str(error), False, words.NO_MODEM_MANAGER)]


async def _watch(within_s: float, address: str | None) -> Cell:
    deadline_s = time.monotonic() + within_s
    try:
        bus = await asyncio.wait_for(MessageBus(bus_address=address, bus_type=BusType.SYSTEM).connect(), ANSWER_S)
    except (OSError, TimeoutError) as error:
        raise ModemRefused(f"D-Bus: {error or 'no answer'}") from error
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
    return replace(_cell(str(version), properties, await _iccid(bus, properties)), measures=asked[path])


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
    bus: MessageBus, path: str, interface: str, member: str, signature: str = "", body: list[Any] | None = None
) -> list[Any]:
    message = Message(
        destination=NAME, path=path, interface=interface, member=member, signature=signature, body=body or []
    )
    try:
        answer = await asyncio.wait_for(bus.call(message), ANSWER_S)
    except (TimeoutError, EOFError, OSError) as error:
        raise ModemRefused(f"{member}: {error or 'no answer'}") from error
    if answer is None or answer.message_type is not MessageType.METHOD_RETURN:
        raise ModemRefused(f"{member}: {answer.error_name if answer else 'no answer'}")
    return list(answer.body)


def _plain(interfaces: dict[str, dict[str, Any]]) -> Properties:
    return {interface: {name: _bare(value) for name, value in held.items()} for interface, held in interfaces.items()}


def _bare(value: Any) -> Any:
    """A value out of its variants."""
    if isinstance(value, Variant):
        return _bare(value.value)
    if isinstance(value, dict):
        return {key: _bare(inner) for key, inner in value.items()}
    return value

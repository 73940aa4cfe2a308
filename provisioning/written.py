"""The box's own files as the office, a label or an adoption writes them: enrolment.toml, unit.toml, passwords. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import tomlkit

PASSWORDS: Final = "/etc/pantau/passwords.toml"  # where systemd takes it from (pantau-camera-node.service)


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the city's two servers are, by the host names in their certificates."""

    enrolment_host: str
    enrolment_port: int
    broker_host: str
    broker_port: int


def enrolment_toml(unit: str, at: Addresses) -> str:
    """What a box needs to enrol itself; the authority's certificates lie beside it as ca.pem."""
    return toml(
        unit={"id": unit},
        enrolment={"host": at.enrolment_host, "port": at.enrolment_port, "ca_path": "ca.pem"},
        broker={"host": at.broker_host, "port": at.broker_port},
        identity={},
    )


def unit_toml(unit: str, at: Addresses, tty: str) -> str:
    """What gps_unit needs on a box whose identity `pantau-provision enrol` keeps."""
    return toml(unit={"id": unit}, broker=_broker(at), receiver={"tty": tty})


def pole_toml(unit: str, at: Addresses, interface: str) -> str:
    """What camera_node needs on such a box, before a camera is adopted: `interface` is the port towards them."""
    return toml(unit={"id": unit}, broker=_broker(at), pole={"interface": interface, "passwords_path": PASSWORDS})


def with_camera(unit_toml: str, camera: Mapping[str, str | int | None], passwords_path: str | None) -> str:
    """A unit.toml, as it is but for one camera: the one of that name, or one more.

    A key that is None is not there afterwards. With a `passwords_path` [pole] names it, unless it names one already.
    """
    document = tomlkit.parse(unit_toml)
    if passwords_path is not None:
        document.setdefault("pole", tomlkit.table()).setdefault("passwords_path", passwords_path)
    cameras = document.setdefault("cameras", tomlkit.aot())
    table = next((one for one in cameras if one.get("name") == camera["name"]), None)
    if table is None:
        cameras.append(table := tomlkit.table())
    for key, value in camera.items():
        if value is not None:
            table[key] = value
        elif key in table:
            table.remove(key)
    return tomlkit.dumps(document)


def with_password(passwords_toml: str, name: str, user: str, password: str) -> str:
    """A file of passwords, as it is but for this camera's."""
    document = tomlkit.parse(passwords_toml)
    table = tomlkit.table()
    table.update(user=user, password=password)
    document[name] = table
    return tomlkit.dumps(document)


def _broker(at: Addresses) -> dict[str, str | int]:
    current = "/var/lib/pantau/identity/current"
    return {
        "host": at.broker_host,
        "port": at.broker_port,
        "ca_path": "ca.pem",
        "certificate_path": f"{current}/certificate.pem",
        "key_path": f"{current}/key.pem",
    }


def toml(**tables: dict[str, str | int]) -> str:
    """TOML of tables with texts and whole numbers; JSON's quotes are TOML's."""
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
        for name, keys in tables.items()
    )

"""The box's own files as the office or a label writes them: enrolment.toml and unit.toml. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass


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
    current = "/var/lib/pantau/identity/current"
    return toml(
        unit={"id": unit},
        broker={
            "host": at.broker_host,
            "port": at.broker_port,
            "ca_path": "ca.pem",
            "certificate_path": f"{current}/certificate.pem",
            "key_path": f"{current}/key.pem",
        },
        receiver={"tty": tty},
    )


def toml(**tables: dict[str, str | int]) -> str:
    """TOML of tables with texts and whole numbers; JSON's quotes are TOML's."""
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
        for name, keys in tables.items()
    )

"""Cameras on the pole's own network that answer: they are offered, never taken."""

from __future__ import annotations

import ipaddress
import urllib.parse
from dataclasses import dataclass
from typing import Final

from onveef import wsdiscovery

LISTEN_S: Final = 3.0  # WS-Discovery 1.1 §3.1.3: an answer comes within APP_MAX_DELAY (0.5 s), asked more than once
MOST: Final = 64  # a switch of a pole has eight ports; what floods us with answers is no camera


@dataclass(frozen=True, slots=True)
class Found:
    """A camera that answered. All of it is its own word: a person decides."""

    address: str
    onvif_port: int
    name: str
    hardware: str
    endpoint: str  # its own lasting name, urn:uuid:…


def discover(interface_address: str, *, listen_s: float = LISTEN_S) -> list[Found]:
    """Ask by WS-Discovery on the network of our own `interface_address`: the cameras' side, never the SIM's.

    Blocks for `listen_s`.
    """
    answers = wsdiscovery.discover(timeout_s=listen_s, interface_ip=interface_address, ttl=1)
    found = {one.endpoint or one.address: one for answer in answers if (one := _found(answer))}
    return sorted(found.values(), key=lambda one: one.address)[:MOST]


def _found(answer: wsdiscovery.DiscoveredDevice) -> Found | None:
    """None where no service address can be read. The address is the answer's word too: onveef tells no sender."""
    for xaddr in answer.xaddrs:
        try:
            parts = urllib.parse.urlsplit(xaddr)
            address = str(ipaddress.IPv4Address(parts.hostname or ""))
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            continue
        printed = [_printable(text) for text in (answer.name, answer.hardware, answer.endpoint_reference)]
        return Found(address, port, *printed)
    return None


def _printable(text: str) -> str:
    return "".join(char for char in text if char.isprintable())[:64]

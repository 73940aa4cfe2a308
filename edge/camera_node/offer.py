"""`python -m edge.camera_node.offer find PORT`, `… ask ADDRESS PORT`: cameras for a person to adopt, as lines of JSON.

`find`: what answers WS-Discovery behind that network port (eth0 …), a line a camera: address, onvif_port, name,
hardware; all of it their own word. `ask`: who is at that address and which streams it offers, one line: identity and
streams; user and password come as {"user": …, "password": …} on stdin, {} for a camera without, so that they stand in
no list of processes. Exit code 0; 1 when nobody could be asked, with the reason on stderr.

A process of its own, as a camera's answer is read here: the one that asks writes the box's files, and is root's.
"""

from __future__ import annotations

import fcntl
import json
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from typing import Any, Final

from edge.camera_node.discovery import discover
from edge.camera_node.onvif import OnvifCamera, OnvifFailed
from edge.camera_node.probing import Credentials
from edge.service import EXIT_CLEAN

EXIT_NOBODY: Final = 1
USAGE: Final = "usage: python -m edge.camera_node.offer find PORT | ask ADDRESS PORT"
_SIOCGIFADDR: Final = 0x8915  # netdevice(7); struct ifreq begins with 16 bytes of name, the address stands at 20
_MOST_BYTES: Final = 4_000


def address_of(interface: str) -> str:
    """The IPv4 address of our own network port; raises OSError where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("256s", interface.encode()[:15])
        return socket.inet_ntoa(fcntl.ioctl(any_socket, _SIOCGIFADDR, request)[20:24])


def main(argv: list[str]) -> int:
    """Print what was found or said; the exit code."""
    try:
        for line in _answers(argv):
            sys.stdout.write(json.dumps(line) + "\n")
    except OnvifFailed as failed:
        return _nobody(failed.detail)
    except OSError as error:
        return _nobody(f"{argv[1]}: {error.strerror or error}")
    return EXIT_CLEAN


def _answers(argv: list[str]) -> Iterator[dict[str, Any]]:
    match argv:
        case ["find", interface]:
            yield from map(asdict, discover(address_of(interface)))
        case ["ask", address, port] if port.isdecimal():
            told = json.loads(sys.stdin.read(_MOST_BYTES))
            credentials = Credentials(told["user"], told["password"]) if told else None
            with closing(OnvifCamera(address, int(port), credentials)) as camera:
                yield {"identity": asdict(camera.identity()), "streams": [asdict(each) for each in camera.streams()]}
        case _:
            raise SystemExit(USAGE)


def _nobody(why: str) -> int:
    sys.stderr.write(why + "\n")
    return EXIT_NOBODY


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

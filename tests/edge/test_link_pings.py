"""A busy link needs no pings: each costs a mobile box 256 bytes."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from queue import SimpleQueue
from typing import Any

from edge.clock import Clock
from edge.link import Connected, Link
from edge.tls import Identity, make_context
from provisioning.throwaway import Credentials, make_authority

PINGREQ, PINGRESP, CONNACK_5 = b"\xc0\x00", b"\xd0\x00", b"\x20\x03\x00\x00\x00"


class TalkingBroker:
    """Lets one client in and says something back to whatever it sends; what came is in `heard`."""

    def __init__(self, credentials: Credentials) -> None:
        self.heard: list[bytes] = []
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(credentials.ca_path))
        self._context.load_cert_chain(str(credentials.certificate_path), str(credentials.key_path))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with self._context.wrap_socket(self._listener.accept()[0], server_side=True) as sock:
            answer = CONNACK_5
            while packet := sock.recv(4_096):
                self.heard.append(packet)
                sock.sendall(answer)
                answer = PINGRESP
        self._listener.close()

    def join(self) -> None:
        self._thread.join(5.0)


def test_a_link_that_publishes_and_hears_within_its_keepalive_never_pings(tmp_path: Any) -> None:
    authority = make_authority(tmp_path)
    broker = TalkingBroker(authority.ensure("localhost", "broker"))
    box = authority.ensure("ambulance-1", "unit")
    identity = Identity(ca_path=box.ca_path, certificate_path=box.certificate_path, key_path=box.key_path)
    events: SimpleQueue[Any] = SimpleQueue()
    context = make_context(identity, Clock(ntp_synchronised=lambda: True))
    link = Link(events, client_id="ambulance-1", context=context, keepalive_s=1, mqtt5=True)
    link.open("127.0.0.1", broker.port, "will", b"")
    assert isinstance(events.get(timeout=5.0), Connected)
    until_s = time.monotonic() + 3.0
    while time.monotonic() < until_s:
        link.publish("pantau/v1/ambulance-1/up", b"row")
        time.sleep(0.2)
    link.close(2.0)
    broker.join()
    assert len(broker.heard) > 10
    assert PINGREQ not in broker.heard

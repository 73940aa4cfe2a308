"""Many MQTT 3.1.1 clients in one process, with next to no cost of their own: the load must not be what is measured.

Only what a unit does on the wire: CONNECT, SUBSCRIBE to its receipts, PUBLISH at QoS 0. Layout: MQTT 3.1.1 (OASIS),
section 3.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

CONNACK: Final = 0x20
PUBLISH: Final = 0x30
PUBACK: Final = 0x40
KEEPALIVE_S: Final = 600


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack(">H", len(raw)) + raw


def packet(kind: int, body: bytes) -> bytes:
    """Any control packet: its first byte and what follows the length."""
    size, length = len(body), bytearray()
    while True:
        size, digit = divmod(size, 128)
        length.append(digit | (0x80 if size else 0))
        if not size:
            return bytes([kind]) + bytes(length) + body


def publish_packet(topic: str, payload: bytes) -> bytes:
    """A PUBLISH at QoS 0, ready for the socket."""
    return packet(PUBLISH, _string(topic) + payload)


class Client:
    """One connection; `on_publish(topic, payload)` is called for everything that comes in."""

    def __init__(
        self,
        host: str,
        port: int,
        context: ssl.SSLContext,
        client_id: str,
        on_publish: Callable[[str, bytes], None],
    ) -> None:
        self.acked = 0  # QoS 1 publishes that the broker has answered
        self._on_publish = on_publish
        self._received = bytearray()
        self._to_send = bytearray()
        plain = socket.create_connection((host, port), timeout=20)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = context.wrap_socket(plain, server_hostname=host)
        flags, protocol = b"\x02", _string("MQTT") + b"\x04"
        self._socket.sendall(packet(0x10, protocol + flags + struct.pack(">H", KEEPALIVE_S) + _string(client_id)))
        answer = self._socket.recv(4)
        if answer[:1] != bytes([CONNACK]) or answer[3:4] != b"\0":
            raise ConnectionRefusedError(f"{client_id}: CONNACK {answer.hex()}")
        self._socket.setblocking(False)

    def fileno(self) -> int:
        return self._socket.fileno()

    def subscribe(self, topic: str) -> None:
        self.send(packet(0x82, b"\x00\x01" + _string(topic) + b"\x00"))

    def send(self, packet: bytes) -> None:
        """Hand bytes over; what the socket does not take now goes with the next `turn`."""
        self._to_send += packet
        self._flush()

    def turn(self) -> None:
        """Read what came in and write what waits; raises ConnectionError when the broker has gone."""
        self._flush()
        while True:
            try:
                chunk = self._socket.recv(65536)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                break
            if not chunk:
                raise ConnectionResetError("the broker closed the connection")
            self._received += chunk
        self._parse()

    def close(self) -> None:
        self._socket.close()

    def _flush(self) -> None:
        while self._to_send:
            try:
                sent = self._socket.send(self._to_send)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                return
            del self._to_send[:sent]

    def _parse(self) -> None:
        while (found := _frame(self._received)) is not None:
            start, end = found
            if self._received[0] & 0xF0 == PUBLISH:
                (length,) = struct.unpack_from(">H", self._received, start)
                topic = self._received[start + 2 : start + 2 + length].decode()
                self._on_publish(topic, bytes(self._received[start + 2 + length : end]))
            self.acked += self._received[0] == PUBACK
            del self._received[:end]


def _frame(received: bytearray) -> tuple[int, int] | None:
    """(start of the body, end) of the first whole packet, None while it is not there yet."""
    size, shift = 0, 0
    for at in range(1, min(5, len(received))):
        size |= (received[at] & 0x7F) << shift
        shift += 7
        if not received[at] & 0x80:
            return (at + 1, at + 1 + size) if len(received) >= at + 1 + size else None
    return None


def tls(ca_path: Path, certificate_path: Path, key_path: Path) -> ssl.SSLContext:
    """A client's context with its certificate."""
    context = ssl.create_default_context(cafile=str(ca_path))
    context.load_cert_chain(certificate_path, key_path)
    return context


def turn_all(selector: selectors.BaseSelector, timeout_s: float) -> None:
    """One turn of every client whose socket has something to say."""
    for key, _ in selector.select(timeout_s):
        client = key.fileobj
        assert isinstance(client, Client)
        client.turn()

"""MQTT by hand and without a thread: what a well-behaved client never does. Layout: MQTT 3.1.1 (OASIS), section 3."""

from __future__ import annotations

import socket
import ssl
import struct
from types import TracebackType
from typing import Final, Self

from provisioning.throwaway import Credentials
from stage.clients import packet

PATIENCE_S: Final = 5.0
DISCONNECT: Final = b"\xe0\x00"


def text(value: str) -> bytes:
    """A string as MQTT has it."""
    raw = value.encode()
    return struct.pack(">H", len(raw)) + raw


def connect(client_id: str = "", *, will: tuple[str, bytes] | None = None, username: str | None = None) -> bytes:
    """CONNECT with a clean session; a will is retained and at QoS 1."""
    flags, body = 0x02, text(client_id)
    if will is not None:
        flags |= 0x2C
        body += text(will[0]) + struct.pack(">H", len(will[1])) + will[1]
    if username is not None:
        flags |= 0xC0
        body += text(username) + text("a password")
    return packet(0x10, text("MQTT") + bytes([4, flags]) + struct.pack(">H", 60) + body)


def subscribe(topic: str) -> bytes:
    """SUBSCRIBE at QoS 0."""
    return packet(0x82, b"\x00\x01" + text(topic) + b"\x00")


def publish(topic: str, payload: bytes, *, retain: bool = False, qos: int = 0) -> bytes:
    """PUBLISH; at QoS 1 and 2 its packet identifier is 1."""
    identifier = struct.pack(">H", 1) if qos else b""
    return packet(0x30 | qos << 1 | retain, text(topic) + identifier + payload)


class Raw:
    """One TLS connection to the broker, with that identity or (None) without a certificate."""

    def __init__(self, host: str, port: int, ca: Credentials, who: Credentials | None) -> None:
        context = ssl.create_default_context(cafile=str(ca.ca_path))
        if who is not None:
            context.load_cert_chain(str(who.certificate_path), str(who.key_path))
        plain = socket.create_connection((host, port), timeout=PATIENCE_S)
        try:
            self._tls = context.wrap_socket(plain, server_hostname="localhost")
        except OSError:
            plain.close()
            raise

    def send(self, data: bytes) -> None:
        self._tls.sendall(data)

    def answer(self, size: int = 4) -> bytes:
        """The next `size` bytes (a CONNACK has 4); fewer when the broker closed."""
        found = b""
        while len(found) < size and (piece := self._tls.recv(size - len(found))):
            found += piece
        return found

    def rest(self) -> bytes:
        """All that comes until the broker closes; raises TimeoutError when it does not."""
        found = b""
        try:
            while piece := self._tls.recv(65536):
                found += piece
        except TimeoutError:
            raise
        except OSError:
            pass  # a reset or a TLS alert is a close
        return found

    def close(self) -> None:
        """Without a goodbye: the will is published."""
        self._tls.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

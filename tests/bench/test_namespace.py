"""The link that air counts on: bytes of IP and nothing else, and no trace of it afterwards."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from bench.namespace import CENTRE_ADDRESS, NamespaceRefused, link


def test_every_packet_of_a_connection_is_counted_and_nothing_besides() -> None:
    try:
        with link(9) as made:
            listener = socket.create_server((CENTRE_ADDRESS, 0))
            with made.entered():
                box = socket.create_connection(listener.getsockname(), timeout=5.0)
            centre, _ = listener.accept()
            before = made.counted()
            box.sendall(b"x" * 100)
            assert centre.recv(100) == b"x" * 100
            counted = made.counted().since(before)
            assert counted.up_bytes == counted.up_packets * 52 + 100
            assert counted.down_bytes == counted.down_packets * 52
            for sock in (box, centre, listener):
                sock.close()
    except NamespaceRefused as refused:
        pytest.skip(str(refused))
    assert not Path("/run/netns").exists() or not [n for n in Path("/run/netns").iterdir() if n.name.endswith("-9")]

"""A link of IP: it counts bytes and nothing else, loses and limits what it is told to, and leaves no trace."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stage.namespace import CENTRE_ADDRESS, Link, NamespaceRefused, link


@pytest.fixture
def made() -> Iterator[Link]:
    try:
        with link(8) as one:
            yield one
    except NamespaceRefused as refused:
        pytest.skip(str(refused))


def heard_of(made: Link, packets: int) -> int:
    """How many of so many datagrams of the box come in at the centre."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as centre:
        centre.bind((CENTRE_ADDRESS, 0))
        centre.settimeout(0.5)
        with made.entered():
            box = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with box:
            for _ in range(packets):
                box.sendto(b"x", centre.getsockname())
        heard = 0
        try:
            while True:
                heard += len(centre.recv(10))
        except TimeoutError:
            return heard


def test_a_fifth_of_the_packets_is_lost_and_then_none(made: Link) -> None:
    try:
        made.lose(20)
    except NamespaceRefused as refused:
        pytest.skip(str(refused))
    assert 100 < heard_of(made, 200) < 195  # 160 on average, eleven deviations to either side
    made.lose(0)
    assert heard_of(made, 200) == 200
    made.lose(50)


def test_nothing_of_a_lossy_link_is_left() -> None:
    try:
        with link(7) as made:
            made.lose(20)
    except NamespaceRefused as refused:
        pytest.skip(str(refused))
    tables = subprocess.run(["nft", "list", "tables"], check=True, capture_output=True, text=True).stdout
    assert f"pt{os.getpid()}c7" not in tables


def test_a_limit_holds(made: Link) -> None:
    made.limit(64_000)
    with socket.create_server((CENTRE_ADDRESS, 0)) as listener:
        with made.entered():
            box = socket.create_connection(listener.getsockname(), timeout=5.0)
        centre, _ = listener.accept()
        with box, centre:
            begun_s, got = time.monotonic(), 0
            box.sendall(bytes(12_000))
            while got < 12_000:
                got += len(centre.recv(65_536))
            assert time.monotonic() - begun_s > 0.9  # 8,000 B/s, less what the bucket lets through at once
    made.limit(None)


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

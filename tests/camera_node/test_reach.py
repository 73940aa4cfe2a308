"""What lies below a stream, against this machine's own kernel."""

from __future__ import annotations

import errno
import socket
import time

import pytest

from edge.camera_node.probing import Reach
from edge.camera_node.reach import carried, connect, host_and_port, ping, reach
from stage.namespace import CENTRE_ADDRESS, NamespaceRefused, link


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("rtsp://192.0.2.1/live", ("192.0.2.1", 554)),
        ("rtsps://192.0.2.1/live", ("192.0.2.1", 322)),
        ("rtsp://[2001:db8::1]:8554/live", ("2001:db8::1", 8554)),
    ],
)
def test_where_a_url_leads(url: str, where: tuple[str, int]) -> None:
    assert host_and_port(url) == where


def test_a_url_that_leads_nowhere() -> None:
    with pytest.raises(ValueError, match="names no host"):
        host_and_port("rtsp:///live")


def test_an_open_and_a_closed_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert reach("127.0.0.1", port) == Reach(port_open=True)
    assert connect("127.0.0.1", port) == errno.ECONNREFUSED
    assert reach("127.0.0.1", port).port_refused


def test_power_and_carrier_are_not_asked_of_the_network() -> None:
    assert reach("192.0.2.1", 554, powered=False) == Reach(powered=False)
    assert carried("no-such-port") is None


def test_a_port_of_our_own_without_carrier_and_a_way_that_leads_nowhere() -> None:
    try:
        with link() as cameras:
            box = next(name for name in _names() if name.startswith("pt") and "c" in name)
            assert carried(box) is True
            with cameras.entered():
                assert ping(CENTRE_ADDRESS) is True
                assert connect("198.51.100.1", 554, within_s=1.0) == errno.ENETUNREACH
                assert reach("198.51.100.1", 554).routed is False
                begun_s = time.monotonic()
                silent = reach(f"{CENTRE_ADDRESS.rpartition('.')[0]}.200", 554, within_s=0.5)
                assert not silent.port_open and not silent.pinged
                assert time.monotonic() - begun_s < 10.0
    except NamespaceRefused as refused:
        pytest.skip(str(refused))


def _names() -> list[str]:
    return [name for _, name in socket.if_nameindex()]

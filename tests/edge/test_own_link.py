"""Whether the box has a way out, from the kernel's routing tables, and the moment it came back."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge import own_link
from edge.own_link import OwnLink, has_default_route

HEADER = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
LAN = "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
DEFAULT = "wwan0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
REJECTED = "*\t00000000\t00000000\t0201\t0\t0\t0\t00000000\t0\t0\t0\n"
NO = "0" * 32
IPV6_DEFAULT = f"{NO} 00 {NO} 00 fe80{'0' * 28} 00000400 00000001 00000000 00000003    wwan0\n"
IPV6_REJECT = f"{NO} 00 {NO} 00 {NO} ffffffff 00000001 00000000 00200200       lo\n"


@pytest.mark.parametrize(
    "ipv4, ipv6, expected",
    [
        (HEADER + LAN, IPV6_REJECT, False),
        (HEADER + LAN + DEFAULT, IPV6_REJECT, True),
        (HEADER + REJECTED, IPV6_REJECT, False),
        (HEADER, IPV6_DEFAULT, True),
        (None, None, False),
        ("", "", False),
    ],
)
def test_a_way_out_is_a_default_route_that_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ipv4: str | None, ipv6: str | None, expected: bool
) -> None:
    for name, text in (("_IPV4_ROUTES", ipv4), ("_IPV6_ROUTES", ipv6)):
        monkeypatch.setattr(own_link, name, tmp_path / name)
        if text is not None:
            (tmp_path / name).write_text(text)
    assert has_default_route() is expected


def test_this_machines_own_table_is_read() -> None:
    assert has_default_route() in (True, False)


def test_it_came_back_once_when_it_came_back() -> None:
    states = iter([True, True, False, False, True, True])
    link = OwnLink(lambda: next(states))
    assert [link.came_back() for _ in range(5)] == [False, False, False, True, False]

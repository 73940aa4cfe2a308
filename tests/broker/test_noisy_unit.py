"""A box that does its worst does not keep another one's rows from being receipted, nor a third one from coming in.

Measured with real processes. Without packaging/pantau-broker.nft what Mosquitto cannot tell the bridge fast enough is
dropped, the quiet box's parcels among it: it sends again, so its rows come late. With it they come as ever.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from stage.city import free_port

HERE: Final = Path(__file__).parent
LIMITS: Final = HERE.parents[1] / "packaging" / "pantau-broker.nft"
AT_ONCE_S: Final = 5.0  # on a machine that does much else; 0.5 s on one that does not
LATE_S: Final = 20.0  # some times the 2 s after which the quiet box here sends again
IN_A_NAMESPACE: Final = ("unshare", "-n", "sh", "-c", 'ip link set lo up && nft -f "$0" && exec "$@"', str(LIMITS))


def beside(folder: Path, how: str, count: int, *, limited: bool) -> dict[str, Any]:
    """What beside_noise.py has measured; `limited`: behind the packet filter, in a network of its own."""
    command = [sys.executable, str(HERE / "beside_noise.py"), str(folder), how, str(count)]
    if limited:
        command = [*IN_A_NAMESPACE, *command, "8883"]
    else:
        command.append(str(free_port()))
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(how, count, {**found, "beside": [len(found["beside"]), max(found["beside"])]})  # noqa: T201
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "count", "within_s"),
    [
        ("connects", 10_000, AT_ONCE_S),
        ("sockets", 2_000, AT_ONCE_S),
        ("dials", 10_000, AT_ONCE_S),  # a second
        ("rows", 8_000, AT_ONCE_S),
        ("bombs", 1_000, AT_ONCE_S),
        ("dense", 40, AT_ONCE_S),
        ("garbage", 150_000, LATE_S),
        ("births", 100_000, LATE_S),
    ],
)
def test_whatever_one_box_does_anothers_rows_are_receipted(
    tmp_path: Path, how: str, count: int, within_s: float
) -> None:
    found = beside(tmp_path, how, count, limited=False)
    assert max(found["beside"]) < within_s
    assert found["newcomer_s"] < AT_ONCE_S
    assert max(found["after"]) < within_s and sorted(found["after"])[10] < 1.0, "and then all is as before"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "count", "most"),
    [
        ("garbage", 200_000, 100_000),
        ("rows", 8_000, 8_000),
        ("sockets", 2_000, 1_000),
        ("dials", 10_000, None),  # a second; after the 500th they are dropped, which slows nobody down
    ],
)
def test_behind_the_packet_filter_a_box_cannot_even_delay_another(
    tmp_path: Path, how: str, count: int, most: int | None
) -> None:
    if shutil.which("nft") is None or not may_have_a_network():
        pytest.skip("network namespaces and nftables are needed: apt-get install -y nftables, as root")
    found = beside(tmp_path, how, count, limited=True)
    assert max(found["beside"]) < AT_ONCE_S and found["resent"] == 0
    assert found["newcomer_s"] < AT_ONCE_S
    assert most is None or int(found["noise"].split()[0]) <= most, "the filter slows it down"


def may_have_a_network() -> bool:
    probe = [*IN_A_NAMESPACE, "true"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0

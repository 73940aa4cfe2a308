"""A D-Bus of a test's own, with python-dbusmock's ModemManager on it; Debian's python3-dbusmock in Debian's Python."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

PYTHON: Final = "/usr/bin/python3"  # dbus-python is built for this one only
TEMPLATE: Final = Path(__file__).with_name("modemmanager.py")
START_S: Final = 20.0
GOOD: Final = {"iccid": "8962100000000000017", "rsrp": -87.0, "rsrq": -9.0, "snr": 14.2}


def demand_dbusmock() -> None:
    """Skip with one line where it is not installed."""
    there = shutil.which("dbus-daemon") and Path(PYTHON).exists()
    if not there or subprocess.run([PYTHON, "-c", "import dbusmock"], capture_output=True, check=False).returncode:
        pytest.skip("no python-dbusmock here: apt-get install dbus python3-dbusmock")


@contextmanager
def bus_with(modem: dict[str, Any] | None, folder: Path) -> Iterator[str]:
    """The address of a bus with that modem on it; None: with nothing on it."""
    demand_dbusmock()
    configuration = folder / "bus.conf"
    configuration.write_text(
        f"<busconfig><type>system</type><listen>unix:path={folder / 'bus'}</listen>"
        '<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>'
        '<allow own="*"/><allow user="*"/></policy></busconfig>'
    )
    daemon = subprocess.Popen(["dbus-daemon", f"--config-file={configuration}", "--nofork", "--nopidfile"])
    mock = None
    address = f"unix:path={folder / 'bus'}"
    try:
        _until((folder / "bus").exists, daemon)
        if modem is not None:
            command = [PYTHON, "-m", "dbusmock", "--template", str(TEMPLATE), "--parameters", json.dumps(modem)]
            mock = subprocess.Popen(
                command, env={"DBUS_SYSTEM_BUS_ADDRESS": address, "PATH": "/usr/bin:/bin"}, cwd=folder
            )
            _until(lambda: _owned(address), mock)
        yield address
    finally:
        for child in (mock, daemon):
            if child is not None:
                child.terminate()
                child.wait(10)


def _owned(address: str) -> bool:
    asked = [
        "dbus-send",
        f"--bus={address}",
        "--print-reply",
        "--dest=org.freedesktop.DBus",
        "/",
        "org.freedesktop.DBus.",
    ]
    asked[-1] += "NameHasOwner"
    said = subprocess.run([*asked, "string:org.freedesktop.ModemManager1"], capture_output=True, text=True, check=False)
    return "true" in said.stdout


def _until(true: Any, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while not true():
        assert child.poll() is None, "it did not start"
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.05)

"""A D-Bus of a test's own, with python-dbusmock's ModemManager on it; Debian's python3-dbusmock in Debian's Python."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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


# The answer to Hello: little endian, a method's return, reply serial 1, signature "s"; the body is our name.
HELLO_ANSWER: Final = (
    b"l\x02\x00\x01\x09\x00\x00\x00\x01\x00\x00\x00\x0f\x00\x00\x00"
    b"\x05\x01u\x00\x01\x00\x00\x00\x08\x01g\x00\x01s\x00\x00"
    b"\x04\x00\x00\x00:1.1\x00"
)
GARBAGE: Final = b"\xff" * 200
# What a sick bus says to AUTH, to Hello and to the first call; it hangs up after the last of them.
SICK: Final = {
    "refuses": [b"REJECTED EXTERNAL\r\n"],
    "speaks no SASL": [b"\xff\xfe\r\n"],
    "closes after Hello": [b"OK 1234deadbeef1234deadbeef12345678\r\n", b""],
    "answers Hello with garbage": [b"OK 1234deadbeef1234deadbeef12345678\r\n", GARBAGE],
    "closes at the first call": [b"OK 1234deadbeef1234deadbeef12345678\r\n", HELLO_ANSWER, b""],
    "answers a call with garbage": [b"OK 1234deadbeef1234deadbeef12345678\r\n", HELLO_ANSWER, GARBAGE],
}


@contextmanager
def sick_bus(how: str, folder: Path) -> Iterator[str]:
    """The address of a bus that takes every connection and fails it like that."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "sick"))
        listener.listen()
        thread = threading.Thread(target=_fail_each, args=(listener, SICK[how]))
        thread.start()
        try:
            yield f"unix:path={folder / 'sick'}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _fail_each(listener: socket.socket, answers: list[bytes]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            for answer in answers:
                while connection.recv(4096) in (b"\0", b"BEGIN\r\n"):  # nobody answers these; they may come alone
                    pass
                with suppress(OSError):
                    connection.sendall(answer)


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

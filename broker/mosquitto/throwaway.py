"""A real Mosquitto with verbs that can be killed and started again: for tests and benches."""

from __future__ import annotations

import socket
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from broker.acl import Roles
from broker.mosquitto.configuration import Listener
from broker.mosquitto.run import prepare

_START_DEADLINE_S: Final = 10.0
_STOP_DEADLINE_S: Final = 5.0


class ThrowawayMosquitto:
    """Mosquitto on its own port of the loopback, over mutual TLS like any other; port 0 finds a free one.

    `with ThrowawayMosquitto(...) as mosquitto:` starts it; `kill()` is SIGKILL, `start()` takes the same port again.
    """

    def __init__(
        self, directory: Path, *, ca_path: Path, certificate_path: Path, key_path: Path, roles: Roles, port: int = 0
    ) -> None:
        self.directory = directory
        self.roles = roles
        self.listener = Listener(
            address="127.0.0.1",
            port=port,
            ca_path=ca_path,
            certificate_path=certificate_path,
            key_path=key_path,
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return self.listener.address

    @property
    def port(self) -> int:
        """The port it listens on; 0 before the first start."""
        return self.listener.port

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it and return when it accepts connections; raises TimeoutError with its log when it does not."""
        if self.listener.port == 0:
            self.listener = replace(self.listener, port=_free_port())
        command = prepare(self.listener, self.roles, self.directory)
        with (self.directory / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + _START_DEADLINE_S
        while not self._accepts():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise TimeoutError(f"mosquitto did not start: {self.log()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it the polite way."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_STOP_DEADLINE_S)
            self._process = None

    def kill(self) -> None:
        """SIGKILL: everything it held is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_STOP_DEADLINE_S)
            self._process = None

    def log(self) -> str:
        """What it said so far."""
        return (self.directory / "mosquitto.log").read_text("utf-8", "replace")

    def _accepts(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), timeout=1.0):
                return True
        except OSError:
            return False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

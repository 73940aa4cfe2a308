"""The service manager's side: sd_notify(3) datagrams; nothing happens when nobody listens."""

import logging
import os
import socket
from collections.abc import Mapping

log = logging.getLogger(__name__)


class Systemd:
    """What the manager asked for in our environment, and what we tell it."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) if address else None
        watched = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        usec = environment.get("WATCHDOG_USEC", "")
        self.watchdog_s = int(usec) / 1e6 if watched and usec.isdecimal() and int(usec) else None

    @property
    def listens(self) -> bool:
        """Whether a manager has asked to be told."""
        return self._socket is not None

    def notify(self, state: str) -> None:
        """Send one state, e.g. `READY=1`; a manager that is not there is none of our trouble."""
        if self._socket is None:
            return
        try:
            self._socket.sendto(state.encode(), self._address)
        except OSError as error:
            log.debug("sd_notify %s: %s", state, error)

    def close(self) -> None:
        """Give the socket back."""
        if self._socket is not None:
            self._socket.close()

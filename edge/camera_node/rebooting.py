"""Asks a camera to start anew, in a thread of its own: one that does not answer holds nobody up."""

from __future__ import annotations

import logging
import threading
from typing import Protocol

from edge.camera_node.onvif import OnvifFailed

log = logging.getLogger(__name__)


class Asks(Protocol):
    """What can reboot a camera; raises OnvifFailed within some seconds."""

    @property
    def name(self) -> str: ...
    def reboot(self) -> None: ...


class Rebooting:
    """Call it; returns at once. What came of it is seen by whether the camera sees again."""

    def __init__(self, ear: Asks) -> None:
        self._ear = ear

    def __call__(self) -> None:
        threading.Thread(target=self._ask, name=f"reboot {self._ear.name}").start()

    def _ask(self) -> None:
        try:
            self._ear.reboot()
        except OnvifFailed as failed:
            log.warning("%s does not reboot: %s", self._ear.name, failed.detail)

"""What one camera says of itself, one thread: its serial number, its clock, its own alarms; reboots it when told."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from edge.camera_node.onvif import SHOWN, Alarm, Identity, OnvifCamera, OnvifFailed
from edge.camera_node.probing import Credentials, Failure, Stop
from edge.camera_node.says import TOLD_EVERY_S, Says
from edge.camera_node.tries import Door, Tries

WHO_EVERY_S: Final = 600.0  # another camera behind the address is found within that
AGAIN_S: Final = 30.0  # after a failure: the stream tells sooner
PULL_EVERY_S: Final = 1.0  # some cameras hold no pull open, and answer at once
TURN_S: Final = 0.5  # while another one is logging in to the same camera


@dataclass(frozen=True, slots=True)
class Heard:
    """What the camera said of itself; `alarm` None: who it is and how wrong its clock goes."""

    camera: str
    at_s: float  # monotonic
    identity: Identity | None = None
    skew_s: float | None = None  # its clock ahead of ours; None: not told, or our own is not sane
    alarm: Alarm | None = None
    changes: int = 1  # of the alarm, since it was told last


class Tell(Protocol):
    """A queue that takes what was heard."""

    def put(self, heard: Heard) -> None: ...


class Ear:
    """`run(stop)` is one worker's whole life. What it knows last is in `identity`, `lost` says why it hears nothing.

    `utc` gives our own time, None while it is not sane. Without ONVIF a camera is judged all the same.
    """

    def __init__(
        self,
        name: str,
        host: str,
        port: int,
        credentials: Callable[[], Credentials | None],
        heard: Tell,
        tries: Tries,
        *,
        utc: Callable[[], datetime | None],
        who_every_s: float = WHO_EVERY_S,
        again_s: float = AGAIN_S,
        told_every_s: float = TOLD_EVERY_S,
    ) -> None:
        self.name: Final = name
        self.identity: Identity | None = None
        self.lost: OnvifFailed | None = None
        self._where = (host, port)
        self._credentials, self._heard, self.tries, self._utc = credentials, heard, tries, utc
        self._who_every_s, self._again_s = who_every_s, again_s
        self._says = Says(told_every_s)

    def serial(self) -> str | None:
        """As the camera last said itself; for Eye."""
        return (self.identity.serial_number or None) if self.identity else None

    def reboot(self) -> None:
        """Restart the camera, from any thread: a connection of its own. Raises OnvifFailed."""
        credentials = self._credentials()
        if not self.tries.claim(credentials, Door.ONVIF):
            raise OnvifFailed(Failure.AUTHENTICATION, "user or password refused; not tried again yet")
        self._with_camera(credentials, OnvifCamera.reboot)

    def run(self, stop: Stop) -> None:
        """Listen until told to stop; ends within 5 s."""
        while not stop.is_set():
            credentials = self._credentials()
            wait_s = self.tries.wait_s(credentials, Door.ONVIF) or TURN_S
            if self.tries.claim(credentials, Door.ONVIF):
                try:
                    self._with_camera(credentials, lambda camera: self._listen(camera, stop))
                except OnvifFailed as failed:
                    self.lost = failed
                    wait_s = self._again_s
            stop.wait(min(self._again_s, wait_s))

    def _listen(self, camera: OnvifCamera, stop: Stop) -> None:
        who_s = -self._who_every_s
        alarms = True
        while not stop.is_set():
            if time.monotonic() - who_s >= self._who_every_s:
                who_s = time.monotonic()
                self._who(camera)
            next_s = time.monotonic() + PULL_EVERY_S
            alarms = alarms and self._pulled(camera)
            stop.wait(max(0.0, next_s - time.monotonic()))

    def _who(self, camera: OnvifCamera) -> None:
        now_utc = self._utc()
        skew_s = camera.skew_s(now_utc) if now_utc is not None else None
        self.identity = camera.identity()
        self.lost = None
        self.tries.accepted(Door.ONVIF)
        self._heard.put(Heard(self.name, time.monotonic(), self.identity, skew_s))

    def _pulled(self, camera: OnvifCamera) -> bool:
        """Pass on what changed; False for a camera that has no events."""
        try:
            alarms = camera.alarms()
        except OnvifFailed as failed:
            if failed.failure is Failure.PATH:
                return False
            raise
        for alarm in alarms:
            self._says.heard(alarm.kind, alarm.on)
            self._tell()
        self._tell()
        return True

    def _tell(self) -> None:
        now_s = time.monotonic()
        for kind, on, changes in self._says.due(now_s):
            self._heard.put(Heard(self.name, now_s, alarm=Alarm(kind, on), changes=changes))

    def _with_camera(self, credentials: Credentials | None, ask: Callable[[OnvifCamera], None]) -> None:
        camera = OnvifCamera(*self._where, credentials)
        try:
            ask(camera)
        except OnvifFailed as failed:
            if failed.failure is Failure.AUTHENTICATION:
                self.tries.refused(Door.ONVIF, shown=SHOWN)
            raise
        finally:
            self.tries.unheard()
            camera.close()

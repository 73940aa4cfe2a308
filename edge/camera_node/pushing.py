"""Live views as handles: each push in a thread of its own, told to stop and never waited for longer than it needs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.camera_node.probing import Credentials, Failure, StreamFailed
from edge.camera_node.push import Pushed, push
from edge.camera_node.tries import Tries

log = logging.getLogger(__name__)

ENDS_WITHIN_S: Final = 5.0  # what push promises
OVERHEAD: Final = 1.05  # RTP, RTSP, TLS, TCP and IP around video in packets of 1,400 bytes


@dataclass(frozen=True, slots=True)
class Source:
    """One camera's streams."""

    url: str
    small_url: str | None


class Pushing:
    """Starts pushes; `credentials(camera)` gives what opens its stream, `authority` (PEM) signed the far ends'.

    `tries` are the cameras' own: somebody who asks for a live view again and again locks no account either.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        credentials: Callable[[str], Credentials | None],
        tries: Mapping[str, Tries],
        *,
        authority: Path | None,
    ) -> None:
        self._sources = sources
        self._credentials = credentials
        self._tries = tries
        self._authority = authority

    def __call__(self, camera: str, url: str, *, small: bool) -> Push:
        """Begin; returns at once. Without a smaller profile the main one is pushed."""
        source = self._sources[camera]
        chosen = source.small_url if small and source.small_url else source.url
        return Push(camera, chosen, self._credentials(camera), self._tries[camera], url, self._authority)


class Push:
    """One push under way."""

    def __init__(
        self,
        camera: str,
        url: str,
        credentials: Credentials | None,
        tries: Tries,
        to_url: str,
        authority: Path | None,
    ) -> None:
        self.why = _why_not(tries, credentials)
        self._camera, self._tries = camera, tries
        self._stop = threading.Event()
        self._pushed = Pushed()
        self._thread = threading.Thread(
            target=self._run, args=(url, credentials, to_url, authority), name=f"live {camera}"
        )
        if not self.why:
            self._thread.start()

    @property
    def alive(self) -> bool:
        """False once it has ended by itself."""
        return self._thread.is_alive()

    @property
    def sent_bytes(self) -> int:
        """Over the SIM, with what is around the video."""
        return round(self._pushed.bytes * OVERHEAD)

    def stop(self) -> None:
        """End it."""
        self._stop.set()
        if self._thread.ident is not None:  # it was started
            self._thread.join(ENDS_WITHIN_S)

    def _run(self, url: str, credentials: Credentials | None, to_url: str, authority: Path | None) -> None:
        try:
            push(url, credentials, to_url, None, self._stop, self._pushed, authority=authority)
        except StreamFailed as failed:
            if failed.failure is Failure.AUTHENTICATION:
                self._tries.refused()
            self.why = failed.detail
            log.warning("%s: live view: %s", self._camera, failed.detail)


def _why_not(tries: Tries, credentials: Credentials | None) -> str:
    if tries.let_in(credentials):
        return ""
    if tries.wait_s(credentials) > 0:
        return "user or password was refused, and is not tried again yet"
    return "the camera's stream is not open yet"

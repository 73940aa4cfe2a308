"""One camera, one thread: keeps its stream open, gives an Outcome each interval, and never waits for another camera."""

from __future__ import annotations

import logging
import queue
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from edge.camera_node.camera import KEYFRAME_WITHIN_S, Keyframe, Stream, jpeg, one_frame, picture
from edge.camera_node.picture import Picture
from edge.camera_node.probing import (
    Credentials,
    Failure,
    Outcome,
    Reach,
    Stop,
    StreamFailed,
    below,
    explained,
    secret_free,
    slow,
)
from edge.camera_node.reach import host_and_port, reach
from edge.camera_node.tries import Tries

log = logging.getLogger(__name__)

EVERY_S: Final = 5.0  # between two judged pictures
AGAIN_S: Final = 10.0  # between two attempts at a camera that failed: one that boots takes 40 to 90 s
# A stream kept open costs CPU by its bytes, one opened for each look by the look (25 ms): equal at 5 s and 4 Mbit/s.
KEPT_OPEN_UP_TO_S: Final = 15.0  # kept open it also tells rate and stalls, and spares the camera 17,280 log-ins a day
MOST_WAITING: Final = 64  # of all cameras, that nobody has taken yet: 22 MB of pictures
STEP_S: Final = 0.5  # how often a reading thread looks at what it was told


@dataclass(frozen=True, slots=True)
class Sight:
    """Where one camera is and what is expected of it; holds no password."""

    name: str
    url: str  # rtsp://host[:port]/path, without user and password
    every_s: float = EVERY_S
    interface: str | None = None  # the node's own port towards the cameras
    expected_frames_per_s: float | None = None
    keyframe_within_s: float = KEYFRAME_WITHIN_S
    again_s: float = AGAIN_S

    def __post_init__(self) -> None:
        """Raises ValueError, which quotes nothing, for a URL that leads nowhere or holds a password."""
        host_and_port(self.url)
        if secret_free(self.url) != self.url:
            raise ValueError(f"the URL of {self.name} holds user or password: they belong into the password file")


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot as it was asked for."""

    camera: str
    jpeg: bytes
    width_px: int
    at_s: float  # monotonic


class Tell(Protocol):
    """A queue that takes what was seen."""

    def put(self, seen: Outcome | Taken) -> None: ...
    def qsize(self) -> int: ...


class Eye:
    """`run(stop)` is one worker's whole life: outcomes and snapshots go into `seen`, an unbounded queue.

    `powered` says whether relay or PoE give power (None: not known); `serial` what the camera last said of itself
    (see onvif); both are quick and never raise. `tries` is shared with the camera's ONVIF.
    """

    def __init__(
        self,
        sight: Sight,
        credentials: Callable[[], Credentials | None],
        seen: Tell,
        *,
        powered: Callable[[], bool | None] = lambda: None,
        serial: Callable[[], str | None] = lambda: None,
        tries: Tries | None = None,
    ) -> None:
        self.sight: Final = sight
        self.opened = 0  # streams so far: all but the first are reconnects
        self.failed: dict[Failure, int] = {}
        self.dropped = 0  # outcomes, because nobody took those before
        self._credentials, self._seen = credentials, seen
        self._powered, self._serial = powered, serial
        self._tries = tries or Tries()
        self._unforeseen: set[str] = set()  # said so far
        self._restart = threading.Event()
        self._wanted: queue.SimpleQueue[tuple[int | None, int]] = queue.SimpleQueue()

    def restart(self) -> None:
        """Open the stream anew at once: the first step of recovery. Any thread may call it."""
        self._restart.set()

    def snapshot(self, *, width_px: int | None = None, quality: int = 75) -> None:
        """Take one from the next keyframe; a `Taken` comes out of the queue. Any thread may call it.

        Of several that were asked for before that, the last one is taken. A camera that fails is not asked sooner.
        """
        self._wanted.put((width_px, quality))

    def run(self, stop: Stop) -> None:
        """Look until told to stop; ends within 5 s whatever the camera does."""
        while not stop.is_set():
            self._restart.clear()
            try:
                self._watch(stop)
            except Exception as error:  # noqa: BLE001 - one odd camera must not end the others
                self._tell_failed(error if isinstance(error, StreamFailed) else self._unknown(error))
                self._pause(stop, self.sight.again_s, lambda: False)

    def _watch(self, stop: Stop) -> None:
        credentials = self._credentials()
        if (wait_s := self._tries.wait_s(credentials)) > 0:
            if lower := below(self._reach()):  # asking the ground costs no try
                raise StreamFailed(*lower)
            raise StreamFailed(
                Failure.AUTHENTICATION,
                f"user or password refused; next try in {wait_s:.0f} s, so that the account is not locked",
            )
        if not self._tries.claim(credentials):  # another one logs in just now: one wrong password is one refusal
            stop.wait(STEP_S)
            return
        with self._opened(credentials) as stream:
            self.opened += 1
            wait_s = 0.0
            while not stop.is_set() and not self._restart.is_set():
                self._look(stream, wait_s, stop)
                wait_s = self.sight.every_s
                if wait_s > KEPT_OPEN_UP_TO_S:
                    break
        if wait_s > KEPT_OPEN_UP_TO_S:
            self._pause(stop, wait_s, lambda: not self._wanted.empty())

    def _opened(self, credentials: Credentials | None) -> Stream:
        try:
            stream = Stream(self.sight.url, credentials)
            self._tries.accepted()
            return stream
        except StreamFailed as failed:
            if failed.failure is Failure.AUTHENTICATION:
                self._tries.refused()
            elif failed.failure is Failure.CODEC:
                self._tries.accepted()  # it let us in, and then showed nothing that can be read
            raise
        finally:
            self._tries.unheard()

    def _look(self, stream: Stream, wait_s: float, stop: Stop) -> None:
        """Read until the next picture is due or a snapshot is wanted, in steps short enough to hear a stop."""
        due_s = time.monotonic() + wait_s
        while time.monotonic() < due_s and self._wanted.empty():
            if stop.is_set() or self._restart.is_set():
                return
            stream.skip(min(STEP_S, max(0.0, due_s - time.monotonic())))
        overdue_s = time.monotonic() + self.sight.keyframe_within_s
        packet: Keyframe | None = None
        while packet is None:
            if stop.is_set() or self._restart.is_set():
                return
            if time.monotonic() > overdue_s:
                raise StreamFailed(Failure.NO_FRAMES, f"no keyframe within {self.sight.keyframe_within_s:.0f} s")
            packet = stream.keyframe_packet(within_s=STEP_S)
        now_s = time.monotonic()
        seen = self._seen_in(stream, packet, now_s)
        rate = stream.rate()
        late = slow(rate.frames_per_s, self.sight.expected_frames_per_s)
        self._put(
            Outcome(
                Failure.SLOW_FRAMES if late else None,
                seen,
                rate.frames_per_s,
                rate.bitrate_kbps,
                f"{rate.frames_per_s:.1f} frames/s of {self.sight.expected_frames_per_s:g}" if late else "",
                at_s=now_s,
            )
        )

    def _seen_in(self, stream: Stream, packet: Keyframe, now_s: float) -> Picture:
        """The picture in a keyframe, and the snapshot that is wanted of it; its whole frame does not outlive this."""
        with one_frame:
            frame = stream.decoded(packet)
            wanted = None
            while not self._wanted.empty():
                wanted = self._wanted.get()
            if wanted is not None:
                width_px, quality = wanted
                width_px = min(width_px or frame.width, frame.width)
                self._seen.put(Taken(self.sight.name, jpeg(frame, width_px=width_px, quality=quality), width_px, now_s))
            seen = picture(frame)
            del frame
        return seen

    def _unknown(self, error: Exception) -> StreamFailed:
        """What nobody foresaw, said once a kind and without its text, which may hold the URL."""
        kind = type(error).__name__
        if kind not in self._unforeseen:
            self._unforeseen.add(kind)
            at = traceback.extract_tb(error.__traceback__)[-1]
            log.error("%s: nobody foresaw a %s in %s, line %s", self.sight.name, kind, at.filename, at.lineno)
        return StreamFailed(Failure.CODEC, f"something nobody foresaw ({kind})")

    def _tell_failed(self, failed: StreamFailed) -> None:
        why = explained(failed, self._reach())
        self.failed[why.failure] = self.failed.get(why.failure, 0) + 1
        self._put(Outcome(why.failure, detail=why.detail, at_s=time.monotonic()))

    def _reach(self) -> Reach:
        host, port = host_and_port(self.sight.url)
        return reach(host, port, interface=self.sight.interface, powered=self._powered())

    def _put(self, outcome: Outcome) -> None:
        if self._seen.qsize() >= MOST_WAITING:
            self.dropped += 1
            return
        self._seen.put(replace(outcome, camera=self.sight.name, serial_number=self._serial()))

    def _pause(self, stop: Stop, for_s: float, enough: Callable[[], bool]) -> None:
        until_s = time.monotonic() + for_s
        while time.monotonic() < until_s and not self._restart.is_set() and not enough():
            if stop.wait(min(STEP_S, max(0.0, until_s - time.monotonic()))):
                return

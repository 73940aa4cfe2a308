"""What a camera node says, as records in the outbox: each at once, with nothing that can grow without bound."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable
from typing import Final, Protocol

from edge.camera_node.rhythm import Quality
from edge.camera_node.watched import Said
from edge.clock import Clock
from edge.errors import OutboxCorrupt, OutboxFull
from edge.health import Health
from wire import encode
from wire.kinds import CLASS_STATUS, KIND_ANCHOR, KIND_CAMERA, KIND_EVENT, KIND_HEALTH

log = logging.getLogger(__name__)

MOST_WAITING: Final = 100  # while the outbox takes nothing; older ones are given up and counted
TICK_S: Final = 1.0  # what the outbox asks for


class Outbox(Protocol):
    """What recording asks of the outbox."""

    @property
    def outbox_id(self) -> int | None: ...
    def append(self, body: bytes, *, kind: int, cls: int, interval: int | None = None) -> int: ...
    def settle(self) -> bool: ...
    def tick(self) -> None: ...


class Recorder:
    """`turn` at every turn of the main loop, `end` at a clean stop; main thread only."""

    def __init__(self, outbox: Outbox, clock: Clock, health: Health, *, appended: Callable[[], None]) -> None:
        self.unobserved: Counter[str] = Counter()
        self._outbox = outbox
        self._clock = clock
        self._health = health
        self._appended = appended
        self._waiting: deque[tuple[bytes, int, int]] = deque()
        self._tick_mono_s = 0.0

    def happened(self, name: str, **detail: str) -> None:
        """Something worth an event."""
        self.put(encode.event(at=self._clock.stamp(), name=name, detail=detail), KIND_EVENT)

    def verdict(self, camera: str, said: Said, quality: Quality) -> None:
        """What is said of a camera, from now on or still."""
        rate, bitrate = quality.seen_frames_per_s, quality.bitrate_kbps
        body = encode.camera(
            at=self._clock.stamp(),
            camera=camera,
            verdict=said.verdict,
            cause=said.cause,
            confidence_percent=said.confidence_percent,
            reason=said.reason,
            frames_per_s_x100=None if rate is None else round(100 * rate),
            bitrate_kbps=None if bitrate is None else round(bitrate),
        )
        self.put(body, KIND_CAMERA)

    def put(self, body: bytes, kind: int, cls: int = CLASS_STATUS) -> None:
        """A record for the next turn."""
        if len(self._waiting) == MOST_WAITING:
            self._waiting.popleft()
            self.unobserved["record_outbox"] += 1
        self._waiting.append((body, kind, cls))

    def turn(self) -> None:
        """Append what waits."""
        self._health.sample()
        if self._flush():
            self._appended()
        now_s = self._clock.monotonic_s()
        if now_s >= self._tick_mono_s:
            self._tick_mono_s = now_s + TICK_S
            self._outbox.tick()

    def end(self) -> None:
        """A clean stop: a last account goes with what waits."""
        self._flush(ending=True)

    def _flush(self, *, ending: bool = False) -> bool:
        """Whether anything was appended."""
        some = False
        try:
            if self._outbox.outbox_id is None and not self._outbox.settle():
                return False
            if (anchor := self._clock.take_anchor()) is not None:
                self._outbox.append(anchor.body(), kind=KIND_ANCHOR, cls=CLASS_STATUS)
                some = True
            while self._waiting:
                body, kind, cls = self._waiting[0]
                self._outbox.append(body, kind=kind, cls=cls)
                self._waiting.popleft()
                some = True
            if ending or self._health.due(reporting=some):
                some |= self._account()
        except (OutboxFull, OutboxCorrupt) as error:
            log.debug("nothing appended: %s", error)
        return some

    def _account(self) -> bool:
        body = self._health.body()
        if body is None:
            return False
        self._outbox.append(body, kind=KIND_HEALTH, cls=CLASS_STATUS)
        self._health.sent()
        return True

"""Which camera's picture is sent when, and how large: by a daily number of bytes and by what a record may hold.

A picture a person asks for goes before one of a changed verdict, that before one at an interval. Pictures are rows of
the lowest class: shed first, never in the live lane. A row goes in one parcel, and a bulk parcel is 16 kB so that no
live row waits long behind it: so a picture is at most 15.6 kB, except one asked for in large, which holds the uplink
for a while. All times are monotonic seconds. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from edge.budget import Degree
from edge.packing import PARCEL_OVERHEAD_BYTES, ROW_OVERHEAD_BYTES
from edge.sending import PARCEL_BYTES, Bucket
from wire import encode
from wire.kinds import CLASS_BULKY, KIND_SNAPSHOT

DAILY_BYTES: Final = 300_000  # 9 MB a month, below a hundredth of a small plan; some twenty changes of verdict a day
DAY_S: Final = 86_400.0
BURST_SHARE: Final = 0.5  # of a day may go at once: eight cameras that change together
RECORD_FIELDS_BYTES: Final = 300  # stamp, camera, media type, why
IMAGE_BYTES: Final = PARCEL_BYTES - PARCEL_OVERHEAD_BYTES - ROW_OVERHEAD_BYTES - RECORD_FIELDS_BYTES
LARGE_BYTES: Final = 120_000  # a second of 4G, 15 s of an EDGE link; the wire takes 1 MiB a parcel
LEAST_BYTES: Final = 2_000  # below it nobody recognises anything: 320 x 180 at the lowest quality
MOST_TRIES: Final = 4  # encodings for one picture; each takes some 5 ms of a Pi's CPU
MEDIA_TYPE: Final = "image/jpeg"
LONGEST_WHY_BYTES: Final = 120


class Rung(NamedTuple):
    """A size in pixels and a JPEG quality (1 .. 100)."""

    width_px: int
    height_px: int
    quality: int


# From best to least; a picture takes the first that fits.
RUNGS: Final = (
    Rung(1280, 720, 75),
    Rung(1280, 720, 50),
    Rung(960, 540, 60),
    Rung(960, 540, 40),
    Rung(640, 360, 70),
    Rung(640, 360, 50),
    Rung(640, 360, 35),
    Rung(480, 270, 50),
    Rung(480, 270, 30),
    Rung(320, 180, 50),
    Rung(320, 180, 25),
)
# Bytes a pixel by quality, of a street by day (libjpeg's tables, 4:2:0): only a first guess, learned per camera.
_DENSITY: Final = {75: 0.17, 70: 0.15, 60: 0.12, 50: 0.10, 40: 0.085, 35: 0.078, 30: 0.07, 25: 0.062}


@dataclass(frozen=True, slots=True)
class Wish:
    """A picture to be taken now."""

    camera: str
    why: str
    limit_bytes: int


Encode = Callable[[Rung], bytes]


class Snapshots:
    """The pictures of one pole. `interval_s` 0: none at an interval, else the cameras' turns are spread over it."""

    def __init__(
        self, cameras: Collection[str], *, daily_bytes: int = DAILY_BYTES, interval_s: float = 0.0, now_s: float = 0.0
    ) -> None:
        self.left_out: Counter[str] = Counter()  # pictures that were not taken, by why
        self._interval_s = interval_s
        self._bucket = Bucket(daily_bytes / DAY_S, daily_bytes * BURST_SHARE)
        self._burst_bytes = daily_bytes * BURST_SHARE
        self._asked: dict[str, Wish] = {}
        self._changed: dict[str, str] = {}
        self._next_s = {name: now_s + interval_s * turn / len(cameras) for turn, name in enumerate(cameras, 1)}
        self._scale = dict.fromkeys(cameras, 1.0)  # how this camera's pictures compare to the first guess

    def changed(self, camera: str, why: str) -> None:
        """The verdict on a camera changed; several changes before the next look are one picture."""
        self._changed[camera] = why

    def asked(self, camera: str, why: str, *, large: bool = False) -> str:
        """A person wants one: what to say. ValueError: no such camera."""
        if camera not in self._scale:
            raise ValueError("no such camera")
        self._asked[camera] = Wish(camera, why, LARGE_BYTES if large else IMAGE_BYTES)
        return "a picture follows"

    def due(self, now_s: float, degree: Degree = Degree.NONE) -> Wish | None:
        """The next picture to take, None when none is; call until None. What may not be is counted and forgotten."""
        if self._asked:
            wish = self._asked.pop(next(iter(self._asked)))
            if degree < Degree.LIVE_OFF:
                return wish
            self.left_out["plan"] += 1
        while self._changed:
            camera = next(iter(self._changed))
            why, room_bytes = self._changed.pop(camera), self._room_bytes(now_s)
            if degree < Degree.SNAPSHOTS_OFF and room_bytes >= LEAST_BYTES:
                self._next_s[camera] = now_s + self._interval_s
                return Wish(camera, why, min(IMAGE_BYTES, int(room_bytes)))
            self.left_out["daily_bytes" if degree < Degree.SNAPSHOTS_OFF else "plan"] += 1
        return self._at_interval(now_s, degree)

    def fit(self, wish: Wish, encode_at: Encode) -> bytes | None:
        """The best picture that is not too large; None (counted) when none is. It is paid for."""
        for rung in self._tries(wish):
            image = encode_at(rung)
            self._scale[wish.camera] = len(image) / _first_guess_bytes(rung)
            if len(image) <= wish.limit_bytes:
                self._bucket.spend(len(image))
                return image
        self.left_out["too_large"] += 1
        return None

    def _tries(self, wish: Wish) -> Iterator[Rung]:
        """Rungs that should fit by what the encodings before have taught; the least is the last try."""
        tries = 1
        for rung in RUNGS[:-1]:
            if tries < MOST_TRIES and _first_guess_bytes(rung) * self._scale[wish.camera] <= wish.limit_bytes:
                tries += 1
                yield rung
        yield RUNGS[-1]

    def _at_interval(self, now_s: float, degree: Degree) -> Wish | None:
        if not self._interval_s or degree >= Degree.SNAPSHOTS_OFF:
            return None
        camera = min(self._next_s, key=lambda name: self._next_s[name], default=None)
        if camera is None or self._next_s[camera] > now_s:
            return None
        room_bytes = self._room_bytes(now_s)
        # Half of what may go at once stays for what changes.
        if room_bytes < self._burst_bytes / 2 + LEAST_BYTES:
            return None
        self._next_s[camera] = now_s + self._interval_s
        return Wish(camera, "interval", min(IMAGE_BYTES, int(room_bytes - self._burst_bytes / 2)))

    def _room_bytes(self, now_s: float) -> float:
        return self._bucket.left_bytes(now_s)


def _first_guess_bytes(rung: Rung) -> float:
    return rung.width_px * rung.height_px * _DENSITY[rung.quality]


def snapshot_record(wish: Wish, image: bytes, at: tuple[int | None, int, int]) -> tuple[bytes, int, int]:
    """(body, kind, class) to append; `at` is the stamp of the picture: UTC ms or None, boot id, boottime ms."""
    why = wish.why.encode()[:LONGEST_WHY_BYTES].decode(errors="ignore")
    body = encode.snapshot(at=at, camera=wish.camera, media_type=MEDIA_TYPE, image=image, why=why)
    return body, KIND_SNAPSHOT, CLASS_BULKY

"""What a healthy pole of eight cameras sends in a day, from its parts as they were counted on real IP links.

Real camera nodes in network namespaces of their own, their cameras beside them, so that a link carries what 4G would.
One is as delivered: it sees, and only pings. The others say each 75 s what that one says each hour, each six hours or
each week, and what they took is divided by what came to the store. At the end one of them is stopped, as a box without
power is, and the centre has to miss it.
"""

from __future__ import annotations

import contextlib
import math
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.exchanges import QUIET_S, Seen, watch
from bench.pole import CAMERAS, plan, small
from bench.report import Figure, progress
from broker.config import load_centre
from broker.presence import read_presence
from broker.store import open_store
from edge.camera_node.config import load_node
from edge.camera_node.node import SAID_AGAIN_S
from edge.camera_node.snapshots import IMAGE_BYTES
from edge.health import IDLE_S
from edge.sim.cameras import CameraHost
from stage.city import City
from stage.namespace import CENTRE_ADDRESS, Link, link
from stage.process import Child
from wire.kinds import KIND_CAMERA, KIND_HEALTH, KIND_SNAPSHOT

MINUTES: Final = 8.0  # two pings of 196 s, six records of 75 s
PICTURE_MINUTES: Final = 2.5  # eight pictures each 75 s
OFTEN_S: Final = 75.0
SEEING_WITHIN_S: Final = 240.0
RECEIPTED_S: Final = 75.0  # what a start says, and its receipts, are over
QUIET_WITHIN_S: Final = 120.0
MISSED_WITHIN_S: Final = 420.0
DAY_S: Final = 86_400.0
QUIET: Final = "pole-quiet"
HURRIED: Final = {"pole-health": ("health", KIND_HEALTH), "pole-verdicts": ("verdicts", KIND_CAMERA)}
PICTURES: Final = "pole-pictures"
EVERY_PICTURE: Final[dict[str, object]] = {"interval_s": OFTEN_S, "daily_bytes": 1_000_000_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What a day is made of: bytes of each exchange, and the node's own intervals in seconds (0: never)."""

    ping_bytes: float
    health_bytes: float
    verdict_bytes: float
    picture_bytes: float
    keepalive_s: float
    health_s: float = IDLE_S
    verdict_s: float = SAID_AGAIN_S
    picture_s: float = 0.0

    @property
    def pings(self) -> float:
        """Pings a day: one each keep-alive of silence, and the hourly health record comes before the last one would."""
        return DAY_S / self.health_s * (math.ceil(self.health_s / self.keepalive_s) - 1)

    @property
    def healths(self) -> float:
        return DAY_S / self.health_s

    @property
    def verdicts(self) -> float:
        return CAMERAS * DAY_S / self.verdict_s

    @property
    def pictures(self) -> float:
        return CAMERAS * DAY_S / self.picture_s if self.picture_s else 0.0

    @property
    def words_bytes(self) -> float:
        """All but pictures."""
        said = self.healths * self.health_bytes + self.verdicts * self.verdict_bytes
        return self.pings * self.ping_bytes + said

    @property
    def bytes(self) -> float:
        return self.words_bytes + self.pictures * self.picture_bytes


def figures(directory: Path, minutes: float = MINUTES) -> list[Figure]:
    """Run it in `directory`; raises NamespaceRefused or NoCameras where it cannot be run."""
    with contextlib.ExitStack() as stack:
        links = {name: stack.enter_context(link(number)) for number, name in enumerate((QUIET, *HURRIED, PICTURES))}
        plans = []
        for name, on in links.items():
            host = stack.enter_context(CameraHost(directory / f"{name}-cameras", inside=on.inside))
            cameras = small(host, CAMERAS if name == QUIET else 1)
            settings = {"pictures": EVERY_PICTURE} if name == PICTURES else None
            plans.append(plan(name, cameras, directory, inside=on.inside, settings=settings))
        city = City(directory / "city", plans, broker_host=CENTRE_ADDRESS)
        city.prepare()
        for name, (what, _) in HURRIED.items():
            command = [sys.executable, "-m", "bench.hurried_node", what, str(OFTEN_S)]
            command = [*links[name].inside, *command, "--config", str(city.unit_config(name))]
            city.children[name] = Child(name, command, city.children[name].log_path)
        return _measured(city, links, minutes)


def _measured(city: City, links: dict[str, Link], minutes: float) -> list[Figure]:
    try:
        city.start_centre()
        city.start_units()
        _until(lambda: all(_count(city, name, KIND_CAMERA) >= CAMERAS for name in links), SEEING_WITHIN_S, city)
        time.sleep(RECEIPTED_S)
        progress("poles: the start is over")
        pictures = _Pictures(city, links[PICTURES], min(PICTURE_MINUTES, minutes / 2) * 60)
        before = {name: _count(city, name, kind) for name, (_, kind) in HURRIED.items()}
        unsaid = _count(city, QUIET)
        seen = watch([links[QUIET], *(links[name] for name in HURRIED)], minutes * 60, meanwhile=pictures.turn)
        said = {name: _count(city, name, kind) - before[name] for name, (_, kind) in HURRIED.items()}
        unsaid = _count(city, QUIET) - unsaid
        missed_s = pictures.missed_s()
        config = load_node(city.unit_config(QUIET))
    finally:
        city.children[PICTURES].send(signal.SIGCONT)
        city.stop()
    each = [one.counted.bytes / max(1, count) for one, count in zip(seen[1:], said.values(), strict=True)]
    day = Day(
        ping_bytes=seen[0].each_bytes,
        health_bytes=each[0],
        verdict_bytes=each[1],
        picture_bytes=pictures.largest_bytes,
        keepalive_s=config.broker.keepalive_s,
        picture_s=config.pictures.interval_s,
    )
    return [*_figures(day, seen[0], unsaid, list(said.values()), pictures, missed_s)]


class _Pictures:
    """The node that sends pictures: measured for a while, then stopped, and missed when the centre says so."""

    def __init__(self, city: City, on: Link, seconds: float) -> None:
        _until(lambda: _quiet(on), QUIET_WITHIN_S, city)  # none is half sent
        self.count, self.bytes, self.image_bytes = 0, 0, 0
        self._city, self._link = city, on
        self._before, self._counted = _count(city, PICTURES, KIND_SNAPSHOT), on.counted()
        self._until_s = time.monotonic() + seconds
        self._alive, self._alive_s = self._counted, time.monotonic()
        self._silent_s: float | None = None
        self._missed_s: float | None = None
        self._presence = load_centre(str(city.centre_config)).presence_path

    @property
    def largest_bytes(self) -> float:
        """On the link, of a picture that takes all that one may: a simulated street is smoother than a real one.

        Less than the picture itself: packing takes an eighth off FFmpeg's JPEG (the standard's Huffman tables).
        """
        return IMAGE_BYTES * self.bytes / max(1, self.image_bytes)

    def turn(self) -> None:
        now_s = time.monotonic()
        if self._silent_s is None:
            if (carried := self._link.counted()) != self._alive:
                self._alive, self._alive_s = carried, now_s
            if now_s >= self._until_s and now_s - self._alive_s > QUIET_S:
                self._city.children[PICTURES].send(signal.SIGSTOP)
                self._silent_s = self._alive_s
                self.bytes = carried.since(self._counted).bytes
                images = _bodies(self._city, PICTURES, KIND_SNAPSHOT)[self._before :]
                self.count, self.image_bytes = len(images), sum(images)
        elif self._missed_s is None:
            units, _ = read_presence(self._presence)
            if any(unit.unit == PICTURES and not unit.online for unit in units):
                self._missed_s = now_s - self._silent_s

    def missed_s(self) -> float:
        """Seconds from its last sign of life until the centre said that it has gone; infinity: never said."""
        until_s = time.monotonic() + MISSED_WITHIN_S
        while self._missed_s is None and time.monotonic() < until_s:
            time.sleep(0.5)
            self.turn()
        return float("inf") if self._missed_s is None else self._missed_s


def _figures(
    day: Day, quiet: Seen, unsaid: int, said: Sequence[int], pictures: _Pictures, missed_s: float
) -> Iterator[Figure]:
    yield Figure("a ping", day.ping_bytes, "B", None, f"{quiet.exchanges} seen, {unsaid} records beside them")
    yield Figure("a health record and its receipt", day.health_bytes, "B", None, f"{said[0]} seen")
    yield Figure("a camera's verdict and its receipt", day.verdict_bytes, "B", None, f"{said[1]} seen")
    seen = f"the largest; {pictures.count} seen of {pictures.image_bytes / max(1, pictures.count):.0f} B"
    yield Figure("a picture and its receipt", day.picture_bytes, "B", None, seen)
    note = (
        f"{day.pings:.0f} pings x {day.ping_bytes:.0f} B + {day.healths:.0f} health records x {day.health_bytes:.0f} B"
        f" + {day.verdicts:.0f} verdicts x {day.verdict_bytes:.0f} B"
    )
    yield Figure("a healthy day in words", day.words_bytes / 1000, "kB", "≤ 150", note)
    note = f"{day.pictures:.2g} pictures x {day.picture_bytes:.0f} B more, as delivered"
    yield Figure("a healthy day with its pictures", day.bytes / 1000, "kB", "≤ 150", note)
    yield Figure("from a node's last sign of life until the centre misses it", missed_s, "s", "≤ 300")


def _quiet(on: Link) -> bool:
    before = on.counted()
    time.sleep(QUIET_S)
    return on.counted() == before


def _count(city: City, unit: str, kind: int | None = None) -> int:
    """Records of a unit in the store, of that kind or of all."""
    return len(_bodies(city, unit, kind))


def _bodies(city: City, unit: str, kind: int | None = None) -> list[int]:
    """Their sizes in bytes, as recorded."""
    with open_store(city.store_url) as store:
        return [len(entry.body) for entry in store.rows(unit=unit) if kind in (None, entry.kind)]


def _until(true: Callable[[], bool], within_s: float, city: City) -> None:
    deadline_s = time.monotonic() + within_s
    while not true():
        if city.ended() or time.monotonic() > deadline_s:
            late = [f"{node.name}: {city.children[node.name].tail(3)}" for node in city.units]
            raise TimeoutError("\n".join(["the poles do not see, or are never quiet", *late]))
        time.sleep(1.0)

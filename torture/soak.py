"""A city that lives for hours and is looked at: what grows that should not, and whether everything arrived.

It is a scenario like any other, so scene, coming to rest and account are the suite's; what is added here is a long life
with an outage and a restart now and then, and the recorder.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from torture.drift import Judgement, Series, drifted, judge
from torture.latency import Latency
from torture.life import Happening, life
from torture.recorder import Recorder
from torture.report import Report
from torture.run import run
from torture.scenario import Scenario, Setup
from torture.scene import Scene

PROMISE: Final = (
    "A city that lives on, with restarts and outages, grows nowhere but in its store, gets no slower and loses nothing."
)
LOOKS: Final = 720  # every 5 s in an hour; the judgement needs no more
LOOK_EVERY_S: Final = (1.0, 10.0)
LATENCY_WINDOWS: Final = 60  # enough rows in each that a p99 is one

Told = Callable[[float, str], None]  # seconds since the begin, and what happens just now ("" : nothing new)


@dataclass(frozen=True, slots=True)
class Soaked:
    """How a soak ended: the account, every series and its judgement."""

    report: Report
    series: list[Series]
    judgements: list[Judgement]
    lived_s: float
    latency_rows: int
    happenings: list[Happening]

    @property
    def holds(self) -> bool:
        """Nothing missing, nothing twice, nothing broken, and no drift in anything; what was not seen does not hold."""
        return self.report.holds and bool(self.judgements) and not drifted(self.judgements)


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """What to soak: so many units, each speaking `speed` times a second, for `seconds` or until `ended()`."""

    seconds: float
    units: int
    speed: float
    seed: int
    ended: Callable[[], bool] = lambda: False
    told: Told = lambda _at_s, _what: None

    def run(self, directory: Path) -> Soaked:
        """Soak in `directory`; what goes wrong is in the report."""
        alive = _Alive(self)
        setup = Setup(boxes=self.units, least_s=1.0, epochs_per_s=self.speed)
        scenario = Scenario("soak", "soak", PROMISE, (alive.live,), setup)
        report = run(scenario, directory, seed=self.seed, seconds=self.seconds)
        series = alive.series()
        return Soaked(report, series, judge(series), alive.lived_s, alive.latency.rows, alive.happened)


class _Alive:
    """The act: life goes on by its agenda, and is looked at."""

    def __init__(self, soak: Soak) -> None:
        self.lived_s = 0.0
        self.latency = Latency()
        self.happened: list[Happening] = []
        self._soak = soak
        self._recorder: Recorder | None = None

    def series(self) -> list[Series]:
        """What was recorded; nothing when it never began."""
        return [] if self._recorder is None else self._recorder.series()

    def live(self, scene: Scene) -> None:
        """Until the time is up, or the soak is ended."""
        self._recorder = Recorder(scene.children, files_of(scene))
        scene.consumer.on_track = self.latency.heard
        begun_s = time.monotonic()
        agenda = self._agenda(scene)
        every_s = min(max(self._soak.seconds / LOOKS, LOOK_EVERY_S[0]), LOOK_EVERY_S[1])
        window_s = max(every_s, self._soak.seconds / LATENCY_WINDOWS)
        look_s, taken_s = every_s, 0.0
        while not self._soak.ended() and self.lived_s < self._soak.seconds:
            while agenda and agenda[0][0] <= self.lived_s:
                agenda.popleft()[1]()
            if self.lived_s >= look_s:
                self._look(scene, self._recorder)
                look_s = max(look_s + every_s, self.lived_s)
                if self.lived_s >= taken_s + window_s:
                    self._recorder.take(self.latency, self.lived_s)
                    taken_s = self.lived_s
            next_s = min(look_s, self._soak.seconds, *(at_s for at_s, _ in list(agenda)[:1]))
            scene.until(self._soak.ended, next_s - self.lived_s)
            self.lived_s = time.monotonic() - begun_s

    def _look(self, scene: Scene, recorder: Recorder) -> None:
        recorder.look(self.lived_s)
        for box in scene.boxes:
            self.latency.put_in(box.name, box.told)
        scene.consumer.fixes()  # tells the latency
        self._soak.told(self.lived_s, "")

    def _agenda(self, scene: Scene) -> deque[tuple[float, Callable[[], None]]]:
        """What to do when, in order of time."""
        todo: list[tuple[float, Callable[[], None]]] = []
        for one in life(scene.luck, seconds=self._soak.seconds, units=self._soak.units):
            if one.what == "restart":
                todo.append((one.at_s, partial(self._restart, scene, one)))
            else:
                todo.append((one.at_s, partial(self._cut, scene, one)))
                todo.append((one.at_s + one.lasts_s, partial(self._mend, scene, one)))
        return deque(sorted(todo, key=lambda entry: entry[0]))

    def _restart(self, scene: Scene, what: Happening) -> None:
        name = scene.boxes[what.unit].name
        self._begins(scene, what, f"restart {name}")
        scene.stop(name)
        scene.start(name)
        self.latency.free(name, time.monotonic())

    def _cut(self, scene: Scene, what: Happening) -> None:
        box = scene.boxes[what.unit]
        self._begins(scene, what, f"outage of {box.name}")
        box.link.cut()

    def _mend(self, scene: Scene, what: Happening) -> None:
        box = scene.boxes[what.unit]
        box.link.mend()
        self.latency.free(box.name, time.monotonic())
        self._soak.told(self.lived_s, f"{box.name} has its link back")

    def _begins(self, scene: Scene, what: Happening, name: str) -> None:
        self.latency.away(scene.boxes[what.unit].name, time.monotonic())
        scene.fault(name)
        self.happened.append(what)
        self._soak.told(self.lived_s, name)


def files_of(scene: Scene) -> dict[str, Path]:
    """Every database of the city by name: the store's, and each box's outbox and documents."""
    city = scene.city
    files = {"store.db": city.directory / "store.db"}
    for box in scene.boxes:
        outbox = city.outbox_path(box.name)
        files[f"{box.name}/outbox.db"] = outbox
        files[f"{box.name}/documents.db"] = outbox.with_name("documents.db")
    return files

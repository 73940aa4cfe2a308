"""Whether a camera's judge finds what is wrong, how fast, and how often it cries wolf: drawn scenes and real clips."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from bench.drives import NoRealData, folder
from bench.encoded import Encoder
from bench.faults import FAULTS, STRENGTHS, fault
from bench.report import Figure, median, progress, show
from bench.scenes import Scene, Weather, burn_clock
from edge.camera_node.clips import pictures
from edge.camera_node.picture import Picture
from edge.camera_node.verdict import Judge

SCENES: Final = 24
HELD_OUT: Final = 400  # the first seed of the figures: what is found and what alarms was tuned on scenes below it
HOURS: Final = 10.0  # a scene; 24 of them are 10 camera-days: with one false alarm the upper bound is 0.47 a day
EVERY_S: Final = 5.0
WITHIN_S: Final = 60.0
CLIPS: Final = ("bgs_highway.avi", "dvr_traffic.mp4", "intel_person_40s.mp4", "vtest_30s.avi")  # of fixed cameras
LIGHTS: Final = (1.0, 1.0, 0.45, 0.0, 1.0, 0.0)  # of scene after scene: day twice as often as dusk or night
SAME_CAUSE: Final = {"dark": ("black",)}  # a tenth of a night's light is black
COLOURLESS_LIGHT: Final = 0.5  # below it a picture without colour is no fault


@dataclass(frozen=True, slots=True)
class Trial:
    """One fault in one scene: what was said of it (seeing: nothing) and how long after its onset."""

    drawn: bool
    kind: str
    strength: str
    said: str
    delay_s: float

    @property
    def found(self) -> bool:
        """Said what it is, in time."""
        return self.said in (self.kind, *SAME_CAUSE.get(self.kind, ())) and self.delay_s <= WITHIN_S


@dataclass(frozen=True, slots=True)
class Watch:
    """Hours of one scene in which nothing was wrong."""

    hours: float
    alarms: tuple[str, ...]
    judging_s: float  # CPU
    judged: int


def main(argv: list[str]) -> int:
    """Measure and print."""
    as_json = "--json" in argv
    trials, watches, conditions = measured()
    figures = figures_of(trials, watches)
    show("verdicts", figures, as_json=as_json, conditions=conditions)
    return 0


def figures_of(trials: Sequence[Trial], watches: Sequence[Watch]) -> list[Figure]:
    """What is told of trials and watches: drawn scenes and clips apart."""
    return [*_shares(trials), *_clip_shares(trials), *_false_alarms(watches)]


def measured(scenes: int = SCENES, hours: float = HOURS, times: int = 3) -> tuple[list[Trial], list[Watch], str]:
    """Every trial and every watch, on all cores."""
    seeds = range(HELD_OUT, HELD_OUT + scenes)
    with ProcessPoolExecutor() as workers:
        trying = [workers.submit(scene_trials, seed) for seed in seeds]
        clips = _clips()
        trying += [workers.submit(clip_trials, path, seed) for path in clips for seed in range(times)]
        watching = [workers.submit(watch, seed, hours) for seed in seeds]
        trials = [trial for each in trying for trial in each.result()]
        progress("faults tried")
        watches = [each.result() for each in watching]
    text = (
        f"{scenes} drawn scenes (day, dusk, night) and {len(clips)} clips (each {times} "
        f"times, looped), one picture each {EVERY_S:.0f} s, through libx264 keyframes; found: said with its name "
        f"within {WITHIN_S:.0f} s of video"
    )
    return trials, watches, text


def _clips() -> list[Path]:
    try:
        return [folder() / "camera" / name for name in CLIPS if (folder() / "camera" / name).is_file()]
    except NoRealData as error:
        progress(str(error))
        return []


def street(seed: int) -> tuple[Scene, float, Encoder]:
    """A scene, the light of its trials, and its camera's encoder."""
    random = np.random.default_rng(1000 + seed)
    scene = Scene(
        seed,
        infrared=bool(random.random() < 0.5),
        noise=float(random.uniform(0.8, 2.5)),
        busy_per_min=float(random.uniform(0.5, 16)),
    )
    return scene, LIGHTS[seed % len(LIGHTS)], Encoder(int(random.integers(20, 34)))


def scene_trials(seed: int, kinds: Sequence[str] = FAULTS, strengths: Sequence[str] = STRENGTHS) -> list[Trial]:
    """Every fault in every strength in one drawn scene."""
    scene, light, encoder = street(seed)
    random = np.random.default_rng(2000 + seed)
    weather = Weather(light=light, rain=float(random.random() < 0.25) * 0.6, wind=float(random.uniform(0, 1)))
    before = int(random.integers(24, 60))
    raw = [scene.picture(EVERY_S * i, weather) for i in range(before + 14)]
    if light < COLOURLESS_LIGHT:
        kinds = [kind for kind in kinds if kind != "colour_lost"]
    return list(_tried(raw, before, encoder, random, True, kinds, strengths))


def clip_trials(path: Path, seed: int) -> list[Trial]:
    """Every fault in every strength in one clip, which is played again and again, with a clock."""
    seconds = [picture for _, picture in pictures(path, every_s=1.0)]
    random = np.random.default_rng(3000 + seed)
    before = int(random.integers(24, 40))
    raw = [_with_clock(seconds[int(EVERY_S * i) % len(seconds)], EVERY_S * i) for i in range(before + 14)]
    return list(_tried(raw, before, Encoder(24), random, False, FAULTS, STRENGTHS))


def _with_clock(picture: Picture, at_s: float) -> Picture:
    luma = picture.luma.copy()
    burn_clock(luma, at_s)
    return replace(picture, luma=luma)


def _tried(
    raw: Sequence[Picture],
    before: int,
    encoder: Encoder,
    random: np.random.Generator,
    drawn: bool,
    kinds: Sequence[str],
    strengths: Sequence[str],
) -> Iterator[Trial]:
    learned = Judge()
    for number, picture in enumerate(raw[:before]):
        learned.see(encoder.through(picture), EVERY_S * number)
    for kind in kinds:
        for strength in strengths:
            judge = copy.deepcopy(learned)
            spoil = fault(kind, strength, raw[before - 1], random)
            late_s = float(random.uniform(0, EVERY_S))  # the first picture after the onset
            said, delay_s = judge.verdict.kind, math.inf
            for number, picture in enumerate(raw[before:]):
                since_s = late_s + EVERY_S * number
                judge.see(encoder.through(spoil(picture, since_s)), EVERY_S * (before + number))
                if judge.verdict.kind not in ("seeing", said) and (said == "seeing" or judge.verdict.kind == kind):
                    said, delay_s = judge.verdict.kind, since_s
                if said == kind:
                    break
            yield Trial(drawn, kind, strength, said if delay_s <= WITHIN_S else "seeing", delay_s)


def watch(seed: int, hours: float) -> Watch:
    """Nothing is wrong, but much goes on: a day's light in a few hours, rain, exposure steps, wind, lorries."""
    scene, _, encoder = street(seed)
    judge, alarms, judging_s = Judge(), [], 0.0
    number = -1
    for number, weather in enumerate(_days(seed, hours)):
        picture = encoder.through(scene.picture(EVERY_S * number, weather))
        begun_s = time.thread_time()
        verdict = judge.see(picture, EVERY_S * number)
        judging_s += time.thread_time() - begun_s
        if verdict and verdict.kind != "seeing":
            alarms.append(f"scene {seed}, {EVERY_S * number / 3600:.2f} h, {weather}: {verdict.kind}: {verdict.reason}")
    return Watch(EVERY_S * (number + 1) / 3600, tuple(alarms), judging_s, number + 1)


def _days(seed: int, hours: float) -> Iterator[Weather]:
    """The weather of each picture: day, 40 minutes of dusk, night and dawn, in 4 hours or in all of them."""
    random = np.random.default_rng(4000 + seed)
    whole_s, dusk_s = max(4.0, hours) * 3600, 2400.0
    exposure, exposed_until_s, rain, rain_until_s, wind = 1.0, 0.0, 0.0, 0.0, 0.3
    shift_s = float(random.uniform(0, whole_s))
    for at_s in np.arange(0, hours * 3600, EVERY_S):
        phase_s = (at_s + shift_s) % whole_s
        into = min(phase_s - whole_s / 2, whole_s - phase_s)  # of the dark half, from its nearer end
        light = 1.0 if phase_s < whole_s / 2 else max(0.0, 1 - float(into) / dusk_s)
        if at_s > exposed_until_s:
            step = random.random() < 0.02
            exposure = float(random.uniform(0.72, 1.35)) if step else 1.0
            exposed_until_s = at_s + (float(random.uniform(10, 120)) if step else 0.0)
        if at_s > rain_until_s:
            starts = random.random() < 0.002
            rain = float(random.uniform(0.2, 1)) if starts else 0.0
            rain_until_s = at_s + (float(random.uniform(200, 1200)) if starts else 0.0)
        wind = float(np.clip(wind + random.normal(0, 0.02), 0, 1))
        yield Weather(light=light, exposure=exposure, rain=rain, wind=wind)


def upper_bound(events: int) -> float:
    """The mean of a Poisson count that with 95 % is not exceeded, one-sided: 3.0 when nothing was seen."""
    low, high = 0.0, 20.0 + 4.0 * events
    for _ in range(60):
        mean = (low + high) / 2
        term, below = math.exp(-mean), 0.0
        for count in range(events + 1):
            below += term
            term *= mean / (count + 1)
        low, high = (mean, high) if below > 0.05 else (low, mean)
    return high


def _shares(trials: Iterable[Trial]) -> Iterator[Figure]:
    drawn = [trial for trial in trials if trial.drawn]
    for strength, reach in (("strong", ">= 97"), ("medium", ">= 90"), ("weak", None)):
        these = [trial for trial in drawn if trial.strength == strength]
        if these:
            yield _share(f"drawn scenes: {strength} faults found", these, reach)
    for kind in FAULTS:
        for strength in reversed(STRENGTHS):
            these = [trial for trial in drawn if trial.kind == kind and trial.strength == strength]
            if these:
                yield _share(f"{kind}, {strength}", these, None)


def _clip_shares(trials: Iterable[Trial]) -> Iterator[Figure]:
    real = [trial for trial in trials if not trial.drawn]
    for strength in reversed(STRENGTHS):
        these = [trial for trial in real if trial.strength == strength]
        if these:
            yield _share(f"clips: {strength} faults found", these, None)
    for kind in FAULTS:
        these = [trial for trial in real if trial.kind == kind and trial.strength != "weak"]
        if these:
            yield _share(f"clips: {kind}, medium and strong", these, None)


def _share(name: str, trials: Sequence[Trial], reach: str | None) -> Figure:
    delays = [trial.delay_s for trial in trials if trial.found]
    told = sum(trial.said != "seeing" for trial in trials)
    note = f"{len(delays)} of {len(trials)}, {told} told as some fault"
    if delays:
        note += f"; delay median {median(delays):.0f} s, worst {max(delays):.0f} s"
    return Figure(name, 100 * len(delays) / len(trials), "%", reach, note)


def _false_alarms(watches: Sequence[Watch]) -> Iterator[Figure]:
    hours = sum(each.hours for each in watches)
    alarms = [alarm for each in watches for alarm in each.alarms]
    note = f"in {hours:.0f} simulated hours of day, dusk, night, rain, exposure steps, wind and lorries"
    yield Figure("false alarms", len(alarms), "", None, note)
    yield Figure("false alarms a camera-day, upper 95 % bound", upper_bound(len(alarms)) * 24 / hours, "", "<= 0.5")
    judged = sum(each.judged for each in watches)
    cpu_ms = 1000 * sum(each.judging_s for each in watches) / judged
    yield Figure("judging one picture", cpu_ms, "CPU ms", "<= 25", "after decoding and scaling")


def confusion(trials: Iterable[Trial]) -> dict[str, dict[str, int]]:
    """How often a kind (medium and strong, drawn and clips) was called what."""
    table: dict[str, dict[str, int]] = {kind: {} for kind in FAULTS}
    for trial in trials:
        if trial.strength != "weak":
            table[trial.kind][trial.said] = table[trial.kind].get(trial.said, 0) + 1
    return table

"""Whether a camera sees: one judge per camera, fed with a picture now and then; pure, never raises on a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from edge.camera_node.frames import Features, features, likeness
from edge.camera_node.hysteresis import PROOF_S, TELLS_FAULT, Grade, Sign, State, Told
from edge.camera_node.picture import Picture
from edge.camera_node.reference import COLOUR_LEAST, DAY_LEAST, LIGHTS, USABLE, YOUNG, Reference, load
from edge.camera_node.signs import TRUSTED_LEAST, Situation, first_sign
from edge.camera_node.stillness import Stillness

KINDS: Final = (
    "seeing",
    "frozen",
    "black",
    "dark",
    "overexposed",
    "blurred",
    "covered",
    "moved",
    "colour_lost",
    "noisy",
    "torn",
)
FORMAT: Final = 1  # of learned(); another one is not read: learning takes seconds
LEARNING: Final = "the view is still being learned"  # the reason of `seeing` until there is something to compare with
LONG_S: Final = 600.0  # without a picture to learn from: the light may have become another one meanwhile
SAME_VIEW: Final = 0.35  # likeness of edges by which a view is known again in another light
_SURE_PERCENT: Final = {
    Grade.POSSIBLE: 65,
    Grade.LIKELY: 78,
    Grade.STRONG: 86,
    Grade.SURE: 95,
    Grade.PROVEN: 97,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of a camera: a kind of `KINDS`, how sure (0 .. 100), why, and since when (monotonic seconds)."""

    kind: str
    confidence_percent: int
    reason: str
    since_s: float


class Judge:
    """Judges one camera. `learned` is what an earlier judge of it gave; anything else in it is not used."""

    def __init__(self, learned: Mapping[str, Any] | None = None) -> None:
        self._lights: dict[str, Reference] = {}
        self._reference: Reference | None = None
        self._stillness = Stillness()
        self._told = Told()
        self._before: Features | None = None
        self._calm_mean = 0.0
        self._last_s: float | None = None
        self._still_s = 0.0
        self._learned_s: float | None = None  # when it last learned
        self._verdict = Verdict("seeing", 0, "no picture yet", 0.0)
        self._booted = self._recall(learned or {})

    @property
    def verdict(self) -> Verdict:
        """The verdict that holds."""
        return self._verdict

    @property
    def doubting(self) -> bool:
        """Whether the next pictures may tell a fault: evidence of one is there, or what is shown stands still."""
        return self._told.state is State.DOUBTING or (self._told.state is State.SEEING and self._still_s > 0)

    def see(self, picture: Picture, at_s: float) -> Verdict | None:
        """Judge a picture of `at_s` (monotonic); the new verdict when it changed. One of a wrong shape is torn."""
        try:
            seen = features(picture)
        except ValueError as error:
            return self._tell(Sign("torn", Grade.LIKELY, f"no picture at all: {error}"), at_s)
        self._still_s = still_s = self._stillness.see(picture.luma, at_s)
        proven_s = still_s if self._stillness.proven(still_s) else 0.0
        situation = Situation(self._before, self._stillness.change, proven_s, self._stillness.clock, self._calm_mean)
        sign = self._sign(seen, situation, at_s)
        if sign is None:
            self._calm_mean = seen.mean
        passed_s = 0.0 if self._last_s is None else min(60.0, max(0.0, at_s - self._last_s))
        self._before, self._last_s = seen, at_s
        told = self._tell(sign, at_s)
        self._learn(seen, sign, still_s, passed_s, at_s)
        return told

    def learned(self) -> dict[str, Any]:
        """What is worth keeping over a reboot: JSON-able, below 20 kB."""
        lights = {**self._lights}
        if self._reference and self._reference.usable:
            lights[self._reference.light] = self._reference
        return {
            "format": FORMAT,
            "lights": {light: reference.dump() for light, reference in lights.items()},
            "usual_change": round(self._stillness.usual_change, 3),
            "longest_still_s": round(self._stillness.longest_s, 1),
        }

    def accept_view(self) -> None:
        """A technician says: what it shows from now on is the view. What was learned of the old one is forgotten."""
        self._lights, self._reference, self._booted = {}, None, False
        self._told = Told()
        self._before = None

    def _recall(self, learned: Mapping[str, Any]) -> bool:
        if learned.get("format") != FORMAT or not isinstance(lights := learned.get("lights"), Mapping):
            return False
        try:
            self._lights = {light: load(lights[light]) for light in LIGHTS if light in lights}
            change = min(50.0, max(0.0, float(learned["usual_change"])))
            self._stillness = Stillness(change, min(60.0, max(0.0, float(learned["longest_still_s"]))))
        except (KeyError, TypeError, ValueError):
            self._lights = {}
        return bool(self._lights)

    def _sign(self, seen: Features, situation: Situation, at_s: float) -> Sign | None:
        if self._booted:
            self._booted = False
            self._reference = self._nearest(seen)
        self._change_mode(seen, situation)
        sign = first_sign(seen, self._reference, situation)
        if sign is None:
            return self._infrared_by_day(seen)
        away = self._learned_s is not None and at_s - self._learned_s > LONG_S
        return self._in_another_light(seen, situation, sign) if away else sign

    def _nearest(self, seen: Features) -> Reference:
        """The learned light that this picture is most like: by its pattern, then by its brightness."""

        def unlike(reference: Reference) -> float:
            alike = float(likeness(reference.cells.ravel(), seen.cells.ravel()))
            return abs(reference.mean - seen.mean) / 100 - alike

        return min(self._lights.values(), key=unlike).copy()

    def _change_mode(self, seen: Features, situation: Situation) -> None:
        """A camera that goes over to infrared in the evening, or back in the morning, has another picture at once."""
        reference = self._reference
        if reference is None or not reference.usable or self._told.state is State.BLIND:
            return
        was, now = reference.chroma >= 2 * COLOUR_LEAST, seen.chroma >= COLOUR_LEAST
        coloured = seen.chroma >= 2 * COLOUR_LEAST
        dims = seen.mean < max(DAY_LEAST, 0.8 * reference.mean) or reference.light != "day"
        goes_mono = was and not now and dims
        goes_colour = reference.chroma < COLOUR_LEAST and coloured
        if not (goes_mono or goes_colour) or not _same_view(reference, seen):
            return
        known = self._lights.get("night") if goes_mono else self._lights.get("day") or self._lights.get("dusk")
        fits = known is not None and first_sign(seen, known, situation) is None
        self._reference = known.copy() if known is not None and fits else Reference.of(seen)

    def _infrared_by_day(self, seen: Features) -> Sign | None:
        """No colour, though the picture is the one that daylight gives: the infrared filter is stuck."""
        day, night = self._lights.get("day"), self._reference
        if day is None or night is None or seen.chroma >= COLOUR_LEAST or day.chroma < 2 * COLOUR_LEAST:
            return None
        if night.light != "night" or not 0.6 <= seen.mean / max(day.mean, 1.0) <= 2.0:
            return None
        by_day = float(likeness(day.cells.ravel(), seen.cells.ravel()))
        known_night = self._lights.get("night", night)
        by_night = float(likeness(known_night.cells.ravel(), seen.cells.ravel()))
        if by_day < 0.8 or by_day < by_night:
            return None
        return Sign("colour_lost", Grade.POSSIBLE, "no colour in a picture that daylight gives: infrared is stuck")

    def _in_another_light(self, seen: Features, situation: Situation, sign: Sign) -> Sign | None:
        """After a long time without a good picture another learned light may fit, or the same view in a new one."""
        for known in self._lights.values():
            if first_sign(seen, known, situation) is None:
                self._reference = known.copy()
                return None
        blind_before = self._told.kind in ("frozen", "black", "torn") and sign.kind not in ("frozen", "black", "torn")
        if blind_before and self._reference is not None and _same_view(self._reference, seen):
            self._reference = Reference.of(seen)
            return None
        return sign

    def _learn(self, seen: Features, sign: Sign | None, still_s: float, passed_s: float, at_s: float) -> None:
        if still_s >= 5 or self._told.state in TELLS_FAULT or (sign and sign.kind in ("torn", "black", "dark")):
            return
        if self._reference is None:
            self._reference = Reference.of(seen)
        elif (sign is None and self._told.state is State.SEEING) or not self._reference.usable:
            self._reference.learn(seen, passed_s)
        elif sign and sign.grade is Grade.POSSIBLE:
            self._reference.learn_steadiness(seen, passed_s)
            return
        else:
            return
        self._learned_s = at_s
        if self._reference.usable and self._reference.pictures >= YOUNG:
            self._lights[self._reference.light] = self._reference

    def _tell(self, sign: Sign | None, at_s: float) -> Verdict | None:
        changed = self._told.add(sign, at_s)
        kind, since_s = self._told.kind, self._told.since_s or 0.0
        if kind == "seeing":
            reason = "the view is as it was learned" if self._stable() else LEARNING
            if self._restless():
                reason = "the view never rests, so the camera is not fixed: cover, blur and turning are not judged"
            verdict = Verdict(kind, self._seeing_percent(), reason, since_s)
        elif sign is None or sign.kind != kind:
            verdict = self._verdict
        else:
            grown = min(4.0, self._told.evidence_s.get(kind, 0.0) / PROOF_S)
            percent = min(99, round(_SURE_PERCENT[sign.grade] + 2 * grown))
            verdict = Verdict(kind, percent, sign.reason, since_s)
        first = self._verdict.confidence_percent == 0
        self._verdict = verdict
        return verdict if changed or first else None

    def _stable(self) -> bool:
        return self._reference is not None and self._reference.usable

    def _restless(self) -> bool:
        reference = self._reference
        if reference is None or reference.pictures < USABLE:
            return False
        return int(np.count_nonzero(reference.trusted())) < TRUSTED_LEAST and float(reference.steadiness.mean()) < 0.7

    def _seeing_percent(self) -> int:
        if self._reference is None or self._restless():
            return 50
        doubt = sum(self._told.evidence_s.values()) / PROOF_S
        return max(50, round(50 + 45 * min(1.0, self._reference.pictures / YOUNG) - 30 * min(1.0, doubt)))


def _same_view(reference: Reference, seen: Features) -> bool:
    return float(likeness(np.log1p(reference.edges).ravel(), np.log1p(seen.edges).ravel())) >= SAME_VIEW

"""The recovery ladder of one camera: stream restart, ONVIF reboot, power cut; how often, when not, does it help.

Rules this file keeps, whatever comes in which order:

* A step is on disk before it is done: killed in between, it counts as done.
* The camera is rebooted or cut only while it fails, nobody watches, no firmware is being updated, and the cause is its
  own; its power is cut only when no other camera on the relay sees.
* Steps keep their distance and their daily number, also over reboots of the box. What was used up ages only while the
  box runs and has said so to the disk, so no date, right or wrong, brings a step nearer.
* A step that did not help three times in a row is not tried again until a person says so.

All times are monotonic seconds. Pure: who calls `turn` does the step that it returns, in the same thread and at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeGuard

SETTLE_S: Final = 30.0  # a failure younger than this may mend itself: a stream lost to one bad minute of the switch
# A camera that starts (after mains came back, each night by itself) looks dead for 40 to 120 s, or like one whose
# stream server hangs: until then it is neither rebooted nor cut.
STARTING: Final = frozenset({"link", "address", "port"})
STARTED_S: Final = 180.0
STAYS_S: Final = 60.0  # seeing for so long is a recovery; less is the same outage
DAY_S: Final = 86_400.0
USELESS_AFTER: Final = 3
KEEP_EVERY_S: Final = 3_600.0  # how old what is used up has become is written hourly, while something is
CUT_OFF_S: Final = 10.0  # how long the power stays away: a camera's supply is empty after a few seconds


class Step(StrEnum):
    """The rungs; the word in events."""

    RESTART = "restart"  # our own stream, opened anew: disturbs nobody
    REBOOT = "reboot"  # ONVIF SystemReboot
    CUT = "cut"  # the relay, for CUT_OFF_S


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a step may take to show its effect, and how often it may be tried."""

    effect_s: float
    cool_down_s: float
    daily_cap: int


PACES: Final[Mapping[Step, Pace]] = {
    Step.RESTART: Pace(effect_s=30.0, cool_down_s=60.0, daily_cap=48),
    Step.REBOOT: Pace(effect_s=180.0, cool_down_s=1_800.0, daily_cap=4),  # cameras take 60 to 120 s to start
    Step.CUT: Pace(effect_s=240.0, cool_down_s=7_200.0, daily_cap=2),  # each is a cold start of an old power supply
}

# What may help against which failure (probing.py) or verdict (verdict.py). What is not here is nothing that a reboot
# mends: authentication, path, power, codec; covered, moved, dark, overexposed, blurred, noisy.
REMEDIES: Final[Mapping[str, tuple[Step, ...]]] = {
    "no_frames": (Step.RESTART, Step.REBOOT, Step.CUT),
    "slow_frames": (Step.RESTART, Step.REBOOT, Step.CUT),
    "frozen": (Step.RESTART, Step.REBOOT, Step.CUT),
    "torn": (Step.RESTART, Step.REBOOT, Step.CUT),
    "black": (Step.RESTART, Step.REBOOT),
    "colour_lost": (Step.REBOOT,),  # a stuck infrared filter: the start-up moves it
    "port": (Step.REBOOT, Step.CUT),  # it answers pings, its stream server does not
    "address": (Step.CUT,),  # nothing of it answers
    "link": (Step.CUT,),  # wired to the box itself: a camera without a sign of life has no carrier
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is so now. `failure` None: the camera sees."""

    failure: str | None
    elsewhere: str | None = None  # a cause outside the camera, or the suspicion of one (pole.py)
    watched: bool = False  # somebody watches it, or another camera on its relay (live.py)
    updating: bool = False  # firmware of the box or the camera
    reboots: bool = False  # it has ONVIF
    relay: bool = False  # its power comes through a relay of ours
    others_see: bool = False  # another camera on that relay sees, or may: one that nobody has looked at yet counts


@dataclass(frozen=True, slots=True)
class Effect:
    """What a step has done so far: "the power cut helped in 83 % of 12, after 95 s"."""

    tried: int = 0
    helped: int = 0
    recovery_s: float = 0.0  # sum over those that helped

    @property
    def helped_percent(self) -> int | None:
        """Of those tried; None before the first."""
        return round(100 * self.helped / self.tried) if self.tried else None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one step ended: `after_s` None when it did not help; `effect` with this one in it."""

    step: Step
    after_s: float | None
    effect: Effect
    given_up: bool  # not tried again until a person says so


@dataclass(slots=True)
class _Done:
    step: Step
    at_s: float


class Ladder:
    """One camera's ladder. `keep` writes its state (JSON, small) and returns when it is on disk.

    `state` is what was kept last, by whichever process; `turn` at each change of the situation and every few seconds.
    """

    def __init__(self, keep: Callable[[dict[str, Any]], None], state: Any = None, *, now_s: float) -> None:
        self.held = ""  # why nothing is done now: a word of docs/camera-node.md, or nothing
        self._keep = keep
        self._failing_s: float | None = None  # since when without a break; None: it sees
        self._may_start = False  # it has looked in this outage as one does that starts
        self._seeing_s: float | None = None  # since when it sees again, while that is not a recovery yet
        self._kept_s = now_s
        self._tried: list[Step] = []  # in this outage
        self._used: list[_Done] = []  # of the last day
        self._trial: _Done | None = None  # its effect is not known yet
        self._useless: dict[Step, int] = {}
        self._effects: dict[Step, Effect] = {}
        self._outcomes: list[Outcome] = []  # not told yet
        self._restore(state, now_s)

    # ------------------------------------------------------------------ asked

    def turn(self, situation: Situation, now_s: float) -> Step | None:
        """The step to do now, None when none is; it counts as done."""
        self._age(now_s)
        if situation.failure is None:
            self._sees(now_s)
            return None
        self._fails(situation.failure, now_s)
        step = self._next(situation, now_s)
        if step is not None:
            self._trial = _Done(step, now_s)
            self._used.append(self._trial)
            self._tried.append(step)
            self._write(now_s)
        return step

    def outcomes(self) -> list[Outcome]:
        """How the steps ended whose effect has become known since the last call."""
        told, self._outcomes = self._outcomes, []
        return told

    @property
    def given_up(self) -> list[Step]:
        """Steps that are not tried any more, as they did not help."""
        return [step for step in Step if self._useless.get(step, 0) >= USELESS_AFTER]

    def reset(self, now_s: float) -> None:
        """A person has been at the camera: what had been given up may be tried again. Caps and distances stay."""
        self._useless.clear()
        self._write(now_s)

    def state(self, now_s: float) -> dict[str, Any]:
        """What must survive: ages in seconds, never dates."""
        return {
            "used": [[done.step, round(now_s - done.at_s, 1)] for done in self._used],
            "trial": None if self._trial is None else [self._trial.step, round(now_s - self._trial.at_s, 1)],
            "tried": list(self._tried),
            "useless": dict(self._useless),
            "effects": {step: [one.tried, one.helped, round(one.recovery_s)] for step, one in self._effects.items()},
        }

    # ------------------------------------------------------------------ the outage

    def _sees(self, now_s: float) -> None:
        self.held, self._failing_s, self._may_start = "", None, False
        if self._trial is None and not self._tried:
            return
        if self._seeing_s is None:
            self._seeing_s = now_s
        if now_s - self._seeing_s < STAYS_S:
            return
        if self._trial is not None:
            after_s = self._seeing_s - self._trial.at_s
            self._concluded(after_s if after_s <= PACES[self._trial.step].effect_s else None)
        self._seeing_s = None
        self._tried.clear()
        self._write(now_s)

    def _fails(self, failure: str, now_s: float) -> None:
        self._seeing_s = None
        self._may_start = self._may_start or failure in STARTING
        if self._failing_s is None:
            self._failing_s = now_s
        if self._trial is not None and now_s - self._trial.at_s >= PACES[self._trial.step].effect_s:
            self._concluded(None)
            self._write(now_s)

    def _concluded(self, after_s: float | None) -> None:
        """The trial has helped after so many seconds, or (None) has not."""
        assert self._trial is not None
        step, self._trial = self._trial.step, None
        before, helped = self._effects.get(step, Effect()), after_s is not None
        effect = Effect(before.tried + 1, before.helped + helped, before.recovery_s + (after_s or 0.0))
        self._effects[step] = effect
        self._useless[step] = 0 if helped else self._useless.get(step, 0) + 1
        self._outcomes.append(Outcome(step, after_s, effect, step in self.given_up))

    # ------------------------------------------------------------------ the choice

    def _next(self, situation: Situation, now_s: float) -> Step | None:
        self.held = next(self._obstacles(situation, now_s), "")
        if self.held:
            return None
        step = self._rung(situation)
        if step is None:
            self.held = "given_up" if self._remedies(situation) else "no_remedy"
            return None
        self.held = next(self._obstacles_of(step, situation, now_s), "")
        return None if self.held else step

    def _obstacles(self, situation: Situation, now_s: float) -> Iterator[str]:
        """Why nothing at all is done."""
        if self._failed_s(now_s) < SETTLE_S:
            yield "settling"
        if self._trial is not None:
            yield "waiting"
        if situation.elsewhere is not None:
            yield "elsewhere"
        if situation.updating:
            yield "updating"

    def _obstacles_of(self, step: Step, situation: Situation, now_s: float) -> Iterator[str]:
        """Why this step is not done now; a harder one is not done instead."""
        if step is not Step.RESTART and self._may_start and self._failed_s(now_s) < STARTED_S:
            yield "starting"
        if step is not Step.RESTART and situation.watched:
            yield "watched"
        if step is Step.CUT and situation.others_see:
            yield "others_see"
        done_s = [done.at_s for done in self._used if done.step is step]
        if done_s and now_s - max(done_s) < PACES[step].cool_down_s:
            yield "cooling_down"
        if len(done_s) >= PACES[step].daily_cap:
            yield "daily_cap"

    def _failed_s(self, now_s: float) -> float:
        return 0.0 if self._failing_s is None else now_s - self._failing_s

    def _rung(self, situation: Situation) -> Step | None:
        """The gentlest that was not tried in this outage; when all were, the last one again, unless it is given up."""
        steps, given_up = self._remedies(situation), self.given_up
        rungs = [step for step in steps if step not in self._tried] + steps[-1:]
        return next((step for step in rungs if step not in given_up), None)

    def _remedies(self, situation: Situation) -> list[Step]:
        possible = {Step.RESTART: True, Step.REBOOT: situation.reboots, Step.CUT: situation.relay}
        return [step for step in REMEDIES.get(situation.failure or "", ()) if possible[step]]

    # ------------------------------------------------------------------ what survives

    def _age(self, now_s: float) -> None:
        self._used = [done for done in self._used if now_s - done.at_s < DAY_S]
        if (self._used or self._trial) and now_s - self._kept_s >= KEEP_EVERY_S:
            self._write(now_s)

    def _write(self, now_s: float) -> None:
        self._kept_s = now_s
        self._keep(self.state(now_s))

    def _restore(self, state: Any, now_s: float) -> None:
        kept = state if isinstance(state, dict) else {}
        self._used = [done for each in _listed(kept.get("used")) if (done := _done(each, now_s)) is not None]
        self._trial = _done(kept.get("trial"), now_s)
        self._tried = [Step(step) for step in _listed(kept.get("tried")) if isinstance(step, str) and step in set(Step)]
        for step in Step:
            useless, effect = _mapped(kept.get("useless")).get(step), _mapped(kept.get("effects")).get(step)
            if _counted(useless):
                self._useless[step] = useless
            match effect:
                case [tried, helped, seconds] if all(map(_counted, (tried, helped, seconds))):
                    self._effects[step] = Effect(tried, helped, float(seconds))


def _done(each: Any, now_s: float) -> _Done | None:
    """A step done `age` seconds ago; one whose age makes no sense was done just now."""
    match each:
        case [str(step), age_s] if step in set(Step):
            sound = type(age_s) in (int, float) and 0 <= age_s < DAY_S
            return _Done(Step(step), now_s - age_s if sound else now_s)
    return None


def _listed(kept: Any) -> list[Any]:
    return kept if isinstance(kept, list) else []


def _mapped(kept: Any) -> dict[Any, Any]:
    return kept if isinstance(kept, dict) else {}


def _counted(number: Any) -> TypeGuard[int]:
    return type(number) is int and 0 <= number < 1 << 31

"""One cause per pole: what the probes of power, modem, switch and cameras mean together, and which alarms stand. Pure.

`diagnose` is the decision list: each rule explains what those before it have left. `Pole` gives findings time: a table
of states, so that what comes a little later (the switch's own probe, the last of eight cameras) is in the same alarm,
and an answer closes the alarm that it belongs to. All times are monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

COMMON_HOLD_S: Final = 15.0  # two probes; a switch that is asked while it boots is no alarm
CAMERA_HOLD_S: Final = 60.0  # a whole round of probes: eight cameras of a dead switch have become one finding by then
CLEAR_S: Final = 15.0
BOOT_S: Final = 180.0  # after power or a switch all starts anew: a switch within one minute, a slow camera within two
LEAST_VOLTS: Final = 11.0  # a 12 V lead battery with a quarter of its charge, under load

# Failures (probing.py) that a dead switch or supply has: nothing answers, or a stream that was open stands still.
UNREACHABLE: Final = frozenset({"power", "link", "address"})
DEAD: Final = UNREACHABLE | {"port", "no_frames"}


class Cause(StrEnum):
    """What an alarm is about; the word on the wire."""

    POWER = "power"  # of the pole
    SWITCH = "switch"
    MODEM = "modem"
    UPLINK = "uplink"  # the modem answers, the centre does not
    CAMERA_POWER = "camera_power"  # its relay or PoE port is off, or the cameras' common supply
    CREDENTIALS = "credentials"
    ADDRESS = "address"  # another camera answers at a camera's address, with another serial number
    CAMERA = "camera"  # nothing else explains it


COMMON: Final = frozenset({Cause.POWER, Cause.SWITCH, Cause.MODEM, Cause.UPLINK, Cause.CAMERA_POWER, Cause.CREDENTIALS})

STARTS_ANEW: Final = frozenset({Cause.POWER, Cause.SWITCH, Cause.CAMERA_POWER})  # what is behind it, once it is over


@dataclass(frozen=True, slots=True, kw_only=True)
class Probes:
    """One look at the pole. None: not known, or nobody can tell."""

    cameras: Mapping[str, str | None]  # each camera's failure, None: it answers; one not probed yet is left out
    unprobed: frozenset[str] = frozenset()  # those that are left out
    others: Mapping[str, str] = field(default_factory=dict)  # cameras that say they are another one: what to tell
    powered: Mapping[str, bool] = field(default_factory=dict)  # what relay or PoE port says, where there is one
    mains: bool | None = None
    supply_volts: float | None = None
    switch: bool | None = None  # it answers
    carrier: bool | None = None  # at the box's own port, towards the switch
    modem: bool | None = None
    uplink: bool | None = None  # the centre gives receipts


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, which cameras that explains, and why we think so."""

    cause: Cause
    cameras: frozenset[str]
    evidence: str

    @property
    def key(self) -> str:
        """One alarm a key: the cause, with the camera's name where it is one camera's."""
        return self.cause if self.cause in COMMON else f"{self.cause}:{min(self.cameras)}"


@dataclass(frozen=True, slots=True)
class Alarm:
    """A finding that has lasted."""

    key: str
    cause: Cause
    cameras: frozenset[str]
    evidence: str


@dataclass(frozen=True, slots=True)
class Change:
    """An alarm began, or is over and why."""

    opened: bool
    alarm: Alarm
    why: str


# ---------------------------------------------------------------------- what the probes mean


def diagnose(probes: Probes, least_volts: float = LEAST_VOLTS) -> list[Finding]:
    """Every cause that the probes show; a camera is explained by one of them at most."""
    findings: list[Finding] = []
    open_cameras = {name: failure for name, failure in probes.cameras.items() if failure is not None}
    for found in _rules(probes, open_cameras, least_volts):
        findings.append(found)
        for name in found.cameras:
            open_cameras.pop(name, None)
    return findings


def _rules(probes: Probes, left: dict[str, str], least_volts: float) -> Iterator[Finding]:
    """`left` is what is not explained yet; it shrinks with each finding that is taken."""
    dead = frozenset(name for name, failure in left.items() if failure in DEAD)
    no_power = _no_power(probes, least_volts)
    if no_power:
        yield Finding(Cause.POWER, dead, no_power)
    elif dark := _switch_dead(probes, dead):
        yield Finding(Cause.SWITCH, dead, dark)
    if probes.modem is False and not no_power:
        yield Finding(Cause.MODEM, frozenset(), "the modem does not answer")
    elif probes.uplink is False and not no_power:
        yield Finding(Cause.UPLINK, frozenset(), "the modem answers, the centre gives no receipts")
    cut = frozenset(name for name, failure in left.items() if failure in DEAD and probes.powered.get(name) is False)
    if cut:
        yield Finding(Cause.CAMERA_POWER, cut, "their relay or PoE port is off")
    unreachable = frozenset(name for name, failure in left.items() if failure in UNREACHABLE)
    if len(unreachable) > 1 and unreachable == frozenset(probes.cameras):
        yield Finding(Cause.CAMERA_POWER, unreachable, "the switch answers, none of the cameras does: their supply")
    for name, words in sorted(probes.others.items()):
        if name in left or probes.cameras.get(name) is None:
            yield Finding(Cause.ADDRESS, frozenset({name}), words)
    refused = frozenset(name for name, failure in left.items() if failure == "authentication")
    if refused:
        yield Finding(Cause.CREDENTIALS, refused, "they answer, and refuse our name and password")
    for name, failure in sorted(left.items()):
        yield Finding(Cause.CAMERA, frozenset({name}), failure)


def _no_power(probes: Probes, least_volts: float) -> str | None:
    if probes.mains is False:
        return "mains is off"
    if probes.supply_volts is not None and probes.supply_volts < least_volts:
        return f"supply is at {probes.supply_volts:.1f} V, below {least_volts:.1f} V"
    return None


def _switch_dead(probes: Probes, dead: frozenset[str]) -> str | None:
    """Why we think so; a camera that answers through it proves that it lives."""
    if any(failure is None or failure not in DEAD for failure in probes.cameras.values()):
        return None
    if probes.carrier is False:
        return "no carrier at the box's port"
    if probes.switch is False:
        return "the switch does not answer" + (f", nor do {len(dead)} cameras behind it" if dead else "")
    unreachable = [name for name, failure in probes.cameras.items() if failure in UNREACHABLE]
    together = len(unreachable) > 1 and len(unreachable) == len(probes.cameras)
    if probes.switch is None and together and not any(probes.powered.get(name) is False for name in unreachable):
        return f"all {len(unreachable)} cameras at once, and the switch cannot be asked"
    return None


# ---------------------------------------------------------------------- which alarms stand


class _State(StrEnum):
    SUSPECTED = "suspected"
    OPEN = "open"
    CLEARING = "clearing"


class _Sign(StrEnum):
    SEEN = "seen"  # the finding is there
    GONE = "gone"
    HELD = "held"  # the state has lasted as long as it has to


# What is not in the table changes nothing; None: the subject is forgotten. Entering `open` from `suspected` begins an
# alarm, leaving `clearing` for None ends it.
_NEXT: Final[Mapping[tuple[_State | None, _Sign], _State | None]] = {
    (None, _Sign.SEEN): _State.SUSPECTED,
    (_State.SUSPECTED, _Sign.GONE): None,
    (_State.SUSPECTED, _Sign.HELD): _State.OPEN,
    (_State.OPEN, _Sign.GONE): _State.CLEARING,
    (_State.CLEARING, _Sign.SEEN): _State.OPEN,
    (_State.CLEARING, _Sign.HELD): None,
}


@dataclass(slots=True)
class _Subject:
    finding: Finding
    state: _State
    since_s: float

    @property
    def hold_s(self) -> float:
        if self.state is _State.CLEARING:
            return CLEAR_S
        return CAMERA_HOLD_S if self.finding.cause is Cause.CAMERA else COMMON_HOLD_S

    @property
    def alarm(self) -> Alarm:
        found = self.finding
        return Alarm(found.key, found.cause, found.cameras, found.evidence)


class Pole:
    """The alarms of one pole; `see` with every round of probes, and at least each few seconds."""

    def __init__(self, state: Any = None, *, least_volts: float = LEAST_VOLTS, started_s: float | None = None) -> None:
        """`state` is what a former process kept: its open alarms are still open.

        `started_s` is when the box got its power, and the whole pole perhaps with it.
        """
        self._least_volts = least_volts
        self._subjects = _restored(state)
        self._booting: dict[str, float] = {}  # until when a camera may take to come back
        # Until when all may, after the pole's power was gone.
        self._all_boot_s = None if started_s is None else started_s + BOOT_S

    def see(self, probes: Probes, now_s: float) -> list[Change]:
        """What began and what is over."""
        found = {one.key: one for one in diagnose(probes, self._least_volts) if not self._may_boot(one, now_s)}
        changes: list[Change] = []
        for key in sorted({*found, *self._subjects}):
            if key in found or not self._subjects[key].finding.cameras & probes.unprobed:
                changes += self._turn(key, found.get(key), now_s)
        changes.sort(key=lambda change: not change.opened)  # what began first: it may be why the other ended
        return [self._explained(change) for change in changes]

    def alarms(self) -> list[Alarm]:
        """Those that stand."""
        return [one.alarm for one in self._subjects.values() if one.state is not _State.SUSPECTED]

    def cause_of(self, camera: str) -> Finding | None:
        """What is wrong with a camera as far as anybody knows, suspected or sure; a common cause before its own."""
        about = [one.finding for one in self._subjects.values() if camera in one.finding.cameras]
        return min(about, key=lambda finding: finding.cause not in COMMON, default=None)

    def elsewhere(self, camera: str, now_s: float) -> str | None:
        """A cause outside this camera that explains it, or may: while there is one its power is not cut."""
        finding = self.cause_of(camera)
        if finding is not None and finding.cause is not Cause.CAMERA:
            return finding.cause
        return "booting" if self._boots(camera, now_s) else None

    def state(self) -> list[list[Any]]:
        """The open alarms, as JSON has them; keep it whenever `see` says a change."""
        return [[one.cause, sorted(one.cameras), one.evidence] for one in self.alarms()]

    # ------------------------------------------------------------------ inside

    def _may_boot(self, finding: Finding, now_s: float) -> bool:
        """What is behind a cause that is over is given the time to start; an alarm that stands is not ended by that."""
        subject = self._subjects.get(finding.key)
        if finding.cause is Cause.POWER or (subject is not None and subject.state is not _State.SUSPECTED):
            return False
        if finding.cause in (Cause.CAMERA, Cause.CAMERA_POWER):
            return all(self._boots(camera, now_s) for camera in finding.cameras)
        return self._all_boot_s is not None and now_s < self._all_boot_s

    def _boots(self, camera: str, now_s: float) -> bool:
        until_s = max(self._booting.get(camera, now_s), self._all_boot_s or now_s)
        return now_s < until_s

    def _over(self, finding: Finding, now_s: float) -> None:
        if finding.cause in STARTS_ANEW:
            self._booting.update(dict.fromkeys(finding.cameras, now_s + BOOT_S))
        if finding.cause is Cause.POWER:
            self._all_boot_s = now_s + BOOT_S

    def _turn(self, key: str, finding: Finding | None, now_s: float) -> Iterator[Change]:
        subject = self._subjects.get(key)
        if finding is not None and subject is not None:
            # What an alarm was about stays in it: cameras that answer again before the cause is gone, or booted late.
            before = subject.finding.cameras if subject.state is not _State.SUSPECTED else frozenset()
            subject.finding = replace(finding, cameras=finding.cameras | before)
        self._step(key, _Sign.GONE if finding is None else _Sign.SEEN, finding, now_s)
        subject = self._subjects.get(key)
        if subject is None or now_s - subject.since_s < subject.hold_s:
            return
        if subject.state is _State.SUSPECTED:
            self._step(key, _Sign.HELD, finding, now_s)
            yield Change(True, subject.alarm, subject.finding.evidence)
        elif subject.state is _State.CLEARING:
            self._step(key, _Sign.HELD, finding, now_s)
            yield Change(False, subject.alarm, "it is gone")

    def _step(self, key: str, sign: _Sign, finding: Finding | None, now_s: float) -> None:
        subject = self._subjects.get(key)
        step = (None if subject is None else subject.state, sign)
        if step not in _NEXT:
            return
        state = _NEXT[step]
        if sign is _Sign.GONE and subject is not None:
            self._over(subject.finding, now_s)
        if state is None:
            del self._subjects[key]
        elif subject is None:
            assert finding is not None
            self._subjects[key] = _Subject(finding, state, now_s)
        else:
            subject.state, subject.since_s = state, now_s

    def _explained(self, change: Change) -> Change:
        """A camera's alarm that ends because a common cause has come says so."""
        if change.opened or change.alarm.cause in COMMON:
            return change
        by = [one.finding for one in self._subjects.values() if change.alarm.cameras <= one.finding.cameras]
        return replace(change, why=f"it is the {by[0].cause}: {by[0].evidence}") if by else change


def _restored(state: Any) -> dict[str, _Subject]:
    """The open alarms of a former process; what makes no sense is none."""
    subjects = {}
    for each in state if isinstance(state, list) else []:
        match each:
            case [str(cause), list(cameras), str(evidence)] if cause in set(Cause):
                names = frozenset(name for name in cameras if isinstance(name, str))
                if names or cause in COMMON:
                    finding = Finding(Cause(cause), names, evidence)
                    subjects[finding.key] = _Subject(finding, _State.OPEN, 0.0)
    return subjects

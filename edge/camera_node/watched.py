"""One camera as the node knows it: its last look, the judge's verdict and its rhythm make what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from edge.camera_node.picture import Picture
from edge.camera_node.pole import Cause, Finding
from edge.camera_node.probing import Failure, Outcome, changed_serial
from edge.camera_node.rhythm import Quality, Rhythm
from edge.camera_node.verdict import Judge

SEEING, OFFLINE, DEGRADED = "seeing", "offline", "degraded"  # beside the judge's kinds of blindness
OFFLINE_AFTER_S: Final = 20.0  # two attempts at its stream: what mends itself is no verdict
DEGRADED_AFTER_S: Final = 60.0
SURE_PERCENT: Final = 95  # of what a stream does or does not do; of a view without the least doubt
# What every fault has shown itself by, when a process begins anew: evidence of 40 s, counted 6 s a picture at most.
ANEW_S, ANEW_PICTURES = 60.0, 8
LEAST_PICTURES: Final = 3


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of a camera: a verdict's kind, `offline` or `degraded`; cause and reason explain it.

    One that sees has a cause only when it is another camera than the one adopted.
    """

    verdict: str
    cause: str
    confidence_percent: int
    reason: str


class Watched:
    """One camera; times are monotonic seconds. `learned` is what a former process kept of it.

    `adopted` is the serial number of the camera that belongs there; None: any.
    """

    def __init__(
        self,
        name: str,
        learned: Mapping[str, Any] | None = None,
        *,
        declared_frames_per_s: float | None = None,
        adopted: str | None = None,
    ) -> None:
        kept = learned or {}
        self.name: Final = name
        self.picture: Picture | None = None
        self.failure: Failure | None = None
        self.another = ""  # what to tell of the other camera that answers there; '' while none does
        self._adopted = adopted
        self._judge = Judge(_mapping(kept.get("judge")))
        self._rhythm = Rhythm(_mapping(kept.get("rhythm")), declared_frames_per_s=declared_frames_per_s)
        self._failing_s: float | None = None  # since when without a picture, or with too few: not both
        self._same_s = 0.0  # since when the failure is the same
        self._named: tuple[Failure | None, str] = None, ""  # what is said of it, with its detail
        self._looked = self._open = False
        self._pictures, self._first_s = 0, 0.0  # pictures so far, and when the first came

    def take(self, outcome: Outcome) -> None:
        """One look at it."""
        at_s = outcome.at_s
        self.another = changed_serial(self._adopted, outcome.serial_number)
        self._fails(outcome.failure, outcome.detail, at_s)
        self._looked = True
        if outcome.picture is None:
            self._rhythm.closed()
            self._open = False
            return
        if not self._open:
            self._rhythm.opened(at_s)
            self._open = True
        self._rhythm.keyframe(at_s)
        self._rhythm.measured(frames_per_s=outcome.frames_per_s, bitrate_kbps=outcome.bitrate_kbps)
        self.picture = outcome.picture
        self._first_s = self._first_s if self._pictures else at_s
        self._pictures += 1
        self._judge.see(outcome.picture, at_s)

    def _fails(self, failure: Failure | None, detail: str, at_s: float) -> None:
        """Failures that take turns are one trouble, and it changes its name only when one of them has stayed."""
        if _blinds(failure) != _blinds(self.failure):
            self._failing_s = None if failure is None else at_s
        if failure != self.failure:
            self._same_s = at_s
        self.failure = failure
        young = self._failing_s is None or at_s - self._failing_s < OFFLINE_AFTER_S
        if young or failure is self._named[0] or at_s - self._same_s >= OFFLINE_AFTER_S:
            self._named = failure, detail

    def said(self, now_s: float, cause: Finding | None) -> Said | None:
        """What holds now; `cause` is the pole's. None before anything is known."""
        failing_s = self._failed_s(now_s)
        if self.lost is not None and failing_s >= OFFLINE_AFTER_S:
            common = cause if cause is not None and cause.cause is not Cause.CAMERA else None
            why, detail = self._named if common is None else (common.cause, common.evidence)
            return Said(OFFLINE, str(why), SURE_PERCENT, detail)
        found = self._judge.verdict
        if not self._looked or found.confidence_percent == 0:
            return None
        if cause is not None and cause.cause is Cause.ADDRESS:
            return Said(found.kind, str(Cause.ADDRESS), found.confidence_percent, cause.evidence)
        if found.kind != SEEING:
            return Said(found.kind, "picture", found.confidence_percent, found.reason)
        if self.failure is Failure.SLOW_FRAMES and failing_s >= DEGRADED_AFTER_S:
            return Said(DEGRADED, str(Failure.SLOW_FRAMES), SURE_PERCENT, self._named[1])
        return Said(SEEING, "", found.confidence_percent, found.reason)

    def trouble(self) -> str | None:
        """What a recovery step may help against: the stream's failure, else the picture's verdict; None: it sees."""
        if self.failure is not None:
            return str(self.failure)
        return None if self._judge.verdict.kind == SEEING else self._judge.verdict.kind

    def sees_again(self, kind: str, now_s: float) -> bool:
        """Whether one that was `kind` when a former process ended may be said to see: this one's judge begins anew."""
        if self._pictures >= ANEW_PICTURES and now_s - self._first_s >= ANEW_S:
            return True
        sure = self._judge.verdict.confidence_percent >= SURE_PERCENT
        return sure and self._pictures >= LEAST_PICTURES and kind != "frozen"

    def blind(self, now_s: float) -> bool:
        """Whether it was looked at and shows nothing, for so long that it is no hiccup; few pictures are pictures."""
        lost = self.lost is not None and self._failed_s(now_s) >= OFFLINE_AFTER_S
        return self._looked and (lost or self._judge.verdict.kind != SEEING)

    @property
    def lost(self) -> Failure | None:
        """Why the last look gave no picture; None when it gave one, or there was no look."""
        return self.failure if _blinds(self.failure) else None

    @property
    def looked(self) -> bool:
        """Whether there was any look at it."""
        return self._looked

    def _failed_s(self, now_s: float) -> float:
        return 0.0 if self._failing_s is None else now_s - self._failing_s

    def quality(self, now_s: float) -> Quality:
        """Frames, stalls, reconnects and the score."""
        return self._rhythm.quality(now_s)

    def accept_view(self) -> None:
        """A person says: what it shows now, and as often as it does, is right."""
        self._judge.accept_view()
        self._rhythm.accept()

    def learned(self) -> dict[str, Any]:
        """What the next process should know."""
        return {"judge": self._judge.learned(), "rhythm": self._rhythm.learned()}


def _blinds(failure: Failure | None) -> bool | None:
    """Whether it takes the whole picture away; None: there is none."""
    return None if failure is None else failure is not Failure.SLOW_FRAMES


def _mapping(kept: object) -> dict[str, Any]:
    return kept if isinstance(kept, dict) else {}

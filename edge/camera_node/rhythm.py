"""How regularly a camera speaks: its own rhythm learned, silence and stalls judged by it, a score. Pure.

A camera that gives a keyframe each 4 s is not silent after 5 s, one that gives two a second is. A rhythm that changes
for good (somebody set another keyframe interval) is learned anew; a frame rate that falls is a fault until a person
accepts it. All times are monotonic seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

KEPT: Final = 64  # of the last intervals
AGREEING: Final = 8  # so many long intervals in a row that are alike are a new rhythm, no stalls
ALIKE: Final = 1.5  # the longest of them over the shortest
LEARNED_FROM: Final = 4
UNKNOWN_SILENT_S: Final = 30.0  # until a rhythm is known; patient, as some codecs stretch their keyframe interval
LEAST_SILENT_S: Final = 3.0  # RTSP over TCP on a busy switch stands still for a second or two
MOST_SILENT_S: Final = 180.0
USUAL_TIMES: Final = 2.5  # the usual interval: one keyframe lost, and the next one late
LATE_TIMES: Final = 1.5  # the latest tenth of them
SLOW_SHARE: Final = 0.5  # of the expected frame rate: below it frames are slow
HOUR_S: Final = 3_600.0
MOST_AN_HOUR: Final = 1_000  # counted; a camera that stalls more often is as bad
EACH_COSTS: Final = 0.9  # a stall or a reconnect within the hour leaves so much of the score


@dataclass(frozen=True, slots=True)
class Quality:
    """A camera's quality now; None where it is not known."""

    expected_frames_per_s: float | None
    seen_frames_per_s: float | None
    bitrate_kbps: float | None
    stalls_an_hour: int
    reconnects_an_hour: int
    score: int  # 0 (silent) .. 100 (all frames, no stall and no reconnect within an hour)

    @property
    def slow(self) -> bool:
        """Whether it gives less than half of the frames it should."""
        if self.expected_frames_per_s is None or self.seen_frames_per_s is None:
            return False
        return self.seen_frames_per_s < SLOW_SHARE * self.expected_frames_per_s


class Rhythm:
    """One camera's rhythm; `learned` is what a former process kept, `declared_frames_per_s` what the camera claims."""

    def __init__(self, learned: Mapping[str, Any] | None = None, *, declared_frames_per_s: float | None = None) -> None:
        kept = learned or {}
        self._intervals_s = deque(_numbers(kept.get("intervals_s")), maxlen=KEPT)
        self._rates = deque(_numbers(kept.get("frames_per_s")), maxlen=KEPT)
        self._declared_frames_per_s = declared_frames_per_s
        self._odd_s: deque[float] = deque(maxlen=AGREEING)
        self._stalls_s: deque[float] = deque(maxlen=MOST_AN_HOUR)
        self._reconnects_s: deque[float] = deque(maxlen=MOST_AN_HOUR)
        self._heard_s: float | None = None  # since when we listen or heard the last; None: nobody listens
        self._first_wait = True
        self._opened_before = self._stalled = False
        self._seen_frames_per_s: float | None = None
        self._bitrate_kbps: float | None = None

    # ------------------------------------------------------------------ what happened

    def opened(self, at_s: float, *, again: bool | None = None) -> None:
        """A stream was opened. `again`: because one was lost (None: whenever it is not the first); says a reconnect."""
        if self._opened_before if again is None else again:
            self._reconnects_s.append(at_s)
        self._opened_before = self._first_wait = True
        self._heard_s, self._stalled = at_s, False

    def closed(self) -> None:
        """Nobody listens any more: a camera that is not asked is not silent."""
        self._heard_s = None

    def keyframe(self, at_s: float) -> None:
        """One came."""
        if self._heard_s is not None:
            self._waited(at_s, at_s - self._heard_s)
        self._heard_s, self._stalled, self._first_wait = at_s, False, False

    def measured(self, *, frames_per_s: float | None, bitrate_kbps: float | None) -> None:
        """What a probe saw over some seconds."""
        self._seen_frames_per_s, self._bitrate_kbps = frames_per_s, bitrate_kbps
        usual = self.expected_frames_per_s
        if frames_per_s is not None and frames_per_s > 0 and (usual is None or frames_per_s >= SLOW_SHARE * usual):
            self._rates.append(frames_per_s)

    def accept(self) -> None:
        """A person says that it is right as it is now: the rate seen becomes the one expected."""
        self._rates.clear()
        self._intervals_s.clear()
        self._declared_frames_per_s = None
        self.measured(frames_per_s=self._seen_frames_per_s, bitrate_kbps=self._bitrate_kbps)

    # ------------------------------------------------------------------ what it means

    @property
    def expected_frames_per_s(self) -> float | None:
        """What the camera says it gives, else what it usually gave."""
        if self._declared_frames_per_s is not None:
            return self._declared_frames_per_s
        return median(self._rates) if self._rates else None

    @property
    def silent_after_s(self) -> float:
        """How long without a keyframe this camera may be."""
        if len(self._intervals_s) < LEARNED_FROM:
            return UNKNOWN_SILENT_S
        ordered = sorted(self._intervals_s)
        late_s = ordered[min(len(ordered) - 1, len(ordered) * 9 // 10)]
        longest_s = max(USUAL_TIMES * median(ordered), LATE_TIMES * late_s)
        return min(max(longest_s, LEAST_SILENT_S), MOST_SILENT_S)

    def silent(self, at_s: float) -> bool:
        """Whether it should have spoken by now; the first time it is a stall."""
        if self._heard_s is None or at_s - self._heard_s <= self.silent_after_s:
            return False
        self._stall(at_s)
        return True

    def quality(self, at_s: float) -> Quality:
        """All of it, and the score."""
        silent = self.silent(at_s)
        stalls, reconnects = _within_hour(self._stalls_s, at_s), _within_hour(self._reconnects_s, at_s)
        expected, seen = self.expected_frames_per_s, self._seen_frames_per_s
        share = 1.0 if not expected or seen is None else min(1.0, seen / expected)
        score = 0 if silent else round(100 * share * EACH_COSTS ** (stalls + reconnects))
        return Quality(expected, seen, self._bitrate_kbps, stalls, reconnects, score)

    def learned(self) -> dict[str, Any]:
        """What the next process should know; JSON, below 2 kB."""
        return {
            "intervals_s": [round(interval_s, 3) for interval_s in self._intervals_s],
            "frames_per_s": [round(rate, 2) for rate in self._rates],
        }

    # ------------------------------------------------------------------ inside

    def _waited(self, at_s: float, interval_s: float) -> None:
        if interval_s > self.silent_after_s:
            self._stall(at_s)
            self._odd_s.append(interval_s)
            if len(self._odd_s) == AGREEING and max(self._odd_s) <= ALIKE * min(self._odd_s):
                self._intervals_s.clear()
                self._intervals_s.extend(self._odd_s)
                self._odd_s.clear()
            return
        self._odd_s.clear()
        # From opening to the first keyframe is a part of an interval: it may teach that it is longer, never shorter.
        if not self._first_wait or not self._intervals_s or interval_s > median(self._intervals_s):
            self._intervals_s.append(interval_s)

    def _stall(self, at_s: float) -> None:
        if not self._stalled:
            self._stalls_s.append(at_s)
        self._stalled = True


def _within_hour(times_s: deque[float], at_s: float) -> int:
    while times_s and times_s[0] < at_s - HOUR_S:
        times_s.popleft()
    return len(times_s)


def _numbers(kept: Any) -> Iterable[float]:
    """The positive numbers among what was kept; a card's worn bits may say anything."""
    listed = kept if isinstance(kept, list) else []
    return [float(each) for each in listed if type(each) in (int, float) and 0 < each < 1e6]

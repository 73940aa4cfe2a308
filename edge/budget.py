"""What a SIM carries, by class, against its monthly plan: how much, until when, and what to give up first to save it.

Every byte has one class. A parcel's payload belongs to what is in it; all around it (headers, handshakes, pings,
receipts, resends, health) is housekeeping, so that the classes add up to what the kernel counted. The degrade order
spares alarms, events, verdicts and tracks: few bytes, and what the plan is there for. Main thread only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import IntEnum
from typing import Any, Final, NamedTuple, Protocol

from edge.packing import Row, row_bytes
from edge.today import DAY_MS, Notes
from wire import encode
from wire.kinds import KIND_CAMERA, KIND_EVENT, KIND_SNAPSHOT, KIND_TRACK

PACE_DAYS: Final = 7  # the pace is that of the last days: a week has both working days and a weekend
LEAST_PACE_MS: Final = 6 * 3_600_000  # less than a quarter of a day says nothing about a month
LASTS_AGAIN: Final = 0.9  # of the plan: what was given up comes back only when the pace leaves a tenth of it
LEAST_BACKLOG_BYTES_PER_S: Final = 5.0  # one bulk parcel an hour: what waits is never stuck for a month
BACKLOG_SHARE: Final = 0.5  # of what is left of the plan, when the backlog is slowed down
SAVE_EVERY_MS: Final = 3_600_000  # a write costs the card 45 kB (edge/memory.py)
SAVE_SHARE: Final = 0.005  # of the plan: sooner than hourly when so much would be forgotten by a power cut
KEPT_PERIODS: Final = 3  # a spoofed date opens another month; the right one is still there afterwards
KEPT_DAYS: Final = PACE_DAYS + 3
_EPOCH: Final = date(1970, 1, 1).toordinal()


class Spent(NamedTuple):
    """Bytes by class, both directions, at IP level."""

    verdict: int = 0
    snapshot: int = 0
    live: int = 0
    backlog: int = 0
    housekeeping: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self)

    def and_also(self, more: Spent) -> Spent:
        """The sum."""
        return Spent(*(a + b for a, b in zip(self, more, strict=True)))

    def less(self, before: Spent) -> Spent:
        """The difference."""
        return Spent(*(a - b for a, b in zip(self, before, strict=True)))


class Degree(IntEnum):
    """How much has been given up to save the plan; each step includes those before it. The wire carries the number."""

    NONE = 0
    LIVE_SMALL = 1  # live view by the camera's smaller profile
    SNAPSHOTS_OFF = 2
    BACKLOG_SLOW = 3
    LIVE_OFF = 4  # what remains: alarms, events, verdicts, tracks, health


# From which share of the plan each step is in force, once the plan will not last at the pace of the last days.
DEGRADE: Final = (
    (0.5, Degree.LIVE_SMALL),
    (0.75, Degree.SNAPSHOTS_OFF),
    (0.9, Degree.BACKLOG_SLOW),
    (1.0, Degree.LIVE_OFF),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """A SIM's plan; 0 bytes: none. The month begins on `reset_day` (1 .. 28) at 00:00 UTC."""

    plan_bytes: int = 0
    reset_day: int = 1
    steps: Sequence[tuple[float, Degree]] = DEGRADE


class Dated(Protocol):
    """What is asked of the clock."""

    def utc_ms(self) -> int | None: ...
    def boottime_ms(self) -> int: ...


def of_parcel(bulk: bool, rows: Iterable[Row], payload_bytes: int) -> Spent:
    """A parcel's payload by what is in it, shared by size; health and results stay out: they are housekeeping."""
    sizes: dict[str, int] = {}
    for row in rows:
        name = _class_of(bulk, row.kind)
        sizes[name] = sizes.get(name, 0) + row_bytes(row)
    whole = sum(sizes.values()) or 1
    shares = {name: payload_bytes * size // whole for name, size in sizes.items() if name != "housekeeping"}
    return Spent(**shares)


def on_the_air(link_bytes: int, attributed: Spent, video_bytes: int = 0) -> Spent:
    """All of it: what is neither payload nor video (which has connections of its own) is housekeeping."""
    rest_bytes = max(0, link_bytes - attributed.total)
    return attributed._replace(live=attributed.live + video_bytes, housekeeping=attributed.housekeeping + rest_bytes)


class Budget:
    """Adds up a process's counters by the plan's month, whatever restarts, and says what the plan still allows."""

    def __init__(self, plan: Plan, clock: Dated, notes: Notes) -> None:
        self.degree = Degree.NONE
        self.exhausted_utc_ms: int | None = None  # when the plan will be, or was, used up; None: it lasts, or unknown
        self._plan = plan
        self._clock = clock
        self._notes = notes
        self._counted = Spent()
        self._kept = _restored(notes.recall("budget", None))
        self._month_day: int | None = max(self._kept.months, default=None)
        self._left_ms = 0
        self._saved = self._kept.state()
        self._saved_bytes, self._saved_boottime_ms = 0, clock.boottime_ms()

    @property
    def month(self) -> Spent:
        """What was carried since the reset day, with what was carried before the date was known."""
        of_month = Spent() if self._month_day is None else self._kept.months.get(self._month_day, Spent())
        return of_month.and_also(self._kept.undated)

    def count(self, since_start: Spent) -> None:
        """Take the process's counters as they are now; ask each minute."""
        since_start = Spent(*map(max, since_start, self._counted))  # the link's sum may lag behind what was handed over
        kept = self._kept
        kept.undated = kept.undated.and_also(since_start.less(self._counted))
        self._counted = since_start
        utc_ms = self._clock.utc_ms()
        if utc_ms is None:
            return
        start_day, end_day = month_of(utc_ms, self._plan.reset_day)
        self._month_day, self._left_ms = start_day, end_day * DAY_MS - utc_ms
        today = utc_ms // DAY_MS
        kept.months[start_day] = kept.months.get(start_day, Spent()).and_also(kept.undated)
        kept.days[today] = kept.days.get(today, 0) + kept.undated.total
        kept.undated = Spent()
        kept.months = {day: kept.months[day] for day in _nearest(kept.months, start_day, KEPT_PERIODS)}
        kept.days = {day: kept.days[day] for day in _nearest(kept.days, today, KEPT_DAYS)}
        if kept.since_ms is None or kept.since_ms > utc_ms:
            kept.since_ms = utc_ms
        self._weigh(utc_ms)

    def backlog_bytes_per_s(self, usual: float) -> float:
        """How fast the backlog may go: as usual, or what half of the rest of the plan allows until its reset day."""
        if self.degree < Degree.BACKLOG_SLOW:
            return usual
        left_bytes = max(0, self._plan.plan_bytes - self.month.total)
        slow = left_bytes * BACKLOG_SHARE / max(1.0, self._left_ms / 1_000)
        return min(usual, max(LEAST_BACKLOG_BYTES_PER_S, slow))

    def body(self) -> bytes:
        """The part of the health record."""
        spent = self.month
        return encode.sim(
            plan_bytes=self._plan.plan_bytes,
            verdict_bytes=spent.verdict,
            snapshot_bytes=spent.snapshot,
            live_bytes=spent.live,
            backlog_bytes=spent.backlog,
            housekeeping_bytes=spent.housekeeping,
            exhausted_utc_ms=self.exhausted_utc_ms,
            degree=self.degree,
        )

    def save(self, *, at_once: bool = False) -> None:
        """Keep it for the next process: hourly, sooner after half a per cent of the plan, and at a stop `at_once`."""
        unsaved_bytes = self._counted.total - self._saved_bytes
        waited_ms = self._clock.boottime_ms() - self._saved_boottime_ms
        much = 0 < self._plan.plan_bytes * SAVE_SHARE < unsaved_bytes
        if not (at_once or much or waited_ms >= SAVE_EVERY_MS):
            return
        self._saved_bytes, self._saved_boottime_ms = self._counted.total, self._clock.boottime_ms()
        state = self._kept.state()
        if state != self._saved:
            self._saved = state
            self._notes.remember("budget", state)

    def _weigh(self, utc_ms: int) -> None:
        kept, plan_bytes, spent_bytes = self._kept, self._plan.plan_bytes, self.month.total
        if not plan_bytes:
            return
        if spent_bytes >= plan_bytes:
            kept.out_ms = kept.out_ms or utc_ms
            self.exhausted_utc_ms, kept.short = kept.out_ms, True
        else:
            kept.out_ms = self.exhausted_utc_ms = None
            per_ms = self._pace(utc_ms)
            if per_ms is not None:
                forecast = (spent_bytes + per_ms * self._left_ms) / plan_bytes
                kept.short = forecast > (LASTS_AGAIN if kept.short else 1.0)
                if forecast > 1.0:
                    self.exhausted_utc_ms = utc_ms + int((plan_bytes - spent_bytes) / per_ms)
        share = spent_bytes / plan_bytes
        steps = [degree for from_share, degree in self._plan.steps if kept.short and share >= from_share]
        self.degree = max(steps, default=Degree.NONE)

    def _pace(self, utc_ms: int) -> float | None:
        """Bytes a millisecond over the last days; None until enough of them was seen."""
        first_day = utc_ms // DAY_MS - PACE_DAYS
        covered_ms = utc_ms - max(first_day * DAY_MS, self._kept.since_ms or utc_ms)
        if covered_ms < LEAST_PACE_MS:
            return None
        return sum(count for day, count in self._kept.days.items() if first_day <= day <= utc_ms // DAY_MS) / covered_ms


@dataclass(slots=True)
class _Kept:
    """What survives the process; days are counted from 1970-01-01."""

    months: dict[int, Spent]
    undated: Spent
    days: dict[int, int]
    since_ms: int | None
    out_ms: int | None
    short: bool

    def state(self) -> list[Any]:
        """As JSON has it."""
        months = [[day, list(spent)] for day, spent in sorted(self.months.items())]
        days = [[day, count] for day, count in sorted(self.days.items())]
        return [months, list(self.undated), days, self.since_ms, self.out_ms, self.short]


def month_of(utc_ms: int, reset_day: int) -> tuple[int, int]:
    """The plan's month that `utc_ms` is in: its first day and the first of the next, counted from 1970-01-01."""
    day = datetime.fromtimestamp(utc_ms // 1_000, UTC).date()
    year, month = (day.year, day.month) if day.day >= reset_day else _step(day.year, day.month, -1)
    first, after = date(year, month, reset_day), date(*_step(year, month, 1), reset_day)
    return first.toordinal() - _EPOCH, after.toordinal() - _EPOCH


def _step(year: int, month: int, months: int) -> tuple[int, int]:
    count = year * 12 + month - 1 + months
    return count // 12, count % 12 + 1


def _class_of(bulk: bool, kind: int) -> str:
    if bulk:
        return "snapshot" if kind == KIND_SNAPSHOT else "backlog"
    return {KIND_TRACK: "live", KIND_EVENT: "verdict", KIND_CAMERA: "verdict"}.get(kind, "housekeeping")


def _nearest(days: Iterable[int], to_day: int, count: int) -> list[int]:
    return sorted(days, key=lambda day: abs(day - to_day))[:count]


def _restored(state: Any) -> _Kept:
    """What was kept; nothing where nothing that makes sense was (worn bits may say anything)."""
    match state:
        case [list(months), list(undated), list(days), since_ms, out_ms, bool(short)] if all(
            time_ms is None or _size(time_ms) for time_ms in (since_ms, out_ms)
        ):
            found = {day: Spent(*spent) for day, spent in _pairs(months) if _countable(spent)}
            counts = {day: count for day, count in _pairs(days) if _size(count)}
            before = Spent(*undated) if _countable(undated) else Spent()
            return _Kept(found, before, counts, since_ms, out_ms, short)
    return _Kept({}, Spent(), {}, None, None, False)


def _pairs(listed: list[Any]) -> list[tuple[int, Any]]:
    return [(each[0], each[1]) for each in listed if isinstance(each, list) and len(each) == 2 and _size(each[0])]


def _countable(spent: Any) -> bool:
    return isinstance(spent, list) and len(spent) == len(Spent._fields) and all(map(_size, spent))


def _size(number: Any) -> bool:
    """A health record can carry a few of them, whatever is added."""
    return type(number) is int and 0 <= number < 1 << 60

"""Fixes and events to records in the outbox, with nothing that can grow without bound."""

import logging
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from edge.clock import Clock
from edge.errors import OutboxCorrupt, OutboxFull
from edge.gps_unit.fix import Fix, to_columns, within_limits
from edge.gps_unit.interval import OpenInterval, Waiting, rows
from edge.gps_unit.modes import Modes
from edge.gps_unit.motion import FixWatch, Policy
from edge.health import Health
from wire.columns import encode_track
from wire.encode import event
from wire.kinds import CLASS_ALARM, CLASS_STATUS, CLASS_TRACK, KIND_ANCHOR, KIND_EVENT, KIND_HEALTH, KIND_TRACK
from wire.thin import thin

log = logging.getLogger(__name__)

# Exponents of ten over the wire's base units: 1 ms, 1e-6 deg, 1 m, 0.1 m/s, 1 deg, 0.1 HDOP.
QUANTUM = {"lossless": None, "receiver": (0, 1, 2, 1, 2, 1)}

# Events that wait while the outbox takes nothing; older ones are given up and counted.
MOST_EVENTS_WAITING = 100
TICK_S = 1.0  # what the outbox asks for


class Outbox(Protocol):
    """What recording asks of the outbox."""

    @property
    def outbox_id(self) -> int | None:
        """None while the file cannot be opened."""

    @property
    def last_interval(self) -> int | None:
        """The last interval number committed."""

    def append(self, body: bytes, *, kind: int, cls: int, interval: int | None = None) -> int:
        """Commit one record; its row id."""

    def holds(self, row_id: int) -> bool:
        """Whether that row waits for its receipt."""

    def settle(self) -> bool:
        """Open if need be and carry out what waits; False when that cannot be now."""

    def tick(self) -> None:
        """Once a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporting:
    """How fixes become records: see the [report] table of the configuration."""

    interval_s: float
    parked_interval_s: float
    quantum: str
    tolerance_m: float


@dataclass(slots=True)
class Tally:
    """Losses by reason: `rejected` by policy or limits, `unobserved` because no record could be made."""

    rejected: Counter[str] = field(default_factory=Counter)
    unobserved: Counter[str] = field(default_factory=Counter)


class Recorder:
    """Takes fixes and events, and appends them as records: fixes by the interval, events at once."""

    def __init__(
        self,
        reporting: Reporting,
        outbox: Outbox,
        clock: Clock,
        interval: OpenInterval,
        *,
        policy: Policy | None,
        health: Health,
        appended: Callable[[], None],
        tally: Tally,
        modes: Modes | None = None,
    ) -> None:
        """`modes` may end an interval before its time, when a fix is news for a map; None: the beat alone does."""
        self._reporting = reporting
        self._outbox = outbox
        self._clock = clock
        self._interval = interval
        self._policy = policy
        self._health = health
        self._appended = appended
        self._tally = tally
        self._modes = modes
        self._urgent = False  # a fix that waits is news, or too many wait
        self._watch = FixWatch()
        self._events: deque[tuple[bytes, int, int]] = deque()
        self._alarm_row: int | None = None  # of the last alarm that was appended
        self._last: Fix | None = None
        self._report_mono_s = self._next_report_s()
        self._parked_until_s = float("-inf")  # the last record said parked; nothing new before this
        self._tick_mono_s = 0.0

    # ------------------------------------------------------------------ what happens

    def take(self, fix: Fix) -> None:
        """One epoch's fix: it survives a kill when this returns."""
        if not within_limits(fix):
            self._tally.rejected["out_of_range"] += 1
            return
        if fix.utc_ms is not None and not fix.synthetic:
            believed = self._clock.heard_gnss(fix.utc_ms, fix.boottime_ms)
            if not believed:
                # Certainly wrong (I6): the record carries the boot's clock. Nor can a later date tell its day.
                fix = replace(fix, utc_ms=None, time_of_day_ms=None)
        kept = self._policy.feed(fix) if self._policy is not None else fix
        if kept is not None:
            self._last = kept
            self._interval.add(Waiting(kept, self._clock.boot_id))
            if self._interval.crowded or (self._modes is not None and self._modes.is_news(kept)):
                self._urgent = True
        self._look(fixed=True)

    @property
    def last(self) -> Fix | None:
        """The newest fix that was kept."""
        return self._last

    @property
    def alarm_held(self) -> bool:
        """The last alarm waits on this box: not appended, or without a receipt."""
        if any(cls == CLASS_ALARM for _, _, cls in self._events):
            return True
        return self._alarm_row is not None and self._outbox.holds(self._alarm_row)

    @property
    def stale(self) -> bool:
        """There has been no valid fix for long, or none at all."""
        return self._last is None or self._watch.stale

    def happened(self, name: str, **detail: str) -> None:
        """Something worth a record of its own; it goes at the next turn."""
        self._say(name, detail, CLASS_STATUS)

    def alarm(self, name: str, **detail: str) -> None:
        """The same, before everything else that waits, here and on the air."""
        self._say(name, detail, CLASS_ALARM)

    def _say(self, name: str, detail: Mapping[str, str], cls: int) -> None:
        last = self._last
        age_ms = 0 if last is None or last.boottime_ms is None else self._clock.boottime_ms() - last.boottime_ms
        body = event(
            at=self._clock.stamp(),
            name=name,
            lat_e7=None if last is None else to_columns(last)[1],
            lon_e7=None if last is None else to_columns(last)[2],
            fix_age_s=max(0, age_ms) // 1000,
            detail=detail,
        )
        self.put(body, KIND_EVENT, cls)

    def put(self, body: bytes, kind: int, cls: int = CLASS_STATUS) -> None:
        """A record that is no track, for the next turn; when too many wait the oldest goes, an alarm last."""
        if len(self._events) == MOST_EVENTS_WAITING:
            least = next((at for at, (_, _, of) in enumerate(self._events) if of != CLASS_ALARM), 0)
            del self._events[least]
            self._tally.unobserved["event_outbox"] += 1
        self._events.append((body, kind, cls))

    def ask_health(self) -> None:
        """A health record goes at the next turn, whenever the last one was."""
        self._health.ask()
        self._urgent = True

    # ------------------------------------------------------------------ the loop's turn

    def begin(self) -> None:
        """Append what a killed process left in its open interval."""
        if self._interval.waiting:
            self._report()

    def turn(self) -> None:
        """Call at every turn of the loop: appends what is due."""
        self._health.sample()
        self._look(fixed=False)
        now_s = self._clock.monotonic_s()
        if now_s >= self._report_mono_s:
            self._report_mono_s = self._next_report_s()
            self._report(urgent=self._urgent)
        elif self._urgent:
            self._report(urgent=True)
        self.send_events()
        if now_s >= self._tick_mono_s:
            self._tick_mono_s = now_s + TICK_S
            self._outbox.tick()

    def end(self) -> None:
        """A clean stop: the open interval becomes a record, and a last account goes with it."""
        self._append_events()
        self._report(ending=True)
        self._interval.close()

    def flush(self) -> None:
        """The open interval becomes a record now, whatever its time: somebody may cut the power."""
        self.send_events()
        self._report(ending=True)

    def send_events(self) -> None:
        """Append what waits to be said, without waiting for the next turn."""
        if self._events and self._append_events():
            self._appended()

    def _look(self, *, fixed: bool) -> None:
        change = self._watch.observe(self._clock.monotonic_s(), fixed=fixed)
        if change is not None:
            self.happened("fix_lost" if change else "fix_found")

    def _next_report_s(self) -> float:
        """The next multiple of the interval since boot: a restart does not shift the beat."""
        interval_s = self._reporting.interval_s
        return (self._clock.monotonic_s() // interval_s + 1) * interval_s

    # ------------------------------------------------------------------ appending

    def _report(self, *, ending: bool = False, urgent: bool = False) -> None:
        self._urgent = False
        try:
            reporting = (ending or urgent or not self._still_parked()) and self._append_interval()
            if ending or self._health.due(reporting=reporting, parked=self.parked):
                reporting |= self._append_health()
        except (OutboxFull, OutboxCorrupt) as error:  # what waits stays in the open interval
            log.debug("nothing appended: %s", error)
            reporting = False
        self._tally.unobserved["outbox"] = self._interval.dropped
        if reporting:
            self._appended()

    def _still_parked(self) -> bool:
        """The last record said parked and so would this one: it waits, until the longer interval is over."""
        waits = self._clock.monotonic_s() < self._parked_until_s
        return waits and all(each.fix.parked for each in self._interval.waiting)

    @property
    def parked(self) -> bool:
        """The last record said so."""
        return self._parked_until_s > float("-inf")

    def _append_interval(self) -> bool:
        """Append the open interval, record by record; True when there was any."""
        if self._outbox.outbox_id is None and not self._outbox.settle():
            return False
        self._interval.reconcile(self._outbox.last_interval or 0)
        anchor = self._clock.take_anchor()
        if anchor is not None:
            self._outbox.append(anchor.body(), kind=KIND_ANCHOR, cls=CLASS_STATUS)
        runs = rows(self._interval.waiting)
        for run in runs:
            body = self._track(run)
            self._interval.offered(len(run))
            self._outbox.append(body, kind=KIND_TRACK, cls=CLASS_TRACK, interval=self._interval.number)
            self._interval.committed(len(run))
            self._stood(run[-1].fix)
        return bool(runs) or anchor is not None

    def _stood(self, last: Fix) -> None:
        """What the newest record says; half an interval early, so that the beat of the reports decides."""
        if self._modes is not None:
            self._modes.reported(last)
        reporting = self._reporting
        wait_s = reporting.parked_interval_s - reporting.interval_s / 2
        self._parked_until_s = self._clock.monotonic_s() + wait_s if last.parked else float("-inf")

    def _append_health(self) -> bool:
        body = self._health.body()
        if body is None:
            return False
        self._outbox.append(body, kind=KIND_HEALTH, cls=CLASS_STATUS)
        self._health.sent()
        return True

    def _append_events(self) -> bool:
        some = False
        try:
            while self._events:
                body, kind, cls = self._events[0]
                row_id = self._outbox.append(body, kind=kind, cls=cls)
                self._alarm_row = row_id if cls == CLASS_ALARM else self._alarm_row
                self._events.popleft()
                some = True
        except (OutboxFull, OutboxCorrupt) as error:
            log.debug("event not appended: %s", error)
        return some

    def _track(self, run: Sequence[Waiting]) -> bytes:
        """The record of fixes that belong together: thinned, and encoded once."""
        columns = [_columns(each.fix) for each in run]
        kept = thin([fix[:3] for fix in columns], self._reporting.tolerance_m)
        first = run[0]
        return encode_track(
            [columns[index] for index in kept],
            scales=QUANTUM[self._reporting.quantum],
            boot_id=first.boot_id if first.fix.utc_ms is None else None,
            observed=len(run),
            estimated=[place for place, index in enumerate(kept) if run[index].fix.estimated],
            parked=first.fix.parked,
        )


def _columns(fix: Fix) -> tuple[int, int, int, int | None, int | None, int | None, int | None, int | None]:
    # Every epoch of a receiver on a port has its boottime, so there always is a time.
    time_ms, lat, lon, alt, speed, course, hdop, satellites = to_columns(fix)
    return time_ms or 0, lat, lon, alt, speed, course, hdop, satellites

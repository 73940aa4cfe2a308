"""Days of assets are derived again where the log has touched them, and what changed is told.

Two steps, each durable: an entry of the log touches a stretch of an asset's time; a touched asset's days are derived,
compared with what was told of them, and the difference is put into the outbox. What touches one asset again and again
is derived once: a deriver that is slow tells later, and never falls behind for good. Of an asset with many touched
days some are derived at a time, the newest first, and all others that are due come between.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Final
from zoneinfo import ZoneInfo

from broker.store import FUTURE, LogEntry, Store, StoreUnavailable
from broker.work.areas import Area, Areas
from broker.work.days import Read, sessions_of, touched, visits_of, whole_days
from broker.work.hours import hours_of
from broker.work.memory import Stretch, ToldDay, WorkMemory
from broker.work.observed import Window
from broker.work.reading import reader
from broker.work.sessions import Kind
from broker.work.thresholds import AREA_RETURN_MS, DOUBT_MAX_S, LEVEL_HOLDS_MS, RESTART_MS
from broker.work.told import LEFT, Said, Who, hours_said, notices_said, tellings, work_said

log = logging.getLogger(__name__)

BATCH_ROWS: Final = 500
# An asset is derived at most this often: records come each 10 s, and a day that grows is read anew each time.
EACH_S: Final = 60.0
# Once so many days of an asset are derived the others have their turn, and the broker: it waits six seconds for a word.
MOST_DAYS: Final = 30
# A session is told once this much is known of what came after it: no rule of thresholds.py reaches further over what
# was seen, but for a journey of 100 m in more than that.
SETTLED_MS: Final = max(RESTART_MS, AREA_RETURN_MS)
# A day is closed by the clock, whatever was heard, this long after its end; what comes later corrects it.
GRACE_MS: Final = 3_600_000
_LONGEST_RECORD_MS: Final = 86_400_000  # a record that spans more has a date jump inside: its ends are enough
_DAY_MS: Final = 86_400_000


class Deriver:
    """Reads the store, writes the memory; used by one thread. Raises StoreUnavailable."""

    def __init__(
        self,
        store: Store,
        memory: WorkMemory,
        *,
        zone: ZoneInfo,
        areas: Areas,
        keep_days: int,
        each_s: float = EACH_S,
    ) -> None:
        self._store = store
        self._memory = memory
        self._zone = zone
        self._areas = areas
        self._by_name: dict[str, Area] = {area.name: area for area in areas.all}
        self._keep_days = keep_days
        self._each_s = each_s
        self._touched = memory.touched_assets()
        self._derived_s: dict[tuple[str, str], float] = {}
        self._purged: dict[str | None, int] = {}  # as far as the memory knows of it; anew with each start
        self.derived = self.failures = 0
        self.failing: set[tuple[str, str]] = set()

    def take(self, after_log_id: int) -> int:
        """Let the next entries of the log touch what they may; the last one's log_id, after_log_id without any."""
        entries = self._store.read_log(after_log_id, BATCH_ROWS)
        stretches = [stretch for entry in entries for stretch in self._stretches(entry)]
        self._memory.touch(stretches)
        self._touched.update((each.agency, each.asset) for each in stretches)
        return entries[-1].log_id if entries else after_log_id

    def close_days(self, now_ms: int) -> None:
        """Let the clock end the days that nothing was heard after, and forget what is old."""
        self._forget_purged()
        self._memory.touch_ended(now_ms - GRACE_MS)
        self._memory.forget(now_ms - self._keep_days * _DAY_MS)
        self._touched = self._memory.touched_assets()

    def derive_next(self, now_ms: int, now_s: float) -> bool:
        """Derive one asset that is due, the one that waits longest; False when none is."""
        due = [asset for asset in self._touched if self._due_s(asset) <= now_s]
        if not due:
            return False
        asset = min(due, key=lambda each: (self._due_s(each), each))
        self._touched.discard(asset)
        self._derived_s[asset] = now_s
        try:
            if self.derive(*asset, now_ms):
                self._touched.add(asset)
                self._derived_s[asset] = now_s - self._each_s  # due at once, and after all who were due before
        except StoreUnavailable:
            raise
        except Exception:  # a fault of ours, of one asset's records: all others have their hours
            level = logging.DEBUG if asset in self.failing else logging.ERROR
            log.log(level, "%s of %s cannot be derived; tried again with what comes", *asset[::-1], exc_info=True)
            self.failures += 1
            self.failing.add(asset)
        else:
            self.failing.discard(asset)
        return True

    def derive(self, agency: str, asset: str, now_ms: int) -> bool:
        """Derive the newest of the asset's touched days as of now, and put what changed into the outbox.

        True when others are left. A day that begins before what was purged stays as it was told: what is left of its
        records would say less.
        """
        read = reader(self._store, asset, agency)
        done: list[Window] = []
        moved: set[Window] = set()
        for late in self._memory.touched(agency, asset, MOST_DAYS):
            if len(moved) >= MOST_DAYS:
                break
            moved.update(whole_days(touched(read, late), self._zone))
            done.append(late)
        kept_ms = self._kept_ms(asset)
        days = [day for day in sorted(moved) if kept_ms <= day.from_ms <= now_ms]
        who = Who(agency, asset, self._zone)
        found = [told for day in days if (told := self._day(who, read, day, now_ms)) is not None]
        kept_ms = self._kept_ms(asset)  # a purge that began while records were read
        self._memory.tell(agency, asset, [told for told in found if told.day.from_ms >= kept_ms], done)
        self.derived += len(days)
        return bool(self._memory.touched(agency, asset, 1))

    def next_due_s(self) -> float:
        """When `derive_next` may have something again, monotonic seconds."""
        return min(map(self._due_s, self._touched), default=float("inf"))

    def _kept_ms(self, asset: str) -> int:
        """From when on all that was stored of the asset still is."""
        purged = self._store.purged_before()
        return max(purged.get(None, 0), purged.get(asset, 0))

    def _forget_purged(self) -> None:
        purged = self._store.purged_before()
        if purged != self._purged:
            for asset, before_ms in purged.items():
                self._memory.purge(before_ms, asset)
            self._purged = purged

    def _due_s(self, asset: tuple[str, str]) -> float:
        return self._derived_s.get(asset, -self._each_s) + self._each_s

    def _stretches(self, entry: LogEntry) -> Iterator[Stretch]:
        """The time of an entry, and of what it corrects: there it is missing now."""
        before = self._store.earlier(entry) if entry.revision else None
        for each in (entry, before):
            if each is not None and each.utc_ms is not None and each.utc_to_ms is not None and _counts(each):
                for window in _ends(each.utc_ms, each.utc_to_ms):
                    yield Stretch(each.agency, each.asset, *window)

    def _day(self, who: Who, read: Read, day: Window, now_ms: int) -> ToldDay | None:
        told = self._memory.told(who.agency, who.asset, day)
        heard_ms = day.to_ms + SETTLED_MS if now_ms >= day.to_ms + GRACE_MS else _heard_ms(read, day)
        saying = tellings(told, list(self._said(who, read, day, heard_ms)))
        if not told and not saying:
            return None
        return ToldDay(day, heard_ms >= day.to_ms + SETTLED_MS, saying)

    def _said(self, who: Who, read: Read, day: Window, heard_ms: int) -> Iterator[Said]:
        """All that is to be said of a day of which everything up to heard_ms came; nothing of one that nobody saw."""
        window = Window(day.from_ms, min(day.to_ms, heard_ms))
        if window.lasts_ms <= 0:
            return
        sessions = sessions_of(read, window)
        if all(session.kind is Kind.UNKNOWN for session in sessions):
            return
        for session in sessions:
            if session.to_ms + SETTLED_MS <= heard_ms:
                yield work_said(who, day, session, self._areas)
        for visit in visits_of(read, window, self._areas) if self._areas.all else ():
            for notice in notices_said(who, day, visit, self._by_name[visit.area]):
                if notice.body["event"] != LEFT or notice.from_ms + AREA_RETURN_MS <= heard_ms:
                    yield notice
        yield hours_said(who, day, hours_of(sessions, window), complete=heard_ms >= day.to_ms)


def _counts(entry: LogEntry) -> bool:
    """Whether `broker.work.records` makes anything of it."""
    return not entry.flags & FUTURE and (entry.time_doubt_s is None or entry.time_doubt_s <= DOUBT_MAX_S)


def _ends(from_ms: int, to_ms: int) -> Iterator[Window]:
    if to_ms - from_ms <= _LONGEST_RECORD_MS:
        yield Window(from_ms, to_ms)
    else:
        yield Window(from_ms, from_ms)
        yield Window(to_ms, to_ms)


def _heard_ms(read: Read, day: Window) -> int:
    """Up to when anything was heard of the asset, as far as this day is concerned."""
    near = Window(day.from_ms, day.to_ms + LEVEL_HOLDS_MS)
    said = read(Window(day.from_ms, day.from_ms), near)
    ends = [sign.to_ms for sign in said.signs if sign.from_ms <= near.to_ms]
    return max([day.from_ms, *ends])

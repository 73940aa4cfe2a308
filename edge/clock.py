"""The box's time: durations from the kernel's monotonic clocks, UTC only once somebody trustworthy has said it.

UTC is CLOCK_BOOTTIME plus an offset, never the OS clock read anew: a date that somebody sets by hand moves nothing.
The main thread ties the clock (`heard_gnss`, `take_anchor`), the uplink thread raises the floor (`heard_receipt`);
every thread may read.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wire import encode
from wire.kinds import SOURCE_GNSS, SOURCE_NTP

BUILT_UTC_MS: Final = 1_793_491_200_000  # 2026-11-01T00:00:00Z; a release raises it: no box runs before it was built
STEP_MS: Final = 1_000  # architecture section 6: a step beyond this is a fact worth a record
YEARS_20_MS: Final = 20 * 31_557_600_000  # a centre that claims more than this after the build is broken, not right
# A box may honestly be a little behind the centre; the floor is there to refuse wrong dates, not slow clocks.
FLOOR_SLACK_MS: Final = 86_400_000
# By an OS clock that is hours off OpenSSL would refuse a certificate issued today, and the box would wait for minutes.
OS_CLOCK_SLACK_MS: Final = 300_000
FLOOR_PERSIST_MS: Final = 3_600_000  # an hour is fine enough for a floor, and one small write an hour
# NTP is believed only when the receiver has said nothing for this long: two sources must not pull at one clock.
GNSS_SILENT_MS: Final = 600_000
NTP_LOOK_MS: Final = 10_000
# A serial line adds latency, never takes it away, so the largest offset heard is nearest to the truth; it sinks at
# twice the worst crystal of a Raspberry Pi (100 ppm), or it would never follow a fast one.
SINK_PPM: Final = 200
# Anchors: three at once after quiet, then one a minute. A real step is told at once; a clock that runs away all
# the time (a log played at 20 times speed through the pty) tells it once a minute.
ANCHOR_BURST: Final = 3
ANCHOR_EVERY_MS: Final = 60_000

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIMESYNC = Path("/run/systemd/timesync")


@dataclass(frozen=True, slots=True)
class Anchor:
    """What ties a boot's clock to UTC: at `boottime_ms` of `boot_id` it was `utc_ms`, says `source`."""

    boot_id: int
    boottime_ms: int
    utc_ms: int
    source: int

    def body(self) -> bytes:
        """The record's body, kind KIND_ANCHOR."""
        return encode.anchor(boot_id=self.boot_id, boottime_ms=self.boottime_ms, utc_ms=self.utc_ms, source=self.source)


@dataclass(frozen=True, slots=True)
class _Tie:
    """UTC = CLOCK_BOOTTIME + offset; one value, so that another thread never reads half of a change."""

    offset_ms: int
    source: int
    heard_boottime_ms: int


class Clock:
    """Time of one boot. `floor_utc_ms` is what was persisted; `on_floor(utc_ms)` is asked to persist a higher one."""

    def __init__(
        self,
        *,
        floor_utc_ms: int = 0,
        built_utc_ms: int = BUILT_UTC_MS,
        on_floor: Callable[[int], None] | None = None,
        boot_id: int | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
        boottime_ns: Callable[[], int] = lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME),
        realtime_ns: Callable[[], int] = time.time_ns,
        ntp_synchronised: Callable[[], bool] | None = None,
        any_date: bool = False,
    ) -> None:
        """`any_date`: the receiver replays a log, and the box lives in its time, whichever it is; NTP is not asked."""
        self.boot_id: Final = boot_id or (_replay_id() if any_date else read_boot_id())
        self.monotonic_s: Final = monotonic_s
        self._rejected: Counter[str] = Counter()
        self._boottime_ns = boottime_ns
        self._realtime_ns = realtime_ns
        self._ntp_synchronised = ntp_synchronised or ntp_says_synchronised
        self._any_date = any_date
        self._on_floor = on_floor
        self._built_utc_ms = built_utc_ms
        self._latest_ms = built_utc_ms + YEARS_20_MS
        if floor_utc_ms > self._latest_ms:  # worn bits on a card must not poison the box for ever either
            floor_utc_ms = 0
        self._floor_utc_ms = max(built_utc_ms, floor_utc_ms)
        self._persisted_floor_ms = floor_utc_ms
        self._receipt_offset_ms: int | None = None
        self._tie: _Tie | None = None
        self._next_ntp_look_ms = 0
        self._anchored_offset_ms: int | None = None
        self._anchor_tokens = float(ANCHOR_BURST)
        self._anchor_tokens_at_ms = 0

    @property
    def rejected(self) -> Counter[str]:
        """Dates not believed, by reason; a copy, as two threads count."""
        return Counter(self._rejected)

    # ------------------------------------------------------------------ reading

    def boottime_ms(self) -> int:
        """Milliseconds since boot, suspend included."""
        return self._boottime_ns() // 1_000_000

    def utc_ms(self) -> int | None:
        """Unix time in ms, None until it is sane."""
        tie = self._tie
        if tie is None:
            return None
        utc_ms = self.boottime_ms() + tie.offset_ms
        return utc_ms if self._believable(utc_ms) else None

    @property
    def sane(self) -> bool:
        return self.utc_ms() is not None

    @property
    def floor_utc_ms(self) -> int:
        """It is certainly not earlier than this: the build date or the last receipt."""
        return self._floor_utc_ms

    def stamp(self) -> tuple[int | None, int, int]:
        """(utc_ms or None, boot_id, boottime_ms): how records say when, until the bridge knows better."""
        return self.utc_ms(), self.boot_id, self.boottime_ms()

    def known_utc_ms(self) -> tuple[int, int] | None:
        """The dates there are for judging a certificate, earliest and latest: sane UTC, the centre's; None without any.

        A sky or a centre that is wrong makes them differ; then either may be right.
        """
        utc_ms, offset_ms = self.utc_ms(), self._receipt_offset_ms
        if self._any_date and utc_ms is not None and abs(utc_ms - self._realtime_ns() // 1_000_000) > OS_CLOCK_SLACK_MS:
            utc_ms = None  # a log's date, and certificates are of today
        dates = [] if utc_ms is None else [utc_ms]
        if offset_ms is not None:
            dates.append(self.boottime_ms() + offset_ms)
        return (min(dates), max(dates)) if dates else None

    def os_clock_right(self) -> bool:
        """May a library that reads the OS clock (OpenSSL) judge dates with it: within minutes of all that we know."""
        known, os_ms = self.known_utc_ms(), self._realtime_ns() // 1_000_000
        return known is not None and known[1] - OS_CLOCK_SLACK_MS <= os_ms <= known[0] + OS_CLOCK_SLACK_MS

    # ------------------------------------------------------------------ hearing

    def heard_gnss(self, utc_ms: int, boottime_ms: int | None = None) -> bool:
        """The receiver said it was `utc_ms` at `boottime_ms` (None: now); False: below the floor, and only counted."""
        at_ms = self.boottime_ms() if boottime_ms is None else boottime_ms
        return self._heard(utc_ms, at_ms, SOURCE_GNSS)

    def heard_receipt(self, utc_ms: int, *, until_utc_ms: int | None = None) -> None:
        """The centre stored something at `utc_ms`: it is later now. The only thing that raises the persisted floor.

        `until_utc_ms`: when the broker's certificate ends. A centre may be wrong, too: a date from after its end (or
        from before our build) is not taken, or this box would never let that broker in again; and when the centre says
        more than a day less than the floor, it was wrong then, and the floor comes down.
        """
        latest_ms = self._latest_ms if until_utc_ms is None else min(self._latest_ms, until_utc_ms)
        if not self._built_utc_ms - FLOOR_SLACK_MS <= utc_ms <= latest_ms:
            self._rejected["receipt_date"] += 1
            return
        self._receipt_offset_ms = utc_ms - self.boottime_ms()
        if self._floor_utc_ms - FLOOR_SLACK_MS <= utc_ms <= self._floor_utc_ms:
            return
        self._floor_utc_ms = max(utc_ms, self._built_utc_ms)
        if self._on_floor is not None and not 0 <= utc_ms - self._persisted_floor_ms < FLOOR_PERSIST_MS:
            self._persisted_floor_ms = utc_ms
            self._on_floor(utc_ms)

    def take_anchor(self) -> Anchor | None:
        """The anchor that has become due, once; call it before each append (it also looks at NTP, every 10 s)."""
        now_ms = self.boottime_ms()
        self._look_at_ntp(now_ms)
        tie = self._tie
        if tie is None or not self._believable(now_ms + tie.offset_ms):
            return None
        if self._anchored_offset_ms is not None and abs(tie.offset_ms - self._anchored_offset_ms) <= STEP_MS:
            return None
        if not self._spend_anchor_token(now_ms):
            return None
        self._anchored_offset_ms = tie.offset_ms
        return Anchor(self.boot_id, now_ms, now_ms + tie.offset_ms, tie.source)

    # ------------------------------------------------------------------ inside

    def _believable(self, utc_ms: int) -> bool:
        return self._any_date or utc_ms >= self._floor_utc_ms - FLOOR_SLACK_MS

    def _heard(self, utc_ms: int, at_ms: int, source: int) -> bool:
        if not self._believable(utc_ms):
            self._rejected["gnss_date" if source == SOURCE_GNSS else "ntp_date"] += 1
            return False
        offset_ms, tie = utc_ms - at_ms, self._tie
        if tie is not None and abs(offset_ms - tie.offset_ms) <= STEP_MS:
            sunk_ms = tie.offset_ms - max(0, at_ms - tie.heard_boottime_ms) * SINK_PPM // 1_000_000
            offset_ms = max(offset_ms, sunk_ms)
        self._tie = _Tie(offset_ms, source, at_ms)
        return True

    def _look_at_ntp(self, now_ms: int) -> None:
        if self._any_date or now_ms < self._next_ntp_look_ms:
            return
        self._next_ntp_look_ms = now_ms + NTP_LOOK_MS
        tie = self._tie
        if tie is not None and tie.source == SOURCE_GNSS and now_ms - tie.heard_boottime_ms < GNSS_SILENT_MS:
            return
        if self._ntp_synchronised():
            self._heard(self._realtime_ns() // 1_000_000, now_ms, SOURCE_NTP)

    def _spend_anchor_token(self, now_ms: int) -> bool:
        waited = (now_ms - self._anchor_tokens_at_ms) / ANCHOR_EVERY_MS
        self._anchor_tokens = min(float(ANCHOR_BURST), self._anchor_tokens + waited)
        self._anchor_tokens_at_ms = now_ms
        if self._anchor_tokens < 1.0:
            return False
        self._anchor_tokens -= 1.0
        return True


def _replay_id() -> int:
    """In a boot's place: what one replay says of the time must not date what another process did."""
    return int.from_bytes(os.urandom(8), "big") or 1


def read_boot_id(path: Path = _BOOT_ID) -> int:
    """The first 8 bytes of the kernel's boot id, never 0."""
    return int(path.read_text("ascii").strip().replace("-", "")[:16], 16) or 1


def ntp_says_synchronised() -> bool:
    """Is the OS clock disciplined: systemd-timesyncd's marker, else (chrony, ntpd) the kernel's own flag."""
    if _TIMESYNC.is_dir():
        return (_TIMESYNC / "synchronized").exists()
    return _kernel_says_synchronised()


def _kernel_says_synchronised() -> bool:
    import ctypes  # 0.7 MB of memory that a box with timesyncd (Debian's and Raspberry Pi OS's default) never needs

    timex = ctypes.create_string_buffer(256)  # struct timex is 208 bytes; modes = 0 only reads
    state: int = ctypes.CDLL(None).adjtimex(timex)
    # -1: a sandbox does not let us ask (EPERM), so nobody vouches; 5: TIME_ERROR, adjtimex(2), not synchronised.
    return state not in (-1, 5)

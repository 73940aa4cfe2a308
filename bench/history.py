"""A fleet's history as its rows arrived: real drives' fixes, days of it, made as fast as a store can take it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bench.drives import Fix8
from broker.store import Arrival
from wire.columns import encode_track
from wire.encode import health
from wire.kinds import CLASS_STATUS, CLASS_TRACK, KIND_HEALTH, KIND_TRACK
from wire.ranges import Ranges

UNITS: Final = 1_000
DAYS: Final = 4
ROW_FIXES: Final = 10
DAY_MS: Final = 86_400_000
VARIANTS: Final = 8  # different bodies at one time; which unit sent them is not in a body


class History:
    """`rows` rows of UNITS units over DAYS days from `begin_utc_ms` on, one unit after the other, each 10 s."""

    def __init__(self, drives: Sequence[Sequence[Fix8]], rows: int, begin_utc_ms: int) -> None:
        self._chunks = [list(drive[at : at + ROW_FIXES]) for drive in drives for at in range(0, len(drive) - 9, 10)]
        self._rows = rows
        self._begin_ms = begin_utc_ms // DAY_MS * DAY_MS
        self._seqs = [0] * UNITS
        self._number = 0

    def arrivals(self, count: int) -> list[Arrival]:
        """The next rows; beyond the last day it goes on."""
        made: list[Arrival] = []
        while len(made) < count:
            made += self._slot(min(UNITS, count - len(made)))
        return made

    def filling(self, commit_rows: int) -> Iterator[list[Arrival]]:
        """All of the history, commit by commit; at the end of each day every unit sends a health record."""
        a_day = self._rows // DAYS
        for _ in range(DAYS):
            left = a_day
            while left:
                yield self.arrivals(min(commit_rows, left))
                left -= min(commit_rows, left)
            yield [self._health(unit) for unit in range(UNITS) if self._seqs[unit]]

    def day_ms(self, day: int) -> int:
        """Unix ms at which that day of the history begins."""
        return self._begin_ms + day * DAY_MS

    def _slot(self, count: int) -> list[Arrival]:
        """The rows of the next `count` units, of one time."""
        first = self._number % UNITS
        count = min(count, UNITS - first)
        utc_ms = self._utc_ms(self._number)
        bodies = [self._body(utc_ms, variant) for variant in range(min(VARIANTS, count))]
        self._number += count
        return [
            self._arrival(unit, CLASS_TRACK, KIND_TRACK, bodies[unit % len(bodies)], utc_ms + 10_000)
            for unit in range(first, first + count)
        ]

    def _utc_ms(self, number: int) -> int:
        a_day = max(1, self._rows // DAYS)
        day = min(number // a_day, DAYS - 1)
        return self.day_ms(day) + (number - day * a_day) // UNITS * 10_000

    def _body(self, utc_ms: int, variant: int) -> bytes:
        chunk = self._chunks[(utc_ms // 10_000 * VARIANTS + variant) % len(self._chunks)]
        return encode_track([(utc_ms + second * 1000, *fix[1:]) for second, fix in enumerate(chunk)])

    def _health(self, unit: int) -> Arrival:
        below, utc_ms = self._seqs[unit] + 1, self._utc_ms(self._number - 1) + 20_000
        body = health(
            at=(utc_ms, 0, 0), holdings=[(unit + 1, below, Ranges())], rows=3, bytes_on_disk=40_000,
            oldest_age_s=10, shed_by_reason={}, rejected_by_reason={}, reconnects_today=1, bytes_up_today=1_000_000,
            bytes_down_today=300_000, cpu_decidegree_c=480, undervoltage=False, disk_free_bytes=10**10, uptime_s=3600,
            firmware="0.1.0", unobserved_by_reason={},
        )  # fmt: skip
        return self._arrival(unit, CLASS_STATUS, KIND_HEALTH, body, utc_ms)

    def _arrival(self, unit: int, cls: int, kind: int, body: bytes, received_ms: int) -> Arrival:
        self._seqs[unit] += 1
        return Arrival(name(unit), unit + 1, self._seqs[unit], cls, kind, body, received_ms)


def name(unit: int) -> str:
    """The name of a unit of the history."""
    return f"unit-{unit:04}"

"""What may grow in a soak, by how much, and why; and the judgement of what did. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from torture.slope import Life, Trend, after_warm_up, trend

# What SQLite's WAL may grow to is 2 checkpoints: a reader may hold one up.
_BOX_WAL_MB: Final = 2 * 256 * 1048 / 1e6  # edge/outbox_file.py: 256 pages of 1 KiB, 24 bytes of frame each
_DOCUMENTS_WAL_MB: Final = 2 * 1000 * 1048 / 1e6  # SQLite's default, 1,000 pages
_STORE_WAL_MB: Final = 2 * 8000 * 4120 / 1e6  # broker/store/schema.py: 8,000 pages of 4 KiB
STORE_CACHE_MB: Final = 65536 * 1024 / 1e6  # the same: each connection's page cache
STORE: Final = "store.db"
WITH_STORE: Final = ("bridge", "publisher")


@dataclass(frozen=True, slots=True)
class Series:
    """One measure of one process or file; a process's series starts anew with each of its lives."""

    of: str
    measure: str
    lives: tuple[Life, ...]

    @property
    def unit(self) -> str:
        """What its values are in; empty for a plain count."""
        return UNITS[self.measure]


UNITS: Final = {
    "rss_mb": "MB",
    "pss_mb": "MB",
    "fds": "",
    "threads": "",
    "cpu": "%",
    "file_mb": "MB",
    "pages_mb": "MB",
    "wal_mb": "MB",
    "latency_p50_s": "s",
    "latency_p99_s": "s",
}


@dataclass(frozen=True, slots=True)
class Limit:
    """May grow by `floor` in all and `per_hour` besides (`slope`), or never be above `floor` (`bound`)."""

    kind: Literal["slope", "bound"]
    floor: float
    why: str
    per_hour: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a series did and whether that is allowed; `seen` is its growth after warm-up, or the highest of a bound.

    `allowed` None: shown, not judged. A series that is to be judged and is too short to be does not hold.
    """

    of: str
    measure: str
    last: float | None
    per_hour: float | None
    seen: float | None
    allowed: float | None
    why: str
    held: bool


_MEMORY = Limit("slope", 1.0, "arenas and caches settle by 0.4 MB in half an hour; 0.1 MB/h lasts a box 5 weeks", 0.1)
_COUNT = Limit("slope", 0.5, "a settled process holds the same number, so one that is left each hour shows")
_P50 = Limit("slope", 0.2, "a fifth of a second is what a busy machine alone does to a median", 0.02)
_P99 = Limit("slope", 1.0, "a second is what a busy machine alone does to the slowest", 0.1)
_EMPTY = Limit("slope", 0.25, "rows leave when they are receipted and their pages are used again")

LIMITS: Final[dict[tuple[str, str], Limit]] = {
    ("*", "rss_mb"): _MEMORY,
    ("*", "fds"): _COUNT,
    ("*", "threads"): _COUNT,
    ("*", "latency_p50_s"): _P50,
    ("*", "latency_p99_s"): _P99,
    ("outbox.db", "file_mb"): _EMPTY,
    ("documents.db", "file_mb"): _EMPTY,
    ("outbox.db", "wal_mb"): Limit("bound", _BOX_WAL_MB, "two checkpoints of 256 pages"),
    ("documents.db", "wal_mb"): Limit("bound", _DOCUMENTS_WAL_MB, "two checkpoints of 1,000 pages"),
    (STORE, "wal_mb"): Limit("bound", _STORE_WAL_MB, "two checkpoints of 8,000 pages"),
}


def judge(found: Sequence[Series]) -> list[Judgement]:
    """One judgement a series, those of no limit too."""
    cached_mb = _store_growth(found)
    return [_judged(series, cached_mb) for series in found]


def drifted(judgements: Iterable[Judgement]) -> list[Judgement]:
    """Those that grew more than they may."""
    return [one for one in judgements if not one.held]


def limit_of(series: Series, cached_mb: float = 0.0) -> Limit | None:
    """The limit of a series; who has the store open may also fill its page cache with what the store grew by."""
    leaf = series.of.rpartition("/")[2]
    limit = LIMITS.get((leaf, series.measure), LIMITS.get(("*", series.measure)))
    if limit is None or limit is not _MEMORY or series.of not in WITH_STORE or cached_mb <= 0:
        return limit
    why = f"{limit.why}; and the store's page cache takes what the store grew by ({cached_mb:.1f} MB)"
    return Limit(limit.kind, limit.floor + cached_mb, why, limit.per_hour)


def _judged(series: Series, cached_mb: float) -> Judgement:
    limit = limit_of(series, cached_mb)
    found = trend(series.lives)
    values = [value for life in series.lives for _, value in life]
    seen, allowed, held = _held(limit, found, values)
    return Judgement(
        of=series.of,
        measure=series.measure,
        last=values[-1] if values else None,
        per_hour=None if found is None or (limit and limit.kind == "bound") else found.per_hour,
        seen=seen,
        allowed=allowed,
        why="" if limit is None else limit.why if seen is not None else "too short to say",
        held=held,
    )


def _held(limit: Limit | None, found: Trend | None, values: Sequence[float]) -> tuple[float | None, float | None, bool]:
    """What was seen, what is allowed, and whether the limit holds."""
    if limit is not None and limit.kind == "bound":
        highest = max(values, default=None)
        return highest, limit.floor, highest is not None and highest <= limit.floor
    growth = None if found is None else found.growth
    if limit is None:
        return growth, None, True
    if found is None:
        return None, None, False
    allowed = limit.floor + limit.per_hour * found.over_s / 3600
    return growth, allowed, not (found.rises and found.growth > allowed)


def _store_growth(found: Sequence[Series]) -> float:
    """What the store grew by after the warm-up, as far as a page cache holds it."""
    for series in found:
        if (series.of, series.measure) == (STORE, "pages_mb"):
            settled = [point for life in series.lives for point in after_warm_up(life)]
            return min(STORE_CACHE_MB, max(0.0, settled[-1][1] - settled[0][1])) if settled else 0.0
    return 0.0

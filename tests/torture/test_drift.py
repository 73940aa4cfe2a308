"""What grows is told from what settles, and what was not seen is no proof."""

from __future__ import annotations

import random

import pytest

from torture.drift import STORE, STORE_CACHE_MB, UNITS, Judgement, Series, drifted, judge
from torture.slope import Point

HOUR = [5.0 * i for i in range(720)]


def series(of: str, measure: str, per_hour: float, *, noise: float = 0.0, level: float = 30.0) -> Series:
    luck = random.Random(f"{of} {measure}")
    life = tuple((at, level + per_hour * at / 3600 + luck.uniform(-noise, noise)) for at in HOUR)
    return Series(of, measure, (life,))


def one(found: Series, *others: Series) -> Judgement:
    return judge([found, *others])[0]


@pytest.mark.parametrize(
    ("measure", "leak", "calm", "noise"),
    [
        ("rss_mb", 3.0, 0.5, 0.5),
        ("fds", 2.0, 0.0, 0.4),
        ("threads", 1.0, 0.0, 0.0),
        ("latency_p50_s", 0.5, 0.05, 0.1),
        ("latency_p99_s", 3.0, 0.3, 1.0),
    ],
)
def test_a_leak_is_drift_and_settling_is_none(measure: str, leak: float, calm: float, noise: float) -> None:
    leaking = one(series("box-1", measure, leak, noise=noise))
    assert not leaking.held and drifted([leaking]) == [leaking]
    assert leaking.per_hour == pytest.approx(leak, rel=0.2)
    assert one(series("box-1", measure, calm, noise=noise)).held
    assert one(series("box-1", measure, -leak, noise=noise)).held


def test_one_descriptor_left_by_each_outage_of_a_unit_shows_within_the_hour() -> None:
    stairs = tuple((at, 24.0 + (at > 1500) + (at > 2900)) for at in HOUR)
    assert not one(Series("box-1", "fds", (stairs,))).held


def test_bridge_and_publisher_may_cache_what_the_store_grew_by_and_nobody_else() -> None:
    store = series(STORE, "pages_mb", 20.0)
    for of, held in (("bridge", True), ("publisher", True), ("box-1", False), ("mosquitto", False)):
        assert one(series(of, "rss_mb", 20.0), store).held is held
    assert not one(series("bridge", "rss_mb", 30.0), store).held
    assert not one(series("bridge", "rss_mb", 200.0), series(STORE, "pages_mb", 1000.0)).held
    assert (one(series("bridge", "rss_mb", 0.0), series(STORE, "pages_mb", 1000.0)).allowed or 0) < STORE_CACHE_MB + 3


def test_the_store_may_grow_and_a_box_may_not() -> None:
    assert one(series(STORE, "file_mb", 500.0)).held
    assert not one(series("box-1/outbox.db", "file_mb", 1.0)).held
    assert not one(series("box-1/documents.db", "file_mb", 1.0)).held


def test_a_log_is_judged_by_its_highest() -> None:
    high: list[Point] = [(0.0, 0.1), (5.0, 0.6), (10.0, 0.1)]
    judged = one(Series("box-1/outbox.db", "wal_mb", (tuple(high),)))
    assert not judged.held and judged.seen == 0.6
    assert one(Series("box-1/outbox.db", "wal_mb", (tuple(high[:1]),))).held
    assert one(Series(STORE, "wal_mb", (tuple(high),))).held


def test_what_was_too_short_does_not_hold_unless_it_has_no_limit() -> None:
    short = series("box-1", "rss_mb", 0.0).lives[0][:5]
    judged = one(Series("box-1", "rss_mb", (tuple(short),)))
    assert not judged.held and judged.why == "too short to say"
    assert one(Series("box-1", "cpu", (tuple(short),))).held
    assert not one(Series("box-1/outbox.db", "wal_mb", ())).held


def test_every_measure_can_be_judged() -> None:
    for measure in UNITS:
        assert one(series("box-1", measure, 0.0)).last == 30.0

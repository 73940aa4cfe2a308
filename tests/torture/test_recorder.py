"""A leak in any process is seen from outside, and named; a process that is as it was is not."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stage.process import Child
from torture.drift import STORE, drifted, judge
from torture.gauges import of_process
from torture.recorder import Recorder

LEAKY = Path(__file__).with_name("leaky.py")


@pytest.fixture
def children(tmp_path: Path) -> Iterator[dict[str, Child]]:
    found = {
        what: Child(what, [sys.executable, str(LEAKY), what], tmp_path / f"{what}.log")
        for what in ("memory", "descriptors", "nothing")
    }
    for child in found.values():
        child.start()
    yield found
    for child in found.values():
        child.kill()


@pytest.mark.slow
def test_each_leak_is_drift_of_its_process_and_its_measure(children: dict[str, Child]) -> None:
    recorder = Recorder(children, {})
    begun_s = time.monotonic()
    while (at_s := time.monotonic() - begun_s) < 12.0:
        recorder.look(at_s)
        time.sleep(0.5)
    judgements = judge(recorder.series())
    assert {(one.of, one.measure) for one in drifted(judgements)} == {("memory", "rss_mb"), ("descriptors", "fds")}
    (leak,) = [one for one in judgements if (one.of, one.measure) == ("memory", "rss_mb")]
    assert leak.per_hour is not None and leak.per_hour > 1000  # 3,600 on an idle machine


def test_a_new_life_is_a_new_series_and_a_process_that_is_gone_has_no_point(children: dict[str, Child]) -> None:
    one = children["nothing"]
    recorder = Recorder({"box-1": one}, {})
    recorder.look(0.0)
    one.kill()
    recorder.look(1.0)
    one.start()
    recorder.look(2.0)
    recorder.look(3.0)
    found = {series.measure: [[at for at, _ in life] for life in series.lives] for series in recorder.series()}
    assert found["fds"] == [[0.0], [2.0, 3.0]] == found["rss_mb"]
    assert found["cpu"] == [[3.0]]


def test_gauges_are_those_of_the_process(children: dict[str, Child]) -> None:
    pid = children["nothing"].pid
    assert pid is not None
    until_s = time.monotonic() + 20
    while ((seen := of_process(pid)) is None or seen.rss_mb < 2) and time.monotonic() < until_s:
        time.sleep(0.05)  # it is still being started
    assert seen is not None and 3 <= seen.fds <= 10 and seen.threads == 1
    assert 2 < seen.rss_mb < 100 and 0 < seen.pss_mb <= seen.rss_mb
    assert of_process(2**22 + 1) is None


def test_pages_are_counted_in_the_file_and_in_its_log(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("CREATE TABLE t (x BLOB)")
    db.execute("INSERT INTO t VALUES (zeroblob(1000000))")
    recorder = Recorder({}, {STORE: path, "box-1/outbox.db": tmp_path / "none.db"})
    recorder.look(0.0)
    db.close()
    found = {(one.of, one.measure): one.lives[0][0][1] for one in recorder.series()}
    assert found[STORE, "pages_mb"] > 1.0 and found[STORE, "wal_mb"] > 1.0 and found[STORE, "file_mb"] < 0.1
    assert found["box-1/outbox.db", "file_mb"] == 0.0
    assert ("box-1/outbox.db", "pages_mb") not in found

"""Rows in, receipts, rows out: what holds on a healthy disk."""

from __future__ import annotations

import errno
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.clock import Clock
from edge.errors import OutboxFull
from edge.outbox import Outbox, OutboxReader, StoredRow
from edge.outbox_schema import upgrade
from edge.tombstones import read_tombstone
from tests.edge.outbox_ledger import gone, missing, ranges, rows
from wire.encode import check
from wire.kinds import (
    CLASS_ALARM,
    CLASS_BULKY,
    CLASS_LEDGER,
    CLASS_STATUS,
    CLASS_TRACK,
    KIND_EVENT,
    KIND_TOMBSTONE,
    KIND_TRACK,
)
from wire.ranges import Ranges

LIMIT_BYTES = 8 << 20


class Seconds:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


def track(outbox: Outbox, body: bytes = b"track", interval: int | None = None) -> int:
    return outbox.append(body, kind=KIND_TRACK, cls=CLASS_TRACK, interval=interval)


def test_a_row_is_there_for_others_once_append_returns(path: Path) -> None:
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    row_id = track(outbox, b"first")
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT body FROM rows WHERE id = ?", (row_id,)).fetchone() == (b"first",)
    outbox.close()


def test_the_file_is_durable_and_spares_the_card(path: Path) -> None:
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    track(outbox)
    connection = outbox._writer._connection()
    pragma = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "page_size")}
    assert pragma == {"journal_mode": "wal", "page_size": 1024}
    assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL
    assert connection.execute("SELECT count(*) FROM sqlite_master WHERE type = 'index'").fetchone()[0] == 0
    assert "AUTOINCREMENT" in connection.execute("SELECT sql FROM sqlite_master WHERE name = 'rows'").fetchone()[0]
    outbox.close()


def test_seqs_count_from_one_without_gaps_and_are_never_used_again(path: Path) -> None:
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    for _ in range(5):
        track(outbox)
    outbox.receipted(ranges((1, 5)))
    outbox.settle()
    outbox.close()
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    track(outbox)
    outbox.close()
    assert [(row.outbox_id, row.seq) for row in rows(path)] == [(outbox_id(path), 6)]


def outbox_id(path: Path) -> int:
    reader = OutboxReader(path)
    newest = reader.outboxes().newest
    reader.close()
    return newest


def test_a_deletion_rides_on_the_next_append(path: Path) -> None:
    points: list[str] = []
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES, at=points.append)
    for _ in range(4):
        track(outbox)
    outbox.receipted(ranges((1, 3)))
    points.clear()
    track(outbox)
    assert [row.id for row in rows(path)] == [4, 5]
    assert [point for point in points if point.endswith(":committed")] == ["append:committed"]
    outbox.close()


def test_a_deletion_that_nothing_rides_for_settles_alone_after_five_seconds(path: Path) -> None:
    now_s = Seconds()
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES, clock=Clock(monotonic_s=now_s))
    for _ in range(4):
        track(outbox)
    outbox.receipted(ranges((1, 4)))
    outbox.tick()
    now_s.now_s += 4.9
    outbox.tick()
    assert len(rows(path)) == 4
    now_s.now_s += 0.2
    outbox.tick()
    assert rows(path) == []
    outbox.close()


def test_the_interval_number_is_committed_with_its_row(path: Path) -> None:
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    assert outbox.last_interval is None
    track(outbox, interval=0)
    track(outbox, interval=41)
    outbox.append(b"event", kind=KIND_EVENT, cls=CLASS_STATUS)
    outbox.receipted(ranges((1, 3)))
    outbox.close()
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    assert outbox.last_interval == 41
    outbox.close()


def test_receipts_may_come_from_another_thread(path: Path) -> None:
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    for _ in range(200):
        track(outbox)
    others = [threading.Thread(target=outbox.receipted, args=(ranges((n, n)),)) for n in range(1, 201)]
    for other in others:
        other.start()
    for _ in range(50):
        track(outbox)
    for other in others:
        other.join()
    outbox.settle()
    assert [row.id for row in rows(path)] == list(range(201, 251))
    outbox.close()


def test_a_second_writer_is_refused_and_takes_nothing_from_the_first(path: Path) -> None:
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    track(outbox, b"first")
    second = Outbox(path, limit_bytes=LIMIT_BYTES)
    with pytest.raises(OutboxFull) as refusal:
        track(second, b"second")
    assert refusal.value.errno == errno.EBUSY
    outbox.close()
    track(second, b"third")
    assert next(row.body for row in rows(path)) == b"first"
    assert b"third" in [row.body for row in rows(path)]
    second.close()


def test_a_receipt_for_rows_that_never_were_deletes_nothing(path: Path) -> None:
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    track(outbox)
    outbox.receipted(ranges((2, 1 << 62)))
    outbox.settle()
    assert [row.id for row in rows(path)] == [1]
    track(outbox)
    assert [row.id for row in rows(path)] == [1, 2]
    outbox.close()


def test_a_new_outbox_keeps_the_rows_and_the_old_identity_of_what_is_here(path: Path) -> None:
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    track(outbox, b"a")
    track(outbox, b"b")
    first = outbox.outbox_id
    outbox.open_new_outbox()
    track(outbox, b"c")
    second = outbox.outbox_id
    assert first != second
    assert [(row.outbox_id, row.seq, row.body) for row in rows(path)] == [
        (first, 1, b"a"),
        (first, 2, b"b"),
        (second, 1, b"c"),
    ]
    account = outbox.account()
    assert account is not None
    assert account.holdings == ((first, 3, ranges((1, 2))), (second, 2, ranges((1, 1))))
    outbox.open_new_outbox()
    outbox.open_new_outbox()
    outbox.settle()
    assert len(outbox._writer.opened().ids.opened) == 3, "an outbox without a row is as good as new"
    outbox.close()


def test_a_new_outbox_waits_for_no_append_and_not_for_the_next_five_seconds(path: Path) -> None:
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    track(outbox)
    first = outbox.outbox_id
    outbox.open_new_outbox()
    outbox.tick()
    assert outbox.outbox_id != first
    outbox.close()


def test_refused_rows_become_a_tombstone(path: Path) -> None:
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    for _ in range(5):
        track(outbox)
    outbox.refuse(ranges((2, 3)))
    outbox.settle()
    assert gone(path) == {"refused": {(outbox.outbox_id, 2), (outbox.outbox_id, 3)}}
    tombstone = rows(path)[-1]
    assert (tombstone.cls, tombstone.seq) == (CLASS_LEDGER, 6)
    account = outbox.account()
    assert account is not None
    assert account.shed_by_reason == {"refused": 2}
    outbox.close()


def test_a_newer_tombstone_swallows_older_ones_and_names_them(path: Path) -> None:
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    accepted = {(outbox.outbox_id or 0, track(outbox, b"%d" % n)): b"%d" % n for n in range(9)}
    for ids in ((1, 1), (5, 6), (3, 3)):
        outbox.refuse(ranges(ids))
        outbox.settle()
    name = outbox.outbox_id or 0
    assert gone(path) == {"refused": {(name, n) for n in (1, 3, 5, 6)}, "swallowed": {(name, 10), (name, 11)}}
    assert missing(path, accepted) == set()
    outbox.close()


def test_alarms_are_found_without_an_index_on_the_hot_table(path: Path) -> None:
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    reader = OutboxReader(path)
    for n in range(50):
        outbox.append(b"x", kind=KIND_EVENT, cls=CLASS_ALARM if n % 10 == 3 else CLASS_TRACK)
    assert [row.id for row in reader.alarms(3)] == [4, 14, 24]
    outbox.receipted(ranges((4, 20)))
    outbox.settle()
    assert [row.id for row in reader.alarms(9)] == [24, 34, 44]
    plan = reader._query("EXPLAIN QUERY PLAN SELECT id FROM by_class WHERE cls = 1 ORDER BY id LIMIT 3")
    assert "SEARCH by_class USING PRIMARY KEY" in plan[0][3]
    reader.close()
    outbox.close()


def test_below_goes_newest_to_oldest_within_its_bytes_and_always_gives_one(path: Path) -> None:
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    for n in range(200):
        track(outbox, bytes(88) if n != 100 else bytes(30_000))
    reader = OutboxReader(path)
    assert [row.id for row in reader.below(201, 5, 16_000)] == [200, 199, 198, 197, 196]
    assert [row.id for row in reader.below(201, 500, 1_000)] == list(range(200, 190, -1))
    assert [row.id for row in reader.below(102, 500, 16_000)] == [101], "the large row is on its own"
    assert reader.below(1, 5, 16_000) == []
    assert [row.id for row in reader.above(198, 10)] == [199, 200]
    assert reader.newest_id() == 200
    reader.close()
    outbox.close()


def test_checks_of_a_range_are_what_a_receipt_must_name(path: Path) -> None:
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    for body in (b"a", b"b", b"c"):
        track(outbox, body)
    reader = OutboxReader(path)
    assert reader.checks_of(ranges((1, 2), (5, 9))) == [(2, check(b"a") ^ check(b"b")), (0, 0)]
    assert reader.ids_of(outbox.outbox_id or 0, ranges((2, 90))) == ranges((2, 90))
    assert reader.ids_of(12345, ranges((2, 90))) == Ranges()
    reader.close()
    outbox.close()


def test_a_file_without_an_outbox_id_yet_is_one_that_can_not_be_read_now(path: Path) -> None:
    with sqlite3.connect(path, isolation_level=None) as connection:
        upgrade(connection, lambda _point: None)  # where a full disk stops the very first start
    connection.close()
    with pytest.raises(OutboxFull):
        OutboxReader(path).outboxes()


def test_a_reader_whose_path_can_not_be_looked_up_says_so(path: Path) -> None:
    path.write_text("no folder")
    with pytest.raises(OutboxFull):
        OutboxReader(path / "outbox.db").newest_id()


def test_a_reader_holds_no_transaction_between_calls(path: Path) -> None:
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    reader = OutboxReader(path)
    for _ in range(10):
        track(outbox)
        reader.above(0, 100)
    busy, _, _ = outbox._writer._connection().execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
    assert busy == 0
    reader.close()
    outbox.close()


def test_the_account_says_age_rows_and_bytes(path: Path) -> None:
    utc_ms = 1_800_000_000_000
    clock = Clock(boottime_ns=lambda: utc_ms * 1_000_000 - 5_000_000_000, ntp_synchronised=lambda: False)
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES, clock=clock)
    track(outbox)
    account = outbox.account()
    assert account is not None
    assert account.oldest_age_s is None, "UTC was not known"
    clock.heard_gnss(utc_ms)
    outbox.receipted(ranges((1, 1)))
    track(outbox)
    clock.heard_gnss(utc_ms + 60_000)
    account = outbox.account()
    assert account is not None
    assert (account.rows, account.waiting_bytes, account.oldest_age_s) == (1, 5, 60)
    on_disk = sum(file.stat().st_size for file in path.parent.iterdir())
    assert account.bytes_on_disk == on_disk
    outbox.close()


def at_the_store(found: list[StoredRow]) -> Iterator[tuple[int, int]]:
    """What the centre knows of once it has these rows: themselves, and what their tombstones name."""
    for row in found:
        yield row.outbox_id, row.seq
        if row.kind == KIND_TOMBSTONE:
            for (name, _), seqs in read_tombstone(row.body).items():
                yield from ((name, seq) for seq in seqs.seqs())


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.sampled_from((CLASS_TRACK, CLASS_ALARM, CLASS_STATUS, CLASS_BULKY))),
            st.tuples(st.just("receipted"), st.tuples(st.integers(1, 60), st.integers(0, 20))),
            st.tuples(st.just("refuse"), st.tuples(st.integers(1, 60), st.integers(0, 5))),
            st.tuples(st.just("new_outbox"), st.none()),
            st.tuples(st.just("settle"), st.none()),
            st.tuples(st.just("restart"), st.none()),
        ),
        max_size=60,
    )
)
def test_whatever_happens_every_accepted_row_is_held_or_stored_or_named(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Any]]
) -> None:
    path = tmp_path_factory.mktemp("steps") / "outbox.db"
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    reader = OutboxReader(path)
    accepted: dict[tuple[int, int], bytes] = {}
    stored: set[tuple[int, int]] = set()
    for number, (step, what) in enumerate(steps):
        if step == "append":
            body = b"row %d" % number
            row_id = outbox.append(body, kind=KIND_TRACK, cls=what)
            accepted[reader.outboxes().of(row_id)] = body
        elif step in ("receipted", "refuse"):
            first, more = what
            ids = ranges((first, first + more))
            if step == "receipted":
                stored.update(at_the_store(reader.rows_of(ids)))
                outbox.receipted(ids)
            else:
                outbox.refuse(ids)
        elif step == "new_outbox":
            outbox.open_new_outbox()
        elif step == "settle":
            outbox.settle()
        else:
            outbox.close()
            outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    outbox.settle()
    held = rows(path)
    assert missing(path, accepted, stored) == set()
    assert reader.waiting() == (len(held), sum(len(row.body) for row in held))
    account = outbox.account()
    assert account is not None
    by_account = {(name, seq) for name, _, seqs in account.holdings for seq in seqs.seqs()}
    assert by_account == {(row.outbox_id, row.seq) for row in held}
    reader.close()
    outbox.close()

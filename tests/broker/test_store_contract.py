"""What every central store promises. A new implementation joins IMPLEMENTATIONS and passes this file as it is."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from arrivals import (
    BOOT,
    DAY,
    NOON,
    OUTBOX,
    UNIT,
    anchor,
    arrival,
    boot_track,
    drive,
    event,
    health,
    tombstone,
    track,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.assets import Assignment
from broker.store import (
    FUTURE,
    UNDECODED,
    UNKNOWN_KIND,
    Arrival,
    LogEntry,
    Outcome,
    Store,
    StoreInUse,
    StoreUnavailable,
    open_store,
)
from wire import encode
from wire.kinds import KIND_ANCHOR, KIND_CAMERA, KIND_EVENT, KIND_HEALTH, KIND_SNAPSHOT, KIND_TRACK
from wire.ranges import MAX_SEQ, Ranges

# How to make the URL of an empty store of each kind.
IMPLEMENTATIONS: dict[str, Callable[[Path], str]] = {"sqlite": lambda folder: f"sqlite:///{folder / 'store.db'}"}

STORED, DUPLICATE, CONFLICT = Outcome.STORED, Outcome.DUPLICATE, Outcome.CONFLICT


@pytest.fixture(params=IMPLEMENTATIONS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return IMPLEMENTATIONS[request.param](tmp_path)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url, writer=True) as opened:
        yield opened


def log_of(store: Store) -> list[LogEntry]:
    return store.read_log(0, 1_000_000)


def newest_of(store: Store, seq: int) -> LogEntry:
    return [entry for entry in log_of(store) if entry.seq == seq][-1]


def assigned(asset: str, start: int, end: int | None = None, unit: str = UNIT) -> Assignment:
    return Assignment(unit=unit, asset=asset, agency="health", kind="ambulance", from_utc_ms=start, to_utc_ms=end)


# ---------------------------------------------------------------- exactly once


def test_each_arrival_is_stored_once_and_comes_out_as_it_came_in(store: Store) -> None:
    rows = drive([1, 2, 3])
    assert store.commit(rows) == [STORED] * 3
    assert [(e.log_id, e.row_id, e.revision, e.seq, e.body) for e in log_of(store)] == [
        (n, n, 0, row.seq, row.body) for n, row in enumerate(rows, 1)
    ]
    first = log_of(store)[0]
    assert (first.unit, first.outbox_id, first.conflict, first.flags) == (UNIT, OUTBOX, 0, 0)
    assert (first.utc_ms, first.utc_to_ms, first.time_doubt_s) == (NOON + 10_000, NOON + 12_000, None)
    assert first.stored_utc_ms == rows[0].received_utc_ms
    assert (first.agency, first.asset, first.asset_kind) == ("unassigned", f"unassigned-{UNIT}", None)


def test_a_resent_row_is_a_duplicate_within_a_batch_in_a_later_one_and_after_a_restart(url: str) -> None:
    with open_store(url, writer=True) as store:
        assert store.commit([*drive([5, 6]), *drive([6])]) == [STORED, STORED, DUPLICATE]
        assert store.commit(drive([5, 7])) == [DUPLICATE, STORED]
    with open_store(url, writer=True) as store:
        assert store.commit(drive([4, 5, 6, 7, 8])) == [STORED, DUPLICATE, DUPLICATE, DUPLICATE, STORED]
        assert sorted(e.seq for e in log_of(store)) == [4, 5, 6, 7, 8]


def test_other_bytes_under_a_taken_key_are_stored_beside_and_resent_are_their_duplicate(store: Store) -> None:
    original, other, third = (arrival(9, track(NOON, lat_e7=lat)) for lat in (-61_000_000, -62_000_000, -63_000_000))
    assert store.commit([original]) == [STORED]
    assert store.commit([other, other, third]) == [STORED | CONFLICT, DUPLICATE | CONFLICT, STORED | CONFLICT]
    assert store.commit([third, original, other]) == [DUPLICATE | CONFLICT, DUPLICATE, DUPLICATE | CONFLICT]
    assert {(e.conflict, e.body) for e in log_of(store)} == {(0, original.body), (1, other.body), (2, third.body)}
    assert [a.conflicts for a in store.ledger()] == [2]


def test_the_same_seq_of_another_outbox_or_unit_is_another_record(store: Store) -> None:
    rows = [arrival(1), arrival(1, outbox_id=2), arrival(1, unit="fire-1")]
    assert store.commit(rows) == [STORED] * 3
    assert [store.high_seq(r.unit, r.outbox_id) for r in rows] == [1, 1, 1]
    assert store.high_seq("nobody", 1) == 0


def test_seqs_up_to_the_largest_are_kept_exactly(store: Store) -> None:
    rows = [arrival(seq, at=NOON + n) for n, seq in enumerate([MAX_SEQ, 1, MAX_SEQ - 1, 2**40])]
    assert store.commit(rows) == [STORED] * 4
    assert store.commit(rows) == [DUPLICATE] * 4
    assert store.high_seq(UNIT, OUTBOX) == MAX_SEQ
    assert len(list(store.rows(unit=UNIT))) == 4


_ROWS = st.tuples(st.integers(0, 1), st.integers(1, 12), st.integers(0, 2))  # outbox, seq, version of the bytes


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(_ROWS, max_size=12), max_size=8), data=st.data())
def test_whatever_comes_in_whatever_order_nothing_is_lost_or_doubled(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[int, int, int]]], data: st.DataObject
) -> None:
    for make_url in IMPLEMENTATIONS.values():
        url = make_url(tmp_path_factory.mktemp("store"))
        store = open_store(url, writer=True)
        model: dict[tuple[int, int], list[bytes]] = {}
        for batch in batches:
            rows = [arrival(seq, track(NOON + seq, lat_e7=version), outbox_id=box + 1) for box, seq, version in batch]
            assert store.commit(rows) == [_expected(model, row) for row in rows]
            if data.draw(st.booleans()):
                store.close()
                store = open_store(url, writer=True)
        with store:
            stored = {(e.outbox_id, e.seq, e.conflict): e.body for e in log_of(store)}
            assert stored == {(*key, n): body for key, bodies in model.items() for n, body in enumerate(bodies)}
            assert [e.log_id for e in log_of(store)] == list(range(1, len(stored) + 1))
            assert {a.outbox_id: a.stored for a in store.ledger()} == {
                box: sum(key[0] == box for key in model) for box in {key[0] for key in model}
            }


def _expected(model: dict[tuple[int, int], list[bytes]], row: Arrival) -> Outcome:
    known = model.setdefault((row.outbox_id, row.seq), [])
    outcome = DUPLICATE if row.body in known else STORED
    if row.body not in known:
        known.append(row.body)
    return outcome | CONFLICT if known.index(row.body) else outcome


# ---------------------------------------------------------------- bytes stored, not bytes understood


def test_a_body_nobody_can_read_is_stored_marked_and_receipted(store: Store) -> None:
    damaged, newer = arrival(1, b"\xff\xff\xff"), arrival(2, b"what a newer box says", kind=99)
    empty_health = arrival(3, b"\x0a\x7f", kind=KIND_HEALTH)
    assert store.commit([damaged, newer, empty_health]) == [STORED | Outcome.UNDECODED] * 3
    assert store.commit([damaged, newer, empty_health]) == [DUPLICATE] * 3
    assert [(e.kind, e.body, e.flags, e.utc_ms) for e in log_of(store)] == [
        (KIND_TRACK, damaged.body, UNDECODED, None),
        (99, newer.body, UNDECODED | UNKNOWN_KIND, None),
        (KIND_HEALTH, empty_health.body, UNDECODED, None),
    ]
    assert store.rederive() == (0, 3)
    assert len(log_of(store)) == 3


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.integers(-(2**31), 12),
    body=st.binary(max_size=60),
    boot_id=st.integers(1, 2**64 - 1),
    sent=st.integers(0, 2**64 - 1),
)
def test_no_bytes_of_any_kind_stop_a_commit(store: Store, kind: int, body: bytes, boot_id: int, sent: int) -> None:
    seq = store.last_log_id() + 1
    row = arrival(seq, body, kind=kind, boot_id=boot_id, sent_boottime_ms=sent)
    assert STORED in store.commit([row])[0]
    assert newest_of(store, seq).body == body


def test_a_date_in_the_future_is_stored_flagged_and_moves_nothing(store: Store) -> None:
    today = arrival(1)
    absurd = arrival(2, track(NOON + 9000 * DAY), received=NOON)
    assert store.commit([today, absurd]) == [STORED, STORED | Outcome.FUTURE]
    assert newest_of(store, 2).flags == FUTURE
    marker = store.newest_track("unassigned", f"unassigned-{UNIT}")
    assert marker is not None and marker.seq == 1
    assert store.commit([anchor(3, 5000, NOON + 9000 * DAY, received=NOON)]) == [STORED | Outcome.FUTURE]
    store.commit([arrival(4, boot_track(6000), received=NOON + 60_000)])
    assert (newest_of(store, 4).utc_ms or 0) < NOON + DAY


# ---------------------------------------------------------------- time


def test_an_anchor_dates_records_of_its_boot_whichever_comes_first(store: Store) -> None:
    store.commit([arrival(1, boot_track(5000), received=NOON + DAY)])
    assert newest_of(store, 1).utc_ms is None
    store.commit([anchor(3, 60_000, NOON)])
    store.commit([arrival(2, boot_track(6000), received=NOON + DAY)])
    early, late = newest_of(store, 1), newest_of(store, 2)
    assert (early.utc_ms, early.utc_to_ms, early.time_doubt_s) == (NOON - 55_000, NOON - 53_000, None)
    assert (early.revision, early.row_id, early.log_id) == (1, 1, 3)
    assert (late.utc_ms, late.revision) == (NOON - 54_000, 0)


def test_an_anchor_speaks_only_for_its_own_boot_and_unit(store: Store) -> None:
    store.commit([anchor(1, 0, NOON, unit="fire-1"), anchor(2, 0, NOON, boot_id=BOOT + 1, outbox_id=5)])
    store.commit([arrival(1, boot_track(5000), received=NOON)])
    assert log_of(store)[-1].utc_ms is None


def test_of_two_anchors_the_next_one_after_the_record_counts_in_either_order(url: str, tmp_path: Path) -> None:
    rows = [
        arrival(1, boot_track(1000), received=NOON + DAY),
        anchor(2, 10_000, NOON),
        anchor(3, 90_000, NOON + 85_000),  # the clock was stepped by 5 s
        arrival(4, boot_track(80_000), received=NOON + DAY),
    ]
    for turn in range(6):
        random.Random(turn).shuffle(rows)
        for make_url in IMPLEMENTATIONS.values():
            folder = tmp_path / str(turn)
            folder.mkdir()
            with open_store(make_url(folder), writer=True) as store:
                for row in rows:
                    store.commit([row])
                assert [newest_of(store, seq).utc_ms for seq in (1, 4)] == [NOON - 9000, NOON + 75_000]


def test_without_an_anchor_the_parcels_stamps_date_a_record(store: Store) -> None:
    store.commit([arrival(1, boot_track(4000), received=NOON, boot_id=BOOT, sent_boottime_ms=20_000)])
    assert newest_of(store, 1).utc_ms == NOON - 16_000
    # A parcel that was less delayed tells the clock better; an anchor beats both.
    store.commit([arrival(2, received=NOON + 5000, boot_id=BOOT, sent_boottime_ms=30_000)])
    assert newest_of(store, 1).utc_ms == NOON - 21_000
    store.commit([anchor(3, 4000, NOON - 22_000)])
    assert (newest_of(store, 1).utc_ms, newest_of(store, 1).revision) == (NOON - 22_000, 2)


def test_without_any_clock_the_neighbours_bound_a_record(store: Store) -> None:
    lost = arrival(5, boot_track(4000, boot_id=77), received=NOON + DAY)
    store.commit([lost, arrival(9)])
    assert newest_of(store, 5).utc_ms is None  # nothing older than it is known yet
    store.commit(drive([3]))
    first = newest_of(store, 5)
    # After seq 3 ended (NOON + 32 s), 2 s long, before seq 9 began (NOON + 90 s): 56 s of room.
    assert (first.utc_ms, first.utc_to_ms, first.time_doubt_s) == (NOON + 60_000, NOON + 62_000, 28.0)
    store.commit(drive([6, 4]))
    closer = newest_of(store, 5)
    assert (closer.utc_ms, closer.time_doubt_s, closer.revision) == (NOON + 50_000, 8.0, first.revision + 1)
    store.commit(drive([1, 2, 10]))
    assert newest_of(store, 5) == closer


def test_a_record_dated_by_the_clock_bounds_those_beside_it(store: Store) -> None:
    store.commit([arrival(2, boot_track(0, boot_id=7), received=NOON + DAY), arrival(9)])
    store.commit([arrival(1, boot_track(1000), received=NOON + DAY)])
    store.commit([anchor(8, 81_000, NOON + 80_000)])
    assert newest_of(store, 1).utc_ms == NOON
    dated = newest_of(store, 2)
    assert dated.utc_ms is not None and NOON + 2000 < dated.utc_ms < NOON + 80_000


_STORIES = [
    arrival(1, boot_track(1000, boot_id=1), received=NOON + DAY),
    arrival(2),
    arrival(3, boot_track(1000, boot_id=2), received=NOON + DAY),
    arrival(4, boot_track(9000, boot_id=2), received=NOON + DAY),
    arrival(5, boot_track(1000, boot_id=3), received=NOON + DAY),
    anchor(6, 20_000, NOON + 60_000, boot_id=2),
    arrival(7),
    arrival(8, boot_track(5000, boot_id=4), received=NOON + DAY, boot_id=4, sent_boottime_ms=50_000),
    anchor(9, 70_000, NOON + 90_000, boot_id=2),
    arrival(10, boot_track(1000, boot_id=5), received=NOON + DAY),
    arrival(11),
]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(_STORIES), cuts=st.sets(st.integers(1, len(_STORIES) - 1)))
def test_what_is_known_in_the_end_does_not_depend_on_the_order_of_arrival(
    tmp_path_factory: pytest.TempPathFactory, order: list[Arrival], cuts: set[int]
) -> None:
    edges = [0, *sorted(cuts), len(order)]
    for make_url in IMPLEMENTATIONS.values():
        with open_store(make_url(tmp_path_factory.mktemp("store")), writer=True) as store:
            for start, end in pairwise(edges):
                store.commit(order[start:end])
            known = {e.seq: (e.utc_ms, e.time_doubt_s) for e in store.rows(unit=UNIT)}
        with open_store(make_url(tmp_path_factory.mktemp("sorted")), writer=True) as store:
            store.commit(_STORIES)
            assert known == {e.seq: (e.utc_ms, e.time_doubt_s) for e in store.rows(unit=UNIT)}
        assert known[1] == (None, None) and known[3] == (NOON + 41_000, None)
        assert known[5][1] is not None and known[8][1] is None


_INT64 = st.integers(-(2**63), 2**63 - 1)
_UINT64 = st.integers(0, 2**64 - 1)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(utc_ms=st.none() | _INT64, boot_id=_UINT64, boottime_ms=_UINT64, received=st.integers(0, 2**42))
def test_no_stamp_stops_a_commit(
    store: Store, utc_ms: int | None, boot_id: int, boottime_ms: int, received: int
) -> None:
    seq = store.last_log_id() + 10
    bodies = [
        (KIND_EVENT, encode.event(at=(utc_ms, boot_id, boottime_ms), name="panic")),
        (KIND_ANCHOR, encode.anchor(boot_id=boot_id, boottime_ms=boottime_ms, utc_ms=utc_ms or 0, source=9)),
    ]
    rows = [arrival(seq + n, body, kind=kind, received=received) for n, (kind, body) in enumerate(bodies)]
    assert all(STORED in outcome for outcome in store.commit(rows))
    store.commit([arrival(seq + 2, boot_track(10, boot_id=boot_id or 1), received=received)])
    assert newest_of(store, seq + 2).flags & UNDECODED == 0


# ---------------------------------------------------------------- log and cursors


def test_readers_follow_the_log_by_cursor_and_see_corrections_as_new_entries(store: Store) -> None:
    assert (store.last_log_id(), store.cursor("publisher"), store.read_log(0, 10)) == (0, 0, [])
    store.commit(drive(range(1, 8)))
    assert [e.log_id for e in store.read_log(3, 2)] == [4, 5]
    store.set_cursor("publisher", 5)
    store.set_cursor("other", 2)
    assert (store.cursor("publisher"), store.cursor("other"), store.last_log_id()) == (5, 2, 7)
    store.set_assignments([assigned("b-1234", NOON)])
    assert [(e.row_id, e.revision, e.asset) for e in store.read_log(7, 100)] == [(n, 1, "b-1234") for n in range(1, 8)]


def test_wait_returns_when_another_connection_commits(url: str, store: Store) -> None:
    with open_store(url) as reader:
        assert not reader.wait(0, 0.0)
        timer = threading.Timer(0.05, lambda: store.commit(drive([1])))
        timer.start()
        assert reader.wait(0, 10.0)
        timer.join()
        assert not reader.wait(1, 0.02)
        assert store.wait(0, 0.0)


def test_a_reader_beside_the_writer_reads_and_moves_its_cursor(url: str, store: Store) -> None:
    with open_store(url) as reader:
        assert reader.store_id == store.store_id != 0
        store.commit(drive([1]))
        reader.set_cursor("publisher", 1)
        store.commit(drive([2]))
        assert (store.cursor("publisher"), len(log_of(reader))) == (1, 2)
        with pytest.raises(StoreInUse):
            reader.commit(drive([3]))


def test_only_one_writer_at_a_time(url: str, store: Store) -> None:
    with pytest.raises(StoreInUse, match="commits to this store already"):
        open_store(url, writer=True)
    store.close()
    open_store(url, writer=True).close()


def test_a_store_that_is_not_there_is_unavailable_to_a_reader(url: str) -> None:
    with pytest.raises(StoreUnavailable):
        open_store(url, wait_s=0.1)


def test_a_reader_that_starts_first_waits_for_the_writer(url: str) -> None:
    timer = threading.Timer(0.1, lambda: open_store(url, writer=True).close())
    timer.start()
    with open_store(url, wait_s=20.0) as reader:
        assert reader.last_log_id() == 0
    timer.join()


# ---------------------------------------------------------------- rows of a unit or asset


def test_rows_come_in_time_order_whatever_order_they_were_stored_in(store: Store) -> None:
    seqs = list(range(1, 3000, 7))
    random.Random(1).shuffle(seqs)
    store.commit(drive(seqs))
    store.commit(drive(seqs, unit="fire-1"))
    rows = list(store.rows(unit=UNIT))
    assert [row.seq for row in rows] == sorted(seqs)
    assert {row.unit for row in rows} == {UNIT}


def test_rows_of_a_time_are_those_that_touch_it_also_across_midnight(store: Store) -> None:
    midnight = NOON + DAY // 2
    store.commit([arrival(n, at=midnight + (n - 50) * 10_000 - 1000) for n in range(1, 100)])
    # Rows last 2 s: that of seq 50 begins 1 s before midnight and ends 1 s after it.
    assert [r.seq for r in store.rows(unit=UNIT, from_utc_ms=midnight, to_utc_ms=midnight + 19_000)] == [50, 51]
    assert [r.seq for r in store.rows(unit=UNIT, to_utc_ms=midnight)][-1] == 50
    assert list(store.rows(unit=UNIT, from_utc_ms=midnight + DAY)) == []


def test_conflicting_and_undated_rows_are_among_the_rows(store: Store) -> None:
    store.commit([arrival(1), arrival(1, track(NOON)), arrival(2, boot_track(0), outbox_id=9)])
    assert [(r.seq, r.conflict) for r in store.rows(unit=UNIT)] == [(1, 0), (1, 1), (2, 0)]


def test_a_units_rows_come_as_recorded_whatever_its_clock_did(store: Store) -> None:
    set_back = [arrival(1), arrival(2, track(NOON - 3 * DAY)), arrival(3, track(NOON - 1_000)), arrival(4)]
    store.commit([*reversed(set_back), arrival(5, boot_track(0))])
    assert [r.seq for r in store.recorded(UNIT)] == [1, 2, 3, 4, 5]
    assert list(store.recorded("nobody")) == []
    same_day = store.rows(unit=UNIT, from_utc_ms=NOON - 5_000, to_utc_ms=NOON + DAY)
    assert [r.seq for r in same_day if r.seq != 5] == [1, 3, 4]


def test_rows_after_a_log_id_come_in_log_order_each_record_once_as_it_is_now(store: Store) -> None:
    store.commit(drive([3, 1, 2]))
    store.set_assignments([assigned("b-1234", NOON + 20_000, NOON + 30_000)])
    assert [(r.log_id, r.seq) for r in store.rows_after(0, unit=UNIT)] == [(1, 3), (2, 1), (4, 2)]
    assert [(r.log_id, r.seq) for r in store.rows_after(0, asset="b-1234")] == [(4, 2)]
    assert list(store.rows_after(4, unit=UNIT)) == []


# ---------------------------------------------------------------- assets


def test_names_follow_the_records_own_time_not_its_arrival(store: Store) -> None:
    store.set_assignments([assigned("b-1", NOON, NOON + 50_000), assigned("b-2", NOON + 50_000)])
    store.commit(drive([7, 4], received=NOON + DAY))
    assert [(e.seq, e.asset, e.agency, e.asset_kind) for e in log_of(store)] == [
        (7, "b-2", "health", "ambulance"),
        (4, "b-1", "health", "ambulance"),
    ]


def test_a_swapped_box_keeps_the_assets_history(store: Store) -> None:
    store.set_assignments([assigned("b-1", NOON, NOON + 30_000), assigned("b-1", NOON + 30_000, unit="spare-1")])
    store.commit([*drive([1, 2]), *drive([3, 4], unit="spare-1")])
    assert [(r.unit, r.seq) for r in store.rows(asset="b-1")] == [(UNIT, 1), (UNIT, 2), ("spare-1", 3), ("spare-1", 4)]


def test_a_retroactive_change_corrects_exactly_the_records_it_touches(store: Store) -> None:
    store.set_assignments([assigned("b-1", NOON)])
    store.commit(drive(range(1, 2500)))
    before = store.last_log_id()
    assert store.set_assignments([assigned("b-1", NOON, NOON + 20_000_000), assigned("b-2", NOON + 20_000_000)]) == 500
    corrected = store.read_log(before, 10_000)
    assert {(e.asset, e.revision) for e in corrected} == {("b-2", 1)}
    assert sorted(e.seq for e in corrected) == list(range(2000, 2500))
    assert [r.seq for r in store.rows(asset="b-1")] == list(range(1, 2000))
    assert [r.seq for r in store.rows(asset="b-2")] == list(range(2000, 2500))
    markers = [store.newest_track("health", name) for name in ("b-1", "b-2")]
    assert [marker and marker.seq for marker in markers] == [1999, 2499]
    assert store.set_assignments(store.assignments()) == 0


def test_a_name_that_nobody_holds_any_more_is_reported_and_its_marker_goes(store: Store) -> None:
    store.commit(drive([1]))
    assert store.ended_names(NOON) == []
    store.set_assignments([assigned("b-1", NOON)])
    assert store.ended_names(NOON + DAY) == [("unassigned", f"unassigned-{UNIT}")]
    store.set_assignments([assigned("b-9", NOON)])
    assert store.ended_names(NOON + DAY) == [("health", "b-1"), ("unassigned", f"unassigned-{UNIT}")]
    assert store.newest_track("health", "b-1") is None
    assert [entry.asset for entry in store.newest_tracks(NOON + DAY)] == ["b-9"]


def test_a_commit_uses_assignments_that_another_process_has_set(url: str, store: Store) -> None:
    store.commit(drive([1]))
    with open_store(url) as other:
        other.set_assignments([assigned("b-1", NOON)])
    store.commit(drive([2]))
    assert [(e.seq, e.asset) for e in log_of(store)][1:] == [(1, "b-1"), (2, "b-1")]


def test_an_older_record_never_moves_the_marker(store: Store) -> None:
    name = ("unassigned", f"unassigned-{UNIT}")
    store.commit(drive([9]))
    store.commit([*drive([8, 3]), event(10, "panic")])
    marker = store.newest_track(*name)
    assert marker is not None and marker.seq == 9
    assert store.newest_track("health", "nothing") is None


# ---------------------------------------------------------------- ledger


def test_the_ledger_balances_stored_shed_held_and_names_what_is_missing(store: Store) -> None:
    store.commit([*drive([1, 2, 5]), tombstone(8, [(OUTBOX, Ranges([(3, 3), (5, 5)]), "shed")])])
    store.commit([health(12, [(OUTBOX, 12, Ranges([(6, 7), (9, 10)]))])])
    store.commit(drive([14]))
    (account,) = store.ledger()
    assert (account.produced, account.stored, account.held, account.unjudged) == (14, 6, 4, 1)
    assert account.shed_by_reason == {"shed": 1}  # 5 is stored: stored beats shed
    assert account.missing == ((4, 4), (11, 11))
    assert account.missing_count == 2


def test_the_ledger_judges_by_the_newest_health_record_whichever_arrives_last(store: Store) -> None:
    store.commit([health(9, [(OUTBOX, 9, Ranges([(7, 8)]))]), health(4, [(OUTBOX, 4, Ranges())]), *drive([1, 2, 3])])
    (account,) = store.ledger()
    assert account.missing == ((5, 6),)


def test_a_new_outbox_speaks_for_the_one_before_it(store: Store) -> None:
    store.commit([*drive([1, 2]), health(3, [(OUTBOX, 3, Ranges())])])
    store.commit([health(1, [(OUTBOX, 6, Ranges([(4, 5)])), (2, 1, Ranges())], outbox_id=2, at=NOON + 60_000)])
    old, new = store.ledger()
    assert (old.outbox_id, old.held, old.missing) == (OUTBOX, 2, ())
    assert (new.outbox_id, new.produced, new.missing) == (2, 1, ())
    store.commit([tombstone(2, [(OUTBOX, Ranges([(4, 5)]), "corrupt")], outbox_id=2)])
    store.commit([health(3, [(OUTBOX, 6, Ranges()), (2, 3, Ranges())], outbox_id=2, at=NOON + 90_000)])
    assert store.ledger()[0].shed_by_reason == {"corrupt": 2}


# ---------------------------------------------------------------- purge


def test_a_purge_takes_whole_days_and_unbalances_nothing(store: Store) -> None:
    days = [arrival(n, at=NOON + n * DAY // 4) for n in range(1, 13)]
    store.commit([*days, health(13, [(OUTBOX, 13, Ranges())], at=NOON + 4 * DAY)])
    cut = NOON + DAY + 3_600_000  # within 24 November: only what is before its midnight goes
    purged = store.purge(cut)
    gone = [row for row in days if row.received_utc_ms < NOON + DAY // 2]
    assert (purged.rows, purged.body_bytes) == (len(gone), sum(len(row.body) for row in gone))
    assert [e.seq for e in log_of(store)] == list(range(len(gone) + 1, 14))
    (account,) = store.ledger()
    assert (account.stored, account.expired, account.missing) == (13, len(gone), ())
    assert store.commit(days) == [DUPLICATE] * 12
    assert store.purge(cut).rows == 0


def test_a_purge_of_one_asset_leaves_the_others(store: Store) -> None:
    store.set_assignments([assigned("b-1", 0), assigned("b-2", 0, unit="fire-1")])
    store.commit([*drive(range(1, 1200)), *drive(range(1, 1200), unit="fire-1")])
    assert store.purge(NOON + 2 * DAY, asset="b-1").rows == 1199
    assert {e.asset for e in log_of(store)} == {"b-2"}
    assert store.newest_track("health", "b-1") is None
    assert [account.expired for account in store.ledger()] == [1199, 0]


def test_a_log_id_is_never_given_twice_even_when_the_newest_was_purged(url: str) -> None:
    with open_store(url, writer=True) as store:
        store.commit(drive([1, 2, 3]))
        store.set_cursor("publisher", 3)
        assert store.purge(NOON + 2 * DAY).rows == 3
        assert not store.wait(0, 0.0)
    with open_store(url, writer=True) as store:
        store.commit(drive([4]))
        assert [e.log_id for e in log_of(store)] == [4]


def test_purged_and_corrected_records_go_with_all_their_entries(store: Store) -> None:
    store.commit([arrival(1, boot_track(0), received=NOON)])
    store.commit([anchor(2, 0, NOON - 20 * DAY, received=NOON)])
    assert len(log_of(store)) == 3
    assert store.purge(NOON).rows == 2  # the late anchor moved it to a day long past
    assert log_of(store) == []
    assert list(store.rows(unit=UNIT)) == []
    assert store.commit([anchor(3, 0, NOON - 19 * DAY, received=NOON)]) == [STORED]


def look(seq: int, at: int, kind: int = KIND_CAMERA) -> Arrival:
    if kind == KIND_SNAPSHOT:
        body = encode.snapshot(at=(at, 1, 0), camera="north", media_type="image/jpeg", image=b"\xff\xd8", why="asked")
    else:
        body = encode.camera(
            at=(at, 1, 0),
            camera="north",
            verdict="seeing",
            cause="",
            confidence_percent=90,
            reason="",
            since_utc_ms=None,
        )
    return arrival(seq, body, kind=kind, at=at)


@pytest.mark.parametrize("kind", [KIND_CAMERA, KIND_SNAPSHOT])
def test_a_purge_takes_a_cameras_newest_verdict_and_picture_with_its_record(store: Store, kind: int) -> None:
    store.commit([look(1, NOON, kind), look(2, NOON + DAY, kind), look(9, NOON + 2 * DAY)])
    assert store.purge(NOON + DAY).rows == 1
    assert (NOON + DAY) in {entry.utc_ms for entry in store.newest_looks(kind)} or kind == KIND_CAMERA
    store.purge(NOON + 2 * DAY)
    assert [entry.seq for entry in store.newest_looks(kind)] == ([9] if kind == KIND_CAMERA else [])
    store.commit([look(3, NOON + 3 * DAY, kind)])
    assert [entry.seq for entry in store.newest_looks(kind)] == [3]


def test_until_when_records_were_purged_is_known_by_asset(store: Store) -> None:
    store.set_assignments([assigned("b-1", 0)])
    store.commit(drive(range(1, 4)))
    assert store.purged_before() == {}
    store.purge(NOON - 5 * DAY)
    store.purge(NOON, asset="b-1")
    store.purge(NOON - 2 * DAY)
    assert store.purged_before() == {None: NOON - 5 * DAY // 2, "b-1": NOON - DAY // 2}


def test_every_unit_that_was_heard_is_known(store: Store) -> None:
    assert store.units() == set()
    store.commit([*drive([1]), *drive([1], unit="fire-1")])
    assert store.units() == {UNIT, "fire-1"}


SEQS = st.integers(1, 12)
CLAIMS = st.tuples(SEQS, SEQS).map(lambda pair: Ranges([(min(pair), max(pair))]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), SEQS), max_size=30),
    st.lists(st.tuples(st.sampled_from(["a", "b", "d"]), CLAIMS), max_size=3),
    st.lists(st.tuples(st.sampled_from(["a", "c", "e"]), CLAIMS, SEQS), max_size=3),
)
def test_the_incomplete_outboxes_are_those_of_the_ledger_that_lack_a_stored_seq(
    tmp_path: Path, rows: list[tuple[str, int]], gone: list[tuple[str, Ranges]], held: list[tuple[str, Ranges, int]]
) -> None:
    claims = [tombstone(20 + n, [(OUTBOX, seqs, "shed")], unit=unit) for n, (unit, seqs) in enumerate(gone)]
    claims += [
        health(30 + n, [(OUTBOX, below, Ranges(p for p in seqs if p[1] < below))], unit=unit)
        for n, (unit, seqs, below) in enumerate(held)
    ]
    for one in tmp_path.iterdir():
        one.unlink()
    with open_store(IMPLEMENTATIONS["sqlite"](tmp_path), writer=True) as store:
        store.commit([arrival(seq, unit=unit) for unit, seq in rows])
        # The claims come in outboxes of their own, so that their own seqs complete nothing.
        store.commit([claim._replace(outbox_id=9, seq=n) for n, claim in enumerate(claims, 1)])
        accounts, incomplete, sums = store.ledger(), list(store.incomplete()), store.ledger_sums()
    assert [a for a in accounts if a.stored < a.produced] == [a for a in incomplete if a.produced]
    assert sums == (len(accounts), sum(a.stored for a in accounts), 0, 0)


def test_a_store_tells_its_size_and_the_room_beside_it(store: Store) -> None:
    before = store.size()
    store.commit([arrival(seq, bytes(100_000)) for seq in range(1, 51)])
    after = store.size()
    assert after.file_bytes + after.wal_bytes >= before.file_bytes + before.wal_bytes + 5_000_000
    assert 0 < after.disk_free_bytes <= after.disk_bytes


def test_what_is_unread_has_the_age_of_the_first_entry_that_is_no_correction(store: Store) -> None:
    store.set_assignments([assigned("ambulance-07", 0)])
    store.commit(drive([1, 2]))
    newest = store.last_log_id()
    assert store.unread(0) == (newest, newest, NOON + 13_000)
    assert store.unread(newest) == (newest, 0, None)
    store.set_assignments([assigned("ambulance-08", 0)])
    corrected = store.last_log_id()
    assert store.unread(newest) == (corrected, corrected - newest, None)
    store.commit(drive([3]))
    assert store.unread(newest) == (corrected + 1, corrected + 1 - newest, NOON + 33_000)

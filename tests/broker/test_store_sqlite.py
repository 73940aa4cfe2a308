"""What only the SQLite store has to prove: killed, out of room, older or newer files, space given back, plans."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from itertools import accumulate
from pathlib import Path

import pytest
from arrivals import DAY, NOON, OUTBOX, UNIT, arrival, drive, health
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.store import (
    UNDECODED,
    Outcome,
    StoreAddress,
    StoreInUse,
    StoreUnavailable,
    StoreVersion,
    open_store,
)
from broker.store.schema import MIGRATIONS, connect
from wire import encode
from wire.kinds import KIND_CAMERA, KIND_HEALTH
from wire.ranges import MAX_SEQ, Ranges

HERE = Path(__file__).parent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


def child(code: str, *words: object) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent.parent)])}
    command = [sys.executable, "-u", "-c", code, *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


COMMIT_FOR_EVER = """
import sys
from arrivals import drive
from broker.store import open_store
store = open_store(sys.argv[1], writer=True)
first = int(sys.argv[2])
while True:
    store.commit(drive(range(first, first + 20)))
    first += 20
    print(first - 1)  # said only after commit() has returned
"""


def test_what_commit_has_returned_survives_sigkill_and_half_a_transaction_does_not(path: Path) -> None:
    said = 0
    for turn in range(6):
        committing = child(COMMIT_FOR_EVER, url_of(path), said + 1)
        assert committing.stdout is not None
        said = int(committing.stdout.readline())
        time.sleep(0.02 * turn)
        committing.send_signal(signal.SIGKILL)
        heard = committing.stdout.read().split("\n")[:-1]
        committing.wait()
        said = int(heard[-1]) if heard else said
        with open_store(url_of(path), writer=True) as store:
            seqs = [entry.seq for entry in store.read_log(0, 1_000_000)]
            assert seqs == list(range(1, len(seqs) + 1))
            assert len(seqs) % 20 == 0 and said <= len(seqs) <= said + 20
            (account,) = store.ledger()
            assert account.stored == len(seqs)
            assert store.commit(drive(range(1, len(seqs) + 1))) == [Outcome.DUPLICATE] * len(seqs)
            said = len(seqs)


RENAME = """
import sys
from arrivals import NOON, UNIT
from broker.assets import Assignment
from broker.store import open_store
b1 = Assignment(unit=UNIT, asset="b-1", agency="health", kind="ambulance", from_utc_ms=NOON, to_utc_ms=None)
with open_store(sys.argv[1]) as store:
    print("renaming")
    store.set_assignments([b1])
"""


def test_a_rename_that_was_killed_is_finished_by_the_next_writer_each_record_once(path: Path) -> None:
    with open_store(url_of(path), writer=True) as store:
        for first in range(1, 20_001, 1000):
            store.commit(drive(range(first, first + 1000)))
        before = store.last_log_id()
        renaming = child(RENAME, url_of(path))
        assert renaming.stdout is not None
        renaming.stdout.readline()
        while store.last_log_id() < before + 2000:  # some blocks are done
            time.sleep(0.001)
        renaming.kill()
        renaming.communicate()
        assert store.last_log_id() < before + 20_000
    with open_store(url_of(path), writer=True) as store:
        corrections = store.read_log(before, 100_000)
        assert sorted(entry.seq for entry in corrections) == list(range(1, 20_001))
        assert {(entry.asset, entry.revision) for entry in corrections} == {("b-1", 1)}
        marker = store.newest_track("health", "b-1")
        assert marker is not None and marker.seq == 20_000


RUN_OUT_OF_ROOM = """
import resource, signal, sys
from arrivals import drive
from broker.store import StoreUnavailable, open_store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = open_store(sys.argv[1], writer=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
first, outcomes = 1, []
try:
    while True:
        outcomes += store.commit(drive(range(first, first + 100)))
        first += 100
except StoreUnavailable:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
outcomes += store.commit(drive(range(first, first + 100)))
print(len(outcomes), set(map(int, outcomes)))
"""


def test_a_full_disk_undoes_the_batch_and_the_same_batch_goes_in_when_there_is_room(path: Path) -> None:
    out, _ = child(RUN_OUT_OF_ROOM, url_of(path)).communicate(timeout=60)
    count = int(out.split()[0])
    assert out.split()[1:] == ["{1}"]  # every one STORED, none a duplicate of what was undone
    with open_store(url_of(path)) as store:
        assert [entry.seq for entry in store.read_log(0, 1_000_000)] == list(range(1, count + 1))


def test_a_locked_store_is_unavailable_and_then_takes_the_same_batch(path: Path) -> None:
    with open_store(url_of(path), writer=True) as store:
        store._db.execute("PRAGMA busy_timeout = 20")  # type: ignore[attr-defined]
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            store.commit(drive([1]))
        other.close()
        assert store.commit(drive([1])) == [Outcome.STORED]


def test_readers_do_not_hold_up_a_commit(path: Path) -> None:
    with open_store(url_of(path), writer=True) as store:
        store.commit(drive(range(1, 2000)))
        with open_store(url_of(path)) as reader:
            reading = reader.rows(unit=UNIT)
            next(reading)
            following = reader.rows_after(0, unit=UNIT)
            next(following)
            assert store.commit(drive([5000])) == [Outcome.STORED]
            assert len(list(reading)) == 1998
            assert [row.seq for row in following][-1] == 5000


def test_a_second_process_may_not_commit_until_the_first_is_gone(path: Path) -> None:
    committing = child(COMMIT_FOR_EVER, url_of(path), 1)
    assert committing.stdout is not None
    committing.stdout.readline()
    with pytest.raises(StoreInUse, match=f"process {committing.pid} commits"):
        open_store(url_of(path), writer=True)
    committing.kill()
    committing.communicate()
    open_store(url_of(path), writer=True).close()


def test_commits_go_on_while_another_process_purges(path: Path) -> None:
    with open_store(url_of(path), writer=True) as store:
        for first in range(1, 8001, 500):
            store.commit(drive(range(first, first + 500)))
        purged: list[int] = []

        def purge() -> None:
            with open_store(url_of(path)) as beside:
                purged.append(beside.purge(NOON + DAY).rows)

        purging = threading.Thread(target=purge)
        purging.start()
        seq = 100_000
        while purging.is_alive():
            store.commit(drive([seq := seq + 1], received=NOON + 40 * DAY))
        purging.join()
        assert purged[0] == sum(NOON + 10_000 * n < NOON + DAY // 2 for n in range(1, 8001))
        left = store.read_log(0, 1_000_000)
        assert len(left) == 8000 - purged[0] + seq - 100_000
        assert [account.expired for account in store.ledger()] == purged


def test_a_purge_gives_the_room_back_and_leaves_no_trace_of_a_position(path: Path) -> None:
    with open_store(url_of(path), writer=True) as store:
        marked = arrival(1, b"\xff here lives somebody \xff" * 20)
        store.commit([marked, *drive(range(2, 4000))])
        assert any(b"here lives somebody" in file.read_bytes() for file in path.parent.iterdir())
    before = path.stat().st_size
    with open_store(url_of(path), writer=True) as store:
        assert store.purge(NOON + DAY // 2).rows > 4000 * 0.9
        assert path.stat().st_size < before * 0.6
        assert not any(b"here lives somebody" in file.read_bytes() for file in path.parent.iterdir())


def test_a_purge_that_is_cut_short_is_known_before_anything_is_gone(path: Path) -> None:
    """Whoever derives meanwhile must not take records that are being deleted for records that never were."""
    with open_store(url_of(path), writer=True) as store:
        store.commit(drive(range(1, 1200)))
        gone: list[int] = []

        def watch(statement: str) -> None:
            if statement.startswith("DELETE FROM bodies"):
                with open_store(url_of(path)) as beside:
                    gone.append(beside.purged_before()[None])

        store._db.set_trace_callback(watch)  # type: ignore[attr-defined]
        assert store.purge(NOON + DAY // 2).rows == 1199
    assert set(gone) == {NOON + DAY // 2}


def test_of_a_camera_whose_records_were_purged_nothing_points_at_them(path: Path) -> None:
    verdict = encode.camera(
        at=(NOON, 1, 0), camera="gate of number 7", verdict="covered", cause="picture", confidence_percent=90,
        reason="98 % hidden", since_utc_ms=None,
    )  # fmt: skip
    with open_store(url_of(path), writer=True) as store:
        store.commit([arrival(1, verdict, kind=KIND_CAMERA, at=NOON), *drive(range(2, 4000))])
        store.purge(NOON + DAY // 2)
        assert store.newest_looks(KIND_CAMERA) == []
        assert not any(b"gate of number 7" in file.read_bytes() for file in path.parent.iterdir())


def test_bodies_that_an_older_centre_could_not_read_are_corrected_and_their_claims_taken(path: Path) -> None:
    late = health(3, [(OUTBOX, 3, Ranges())])
    with open_store(url_of(path), writer=True) as store:
        store.commit([*drive([1]), late._replace(kind=99), *drive([4])])
        assert store.rederive() == (0, 1)
        before = store.last_log_id()
    # An older centre is one that did not know kind 2 yet: the same rows, the same marks.
    with sqlite3.connect(path) as db:
        db.execute("UPDATE log SET kind = ? WHERE kind = 99", (KIND_HEALTH,))
    db.close()
    with open_store(url_of(path), writer=True) as store:
        assert store.rederive() == (1, 0)
        (corrected,) = store.read_log(before, 10)
        assert (corrected.seq, corrected.revision, corrected.flags & UNDECODED) == (3, 1, 0)
        assert corrected.utc_ms == NOON + 30_000
        assert [account.missing for account in store.ledger()] == [((2, 2),)]
        assert store.rederive() == (0, 0)


def test_a_file_of_a_newer_version_or_of_something_else_is_refused_untouched(path: Path) -> None:
    open_store(url_of(path), writer=True).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreVersion, match="99"):
        open_store(url_of(path), writer=True)
    path.with_name("other.db").write_bytes(b"not a database, but somebody's letter" * 100)
    with pytest.raises(StoreVersion):
        open_store(url_of(path.with_name("other.db")), writer=True)
    foreign = sqlite3.connect(path.with_name("foreign.db"))
    foreign.execute("CREATE TABLE theirs (x)")
    foreign.close()
    with pytest.raises(StoreVersion):
        open_store(url_of(path.with_name("foreign.db")), writer=True)


def test_an_older_file_is_brought_up_to_date_by_the_writer_with_all_that_is_in_it(path: Path) -> None:
    with open_store(url_of(path), writer=True) as store:
        store.commit(drive([1, 2]))
    newer = [*MIGRATIONS, "ALTER TABLE purges ADD COLUMN who TEXT;"]
    with pytest.raises(StoreUnavailable, match="wait until the bridge"):
        connect(str(path), writer=False, migrations=newer)
    with pytest.raises(StoreVersion):
        connect(str(path), writer=True, migrations=[*newer, "ALTER TABLE nothing ADD COLUMN x;"])
    db = connect(str(path), writer=True, migrations=newer)
    assert db.execute("SELECT count(who), (SELECT count(*) FROM log) FROM purges").fetchone() == (0, 2)
    assert db.execute("PRAGMA user_version").fetchone() == (len(newer),)
    db.close()


def ranges_of(path: Path) -> list[tuple[int, int, int]]:
    with sqlite3.connect(path) as db:
        found = db.execute("SELECT box, first, last FROM ranges ORDER BY box, first").fetchall()
    db.close()
    return found


def parcels_of(sizes: list[int]) -> list[range]:
    ends = list(accumulate(sizes))
    return [range(end - size + 1, end + 1) for size, end in zip(sizes, ends, strict=True)]


def test_a_backlog_delivered_behind_live_rows_leaves_one_range_and_is_counted_once(path: Path) -> None:
    with open_store(url_of(path), writer=True) as store:
        for seqs in ([1, 2, 3, 4], [10, 11, 12], [5, 6, 7, 8, 9], [13]):
            store.commit(drive(seqs))
        assert ranges_of(path) == [(1, 1, 13)]
        assert store.ledger_sums().stored == 13
        assert list(store.incomplete()) == []


_SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=9)  # of parcels of a drive, one after the other


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_SIZES.map(parcels_of).flatmap(st.permutations), st.sets(st.integers(0, 8)), st.sets(st.integers(0, 8)))
def test_in_whatever_order_parcels_come_the_ranges_stay_apart_and_their_sum_is_the_ledgers(
    tmp_path_factory: pytest.TempPathFactory, parcels: list[range], lost: set[int], reopened: set[int]
) -> None:
    path, model = tmp_path_factory.mktemp("store") / "store.db", Ranges()
    store = open_store(url_of(path), writer=True)
    for turn, seqs in enumerate(parcels):
        if turn not in lost:
            store.commit(drive(seqs))
            model.add(seqs[0], seqs[-1])
        if turn in reopened:
            store.close()
            store = open_store(url_of(path), writer=True)
    with store:
        assert [(first, last) for _, first, last in ranges_of(path)] == list(model)
        assert store.ledger_sums().stored == sum(account.stored for account in store.ledger()) == model.count()


def test_an_older_file_whose_ranges_overlap_is_healed_when_it_is_opened(path: Path) -> None:
    db = connect(str(path), writer=True, migrations=MIGRATIONS[:2])
    overlapping = [(1, 1, 12), (1, 10, 13), (2, 1, 4), (2, 6, 9), (3, 2, 20), (3, 5, 6), (3, 21, 22), (3, 24, MAX_SEQ)]
    db.executemany("INSERT INTO ranges VALUES (?, ?, ?)", overlapping)
    db.close()
    open_store(url_of(path), writer=True).close()
    assert ranges_of(path) == [(1, 1, 13), (2, 1, 4), (2, 6, 9), (3, 2, 22), (3, 24, MAX_SEQ)]


@pytest.mark.parametrize("url", ["sqlite://host/x", "sqlite:///", "mysql://x/y", "store.db", ""])
def test_an_address_of_no_known_kind_says_what_is_wanted(url: str) -> None:
    with pytest.raises(StoreAddress, match="wanted sqlite:///"):
        open_store(url)


def test_reading_a_day_of_one_unit_touches_only_its_own_blocks(path: Path) -> None:
    with open_store(url_of(path), writer=True) as store:
        for unit in range(20):
            store.commit(drive(range(1, 200), unit=f"u-{unit}"))
        steps = 0

        def count() -> int:
            nonlocal steps
            steps += 1
            return 0

        store._db.set_progress_handler(count, 100)  # type: ignore[attr-defined]
        assert len(list(store.rows(unit="u-7", from_utc_ms=NOON, to_utc_ms=NOON + DAY))) == 199
        alone = steps
        store._db.set_progress_handler(None, 0)  # type: ignore[attr-defined]
        for unit in range(20, 100):
            store.commit(drive(range(1, 200), unit=f"u-{unit}"))
        steps = 0
        store._db.set_progress_handler(count, 100)  # type: ignore[attr-defined]
        assert len(list(store.rows(unit="u-7", from_utc_ms=NOON, to_utc_ms=NOON + DAY))) == 199
        assert steps < alone * 1.5  # five times the store, the same work

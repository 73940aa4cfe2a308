"""Whatever happens to the bytes of the file: rows that can be read come back under their keys, the others are named."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.disk import Disk
from edge.errors import OutboxCorrupt, OutboxFull
from edge.outbox import Outbox, OutboxReader
from tests.edge.outbox_ledger import Key, events, gone, missing, ranges, rows
from wire.encode import check
from wire.kinds import CLASS_ALARM, CLASS_TRACK, KIND_TRACK

LIMIT_BYTES = 16 << 20


def fill(outbox: Outbox, count: int, seed: int = 1) -> dict[Key, bytes]:
    some = random.Random(seed)
    accepted = {}
    for n in range(count):
        body = some.randbytes(some.choice((60, 110, 110, 110, 1500)))
        cls = CLASS_ALARM if n % 40 == 7 else CLASS_TRACK
        row_id = outbox.append(body, kind=KIND_TRACK, cls=cls, interval=n)
        accepted[outbox._writer.opened().ids.of(row_id)] = body
    return accepted


def filled(path: Path, count: int = 400) -> tuple[dict[Key, bytes], int]:
    """A closed outbox file with rows, some receipted; what was accepted and is not stored, and its outbox_id."""
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    accepted = fill(outbox, count)
    outbox.receipted(ranges((1, 50), (200, 220)))
    outbox.settle()
    name = outbox.outbox_id or 0
    outbox.close()
    return {key: body for key, body in accepted.items() if not (key[1] <= 50 or 200 <= key[1] <= 220)}, name


def set_aside(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir() if ".corrupt-" in file.name)


def flip(path: Path, offset: int, length: int = 64) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        some = file.read(length)
        file.seek(offset)
        file.write(bytes(byte ^ 0xA5 for byte in some))


def read_as_the_uplink_does(path: Path, outbox: Outbox) -> None:
    reader = OutboxReader(path, on_corrupt=outbox.suspect)
    with suppress(OutboxCorrupt):
        reader.above(0, 10_000)
    reader.close()
    outbox.settle()


@pytest.mark.parametrize("where", ["header", "schema", "middle", "end", "everywhere"])
def test_a_damaged_page_costs_its_own_rows_and_they_are_named(tmp_path: Path, where: str) -> None:
    path = tmp_path / "outbox.db"
    accepted, name = filled(path)
    size = path.stat().st_size
    places = {
        "header": [0],
        "schema": [100],
        "middle": [size // 2 // 1024 * 1024],
        "end": [size - 1024],
        "everywhere": list(range(0, size, 10 * 1024)),
    }
    for place in places[where]:
        flip(path, place)
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    later = fill(outbox, 5, seed=2)
    read_as_the_uplink_does(path, outbox)
    assert missing(path, accepted | later) == set()
    held = {(row.outbox_id, row.seq) for row in rows(path)}
    if where in ("header", "schema"):
        assert accepted.keys() <= held, "no row stands on that page"
    assert len(held & accepted.keys()) >= len(accepted) * 0.7
    assert all(key[0] == name for key in gone(path).get("corrupt", set())), "of the old outbox_id"
    if where in ("header", "schema", "everywhere"):  # else it may be one row's bytes only, and the file is sound
        assert outbox.outbox_id != name, "a new file, a new outbox_id"
        assert "outbox_salvaged" in [what for what, _ in events(path)]
        assert set_aside(path)
    assert outbox.last_interval == 4
    outbox.close()


def test_a_large_file_is_read_through_and_salvaged_while_somebody_feeds_for_main(tmp_path: Path) -> None:
    away: list[bool] = []
    seen: dict[str, bool] = {}

    class Card(Disk):
        """It notes whether somebody knew that main would be long."""

        def connect(self, path: Path) -> sqlite3.Connection:
            seen[path.name] = bool(away)
            connection = super().connect(path)
            connection.set_trace_callback(lambda sql: seen.setdefault(sql[:18], bool(away)))
            return connection

    @contextmanager
    def leave() -> Iterator[None]:
        away.append(True)
        try:
            yield
        finally:
            away.pop()

    path = tmp_path / "outbox.db"
    filled(path)
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES, disk=Card(), away=leave)
    assert seen.pop(path.name)
    with sqlite3.connect(path) as looking:
        (root,) = looking.execute("SELECT rootpage FROM sqlite_master WHERE name = 'by_class'").fetchone()
    looking.close()
    flip(path, (root - 1) * 1024)
    read_as_the_uplink_does(path, outbox)
    outbox.suspect()
    outbox.settle()
    assert set_aside(path)
    assert [seen[what] for what in ("PRAGMA quick_check", "outbox.db.salvaging", path.name)] == [True] * 3
    assert not away
    outbox.close()


def test_salvage_in_full_run_loses_nothing_it_can_read_and_append_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    reader = OutboxReader(path)
    accepted = fill(outbox, 300)
    outbox._writer.file.checkpoint()
    first, last = reader.newest_id() - 20, reader.newest_id()
    flip(path, path.stat().st_size - 1024)  # under the feet of both connections
    flip(path, 0, 100)
    flip(path.with_name("outbox.db-wal"), 0, 4096)
    flip(path.with_name("outbox.db-shm"), 0, 200)
    for n in range(30):
        accepted |= fill(outbox, 1, seed=n + 10)
        outbox.tick()
    outbox.suspect()
    outbox.settle()
    assert missing(path, accepted) == set()
    assert [row.id for row in reader.rows_of(ranges((first, last)))] != []
    reader.close()
    outbox.close()
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    assert missing(path, accepted) == set()
    outbox.close()


def test_damage_that_only_a_reader_meets_is_salvaged_too(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    accepted = fill(outbox, 600)
    outbox._writer.file.checkpoint()
    flip(path, 40 * 1024, 200)
    read_as_the_uplink_does(path, outbox)
    reader = OutboxReader(path)
    assert len(reader.above(0, 10_000)) >= 590
    assert gone(path)["corrupt"]
    assert missing(path, accepted) == set()
    reader.close()
    outbox.close()


def test_a_reader_that_never_pauses_sees_only_whole_rows_through_every_salvage(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    accepted, _ = filled(path)
    outbox, ended = Outbox(path, limit_bytes=LIMIT_BYTES), threading.Event()
    wrong: list[Key] = []
    rounds = [0]

    def read() -> None:
        reader = OutboxReader(path, on_corrupt=outbox.suspect)
        while not ended.is_set():
            with suppress(OutboxCorrupt, OutboxFull):  # the uplink tries again a second later
                for row in [*reader.above(0, 10_000), *reader.below(300, 60, 20_000), *reader.alarms(9)]:
                    wrong.extend({(row.outbox_id, row.seq)} if check(row.body) != row.check else ())
            rounds[0] += 1
        reader.close()

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for turn in range(4):
            flip(path, (path.stat().st_size // 1024 * (turn + 2) // 6) * 1024)
            accepted |= fill(outbox, 20, seed=turn)
            seen, until_s = rounds[0], time.monotonic() + 10
            while rounds[0] < seen + 3 and time.monotonic() < until_s:
                time.sleep(0.005)
            outbox.tick()
    finally:
        ended.set()
        thread.join()
    assert len(set_aside(path)) >= 2 and not wrong
    assert missing(path, accepted) == set()
    outbox.close()


def test_what_a_reader_suspects_is_looked_at_within_the_next_tick(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    filled(path)
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    flip(path, path.stat().st_size // 2048 * 1024)
    reader = OutboxReader(path, on_corrupt=outbox.suspect)
    with suppress(OutboxCorrupt):
        reader.above(0, 10_000)
    reader.close()
    outbox.tick()
    assert [name for name, _ in events(path)] == ["outbox_salvaged"]
    outbox.close()


def test_a_reader_that_closes_late_does_not_take_the_new_files_log_with_it(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    reader = OutboxReader(path)
    accepted = fill(outbox, 50)
    reader.newest_id()
    outbox._writer._salvage()
    accepted |= fill(outbox, 5, seed=2)
    assert reader._connection is not None
    reader._connection.close()
    assert path.with_name("outbox.db-wal").exists()
    reader._connection = None
    assert missing(path, accepted) == set()
    outbox.close()


@pytest.mark.parametrize("what", ["empty", "deleted", "no database", "cut", "another database"])
def test_an_outbox_whose_file_is_gone_is_named_as_lost(tmp_path: Path, what: str) -> None:
    path = tmp_path / "outbox.db"
    accepted, name = filled(path)
    if what == "empty":
        path.write_bytes(b"")
    elif what == "deleted":
        path.unlink()
    elif what == "no database":
        path.write_bytes(os.urandom(100_000))
    elif what == "cut":
        os.truncate(path, path.stat().st_size // 2 + 100)
    else:
        path.unlink()
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE notes (text)")
        other.close()
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    accepted |= fill(outbox, 3, seed=2)
    assert outbox.outbox_id != name
    assert missing(path, accepted) == set()
    outbox.close()


@pytest.mark.parametrize("log", [False, True])
def test_a_file_deleted_while_open_is_written_to_its_name_again_whole(tmp_path: Path, log: bool) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    reader = OutboxReader(path)
    accepted = fill(outbox, 100)
    reader.newest_id()
    name = outbox.outbox_id
    path.unlink()
    if log:
        path.with_name("outbox.db-wal").unlink()
    accepted |= fill(outbox, 1, seed=2)
    assert missing(path, accepted) == set()
    assert gone(path) == {}, "nothing was lost"
    assert outbox.outbox_id == name
    assert reader.newest_id() == 102, "the reader sees the new file"
    assert [what for what, _ in events(path)] == ["outbox_put_back"]
    reader.close()
    outbox.close()


def test_a_log_cut_short_by_a_dying_card_costs_only_what_stood_in_it(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    accepted = fill(outbox, 300)
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in path.parent.glob("outbox.db*"):
        shutil.copy(file, copy / file.name)
    outbox.close()
    log = copy / "outbox.db-wal"
    flip(log, log.stat().st_size // 2 + 300)
    outbox = Outbox(copy / "outbox.db", limit_bytes=LIMIT_BYTES)
    held = {(row.outbox_id, row.seq) for row in rows(copy / "outbox.db")}
    assert held <= accepted.keys()
    # SQLite takes what stands before the damage for all there is: the store sees the box's past overtaken by
    # its own receipts (high_seq), and the box opens a new outbox_id: keys are not used twice.
    outbox.open_new_outbox()
    fill(outbox, 3, seed=5)
    assert len({(row.outbox_id, row.seq) for row in rows(copy / "outbox.db")}) == len(held) + 3
    outbox.close()


def test_yesterdays_copy_put_back_names_what_today_is_lost_where_the_ids_beside_it_are_newer(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    yesterday = tmp_path / "yesterday.db"
    filled(path)
    shutil.copy(path, yesterday)
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    outbox.open_new_outbox()
    today = fill(outbox, 20, seed=3)
    outbox.close()
    shutil.copy(yesterday, path)
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    assert today.keys() <= gone(path)["corrupt"]
    outbox.close()


@settings(max_examples=60, deadline=None)
@given(
    damage=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 3000), st.integers(0, 255)), min_size=1, max_size=6),
    cut=st.one_of(st.none(), st.floats(0, 1)),
)
def test_no_damage_crashes_it_or_loses_a_row_unnamed(
    tmp_path_factory: pytest.TempPathFactory, damage: list[tuple[float, int, int]], cut: float | None
) -> None:
    path = tmp_path_factory.mktemp("damage") / "outbox.db"
    accepted, _ = filled(path, 250)
    size = path.stat().st_size
    with path.open("r+b") as file:
        for place, length, value in damage:
            file.seek(int(place * (size - 1)))
            file.write(bytes([value]) * min(length, size - file.tell()))
    if cut is not None:
        os.truncate(path, int(cut * size))
    outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
    try:
        reader = OutboxReader(path, on_corrupt=outbox.suspect)
        for n in range(3):
            accepted |= fill(outbox, 2, seed=n)
            with suppress(OutboxCorrupt):
                reader.above(0, 10_000)
                reader.alarms(100)
        outbox.settle()
        assert missing(path, accepted) == set()
        reader.close()
    finally:
        outbox.close()


TEXT = b"row %02d " * 6  # bytes that are also text: SQLite hands out what it takes for a text as one


@pytest.mark.slow
@pytest.mark.parametrize(("row", "open_now"), [(3, False), (3, True), (5, True)])  # of a track, and of an alarm
def test_a_flipped_bit_before_a_rows_bytes_crashes_nobody_and_costs_that_row_at_most(
    tmp_path: Path, row: int, open_now: bool
) -> None:
    """Its id, its size, and the types of its columns stand there: none of them is covered by the row's check."""
    for before in range(1, 18):
        for bit in range(8):
            path = tmp_path / f"{before} {bit}" / "outbox.db"
            path.parent.mkdir()
            outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
            accepted = {}
            for n in range(9):
                cls = CLASS_ALARM if n == 5 else CLASS_TRACK
                row_id = outbox.append(TEXT % ((n,) * 6), kind=KIND_TRACK, cls=cls)
                accepted[outbox._writer.opened().ids.of(row_id)] = TEXT % ((n,) * 6)
            if open_now:
                outbox._writer.file.checkpoint()
            else:
                outbox.close()
            flip_bit(path, path.read_bytes().rindex(TEXT % ((row,) * 6)) - before, bit)
            if not open_now:
                outbox = Outbox(path, limit_bytes=LIMIT_BYTES)
            reader = OutboxReader(path, on_corrupt=outbox.suspect)
            for ask in (
                lambda reader=reader: [reader.above(0, 99), reader.below(99, 99, 9999), reader.alarms(9)],
                lambda reader=reader: [reader.checks_of(ranges((1, 99))), reader.waiting(), reader.outboxes()],
            ):
                with suppress(OutboxCorrupt):
                    ask()
            reader.close()
            outbox.tick()
            outbox.append(b"the next", kind=KIND_TRACK, cls=CLASS_TRACK)
            assert missing(path, accepted) == set(), (before, bit)
            assert sum(stored.body.startswith(b"row") for stored in rows(path)) >= 7, (before, bit)
            outbox.close()


def flip_bit(path: Path, offset: int, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 1 << bit]))

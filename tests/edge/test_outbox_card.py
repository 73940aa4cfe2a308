"""A bad card under a running outbox: each row that append took is held, stored or named, after a power cut as well."""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import suppress
from random import Random

import pytest

from edge.errors import OutboxCorrupt, OutboxFull
from edge.outbox import Outbox, OutboxReader
from edge.sim.card import SimulatedCard
from tests.edge.outbox_ledger import Key, events, gone, missing, ranges, rows
from wire.encode import check
from wire.kinds import CLASS_ALARM, CLASS_TRACK, KIND_TRACK

LIMIT_BYTES = 4 << 20
LOG = "outbox.db-wal"


class Unit:
    """An outbox with its two sides, as a gps_unit uses it: main appends and ticks, the uplink reads."""

    def __init__(self, card: SimulatedCard) -> None:
        self.card = card
        self.path = card.directory / "outbox.db"
        self.luck = Random(4)
        self.accepted: dict[Key, bytes] = {}
        self.stored: set[Key] = set()
        self.refused: list[int | None] = []
        self.start()

    def start(self) -> None:
        self.outbox = Outbox(self.path, limit_bytes=LIMIT_BYTES)
        self.reader = OutboxReader(self.path, on_corrupt=self.outbox.suspect)

    def live(self, count: int) -> int:
        """That many records and looks of the uplink; how many records were taken."""
        taken = 0
        for n in range(count):
            body = self.luck.randbytes(self.luck.choice((40, 110, 110, 300)))
            try:
                row_id = self.outbox.append(body, kind=KIND_TRACK, cls=CLASS_ALARM if n % 20 == 3 else CLASS_TRACK)
            except (OutboxFull, OutboxCorrupt) as error:
                self.refused.append(error.errno)
            else:
                key = self.outbox._writer.opened().ids.of(row_id)
                assert key not in self.accepted, "a key given out twice"
                self.accepted[key] = body
                taken += 1
            self.outbox.tick()
            with suppress(OutboxFull, OutboxCorrupt):
                assert all(check(row.body) == row.check for row in self.reader.below(1 << 60, 10, 16_000))
        return taken

    def receipt(self, first: int, last: int) -> None:
        self.stored |= {(row.outbox_id, row.seq) for row in self.reader.rows_of(ranges((first, last)))}
        self.outbox.receipted(ranges((first, last)))

    def balance(self) -> None:
        """Now, after a power cut, and after another record."""
        assert missing(self.path, self.accepted, self.stored) == set()
        for seed in (1, 2):
            self.card.power_cut(Random(seed))
            self.stop()
            self.start()
            assert missing(self.path, self.accepted, self.stored) == set()
            assert self.live(3) == 3
            assert missing(self.path, self.accepted, self.stored) == set()

    def forget_pages(self) -> None:
        if (connection := self.outbox._writer.file.connection) is not None:
            connection.execute("PRAGMA shrink_memory").fetchall()

    def stop(self) -> None:
        self.reader.close()
        self.outbox.close()


@pytest.fixture
def unit(card: SimulatedCard) -> Unit:
    made = Unit(card)
    made.live(200)
    return made


@pytest.fixture(autouse=True)
def stopped(request: pytest.FixtureRequest) -> None:
    unit: Unit = request.getfixturevalue("unit")
    request.addfinalizer(unit.stop)


def test_full_takes_the_newest_and_receipts_make_room_first(unit: Unit) -> None:
    unit.card.fill(leave_bytes=6_000)
    unit.receipt(1, 120)
    assert unit.live(1_000) == 1_000
    assert gone(unit.path)["shed"], "the disk is as full as it is"
    assert max(unit.accepted) in {(row.outbox_id, row.seq) for row in rows(unit.path)}
    unit.card.free()
    assert unit.live(20) == 20
    unit.balance()


def test_full_to_the_last_byte_is_refused_or_shed_and_taken_again_when_there_is_room(unit: Unit) -> None:
    unit.card.fill()
    unit.live(100)
    assert set(unit.refused) <= {errno.ENOSPC}
    unit.card.free()
    assert unit.live(20) == 20
    unit.balance()


def test_read_only_is_refused_and_read_and_taken_again_when_it_can_be_written(unit: Unit) -> None:
    unit.card.remount_read_only()
    assert unit.live(20) == 0
    assert set(unit.refused) == {errno.EROFS}
    assert len(unit.reader.above(0, 1_000)) == 200, "what there is can be sent"
    unit.card.remount_read_write()
    assert unit.live(20) == 20
    assert ("outbox_refused", "read_only") in [(name, detail.get("fault")) for name, detail in events(unit.path)]
    unit.balance()


@pytest.mark.parametrize("name", [None, "outbox.db", LOG])
def test_writes_that_fail_are_refused_and_taken_again_when_it_is_mended(unit: Unit, name: str | None) -> None:
    unit.card.fail_writes(name)
    unit.live(300)  # the log is folded into the file now and then
    assert set(unit.refused) <= {errno.EIO}
    unit.card.mend()
    assert unit.live(20) == 20
    unit.balance()


def test_reads_that_fail_for_a_while_cost_nothing(unit: Unit) -> None:
    unit.card.fail_reads()
    unit.outbox.suspect()
    unit.live(20)
    unit.forget_pages()
    unit.outbox.suspect()
    unit.live(20)
    assert errno.EIO in unit.refused
    unit.card.mend()
    assert unit.live(20) == 20
    assert gone(unit.path) == {}, "what can not be read today may be read tomorrow"
    unit.balance()


@pytest.mark.parametrize("name", ["outbox.db", LOG])
@pytest.mark.parametrize("restarted", [True, False])
def test_a_bad_sector_costs_its_own_rows_and_they_are_named(unit: Unit, name: str, restarted: bool) -> None:
    """It can not be read for ever: whoever waits for it records nothing any more."""
    if name == "outbox.db":
        unit.outbox._writer.file.checkpoint()
    unit.card.bad_sector(name, (unit.card.directory / name).stat().st_size // 2)
    if restarted:
        unit.reader.close()
        unit.card.fail_writes()  # or closing would fold the log
        unit.outbox.close()
        unit.card.fail_writes(number=0)
        unit.start()
    with suppress(OutboxCorrupt, OutboxFull):
        unit.reader.above(0, 10_000)
    assert unit.live(30) == 30
    held = {(row.outbox_id, row.seq) for row in rows(unit.path)}
    assert len(held & unit.accepted.keys()) > len(unit.accepted) * 0.9
    unit.balance()


@pytest.mark.parametrize("name", ["outbox.db", LOG])
@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.parametrize("records", [1, 2, 150])  # with the last the log is folded meanwhile
def test_a_sync_that_failed_once_is_not_believed_when_it_succeeds_later(
    unit: Unit, name: str, watched: bool, records: int
) -> None:
    """Linux forgets what a failed fsync did not write, and tells the next one that all is well."""
    if not watched:  # else the uplink's connection keeps the log from being folded when main closes its own
        unit.reader.close()
    unit.card.lose_sync(name)
    for _ in range(records):
        row_id = None
        with suppress(OutboxFull):
            row_id = unit.outbox.append(b"x" * 300, kind=KIND_TRACK, cls=CLASS_TRACK)
        if row_id is not None:
            unit.accepted[unit.outbox._writer.opened().ids.of(row_id)] = b"x" * 300
    unit.balance()


def test_a_page_that_rots_in_full_run_costs_its_own_rows_and_they_are_named(unit: Unit) -> None:
    for turn in range(4):
        unit.outbox._writer.file.checkpoint()
        pages = unit.path.stat().st_size // 1024
        unit.card.corrupt_page("outbox.db", unit.luck.randrange(pages), unit.luck)
        with suppress(OutboxCorrupt, OutboxFull):
            unit.reader.above(0, 10_000)
        unit.live(30 + turn)
    held = {(row.outbox_id, row.seq) for row in rows(unit.path)}
    assert len(held & unit.accepted.keys()) > len(unit.accepted) * 0.6
    unit.balance()


@pytest.mark.parametrize("left", [0, 20, 0.3, 0.9])
@pytest.mark.parametrize("cached", [True, False])
def test_a_log_that_lost_its_end_under_the_running_box_is_named_or_held(unit: Unit, left: float, cached: bool) -> None:
    size = (unit.card.directory / LOG).stat().st_size
    unit.card.truncate(LOG, int(left * size) if left < 1 else int(left))
    if not cached:  # the writer is the one who meets it
        unit.forget_pages()
    assert unit.live(30) == 30
    assert "outbox_salvaged" in [name for name, _ in events(unit.path)]
    unit.balance()


def test_what_vanished_while_the_card_refused_is_named(unit: Unit) -> None:
    unit.card.fail_writes()
    unit.card.fail_reads("outbox.db")
    assert unit.live(1) == 0
    unit.reader.close()
    unit.card.truncate(LOG, 2_000)
    unit.card.mend()
    assert unit.live(5) == 5
    assert gone(unit.path)["corrupt"]
    unit.balance()


@pytest.mark.parametrize("names", [("outbox.db",), (LOG,), ("outbox.db", LOG), ("outbox.db", LOG, "outbox.db-shm")])
def test_files_deleted_while_open_are_written_again_and_survive_a_power_cut(unit: Unit, names: tuple[str, ...]) -> None:
    for name in names:
        unit.card.delete(name)
    assert unit.live(1) == 1
    assert gone(unit.path) == {}
    assert "outbox_put_back" in [name for name, _ in events(unit.path)]
    unit.balance()


@pytest.mark.parametrize(
    "fault",
    [
        lambda card: card.fill(),
        lambda card: card.remount_read_only(),
        lambda card: card.fail_writes(),
        lambda card: card.fail_writes(LOG),
    ],
    ids=["full", "read-only", "eio", "eio of the log"],
)
def test_power_goes_while_the_card_refuses(unit: Unit, fault: Callable[[SimulatedCard], None]) -> None:
    fault(unit.card)
    unit.live(10)
    unit.balance()

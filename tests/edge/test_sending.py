"""The sending rule with a fake clock: what goes out when, in which lane, and what a receipt may change."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_shelf import MemoryShelf
from scripted_centre import ScriptedCentre

from edge.packing import Stamps
from edge.receipts import Settled
from edge.sending import Limits, Outgoing, Sending
from edge.uplink import LONGEST_PAUSE_S
from wire.decode import decode_parcel
from wire.kinds import CLASS_ALARM, CLASS_BULKY
from wire.ranges import Ranges
from wire.receipt import decode_receipt

STAMPS = Stamps(session=1, boot_id=2, sent_boottime_ms=3)
LIFTED = Limits(bucket_bytes_per_s=None)


class Unit:
    """A unit whose clock a test moves; `midway` makes every draw the middle of its range."""

    def __init__(self, limits: Limits = LIFTED, shelf: MemoryShelf | None = None) -> None:
        self.now_s = 1_000.0
        self.shelf = shelf or MemoryShelf()
        self.sending = Sending(self.shelf, limits, uniform=lambda low, high: (low + high) / 2)

    def connect(self, *, bridge: bool = True) -> list[Outgoing]:
        self.sending.connected(self.now_s)
        if bridge:
            self.sending.heard_bridge("bridge-1", True, self.now_s)
        return self.out()

    def append(self, **what: int) -> int:
        row_id = self.shelf.append(**what)
        self.sending.appended()
        return row_id

    def out(self) -> list[Outgoing]:
        found = []
        while (parcel := self.sending.next_parcel(self.now_s)) is not None:
            found.append(parcel)
        return found

    def after(self, seconds: float) -> list[Outgoing]:
        """What goes out within these seconds, as the uplink's loop finds it: it turns only when something is due."""
        found, until_s = self.out(), self.now_s + seconds
        while self.now_s < until_s:
            due_s = max(self.sending.due_s(self.now_s), self.now_s + 0.01)
            self.now_s = min(until_s, self.now_s + LONGEST_PAUSE_S, due_s)
            found += self.out()
        return found

    def hear(self, receipt: bytes | None, *, delete: bool = True) -> Settled | None:
        if receipt is None:
            return None
        settled = self.sending.heard(decode_receipt(receipt), self.now_s)
        if delete:
            self.shelf.delete(settled.stored)
        return settled


def ids(parcels: list[Outgoing]) -> list[list[int]]:
    return [[row.id for row in parcel.packed.rows] for parcel in parcels]


def payload(parcel: Outgoing) -> bytes:
    return parcel.packed.payload(parcel.waiting_bytes, STAMPS)


@pytest.fixture
def unit() -> Unit:
    return Unit()


@pytest.fixture
def centre() -> ScriptedCentre:
    return ScriptedCentre()


# ---------------------------------------------------------------------- the live lane


def test_after_a_connect_the_newest_row_and_the_alarms_go_at_once_and_nothing_else(unit: Unit) -> None:
    for _ in range(5):
        unit.append()
    unit.append(cls=CLASS_ALARM)
    for _ in range(5):
        unit.append()
    sent = unit.connect()
    assert ids(sent) == [[6], [11]]
    assert not any(parcel.bulk for parcel in sent)
    assert unit.after(1.0) == []


def test_nothing_is_sent_before_a_connect_and_after_a_loss(unit: Unit) -> None:
    unit.append()
    assert unit.after(100.0) == []
    unit.connect()
    unit.sending.disconnected()
    unit.append(cls=CLASS_ALARM)
    assert unit.after(100.0) == []


def test_a_row_just_appended_goes_at_once_in_the_live_lane(unit: Unit) -> None:
    unit.connect()
    unit.append()
    (sent,) = unit.out()
    assert ids([sent]) == [[1]] and not sent.bulk and sent.packed.packed is None


def test_rows_appended_meanwhile_go_in_one_parcel_of_one_outbox(unit: Unit) -> None:
    unit.connect()
    unit.append()
    unit.append()
    unit.shelf.open_new_outbox(0xCAFE)
    unit.append()
    assert ids(unit.out()) == [[1, 2], [3]]


def test_a_live_parcel_stays_under_16_kb(unit: Unit) -> None:
    unit.connect()
    for _ in range(10):
        unit.append(size=4_000)
    sent = unit.out()
    assert sorted(i for parcel in ids(sent) for i in parcel) == list(range(1, 11))
    assert all(len(payload(parcel)) <= 16_000 for parcel in sent)


def test_snapshots_and_rows_larger_than_a_parcel_never_take_the_live_lane(unit: Unit) -> None:
    unit.connect()
    unit.append(cls=CLASS_BULKY)
    unit.append(size=20_000)
    unit.append()
    assert ids(unit.out()) == [[3]]


def test_what_a_stalled_link_left_behind_is_backlog_not_live(unit: Unit) -> None:
    unit.connect()
    for _ in range(200):
        unit.append()
    (sent,) = unit.out()
    assert [row.id for row in sent.packed.rows] == list(range(137, 201))


def test_a_live_row_without_a_receipt_waits_again_after_90_s_but_is_not_resent_live(unit: Unit) -> None:
    unit.connect()
    unit.append()
    unit.out()
    assert unit.after(89.0) == []
    unit.append()
    assert [ids([parcel]) for parcel in unit.out()] == [[[2]]]
    assert ids(unit.after(50.0)) == [[1]]  # what asks by itself carries a row that waits


def test_an_alarm_is_sent_again_with_growing_waits_until_its_receipt(unit: Unit, centre: ScriptedCentre) -> None:
    unit.connect()
    unit.append(cls=CLASS_ALARM)
    start_s, times = unit.now_s, []
    for _ in range(300):
        for parcel in unit.out():
            times.append(unit.now_s - start_s)
            last = parcel
        unit.now_s += 1.0
    gaps = [round(b - a) for a, b in pairwise(times)]
    assert gaps[:5] == [4, 6, 11, 21, 31]
    assert max(gaps) <= 60
    unit.hear(centre.take(payload(last)))
    assert unit.after(300.0) == []


@pytest.mark.parametrize("away, most", [(False, 150), (True, 2 * 75)])  # a probe a minute beside them when it is away
def test_a_hundred_alarms_without_a_receipt_go_on_in_one_parcel_and_a_new_one_as_fast_as_ever(
    away: bool, most: int
) -> None:
    unit = Unit()
    unit.sending = Sending(unit.shelf, LIFTED, uniform=Random(1).uniform)
    old = {unit.append(cls=CLASS_ALARM, size=75) for _ in range(99)}
    sent = unit.connect()
    unit.sending.heard_bridge("bridge-1", not away, unit.now_s)
    sent += unit.after(3_600.0)
    assert len(sent) <= most
    assert sum(set(ids([parcel])[0]) >= old for parcel in sent) >= 50, "all of them, again and again"
    new = unit.append(cls=CLASS_ALARM, size=75)
    at_s, times_s = unit.now_s, []
    while unit.now_s < at_s + 40.0:
        times_s += [unit.now_s - at_s] * sum(new in parcel for parcel in ids(unit.out()))
        unit.now_s += 0.1
    gaps_s = [b - a for a, b in pairwise(times_s)]
    assert times_s[0] == 0.0 and all(
        gap_s <= bound_s + 0.2 for gap_s, bound_s in zip(gaps_s, (5, 10, 20), strict=False)
    )
    assert len(gaps_s) >= 2


def test_bulky_alarms_go_on_in_parcels_of_16_kb_and_none_is_forgotten(unit: Unit) -> None:
    alarms = [unit.append(cls=CLASS_ALARM, size=4_000) for _ in range(10)]
    sent = unit.connect() + unit.after(600.0)
    assert all(len(payload(parcel)) <= 16_000 for parcel in sent)
    times = Counter(row_id for parcel in ids(sent) for row_id in parcel)
    assert all(15 <= times[row_id] <= 45 for row_id in alarms), times


def test_alarms_that_were_refused_three_times_go_alone_the_last_time(unit: Unit, centre: ScriptedCentre) -> None:
    for _ in range(4):
        unit.append(cls=CLASS_ALARM)
    centre.refuse(1, 2, 3, 4)
    sent, carried = unit.connect(), []
    for _ in range(200):
        for parcel in sent:
            carried += ids([parcel])
            unit.hear(centre.take(payload(parcel)))
        sent = unit.after(1.0)
    for row_id in (1, 2, 3, 4):
        assert [parcel for parcel in carried if row_id in parcel][3] == [row_id], carried


def test_more_alarms_than_are_watched_go_first_in_the_bulk_lane(unit: Unit, centre: ScriptedCentre) -> None:
    alarms = [unit.append(cls=CLASS_ALARM) for _ in range(150)]
    unit.append()
    unit.append()
    sent = unit.connect()
    assert sum(len(parcel) for parcel in ids(sent)) == 101
    unit.hear(centre.take(payload(sent[0])))
    first_bulk = next(parcel for parcel in unit.after(2.0) if parcel.bulk)
    carried = [row.id for row in first_bulk.packed.rows]
    assert carried == alarms[100 : 100 + len(carried)] and len(carried) > 20


# ---------------------------------------------------------------------- asking and the number


def test_a_live_parcel_asks_only_while_rows_wait_and_at_most_every_30_s(unit: Unit) -> None:
    unit.connect()
    unit.append()
    assert [parcel.waiting_bytes for parcel in unit.out()] == [0]
    unit.sending.disconnected()
    for _ in range(3):
        unit.append()
    asked = [parcel.waiting_bytes > 0 for parcel in unit.connect()]
    for _ in range(6):
        unit.now_s += 10.0
        unit.append()
        asked += [parcel.waiting_bytes > 0 for parcel in unit.out()]
    assert asked == [True, False, False, False, True, False, False]


def test_a_backlog_asks_by_itself_when_no_live_row_comes_to_carry_the_ask(unit: Unit) -> None:
    for _ in range(3):
        unit.append()
    unit.connect()
    sent = unit.after(60.0)
    assert len(sent) == 1 and sent[0].waiting_bytes > 0 and not sent[0].bulk


def test_nothing_asks_when_nothing_waits(unit: Unit, centre: ScriptedCentre) -> None:
    unit.connect()
    for _ in range(20):
        unit.append()
        (sent,) = unit.out()
        unit.hear(centre.take(payload(sent)), delete=False)  # receipted rows may lie in the outbox for seconds
        assert sent.waiting_bytes == 0
        assert unit.after(9.0) == []


def test_one_bulk_parcel_a_number_newest_to_oldest_without_what_is_in_flight(
    unit: Unit, centre: ScriptedCentre
) -> None:
    for _ in range(100):
        unit.append()
    (greeting,) = unit.connect()
    centre.number_ms = 5_000
    unit.hear(centre.take(payload(greeting)))
    assert unit.after(4.9) == []
    (bulk,) = unit.after(0.2)
    assert bulk.bulk and bulk.waiting_bytes > 0
    numbers = [row.id for row in bulk.packed.rows]
    assert numbers == list(range(numbers[0], 100)) and numbers[0] > 1
    assert unit.after(20.0) == []
    unit.hear(centre.take(payload(bulk)))
    (following,) = unit.after(5.0)
    assert [row.id for row in following.packed.rows][-1] == numbers[0] - 1


def test_the_last_bulk_parcel_asks_for_nothing(unit: Unit, centre: ScriptedCentre) -> None:
    for _ in range(3):
        unit.append()
    (greeting,) = unit.connect()
    unit.hear(centre.take(payload(greeting)))
    (bulk,) = unit.after(1.0)
    assert bulk.waiting_bytes == 0


def test_a_number_belongs_to_the_unit_and_survives_a_reconnect(unit: Unit, centre: ScriptedCentre) -> None:
    for _ in range(10):
        unit.append()
    (greeting,) = unit.connect()
    centre.number_ms = 8_000
    unit.hear(centre.take(payload(greeting)))
    unit.sending.disconnected()
    unit.now_s += 100.0
    assert [parcel.bulk for parcel in unit.connect()][-1]


def test_a_bulk_parcel_without_a_receipt_waits_again_after_30_s_for_another_number(
    unit: Unit, centre: ScriptedCentre
) -> None:
    for _ in range(10):
        unit.append()
    (greeting,) = unit.connect()
    unit.hear(centre.take(payload(greeting)))
    (bulk,) = unit.after(0.1)
    assert bulk.bulk
    again = unit.after(60.0)
    assert again and not any(parcel.bulk for parcel in again)
    unit.hear(centre.take(payload(again[-1])))
    (bulk_again,) = unit.after(0.1)
    assert {row.id for row in bulk_again.packed.rows} <= {row.id for row in bulk.packed.rows}


def test_the_bucket_holds_the_bulk_lane_to_its_rate(centre: ScriptedCentre) -> None:
    unit = Unit(Limits())
    for _ in range(4_000):
        unit.append(size=104)
    sent = unit.connect()
    start_s, bulk_bytes = unit.now_s, 0
    while unit.now_s < start_s + 20.0:
        for parcel in sent:
            bulk_bytes += len(payload(parcel)) if parcel.bulk else 0
            unit.sending.sent_bulk_in(16_000, 0.01)
            unit.hear(centre.take(payload(parcel)))
        sent = unit.after(0.1)
    assert bulk_bytes <= 32_000 + 20.5 * 16_000


def test_a_slowed_backlog_moves_on_and_live_rows_do_not_wait_for_it(centre: ScriptedCentre) -> None:
    unit, noise = Unit(Limits()), Random(1)
    for _ in range(2_000):
        unit.shelf.append(noise.randbytes(104))
    unit.sending.limit_backlog(5.0)
    sent, bulk_times_s, bulk_bytes = unit.connect(), [], 0
    start_s = unit.now_s
    while unit.now_s < start_s + 6 * 3_600.0:
        for parcel in sent:
            if parcel.bulk:
                bulk_times_s.append(unit.now_s - start_s)
                bulk_bytes += len(payload(parcel))
                unit.sending.sent_bulk_in(16_000, 0.01)
            unit.hear(centre.take(payload(parcel)))
        sent = unit.after(30.0)
    live = unit.append(size=50, cls=CLASS_ALARM)
    assert [live] in ids(unit.out())
    assert 32_000 < bulk_bytes <= 32_000 + 6.1 * 3_600 * 5 + 16_000
    assert bulk_times_s[-1] > 4 * 3_600


def test_a_bulk_parcel_is_at_most_half_a_second_of_the_uplink(unit: Unit, centre: ScriptedCentre) -> None:
    noise = Random(1)
    for _ in range(1_000):
        unit.shelf.append(noise.randbytes(104))
    (sent,) = unit.connect()
    for _ in range(8):  # an uplink of 6 kB/s
        unit.hear(centre.take(payload(sent)))
        (sent,) = unit.after(0.1)
        unit.sending.sent_bulk_in(len(payload(sent)), len(payload(sent)) / 6_000)
    assert 2_000 < len(payload(sent)) <= 3_000


def test_a_row_larger_than_a_parcel_goes_alone(unit: Unit, centre: ScriptedCentre) -> None:
    unit.append()
    big = unit.append(size=40_000, cls=CLASS_BULKY)
    unit.append()
    (greeting,) = unit.connect()
    unit.hear(centre.take(payload(greeting)))
    (bulk,) = unit.after(0.1)
    assert ids([bulk]) == [[big]]


# ---------------------------------------------------------------------- the bridge's state


def test_an_offline_bridge_gets_one_probe_a_minute_and_a_receipt_overrules_the_hint(
    unit: Unit, centre: ScriptedCentre
) -> None:
    unit.connect()
    unit.sending.heard_bridge("bridge-1", False, unit.now_s)
    unit.now_s += 6.0
    probes = []
    for _ in range(60):
        unit.append()
        probes += unit.after(10.0)
    assert 8 <= len(probes) <= 13
    unit.hear(centre.take(payload(probes[-1])))
    unit.append()
    assert [parcel.packed.rows[0].id for parcel in unit.out() if not parcel.bulk][-1] == unit.shelf.newest_id()


def test_no_bridge_state_at_all_counts_as_offline_after_a_grace(unit: Unit) -> None:
    unit.connect(bridge=False)
    unit.append()
    assert len(unit.out()) == 1
    unit.now_s += 6.0
    unit.append()
    assert unit.out() == []


def test_a_link_that_stalls_right_after_its_connect_does_not_keep_the_loop_spinning(unit: Unit) -> None:
    unit.append()
    unit.sending.connected(unit.now_s)
    unit.now_s += 6.0  # nothing could be handed over so long, and no bridge said that it is there
    unit.out()
    assert unit.sending.due_s(unit.now_s) > unit.now_s


def test_an_alarm_goes_out_whatever_the_bridge_is_said_to_be(unit: Unit) -> None:
    unit.connect()
    unit.sending.heard_bridge("bridge-1", False, unit.now_s)
    unit.now_s += 6.0
    unit.sending.disconnected()
    unit.append(cls=CLASS_ALARM)
    assert ids(unit.connect(bridge=False))[0] == [1]


def test_one_live_bridge_of_several_is_enough(unit: Unit) -> None:
    unit.connect()
    unit.sending.heard_bridge("bridge-2", False, unit.now_s)
    unit.now_s += 60.0
    unit.append()
    assert len(unit.out()) == 1


# ---------------------------------------------------------------------- receipts


def test_a_receipt_that_names_other_bytes_deletes_nothing(unit: Unit, centre: ScriptedCentre) -> None:
    unit.connect()
    unit.append()
    (sent,) = unit.out()
    centre.wrong_check()
    settled = unit.hear(centre.take(payload(sent)))
    assert settled is not None and not len(settled.stored)
    assert unit.sending.rejected["receipt_mismatch"] == 1


def test_a_receipt_counts_after_a_restart_from_what_the_outbox_has(unit: Unit, centre: ScriptedCentre) -> None:
    unit.connect()
    for _ in range(3):
        unit.append()
    (sent,) = unit.out()
    receipt = centre.take(payload(sent))
    restarted = Unit(shelf=unit.shelf)
    settled = restarted.hear(receipt)
    assert settled is not None and list(settled.stored) == [(1, 3)]


def test_a_range_with_rows_that_are_gone_deletes_nothing_and_is_counted(unit: Unit, centre: ScriptedCentre) -> None:
    unit.connect()
    for _ in range(3):
        unit.append()
    (sent,) = unit.out()
    receipt = centre.take(payload(sent))
    restarted = Unit(shelf=unit.shelf)
    restarted.shelf.delete(Ranges([(2, 2)]))
    settled = restarted.hear(receipt)
    assert settled is not None and not len(settled.stored)
    assert restarted.sending.rejected["receipt_partial"] == 1


@pytest.mark.parametrize(
    "outbox_id, first, reason", [(0xB0C5, 900, "receipt_beyond"), (0xBAD, 1, "receipt_unknown_outbox")]
)
def test_a_receipt_for_what_was_never_here_changes_nothing(
    unit: Unit, centre: ScriptedCentre, outbox_id: int, first: int, reason: str
) -> None:
    from wire.decode import encode_receipt

    unit.append()
    settled = unit.hear(encode_receipt(outbox_id, Ranges([(first, first)]), [0], utc_ms=1, store_id=1))
    assert settled is not None and not len(settled.stored)
    assert unit.sending.rejected[reason] == 1


def test_a_new_outbox_is_asked_for_once(unit: Unit, centre: ScriptedCentre) -> None:
    unit.connect()
    centre.new_outbox()
    asked = []
    for _ in range(3):
        unit.append()
        (sent,) = unit.out()
        settled = unit.hear(centre.take(payload(sent)))
        asked.append(settled is not None and settled.new_outbox)
    assert asked == [True, False, False]


def test_a_unit_overtaken_by_its_own_past_asks_for_a_new_outbox(unit: Unit) -> None:
    from wire.decode import encode_receipt

    unit.connect()
    unit.append()
    unit.out()
    nothing_named = encode_receipt(0xB0C5, Ranges(), [], utc_ms=1, store_id=1, high_seq=1)
    assert not unit.sending.heard(decode_receipt(nothing_named), unit.now_s).new_outbox
    unit.shelf.delete(Ranges([(1, 1)]))  # an empty outbox still knows how far it was
    assert not unit.sending.heard(decode_receipt(nothing_named), unit.now_s).new_outbox
    ahead = encode_receipt(0xB0C5, Ranges(), [], utc_ms=1, store_id=1, high_seq=500)
    assert unit.sending.heard(decode_receipt(ahead), unit.now_s).new_outbox


def test_a_row_refused_three_times_is_sent_alone_and_then_given_up(unit: Unit, centre: ScriptedCentre) -> None:
    for _ in range(5):
        unit.append()
    centre.refuse(3)
    sent, given_up, carried = unit.connect(), Ranges(), []
    for _ in range(600):
        for parcel in sent:
            carried += [ids([parcel])[0]] if 3 in ids([parcel])[0] else []
            settled = unit.hear(centre.take(payload(parcel)))
            if settled is not None:
                given_up = given_up.union(settled.refused)
        sent = unit.after(1.0)
    assert list(given_up) == [(3, 3)]
    assert len(carried) == 4 and carried[-1] == [3]
    assert {seq for _, seq in centre.stored} == {1, 2, 4, 5}


# ---------------------------------------------------------------------- properties


@settings(max_examples=150, deadline=None)
@given(sizes=st.lists(st.integers(1, 3_000), min_size=1, max_size=80), random=st.randoms(use_true_random=False))
def test_a_bulk_parcel_never_exceeds_its_limit_unless_it_is_one_row(sizes: list[int], random: Random) -> None:
    unit, centre = Unit(), ScriptedCentre()
    for size in sizes:
        unit.shelf.append(random.randbytes(size))
    unit.sending.appended()
    unit.sending.sent_bulk_in(100_000, 0.01)
    sent = unit.connect()
    for _ in range(200):
        for parcel in sent:
            assert len(payload(parcel)) <= 16_000 or len(parcel.packed.rows) == 1
            unit.hear(centre.take(payload(parcel)))
        sent = unit.after(1.0)
    assert not unit.shelf.rows


STEP = st.sampled_from(["append", "alarm", "wait", "long_wait", "drop", "lose_link", "restart", "new_outbox"])


@settings(max_examples=200, deadline=None)
@given(steps=st.lists(STEP, max_size=60))
def test_whatever_is_lost_on_the_way_every_row_is_stored_and_only_stored_rows_go(steps: list[str]) -> None:
    unit, centre, dropping = Unit(), ScriptedCentre(), False

    def exchange(parcels: list[Outgoing]) -> None:
        for index, parcel in enumerate(parcels):
            if dropping and index % 2 == 0:
                continue
            receipt = centre.take(payload(parcel))
            settled = None if dropping else unit.hear(receipt, delete=False)
            if settled is not None:
                for row in unit.shelf.rows_of(settled.stored):
                    assert centre.stored[row.outbox_id, row.seq] == row.body
                unit.shelf.delete(settled.stored)

    exchange(unit.connect())
    for step in steps:
        if step == "append":
            unit.append()
        elif step == "alarm":
            unit.append(cls=CLASS_ALARM)
        elif step in ("wait", "long_wait"):
            exchange(unit.after(3.0 if step == "wait" else 40.0))
        elif step == "drop":
            dropping = not dropping
        elif step == "lose_link":
            unit.sending.disconnected()
            exchange(unit.connect())
        elif step == "restart":
            before = unit
            unit = Unit(shelf=before.shelf)
            unit.now_s = before.now_s
            exchange(unit.connect())
        else:
            unit.shelf.open_new_outbox(0x1000 + len(unit.shelf.outboxes().opened))
        exchange(unit.out())
    dropping = False
    for _ in range(200):
        exchange(unit.after(3.0))
    assert not unit.shelf.rows


def test_a_parcel_carries_its_stamps_and_rows_ascending(unit: Unit) -> None:
    for _ in range(3):
        unit.append()
    unit.connect()
    unit.append()
    (sent,) = unit.out()
    parcel = decode_parcel(payload(sent))
    assert (parcel.session, parcel.boot_id, parcel.sent_boottime_ms) == (1, 2, 3)
    assert parcel.refused == [] and [row.seq for row in parcel.rows] == [4]

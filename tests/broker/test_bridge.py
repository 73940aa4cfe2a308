"""The bridge between a real broker and a real store: what is receipted is stored, and nothing kills it."""

from __future__ import annotations

import lzma
import queue
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from bridge_driver import RunningBridge, UnitVoice, row
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mqtt_client import MqttClient

from broker.calls import Calls
from broker.committer import LISTEN_LONG_S, LISTEN_S
from broker.downlink import Downlink
from broker.mosquitto import ThrowawayMosquitto
from broker.presence import Presence, read_presence
from broker.store import Arrival, Outcome, Store, StoreUnavailable, StoreVersion, open_store
from broker.store.sqlite import SqliteStore
from provisioning.throwaway import Authority
from wire import records_pb2
from wire.encode import event, parcel, reported, result
from wire.inputs import BY, CALL, SOS, SOS_ACKNOWLEDGED, TIMES
from wire.kinds import CLASS_ALARM, CLASS_STATUS, KIND_EVENT, KIND_REPORTED, KIND_RESULT, KIND_TRACK
from wire.ranges import Ranges

Connect = Callable[..., MqttClient]
MANY_OWED = 1_000  # receipts that take a while to leave


@pytest.fixture
def make_bridge(authority: Authority, mosquitto: ThrowawayMosquitto, tmp_path: Path) -> Callable[..., RunningBridge]:
    def make(**options: object) -> RunningBridge:
        return RunningBridge(authority, mosquitto, tmp_path / "centre", **options)  # type: ignore[arg-type]

    return make


@pytest.fixture
def unit(client: Connect) -> UnitVoice:
    return UnitVoice(client("ambulance-1"), "ambulance-1")


def stored(bridge: RunningBridge) -> dict[tuple[str, int, int], bytes]:
    with open_store(bridge.store_url) as store:
        return {(e.unit, e.outbox_id, e.seq): e.body for e in store.read_log(0, 10_000) if not e.conflict}


def eventually(claim: Callable[[], bool], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not claim():
        assert time.monotonic() < deadline, "did not come true"
        time.sleep(0.02)


def test_a_receipt_names_what_is_stored_and_says_whose_store(
    make_bridge: Callable[..., RunningBridge], unit: UnitVoice
) -> None:
    with make_bridge() as bridge:
        unit.bridge_is_online()
        rows = [row(1), row(2), row(5)]
        unit.send(rows, lane="bulk", waiting=1000)
        receipt = unit.receipt()
        assert stored(bridge) == {("ambulance-1", 77, one[0]): one[4] for one in rows}
        assert receipt.ranges == Ranges([(1, 2), (5, 5)])
        assert receipt.checks == [rows[0][3] ^ rows[1][3], rows[2][3]]
        assert receipt.bulk_after_ms == 0
        assert abs(receipt.utc_ms - time.time() * 1000) < 60_000
        with open_store(bridge.store_url) as store:
            assert receipt.store_id == store.store_id
        assert not receipt.new_outbox
        assert bridge.stop() == 0


def test_live_rows_are_gathered_and_an_alarm_goes_at_once(
    make_bridge: Callable[..., RunningBridge], unit: UnitVoice
) -> None:
    with make_bridge() as bridge:
        unit.bridge_is_online()
        unit.send([row(1)])
        eventually(lambda: len(stored(bridge)) == 1)
        with pytest.raises(queue.Empty):
            unit.receipt(patience_s=0.5)
        unit.send([row(2, cls=CLASS_ALARM, kind=KIND_EVENT)])
        assert unit.receipt().ranges == Ranges([(1, 2)])


def test_gathered_rows_are_receipted_when_the_time_is_over(
    make_bridge: Callable[..., RunningBridge], unit: UnitVoice
) -> None:
    with make_bridge(gather_s=0.5):
        unit.bridge_is_online()
        unit.send([row(1)])
        assert unit.receipt().ranges == Ranges([(1, 1)])


def test_the_first_parcel_of_a_session_is_answered_at_once(
    make_bridge: Callable[..., RunningBridge], unit: UnitVoice
) -> None:
    with make_bridge():
        unit.bridge_is_online()
        unit.send([row(1)], session=4)
        assert unit.receipt().ranges == Ranges([(1, 1)])


def test_a_stop_sends_the_receipts_it_owes_and_says_offline(
    make_bridge: Callable[..., RunningBridge], unit: UnitVoice
) -> None:
    with make_bridge() as bridge:
        unit.bridge_is_online()
        unit.send([row(1)])
        eventually(lambda: len(stored(bridge)) == 1)
        time.sleep(LISTEN_S)
        assert bridge.stop() == 0
        assert unit.receipt().ranges == Ranges([(1, 1)])
        assert unit.client.next(matching=lambda m: b'"online":false' in m.payload).topic.endswith("/state")


def test_offline_is_said_after_the_last_receipt_or_that_one_would_overrule_it(
    make_bridge: Callable[..., RunningBridge], unit: UnitVoice
) -> None:
    with make_bridge() as bridge:
        unit.bridge_is_online()
        for unit.outbox_id in range(1, MANY_OWED + 1):
            unit.send([row(1)])
        eventually(lambda: len(stored(bridge)) == MANY_OWED)
        time.sleep(LISTEN_S)
        assert bridge.stop() == 0
    owed = 0
    while b'"online":false' not in bytes((message := unit.client.next()).payload):
        owed += message.topic.endswith("/receipt")
    assert owed == MANY_OWED


def test_for_a_moment_after_connecting_all_is_stored_and_nothing_receipted(
    make_bridge: Callable[..., RunningBridge], unit: UnitVoice
) -> None:
    """Another bridge with another store may be heard then, to which this one yields: boxes must still have the rows."""
    with make_bridge() as bridge:
        unit.bridge_is_online()
        begun_s = time.monotonic()
        unit.send([row(1)], lane="bulk")
        eventually(lambda: len(stored(bridge)) == 1)
        stored_s = time.monotonic()
        assert unit.receipt().ranges == Ranges([(1, 1)])
        if stored_s - begun_s < LISTEN_S / 2:  # else the machine was too busy to see the difference
            assert time.monotonic() - begun_s > LISTEN_S / 2


def test_a_duplicate_is_receipted_again_and_stored_once(
    make_bridge: Callable[..., RunningBridge], unit: UnitVoice
) -> None:
    with make_bridge() as bridge:
        unit.bridge_is_online()
        for _ in range(2):
            unit.send([row(1)], lane="bulk")
            assert unit.receipt().ranges == Ranges([(1, 1)])
        assert len(stored(bridge)) == 1
        assert bridge.bridge.counters()["duplicate"] == 1


def test_other_bytes_under_the_same_key_are_kept_and_a_new_outbox_is_asked_for(
    make_bridge: Callable[..., RunningBridge], unit: UnitVoice
) -> None:
    with make_bridge() as bridge:
        unit.bridge_is_online()
        unit.send([row(1, b"mine")], lane="bulk")
        assert not unit.receipt().new_outbox
        other = row(1, b"my clone's")
        unit.send([other], lane="bulk")
        receipt = unit.receipt()
        assert receipt.new_outbox
        assert receipt.checks == [other[3]]
        with open_store(bridge.store_url) as store:
            assert sorted(entry.body for entry in store.read_log(0, 10)) == [b"mine", b"my clone's"]


def test_a_unit_from_the_past_is_told_what_is_already_here(
    make_bridge: Callable[..., RunningBridge], unit: UnitVoice
) -> None:
    with make_bridge():
        unit.bridge_is_online()
        unit.send([row(500)], lane="bulk")
        assert unit.receipt().high_seq == 0
        unit.send([row(7)], lane="bulk")
        assert unit.receipt().high_seq == 500


def test_a_row_whose_check_does_not_hold_is_refused_by_its_seq(
    make_bridge: Callable[..., RunningBridge], unit: UnitVoice
) -> None:
    with make_bridge() as bridge:
        unit.bridge_is_online()
        seq, cls, kind, check, body = row(2)
        unit.send([row(1), (seq, cls, kind, check ^ 1, body)])
        receipt = unit.receipt()
        assert receipt.refused == [2]
        assert receipt.ranges == Ranges([(1, 1)])
        assert set(stored(bridge)) == {("ambulance-1", 77, 1)}


def bomb() -> bytes:
    """A hundred megabytes of rows in some kilobytes."""
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16, "lc": 1, "lp": 0, "pb": 0}]
    packed = lzma.compress(bytes(100 << 20), lzma.FORMAT_RAW, filters=filters)
    assert len(packed) < 64_000
    return records_pb2.Parcel(outbox_id=1, packed_rows=packed).SerializeToString()


def largest_numbers() -> bytes:
    """Every field as large as it goes: 64 bits unsigned do not fit into SQLite's integers."""
    rows = records_pb2.Row(seq_step=2**63 - 1, cls=2**31 - 1, kind=2**31 - 1, check=zlib.crc32(b"x"), body=b"x")  # type: ignore[arg-type]
    message = records_pb2.Parcel(
        outbox_id=2**32 - 1, rows=[rows], waiting_bytes=2**64 - 1, session=2**32 - 1, boot_id=2**64 - 1,
        sent_boottime_ms=2**64 - 1,
    )  # fmt: skip
    return message.SerializeToString()


@pytest.mark.parametrize(
    "poison", [b"", b"\xff" * 100, bomb(), largest_numbers(), bytes(10_000), b'{"json": true}'],
    ids=["empty", "noise", "bomb", "largest numbers", "zeros", "json"],
)  # fmt: skip
def test_poison_is_counted_and_the_next_parcel_is_stored(
    make_bridge: Callable[..., RunningBridge], unit: UnitVoice, poison: bytes
) -> None:
    with make_bridge() as bridge:
        unit.bridge_is_online()
        for lane in ("up", "bulk"):
            unit.send_bytes(poison, lane=lane)
        unit.send([row(1)], lane="bulk")
        while 1 not in unit.receipt().ranges:
            pass
        assert ("ambulance-1", 77, 1) in stored(bridge)
        assert bridge.stop() == 0


EDGES = st.sampled_from([0, 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1])
PLACES = st.sampled_from([None, 0, -(2**31), 2**31 - 1])
WORDS = st.text(max_size=5) | EDGES.map(str)
SAID = (  # (class, kind, body) of what the desk reads
    st.builds(reported, at=st.just((1, 0, 0)), version=EDGES, json=WORDS).map(
        lambda body: (CLASS_STATUS, KIND_REPORTED, body)
    )
    | st.builds(result, at=st.just((1, 0, 0)), command_id=WORDS, ok=st.booleans(), detail=WORDS).map(
        lambda body: (CLASS_STATUS, KIND_RESULT, body)
    )
    | st.builds(
        event, at=st.just((1, 0, 0)), name=st.sampled_from([SOS, SOS_ACKNOWLEDGED]), lat_e7=PLACES, lon_e7=PLACES,
        detail=st.fixed_dictionaries({CALL: WORDS, TIMES: WORDS, BY: WORDS}),
    ).map(lambda body: (CLASS_ALARM, KIND_EVENT, body))
)  # fmt: skip


def test_any_bytes_leave_the_bridge_alive(make_bridge: Callable[..., RunningBridge], unit: UnitVoice) -> None:
    good = parcel(9, [row(seq) for seq in range(1, 5)], waiting_bytes=5, session=3)

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.binary(max_size=200)
        | st.tuples(st.integers(0, len(good) - 1), st.binary(min_size=1, max_size=4)).map(
            lambda cut: good[: cut[0]] + cut[1] + good[cut[0] + len(cut[1]) :]
        )
        | SAID.map(lambda said: parcel(9, [row(9, said[2], cls=said[0], kind=said[1])])),
        st.sampled_from(["up", "bulk", "birth"]),
    )
    def send(payload: bytes, lane: str) -> None:
        unit.send_bytes(payload, lane=lane)

    with make_bridge() as bridge:
        unit.bridge_is_online()
        send()
        unit.send([row(1)], lane="bulk")
        while (receipt := unit.receipt()).outbox_id != 77:
            pass
        assert 1 in receipt.ranges
        assert bridge.stop() == 0
        assert "faulty_notes" not in read_presence(bridge.settings.presence_path)[1]


def test_a_reserved_name_is_no_unit(
    make_bridge: Callable[..., RunningBridge], client: Connect, unit: UnitVoice
) -> None:
    with make_bridge() as bridge:
        unit.bridge_is_online()
        # A consumer that the access list does not name falls under the units' patterns there, but not here.
        client("city-unnamed").publish("pantau/v1/city-unnamed/up", parcel(1, [row(1)]))
        eventually(lambda: bridge.bridge.counters().get("refused_topic") == 1)
        assert stored(bridge) == {}


class SlowStore(SqliteStore):
    """A store whose disk takes its time: the seam of overload tests."""

    def __init__(self, path: str, *, row_s: float) -> None:
        super().__init__(path, writer=True)
        self.row_s = row_s
        self.asked = 0
        self.hangs = threading.Event()
        self.fails = threading.Event()

    def commit(self, arrivals: Sequence[Arrival]) -> list[Outcome]:
        self.asked += 1
        if self.fails.is_set():
            raise StoreUnavailable("disk I/O error")
        while self.hangs.is_set():
            time.sleep(0.01)
        time.sleep(self.row_s * len(arrivals))
        return super().commit(arrivals)


@pytest.fixture
def slow(make_bridge: Callable[..., RunningBridge], tmp_path: Path) -> tuple[RunningBridge, Callable[[], SlowStore]]:
    opened: list[SlowStore] = []

    def open_it() -> Store:
        opened.append(SlowStore(str(tmp_path / "centre" / "store.db"), row_s=0.0))
        return opened[-1]

    return make_bridge(open_it=open_it, gather_s=0.2), lambda: opened[-1]


def test_a_store_that_fails_costs_no_row_and_no_process(
    slow: tuple[RunningBridge, Callable[[], SlowStore]], unit: UnitVoice
) -> None:
    bridge, store = slow
    with bridge:
        unit.bridge_is_online()
        store().fails.set()
        unit.send([row(1)], lane="bulk")
        eventually(lambda: bridge.bridge.counters().get("store_unavailable", 0) >= 1)
        with pytest.raises(queue.Empty):
            unit.receipt(patience_s=0.3)
        store().fails.clear()
        assert unit.receipt().ranges == Ranges([(1, 1)])
        assert bridge.stop() == 0


def test_while_the_store_hangs_the_bridge_reads_on_drops_beyond_its_bounds_and_receipts_nothing(
    slow: tuple[RunningBridge, Callable[[], SlowStore]], unit: UnitVoice
) -> None:
    bridge, store = slow
    with bridge:
        unit.bridge_is_online()
        store().hangs.set()
        for seq in range(1, 301):
            unit.send([row(seq, bytes(16_000))], lane="bulk")
        eventually(lambda: bridge.bridge.counters()["dropped_bulk"] > 0)
        unit.client.publish(f"pantau/v1/{unit.name}/birth", b'{"online":true,"session":3}', qos=1, retain=True)
        eventually(lambda: [u.online for u in read_presence(bridge.settings.presence_path)[0]] == [True])
        store().hangs.clear()
        confirmed = Ranges()
        while confirmed.count() < 300 - bridge.bridge.counters()["dropped_bulk"]:
            for first, last in unit.receipt().ranges:
                confirmed.add(first, last)
        assert {seq for _, _, seq in stored(bridge)} == {s for a, b in confirmed for s in range(a, b + 1)}


def test_a_stop_does_not_wait_for_a_store_that_hangs_and_receipts_nothing_of_it(
    slow: tuple[RunningBridge, Callable[[], SlowStore]], unit: UnitVoice
) -> None:
    bridge, store = slow
    with bridge:
        unit.bridge_is_online()
        store().hangs.set()
        unit.send([row(1)], lane="bulk")
        eventually(lambda: not bridge.bridge.counters().get("groups") and store().asked > 0)
        bridge.ask_to_stop()
        try:
            assert bridge.ended(5.0) == 1
            assert bridge.bridge.stuck
        finally:
            store().hangs.clear()
        assert unit.client.next(matching=lambda m: b'"online":false' in m.payload)
        assert not [topic for topic, _ in unit.client.heard() if topic.endswith("/receipt")]


def test_live_rows_overtake_a_backlog_of_many_seconds(
    slow: tuple[RunningBridge, Callable[[], SlowStore]], unit: UnitVoice
) -> None:
    bridge, store = slow
    with bridge:
        unit.bridge_is_online()
        store().row_s = 0.005
        for index in range(20, 23):  # the bridge has learnt how slow its store is
            unit.send([row(100 * index + n, bytes(100)) for n in range(1, 21)], lane="bulk")
            unit.receipt()
        backlog = [row(seq, bytes(100)) for seq in range(1, 101)]
        for index in range(10):  # 5 s of work
            unit.send([(seq + 100 * index, *rest) for seq, *rest in backlog], lane="bulk")  # type: ignore[misc]
        unit.send([row(5000, cls=CLASS_ALARM)])
        told = Ranges()
        while 5000 not in told:
            for first, last in unit.receipt().ranges:
                told.add(first, last)
        assert told.count() < 600, "behind most of the backlog"
        store().row_s = 0.0


def test_numbers_follow_the_speed_of_the_store(
    slow: tuple[RunningBridge, Callable[[], SlowStore]], unit: UnitVoice
) -> None:
    bridge, store = slow
    with bridge:
        unit.bridge_is_online()
        store().row_s = 0.002
        for index in range(40):  # each 20 rows of 100 B: 40 ms of work for about 2,300 bytes
            unit.send([row(20 * index + n, bytes(100)) for n in range(1, 21)], lane="bulk", waiting=16_384)
            asked = unit.receipt()
        assert asked.bulk_after_ms is not None
        assert asked.bulk_after_ms > 1000, "40 asks of 16 kB at some 17 us a byte are seconds ahead of the clock"


def test_a_second_bridge_on_the_same_store_ends_itself(
    make_bridge: Callable[..., RunningBridge], unit: UnitVoice
) -> None:
    with make_bridge() as first:
        unit.bridge_is_online()
        with make_bridge() as second:
            assert second.ended() == 1
        unit.send([row(1)], lane="bulk")
        assert unit.receipt().ranges == Ranges([(1, 1)])
        assert first.stop() == 0


def test_a_store_of_a_newer_pantau_is_a_matter_for_a_person(
    make_bridge: Callable[..., RunningBridge],
) -> None:
    def open_it() -> Store:
        raise StoreVersion("version 99")

    with make_bridge(open_it=open_it) as bridge:
        assert bridge.ended() == 78


def test_after_a_broker_restart_the_bridge_is_back_and_says_so(
    make_bridge: Callable[..., RunningBridge],
    mosquitto: ThrowawayMosquitto,
    client: Connect,
    unit: UnitVoice,
) -> None:
    with make_bridge():
        unit.bridge_is_online()
        mosquitto.kill()
        mosquitto.start()
        back = UnitVoice(client("ambulance-2"), "ambulance-2")
        back.bridge_is_online()
        deadline = time.monotonic() + 10
        while True:  # the receipts connection may need a moment longer: then the receipt is lost, and asked for again
            back.send([row(1)], lane="bulk")
            try:
                assert back.receipt(patience_s=1.0).ranges == Ranges([(1, 1)])
                break
            except queue.Empty:
                assert time.monotonic() < deadline


def test_the_will_of_a_killed_connection_says_offline_and_a_foreign_word_is_overruled(
    make_bridge: Callable[..., RunningBridge], client: Connect, unit: UnitVoice
) -> None:
    with make_bridge():
        unit.bridge_is_online()
        intruder = client("bridge-1", will=("pantau/v1/bridge/bridge-1/state", b'{"online":false}'))
        intruder.vanish()  # it had taken the bridge's name: the bridge is thrown out, comes back, and says so
        unit.client.next(matching=lambda m: bytes(m.payload) == b'{"online":false}')
        unit.bridge_is_online()


def test_the_later_of_two_bridges_with_different_stores_exits_78(
    authority: Authority, mosquitto: ThrowawayMosquitto, tmp_path: Path, unit: UnitVoice
) -> None:
    with RunningBridge(authority, mosquitto, tmp_path / "first") as first:
        unit.bridge_is_online()
        # The access list names one bridge: the second comes under the same name, and throws the first one out.
        with RunningBridge(authority, mosquitto, tmp_path / "second") as second:
            assert second.ended() == 78
        unit.send([row(1)], lane="bulk")
        assert first.ended(0.0) is None


def test_a_bridge_that_finds_an_elder_ones_last_word_of_another_store_receipts_nothing_for_long(
    make_bridge: Callable[..., RunningBridge], client: Connect, unit: UnitVoice
) -> None:
    """The elder may be alive, cut off by this one, and take seconds to come back; its boxes need their rows then."""
    client("bridge-1", will=("pantau/v1/bridge/bridge-1/state", b'{"online":false,"session":1,"store_id":7}')).vanish()
    with make_bridge() as bridge:
        unit.bridge_is_online()
        unit.send([row(1)], lane="bulk")
        eventually(lambda: len(stored(bridge)) == 1)
        silent_s = bridge.bridge._committer.silent_until_s - time.monotonic()
        assert LISTEN_LONG_S / 2 < silent_s <= LISTEN_LONG_S
        assert bridge.bridge.counters().get("receipts", 0) == 0


def test_presence_is_written_for_the_watcher(
    make_bridge: Callable[..., RunningBridge], client: Connect, unit: UnitVoice
) -> None:
    will = ("pantau/v1/fire-9/birth", b'{"online":false,"session":12,"outbox_id":5}')
    fire = client("fire-9", will=will)
    with make_bridge() as bridge:
        unit.bridge_is_online()

        def of(name: str) -> Presence | None:
            return next((u for u in read_presence(bridge.settings.presence_path)[0] if u.unit == name), None)

        birth = b'{"online":true,"session":12,"firmware":"1.2.3","outbox_id":5}'
        fire.publish("pantau/v1/fire-9/birth", birth, qos=1, retain=True)
        fire.publish("pantau/v1/fire-9/up", parcel(5, [row(1)], waiting_bytes=4321, session=12))

        def is_there() -> bool:
            there = of("fire-9")
            return there is not None and there.online and there.waiting_bytes == 4321 and there.firmware == "1.2.3"

        eventually(is_there)
        fire.vanish()
        eventually(lambda: (gone := of("fire-9")) is not None and not gone.online)


def test_desired_configuration_is_retained_and_comes_back_with_the_broker(
    make_bridge: Callable[..., RunningBridge], mosquitto: ThrowawayMosquitto, client: Connect, unit: UnitVoice
) -> None:
    with make_bridge() as bridge:
        unit.bridge_is_online()
        with Downlink(bridge.settings.downlink_path) as downlink:
            assert downlink.desire("ambulance-1", {"interval_s": 5}).version == 1
            assert downlink.desire("ambulance-1", {"interval_s": 20}).version == 2
            downlink.desire("ambulance-2", {"interval_s": 7})

        def wanted(voice: UnitVoice) -> bytes:
            return bytes(voice.client.next(matching=lambda m: m.topic.endswith("/down/desired")).payload)

        while wanted(unit) != b'{"version":2,"desired":{"interval_s":20}}':
            pass
        mosquitto.kill()
        mosquitto.start()
        again = wanted(UnitVoice(client("ambulance-2"), "ambulance-2"))
        assert again == b'{"version":1,"desired":{"interval_s":7}}'


def test_a_command_is_sent_at_each_birth_until_its_result_is_stored(
    make_bridge: Callable[..., RunningBridge], unit: UnitVoice
) -> None:
    with make_bridge() as bridge, Downlink(bridge.settings.downlink_path) as downlink:
        unit.bridge_is_online()
        in_an_hour_ms = int(time.time() * 1000) + 3_600_000
        order = downlink.order(unit.name, "snapshot", {"camera": "north"}, expires_utc_ms=in_an_hour_ms)
        downlink.order(unit.name, "late", {}, expires_utc_ms=1)
        for session in (1, 2):
            birth = b'{"online":true,"session":%d}' % session
            unit.client.publish(f"pantau/v1/{unit.name}/birth", birth, qos=1, retain=True)
            command = unit.client.next(matching=lambda m: m.topic.endswith("/down/command"))
            assert bytes(command.payload) == order.encode()
        body = result(at=(in_an_hour_ms, 0, 0), command_id=order.id, ok=True, detail="")
        unit.send([row(1, body, cls=CLASS_STATUS, kind=KIND_RESULT)], lane="bulk")
        unit.receipt()
        eventually(lambda: downlink.open_commands(in_an_hour_ms - 1000) == [])


def test_what_a_killed_bridge_stored_and_did_not_write_down_is_written_when_the_box_sends_again(
    make_bridge: Callable[..., RunningBridge], unit: UnitVoice
) -> None:
    bridge, now_ms = make_bridge(), int(time.time() * 1000)
    at = (now_ms, 0, 0)
    with Downlink(bridge.settings.downlink_path) as downlink, Calls(bridge.settings.downlink_path) as calls:
        order = downlink.order(unit.name, "ping", {}, expires_utc_ms=now_ms + 3_600_000)
        rows = [
            row(1, result(at=at, command_id=order.id, ok=True, detail="pong"), cls=CLASS_STATUS, kind=KIND_RESULT),
            row(2, reported(at=at, version=3, json="{}"), cls=CLASS_STATUS, kind=KIND_REPORTED),
            row(3, event(at=at, name=SOS, detail={CALL: "help", TIMES: "1"}), cls=CLASS_ALARM, kind=KIND_EVENT),
        ]
        with open_store(bridge.store_url, writer=True) as store:  # all that a bridge killed after the commit has left
            store.commit(
                [
                    Arrival(unit.name, 77, seq, cls, kind, body, now_ms, 1, None, None)
                    for seq, cls, kind, _, body in rows
                ]
            )
        with bridge:
            unit.bridge_is_online()
            unit.send(rows, lane="bulk")
            eventually(lambda: downlink.open_commands(now_ms) == [])
            answer = downlink.answer(order.id)
            assert answer is not None and (answer.ok, answer.detail) == (True, "pong")
            eventually(lambda: downlink.report(unit.name) is not None)
            assert [(call.unit, call.call) for call in calls.listed()] == [(unit.name, "help")]


def test_what_the_last_commit_stored_is_written_down_before_the_bridge_ends(
    slow: tuple[RunningBridge, Callable[[], SlowStore]], unit: UnitVoice
) -> None:
    bridge, store = slow
    now_ms = int(time.time() * 1000)
    with bridge, Downlink(bridge.settings.downlink_path) as downlink:
        unit.bridge_is_online()
        order = downlink.order(unit.name, "ping", {}, expires_utc_ms=now_ms + 3_600_000)
        store().hangs.set()
        body = result(at=(now_ms, 0, 0), command_id=order.id, ok=True, detail="pong")
        unit.send([row(1, body, cls=CLASS_STATUS, kind=KIND_RESULT)], lane="bulk")
        eventually(lambda: store().asked > 0)
        bridge.ask_to_stop()
        time.sleep(0.5)  # the desk has long heard of it
        store().hangs.clear()
        assert bridge.ended() == 0
        assert downlink.answer(order.id) is not None


def test_an_undecodable_body_is_stored_and_receipted(
    make_bridge: Callable[..., RunningBridge], unit: UnitVoice
) -> None:
    with make_bridge() as bridge:
        unit.bridge_is_online()
        unit.send([row(1, b"\xff\xff", kind=KIND_TRACK), row(2, b"from the future", kind=200)], lane="bulk")
        assert unit.receipt().ranges == Ranges([(1, 2)])
        assert bridge.bridge.counters()["undecoded"] == 2

"""The committed log reaches consumers whole and in order, whoever is killed; a state is only ever the newest."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from entries import NOON_MS, fix
from mqtt_client import MqttClient
from schemas import check

from broker.assets import Assignment
from broker.mosquitto import ThrowawayMosquitto
from broker.mqtt import Endpoint
from broker.outlet import CURSOR_TOPIC
from broker.published import RECORD, Published
from broker.publisher import CURSOR_NAME, Publisher
from broker.store import Arrival, Store, open_store
from provisioning.throwaway import Authority
from running.paho_loop import stop_loop
from wire import encode
from wire.columns import encode_track
from wire.kinds import KIND_CAMERA, KIND_EVENT, KIND_HEALTH, KIND_TRACK

STATE = "city/v1/fire/engine-3/state"
TRACK = "city/v1/fire/engine-3/track"
HELD = Assignment(unit="box-7", asset="engine-3", agency="fire", kind="fire-engine", from_utc_ms=0, to_utc_ms=None)
PATIENCE_S = 60.0
SCRIPT = Path(__file__).with_name("publisher_process.py")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/central.db"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """The bridge's side of the store, with box-7 in engine-3."""
    with open_store(url, writer=True) as writer:
        writer.set_assignments([HELD])
        yield writer


@pytest.fixture
def endpoint(authority: Authority, mosquitto: ThrowawayMosquitto) -> Endpoint:
    mine = authority.ensure("bridge-publisher", "publisher")
    return Endpoint(
        host=mosquitto.host,
        port=mosquitto.port,
        ca_path=mine.ca_path,
        certificate_path=mine.certificate_path,
        key_path=mine.key_path,
    )


@contextmanager
def publishing(url: str, endpoint: Endpoint) -> Iterator[Published]:
    """A publisher at work in a thread, stopped cleanly at the end; what it counts."""
    stop, told = threading.Event(), Published()

    def work() -> None:
        with open_store(url) as store:
            Publisher(store, endpoint, utc_ms=lambda: NOON_MS, told=told).run(stop)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield told
    finally:
        stop.set()
        thread.join(10.0)


def track(seq: int, at_ms: int, *, unit: str = "box-7", east: int = 0, outbox_id: int = 7) -> Arrival:
    body = encode_track([fix(at_ms, east=east)])
    return Arrival(unit, outbox_id, seq, 0, KIND_TRACK, body, NOON_MS)


def of_kind(seq: int, kind: int, body: bytes) -> Arrival:
    return Arrival("box-7", 7, seq, 0, kind, body, NOON_MS)


def is_on(topic: str) -> Callable[[Any], bool]:
    return lambda message: message.topic == topic


def next_state(consumer: MqttClient, says: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
    """The next state of engine-3 that says so, held to its schema."""
    while True:
        content = check("state", consumer.next(matching=is_on(STATE)).payload)
        if says(content):
            return content


def records(consumer: MqttClient, last_log_id: int, after: int = 0) -> list[dict[str, Any]]:
    """Every record heard until each from the one after `after` to the last has come, each held to its schema."""
    heard: list[dict[str, Any]] = []
    missing = set(range(after + 1, last_log_id + 1))
    until_s = time.monotonic() + PATIENCE_S
    while missing:
        assert time.monotonic() < until_s, f"only the same again: {sorted(missing)[:5]} never come"
        message = consumer.next()
        stream = message.topic.rpartition("/")[2]
        if stream in ("track", "event", "health"):
            heard.append({**check(stream, message.payload), "topic": message.topic})
            missing.discard(heard[-1]["log_id"])
    return heard


def test_every_record_reaches_a_consumer_once_in_order_and_chained(
    url: str, store: Store, endpoint: Endpoint, client: Callable[..., MqttClient]
) -> None:
    consumer = client("city-centre")
    consumer.subscribe("city/v1/#")
    at = (NOON_MS, 0, 0)
    with publishing(url, endpoint):
        for seq in range(1, 301, 3):
            store.commit(
                [
                    track(seq, NOON_MS - 400_000 + seq * 1_000),
                    of_kind(seq + 1, KIND_EVENT, encode.event(at=at, name="ignition_on")),
                    of_kind(seq + 2, KIND_HEALTH, encode.health(at=at, rows=seq)),
                ]
            )
        heard = records(consumer, store.last_log_id())
    for stream in ("track", "event", "health"):
        chain = [record for record in heard if record["topic"].endswith(stream)]
        assert len(chain) == 100
        assert [record["prev_log_id"] for record in chain] == [None, *(record["log_id"] for record in chain[:-1])]
    assert sorted(record["seq"] for record in heard) == list(range(1, 301))


def test_a_record_longer_than_a_message_may_be_stops_nobody_and_keeps_the_chain(
    url: str, store: Store, endpoint: Endpoint, client: Callable[..., MqttClient]
) -> None:
    consumer = client("city-centre")
    consumer.subscribe("city/v1/#")
    at, long = (NOON_MS, 0, 0), "\x01" * 60_000
    plain = encode.event(at=at, name="boot")
    with publishing(url, endpoint) as told:
        store.commit([of_kind(1, KIND_EVENT, plain), of_kind(2, KIND_HEALTH, encode.health(at=at, rows=1))])
        store.commit(
            [
                of_kind(3, KIND_EVENT, encode.event(at=at, name="x", detail={"a": long})),
                of_kind(4, KIND_HEALTH, encode.health(at=at, firmware=long)),
                of_kind(5, KIND_CAMERA, encode.camera(at=at, camera="north", verdict="dark", reason=long)),
            ]
        )
        store.commit([of_kind(6, KIND_EVENT, plain), of_kind(7, KIND_HEALTH, encode.health(at=at, rows=2))])
        heard = records(consumer, 7)
    assert store.cursor(CURSOR_NAME) == 7
    assert told.interruptions == 0
    store.commit([of_kind(8, KIND_EVENT, plain), of_kind(9, KIND_HEALTH, encode.health(at=at, rows=3))])
    with publishing(url, endpoint):  # which reads its chain's ends from the log
        heard += records(consumer, 9, after=7)
    events = [one for one in heard if one["topic"].endswith("/event")]
    assert [one["name"] for one in events] == ["boot", "too_large", "too_large", "too_large", "boot", "boot"]
    for stream in ("event", "health"):
        chain = [one for one in heard if one["topic"].endswith(stream)]
        assert [one["prev_log_id"] for one in chain] == [None, *(one["log_id"] for one in chain[:-1])]


def test_a_clean_stop_publishes_nothing_twice_and_keeps_the_chain(
    url: str, store: Store, endpoint: Endpoint, client: Callable[..., MqttClient]
) -> None:
    consumer = client("city-centre")
    consumer.subscribe(TRACK)
    store.commit([track(1, NOON_MS - 9_000)])
    with publishing(url, endpoint):
        first = json.loads(consumer.next().payload)
    assert store.cursor(CURSOR_NAME) == first["log_id"]
    store.commit([track(2, NOON_MS - 8_000)])
    with publishing(url, endpoint):
        second = json.loads(consumer.next().payload)
    assert (second["seq"], second["prev_log_id"]) == (2, first["log_id"])
    assert consumer.heard() == []


def test_a_publisher_killed_anywhere_misses_nothing(
    url: str, store: Store, endpoint: Endpoint, client: Callable[..., MqttClient]
) -> None:
    consumer = client("city-centre")
    consumer.subscribe("city/v1/#")
    command = [sys.executable, str(SCRIPT), url, endpoint.host, str(endpoint.port)]
    command += [str(endpoint.ca_path), str(endpoint.certificate_path), str(endpoint.key_path)]
    moment = random.Random(7)
    seq = 0
    for _ in range(6):
        process = subprocess.Popen(command, cwd=SCRIPT.parents[2], env={"PYTHONPATH": str(SCRIPT.parents[2])})
        until_s = time.monotonic() + 0.6 + moment.uniform(0.0, 1.2)
        while time.monotonic() < until_s:
            store.commit([track(seq + i, NOON_MS - 10_000_000 + (seq + i) * 100) for i in range(1, 6)])
            seq += 5
            time.sleep(0.01)
        process.kill()
        process.wait()
    with publishing(url, endpoint):
        heard = records(consumer, store.last_log_id())
    assert {record["seq"] for record in heard} == set(range(1, seq + 1))
    newest = 0
    for record in heard:  # whatever is new comes in order, and chained to what came before it
        if record["log_id"] > newest:
            assert record["prev_log_id"] in (newest or None, None)
            newest = record["log_id"]


def test_the_cursor_never_passes_what_the_broker_has_taken(
    url: str, store: Store, endpoint: Endpoint, mosquitto: ThrowawayMosquitto, client: Callable[..., MqttClient]
) -> None:
    store.commit([track(1, NOON_MS - 9_000)])
    mosquitto.kill()
    with publishing(url, endpoint) as told:
        time.sleep(0.5)
        assert store.cursor(CURSOR_NAME) == 0
        assert (told.connections, told.connected) == (0, False)
        assert told.interruptions > 0
        mosquitto.start()
        consumer = client("city-centre")
        consumer.subscribe(CURSOR_TOPIC)
        said = json.loads(consumer.next().payload)["log_id"]
    assert store.cursor(CURSOR_NAME) == said == store.last_log_id()
    assert (told.connections, told.connected, told.cursor, told.position) == (1, True, said, said)
    assert told.messages[RECORD] == said
    assert told.barrier_s.read()[0][-1] >= 1


def test_a_broker_that_forgot_everything_gets_the_states_and_later_records(
    url: str, store: Store, endpoint: Endpoint, mosquitto: ThrowawayMosquitto, client: Callable[..., MqttClient]
) -> None:
    store.commit([track(1, NOON_MS - 9_000), track(1, NOON_MS - 5_000, unit="box-8")])
    with publishing(url, endpoint) as told:
        witness = client("city-centre")
        witness.subscribe("city/v1/+/+/state")
        before = {message.topic: message.payload for message in (witness.next(), witness.next())}
        witness.close()
        mosquitto.kill()
        store.commit([track(2, NOON_MS - 20_000)])
        mosquitto.start()
        consumer = client("city-fire")
        consumer.subscribe("city/v1/fire/#")
        everyone = client("city-centre")
        everyone.subscribe("city/v1/+/+/state")
        after = {message.topic: message.payload for message in (everyone.next(), everyone.next())}
        assert after == before
        assert after.keys() == {STATE, "city/v1/unassigned/unassigned-box-8/state"}
    assert told.connections == 2
    assert told.interruptions >= 1
    assert told.republished == 2


def test_late_and_absurd_records_are_published_and_do_not_move_the_state(
    url: str, store: Store, endpoint: Endpoint, client: Callable[..., MqttClient]
) -> None:
    consumer = client("city-fire")
    consumer.subscribe("city/v1/fire/#")
    with publishing(url, endpoint):
        store.commit([track(5, NOON_MS - 60_000)])
        assert next_state(consumer)["fix_utc"] == "2026-11-23T11:59:00.000Z"
        store.commit([track(1, NOON_MS - 120_000), track(6, NOON_MS + 400 * 86_400_000)])
        store.commit([track(5, NOON_MS - 1_000, east=900)])  # the same key with other bytes: a conflict
        store.commit([track(7, NOON_MS - 30_000)])
        assert next_state(consumer, lambda said: said["fix_utc"] != "2026-11-23T11:59:00.000Z")["fix_utc"] == (
            "2026-11-23T11:59:30.000Z"
        )


def test_a_state_comes_at_most_once_a_second_and_the_newest_wins(
    url: str, store: Store, endpoint: Endpoint, client: Callable[..., MqttClient]
) -> None:
    consumer = client("city-fire")
    consumer.subscribe(STATE)
    with publishing(url, endpoint):
        began_s = time.monotonic()
        for seq in range(1, 111):
            store.commit([track(seq, NOON_MS - 200_000 + seq * 1_000)])
            time.sleep(0.01)
        states = [next_state(consumer)]
        while states[-1]["fix_utc"] != "2026-11-23T11:58:30.000Z":
            states.append(next_state(consumer))
        assert len(states) <= 2 + (time.monotonic() - began_s)


def test_a_name_that_ends_is_cleared_and_its_records_come_corrected_under_the_new_one(
    url: str, store: Store, endpoint: Endpoint, client: Callable[..., MqttClient]
) -> None:
    consumer = client("city-centre")
    consumer.subscribe("city/v1/#")
    old = "city/v1/unassigned/unassigned-box-8/state"
    with publishing(url, endpoint):
        store.commit([track(1, NOON_MS - 9_000, unit="box-8")])
        assert check("state", consumer.next(matching=is_on(old)).payload)["asset"] == "unassigned-box-8"
        new = Assignment(unit="box-8", asset="digger-1", agency="works", kind="digger", from_utc_ms=0, to_utc_ms=None)
        store.set_assignments([HELD, new])
        seen: dict[str, bytes | bytearray] = {}
        while not {old, "city/v1/works/digger-1/state", "city/v1/works/digger-1/track"} <= seen.keys():
            message = consumer.next()
            seen[message.topic] = message.payload
    assert seen[old] == b""
    assert check("track", seen["city/v1/works/digger-1/track"])["revision"] == 1
    assert check("state", seen["city/v1/works/digger-1/state"])["unit"] == "box-8"


def test_a_correction_may_take_the_marker_back(
    url: str, store: Store, endpoint: Endpoint, client: Callable[..., MqttClient]
) -> None:
    consumer = client("city-centre")
    consumer.subscribe("city/v1/#")
    with publishing(url, endpoint):
        store.commit([track(1, NOON_MS - 60_000), track(2, NOON_MS - 30_000)])
        next_state(consumer, lambda said: said["fix_utc"] == "2026-11-23T11:59:30.000Z")
        ended = Assignment(
            unit="box-7", asset="engine-3", agency="fire", kind="fire-engine", from_utc_ms=0, to_utc_ms=NOON_MS - 45_000
        )
        spare = Assignment(
            unit="box-9", asset="engine-3", agency="fire", kind="fire-engine", from_utc_ms=0, to_utc_ms=None
        )
        store.set_assignments([ended, spare])
        next_state(consumer, lambda said: said["fix_utc"] == "2026-11-23T11:59:00.000Z")


def test_a_stop_is_quick_when_the_broker_is_frozen(
    url: str, store: Store, endpoint: Endpoint, mosquitto: ThrowawayMosquitto
) -> None:
    assert mosquitto.pid is not None
    store.commit([track(1, NOON_MS - 9_000)])
    with publishing(url, endpoint):
        while not store.cursor(CURSOR_NAME):
            time.sleep(0.02)
        os.kill(mosquitto.pid, signal.SIGSTOP)
        store.commit([track(2, NOON_MS - 8_000)])
        time.sleep(0.2)
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 5.0
    assert store.cursor(CURSOR_NAME) == 1
    os.kill(mosquitto.pid, signal.SIGCONT)


def test_a_consumer_that_does_not_read_holds_up_nobody(
    url: str, store: Store, endpoint: Endpoint, client: Callable[..., MqttClient]
) -> None:
    consumer, deaf = client("city-fire"), client("city-centre")
    for one in (consumer, deaf):
        one.subscribe(TRACK)
    stop_loop(deaf._client)  # connected, and never reads again
    with publishing(url, endpoint):
        for seq in range(0, 6_000, 500):
            store.commit([track(seq + i, NOON_MS - 10_000_000 + (seq + i) * 100) for i in range(1, 501)])
        assert {record["seq"] for record in records(consumer, store.last_log_id())} == set(range(1, 6_001))

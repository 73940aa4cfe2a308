"""Consumers' questions: answered of what they may read, to who asked; a bad one is answered with the reason."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from queue import Empty
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from mqtt_client import MqttClient
from schemas import SCHEMAS, check
from test_nearest import NOON_MS, state

from broker.acl import Consumer
from broker.answers import LEFT_OUT_MOST, Answers, answered
from broker.mosquitto import ThrowawayMosquitto
from broker.mqtt import Endpoint
from broker.packets import PAYLOAD_LIMIT_BYTES
from provisioning.throwaway import Authority

FIRE = Consumer(name="city-fire", agencies=("fire",))
ALL = Consumer(name="city-centre", agencies=("*",))
STATES = [state("engine-1", agency="fire", kind="fire-engine"), state("amb-1"), state("amb-2", age_s=5000)]


def asked(consumer: Consumer, **question: object) -> dict[str, object]:
    Draft202012Validator(SCHEMAS["nearest_question"]).validate(question)
    payload, refused = answered(json.dumps(question).encode(), consumer, STATES, {}, now_utc_ms=NOON_MS)
    assert not refused
    return check("nearest_answer", payload)


def names(said: dict[str, object]) -> tuple[list[str], list[str]]:
    return tuple([each["asset"] for each in said[part]] for part in ("candidates", "left_out"))  # type: ignore[return-value,attr-defined]


def test_a_consumer_is_answered_of_its_agencies_and_hears_of_no_other() -> None:
    assert names(asked(FIRE, lat=-6.2, lon=106.8)) == (["engine-1"], [])
    assert names(asked(FIRE, lat=-6.2, lon=106.8, agency="health")) == ([], [])
    said = asked(ALL, lat=-6.2, lon=106.8, kind="ambulance", id="q-7")
    assert names(said) == (["amb-1"], ["amb-2"])
    assert said["left_out_by_reason"] == {"other_kind": 1, "stale": 1}
    assert said["id"] == "q-7"
    assert names(asked(ALL, lat=-6.2, lon=106.8, agency="health")) == (["amb-1"], ["amb-2"])


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"{", "no JSON"), (b"[1]", "no JSON object"), (b"{}", "lat: wanted"), (b'{"lat":91,"lon":0}', "lat: wanted"),
        (b'{"lat":1,"lon":true}', "lon: wanted"), (b'{"lat":1,"lon":2,"kind":3}', "kind: wanted text"),
        (b'{"lat":1,"lon":2,"maks":3}', "unknown keys: maks"), (b" " * 3000, "longer than"),
    ],
)  # fmt: skip
def test_a_bad_question_is_answered_with_the_reason(payload: bytes, reason: str) -> None:
    answer, refused = answered(payload, ALL, STATES, {}, now_utc_ms=NOON_MS)
    said = check("nearest_answer", answer)
    assert refused
    assert str(said["error"]).startswith(reason)
    assert said["candidates"] == []


def a_city(trucks: int) -> list[dict[str, Any]]:
    """Garbage trucks with the longest names there are, and one ambulance of the fire brigade."""
    named = [state(f"{n:031d}", agency="s" * 31, kind="k" * 31) for n in range(trucks)]
    return [*named, state("amb-9", agency="fire")]


@pytest.mark.parametrize("question", [{"kind": "ambulance"}, {"stale_s": 1}, {"max": 100}])
def test_in_a_city_of_ten_thousand_an_answer_is_one_that_the_broker_takes(question: dict[str, object]) -> None:
    asks = json.dumps({"id": "\x01" * 300, "lat": -6.2, "lon": 106.8, **question}).encode()
    payload, refused = answered(asks, ALL, a_city(10_000), {}, now_utc_ms=NOON_MS)
    said = check("nearest_answer", payload)
    assert not refused and len(payload) <= PAYLOAD_LIMIT_BYTES
    offered = len(said["candidates"]) + said["further"]
    assert offered + sum(said["left_out_by_reason"].values()) == 10_001
    assert len(said["left_out"]) <= LEFT_OUT_MOST


def test_an_answer_that_the_broker_would_not_take_is_refused() -> None:
    states = [state("a" * 3000, age_s=5000)] * LEFT_OUT_MOST
    payload, refused = answered(b'{"id":"q-8","lat":-6.2,"lon":106.8}', ALL, states, {}, now_utc_ms=NOON_MS)
    said = check("nearest_answer", payload)
    assert refused
    assert said["id"] == "q-8" and str(said["error"]).startswith("the answer would be")


@pytest.fixture
def endpoint(mosquitto: ThrowawayMosquitto, authority: Authority) -> Endpoint:
    mine = authority.ensure("bridge-answers", "publisher")
    return Endpoint(
        host="localhost", port=mosquitto.port, ca_path=mine.ca_path, certificate_path=mine.certificate_path,
        key_path=mine.key_path,
    )  # fmt: skip


@contextmanager
def answering(
    endpoint: Endpoint, consumers: Sequence[Consumer], states: Sequence[Mapping[str, Any]]
) -> Iterator[Answers]:
    stop = threading.Event()
    part = Answers(endpoint, "bridge-answers", consumers, lambda: (states, {}))
    thread = threading.Thread(target=part.run, args=(stop,))
    thread.start()
    try:
        yield part
    finally:
        stop.set()
        thread.join()


def ask(consumer: MqttClient, name: str, **question: object) -> dict[str, Any]:
    """What the consumer is answered; asked again, because nobody keeps a question until the part has connected."""
    for attempt in range(50):
        asks = json.dumps({"id": str(attempt), "lat": -6.2, "lon": 106.8, **question}).encode()
        consumer.publish(f"ask/v1/{name}/nearest", asks)
        try:
            message = consumer.next(patience_s=0.2)
        except Empty:
            continue
        assert message.topic == f"answer/v1/{name}/nearest"
        return check("nearest_answer", message.payload)
    raise TimeoutError("no answer")


def test_over_the_broker_the_answer_goes_to_who_asked(endpoint: Endpoint, client: Callable[..., MqttClient]) -> None:
    fire = client("city-fire")
    old = json.dumps({"id": "old", "lat": -6.2, "lon": 106.8}).encode()
    fire.publish_and_wait("ask/v1/city-fire/nearest", old, qos=1, retain=True)
    with answering(endpoint, [FIRE], STATES):
        fire.subscribe("answer/v1/city-fire/nearest")
        said = ask(fire, "city-fire")
    assert said["error"] is None
    assert said["id"] != "old"  # what was retained is a question of another time
    assert names(said) == ([], ["engine-1"])  # its fix is of another day; of other agencies it hears nothing


def test_a_question_about_a_whole_city_takes_nobodys_answers(
    endpoint: Endpoint, client: Callable[..., MqttClient]
) -> None:
    fire, centre = client("city-fire"), client("city-centre")
    fire.subscribe("answer/v1/city-fire/nearest")
    centre.subscribe("answer/v1/city-centre/nearest")
    with answering(endpoint, [FIRE, ALL], a_city(10_000)):
        ask(fire, "city-fire")
        assert ask(centre, "city-centre", kind="ambulance")["left_out_by_reason"]["other_kind"] == 10_000
        ask(fire, "city-fire")

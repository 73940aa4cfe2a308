"""Consumers' questions: answered of what they may read, to who asked; a bad one is answered with the reason."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest
from jsonschema import Draft202012Validator
from mqtt_client import MqttClient
from schemas import SCHEMAS, check
from test_nearest import NOON_MS, state

from broker.acl import Consumer
from broker.answers import Answers, answered
from broker.mosquitto import ThrowawayMosquitto
from broker.mqtt import Endpoint
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
    assert names(said) == (["amb-1"], ["engine-1", "amb-2"])
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


def test_over_the_broker_the_answer_goes_to_who_asked(
    mosquitto: ThrowawayMosquitto, authority: Authority, client: Callable[..., MqttClient]
) -> None:
    mine = authority.ensure("bridge-answers", "publisher")
    endpoint = Endpoint(
        host="localhost", port=mosquitto.port, ca_path=mine.ca_path, certificate_path=mine.certificate_path,
        key_path=mine.key_path,
    )  # fmt: skip
    stop = threading.Event()
    part = Answers(endpoint, "bridge-answers", [FIRE], lambda: (STATES, {}))
    thread = threading.Thread(target=part.run, args=(stop,))
    fire = client("city-fire")
    old = json.dumps({"id": "old", "lat": -6.2, "lon": 106.8}).encode()
    fire.publish_and_wait("ask/v1/city-fire/nearest", old, qos=1, retain=True)
    thread.start()
    try:
        fire.subscribe("answer/v1/city-fire/nearest")
        for attempt in range(100):  # nobody keeps a question that was put before the part had connected
            fire.publish(
                "ask/v1/city-fire/nearest", json.dumps({"id": str(attempt), "lat": -6.2, "lon": 106.8}).encode()
            )
            if not stop.wait(0.2) and (heard := fire.heard()):
                break
        topic, payload = heard[0]
        assert topic == "answer/v1/city-fire/nearest"
        said = check("nearest_answer", payload)
        assert said["error"] is None
        assert said["id"] != "old"  # what was retained is a question of another time
        assert names(said) == ([], ["engine-1"])  # its fix is of another day; of other agencies it hears nothing
    finally:
        stop.set()
        thread.join()

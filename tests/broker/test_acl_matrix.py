"""Every cell of the table in docs/security.md, publish and subscribe, tried against the real broker.

Refused means that nothing is delivered, retained included: a PUBACK or a SUBACK says nothing. Each wait is for an
answer that the broker can only give after it has delivered what came before, so a refusal is seen without sleeping.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from acl_gate import INSIDE, OUTSIDE, Gate, own
from acl_matrix import OWN, Cell, cells, everyone, topics
from mqtt_client import MqttClient
from raw_mqtt import connect, publish, subscribe

from wire import topics as contract

CELLS = cells()
LET_IN = [cell for cell in CELLS if cell.who in INSIDE]
TURNED_AWAY = [cell for cell in CELLS if cell.who in OUTSIDE]


def called(cell: Cell) -> str:
    return f"{cell.who}-{cell.topic}"


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    with Gate(tmp_path_factory.mktemp("gate")) as gate:
        yield gate


@pytest.fixture(scope="module")
def inside(gate: Gate) -> Iterator[dict[str, MqttClient]]:
    clients = {who: gate.client(who) for who in INSIDE}
    yield clients
    for client in clients.values():
        client.close()


def test_the_table_has_everybody_and_every_topic_of_the_contract() -> None:
    assert set(everyone()) == {*INSIDE, *OUTSIDE}
    assert len(CELLS) == len(everyone()) * len(topics())
    rows = set(topics())
    assert {f"pantau/v1/box-1/{leaf}" for leaf in contract.UNIT_LEAVES} <= rows
    assert {f"pantau/v1/{OWN}/{leaf}" for leaf in contract.UNIT_LEAVES} <= rows
    assert {contract.bridge_state("bridge-1"), contract.bridge_state("bridge-2")} <= rows
    for agency, asset in (("fire", "engine-1"), ("police", "car-1")):
        assert {contract.city(agency, asset, leaf) for leaf in contract.CITY_LEAVES} <= rows
    assert {contract.area_notice(agency, "menteng") for agency in ("fire", "police")} <= rows
    assert {
        build(who, "nearest") for build in (contract.ask, contract.answer) for who in ("city-fire", "city-centre")
    } <= rows
    assert all(set(cell.may) <= {"r", "w", "–"} for cell in CELLS)


@pytest.mark.parametrize("cell", LET_IN, ids=called)
def test_publish(gate: Gate, inside: dict[str, MqttClient], cell: Cell) -> None:
    topic, client = own(cell.topic, cell.who), inside[cell.who]
    gate.heard()
    for qos in (0, 1, 2):
        client.publish_and_wait(topic, f"qos {qos}".encode(), qos=qos, retain=True)
    client.settle("nowhere")
    may = {b"qos 0", b"qos 1", b"qos 2"} if "w" in cell.may else set()
    assert gate.heard() - {b""} == may
    assert gate.kept(topic) == ({b"qos 2"} if may else set())


@pytest.mark.parametrize("cell", LET_IN, ids=called)
def test_subscribe(gate: Gate, inside: dict[str, MqttClient], cell: Cell) -> None:
    topic, client = own(cell.topic, cell.who), inside[cell.who]
    gate.eye.publish(topic, b"retained", retain=True)
    gate.heard()
    client.subscribe(topic)
    gate.eye.publish(topic, b"live")
    gate.heard()
    client.settle("nowhere")
    client.unsubscribe(topic)
    gate.kept(topic)
    heard = {payload for _, payload in client.heard()}
    assert heard == ({b"retained", b"live"} if "r" in cell.may else set())


@pytest.mark.parametrize("cell", TURNED_AWAY, ids=called)
def test_who_is_turned_away_at_the_door_says_and_hears_nothing(gate: Gate, cell: Cell) -> None:
    assert cell.may == "–"
    topic = own(cell.topic, "box-1")
    gate.eye.publish(topic, b"retained", retain=True)
    gate.heard()
    received = b""
    try:
        with gate.raw(cell.who) as raw:
            # TLS 1.3 tells a client that its certificate is refused only after the handshake: it says all it can.
            raw.send(connect("box-1") + subscribe(topic) + publish(topic, b"forged", retain=True))
            received = raw.rest()
    except (ConnectionError, OSError) as error:
        assert not isinstance(error, TimeoutError), "it is still connected"
    assert received == b""
    assert b"forged" not in gate.heard()
    assert gate.kept(topic) == (
        set() if topic.startswith("$SYS") else {b"retained"}
    )  # $SYS is nobody's, the eye included

"""Ways around a cell of the table: wildcards, wills, another's client id or name, a payload that is too long."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from acl_gate import INSIDE, Gate, own
from acl_matrix import Cell, allowed, cells, topics
from paho.mqtt.client import topic_matches_sub
from raw_mqtt import DISCONNECT, connect, publish, subscribe

from edge.clock import Clock
from edge.tls import Identity, make_context

CONNECTED = b"\x20\x02\x00\x00"
FILTERS = (
    "#", "+/#", "/#", "+/+/+/+", "+/+/+/+/+", "pantau/#", "pantau/v1/+/up", "pantau/v1/+/down/#", "pantau/v1/box-1/#",
    "pantau/v1/bridge/+/state", "city/#", "city/v1/+/+/state", "city/v1/police/#", "$SYS/#", "$SYS/broker/+",
    "$share/thieves/#", "$share/thieves/pantau/v1/+/up", "$share/thieves/city/v1/police/#",
)  # fmt: skip


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    with Gate(tmp_path_factory.mktemp("gate")) as gate:
        yield gate


@pytest.mark.parametrize("who", INSIDE)
def test_a_wildcard_brings_what_the_table_grants_and_nothing_else(gate: Gate, who: str) -> None:
    client = gate.client(who)
    try:
        granted = {own(topic, who) for topic in allowed(who, "r")}
        for each in FILTERS:
            client.subscribe(each)
            for topic in topics():
                gate.eye.publish(own(topic, who), b"said")
            gate.heard()
            client.settle("nowhere")
            plain = each.removeprefix("$share/thieves/")
            matched = {topic for topic in granted if topic_matches_sub(plain, topic)}
            assert {topic for topic, _ in client.heard()} == matched, each
            client.unsubscribe(each)
    finally:
        client.close()


@pytest.mark.parametrize("who", INSIDE)
def test_a_wildcard_brings_no_retained_message_that_the_table_does_not_grant(gate: Gate, who: str) -> None:
    for topic in topics():
        gate.eye.publish(own(topic, who), b"kept", retain=True)
    gate.heard()
    client = gate.client(who)
    try:
        client.subscribe("#", "+/+/+/+", "$SYS/#", "$share/thieves/#")
        client.settle("nowhere")
        assert {topic for topic, _ in client.heard()} == {own(topic, who) for topic in allowed(who, "r")}
    finally:
        client.close()
        for topic in topics():
            gate.kept(own(topic, who))


@pytest.mark.parametrize("cell", [c for c in cells() if c.who in INSIDE], ids=lambda c: f"{c.who}-{c.topic}")
def test_a_will_says_what_its_owner_might_have_said(gate: Gate, cell: Cell) -> None:
    topic, will = own(cell.topic, cell.who), b"the last will"
    gate.heard()
    with gate.raw(cell.who) as mine:
        mine.send(connect(will=(topic, will)))
        assert mine.answer() in (CONNECTED, b"")  # a broker may turn such a will away at once
    with gate.raw(cell.who) as again:  # whoever comes next under the name ends the old session, if that is needed
        again.send(connect())
        assert again.answer() == CONNECTED
        again.send(DISCONNECT)
    assert (will in gate.heard()) == ("w" in cell.may)
    assert gate.kept(topic) == ({will} if "w" in cell.may else set())


def test_a_box_that_is_retired_leaves_no_will(gate: Gate) -> None:
    with gate.raw("retired") as box:
        box.send(connect(will=("pantau/v1/retired/birth", b"the will of a thief")))
        assert box.answer() == CONNECTED
    with gate.raw("retired") as office:
        office.send(connect())
        assert office.answer() == CONNECTED
    assert b"the will of a thief" not in gate.heard()


@pytest.mark.parametrize("thief", [who for who in INSIDE if who != "box-1"])
@pytest.mark.parametrize("how", ["client id", "user name"])
def test_nobody_takes_anothers_name(gate: Gate, thief: str, how: str) -> None:
    with gate.raw("box-1") as box, gate.raw(thief) as other:
        box.send(connect("box-1"))
        assert box.answer() == CONNECTED
        other.send(connect("box-1") if how == "client id" else connect("box-1", username="box-1"))
        assert other.answer() == CONNECTED
        gate.heard()
        other.send(publish("pantau/v1/box-1/up", b"in another's name", qos=1) + subscribe("pantau/v1/box-1/down/#"))
        box.send(subscribe("pantau/v1/box-1/down/#"))
        assert box.answer(5)[:1] == b"\x90", "its session is still there"
        gate.eye.publish("pantau/v1/box-1/down/command", b"for box-1 alone")
        said = gate.heard()
        assert (b"in another's name" in said) == ("w" in next(
            c.may for c in cells() if c.who == thief and c.topic == "pantau/v1/box-1/up"
        ))  # fmt: skip
        other.send(DISCONNECT)
        assert b"for box-1 alone" not in other.rest()
        box.send(DISCONNECT)
        assert b"for box-1 alone" in box.rest()


@pytest.mark.parametrize("topic", ["pantau/v1/+/up", "#", "pantau/v1/box-1/#", "", "pantau/v1/box-1/up/x"])
def test_a_topic_that_is_none_is_not_delivered(gate: Gate, topic: str) -> None:
    gate.heard()
    with gate.raw("box-1") as box:
        box.send(connect())
        assert box.answer() == CONNECTED
        box.send(publish(topic, b"to many at once", qos=1) + DISCONNECT)
        box.rest()
    assert b"to many at once" not in gate.heard()


@pytest.mark.parametrize("who", ["box-1", "bridge-publisher", "city-fire"])
def test_a_payload_of_a_megabyte_ends_the_connection_and_is_held_nowhere(gate: Gate, who: str) -> None:
    topic = next(iter(allowed(who, "w") or {"pantau/v1/box-1/up"}))
    before_bytes = memory_bytes(gate)
    gate.heard()
    for _ in range(20):
        with gate.raw(who) as raw:
            raw.send(connect())
            assert raw.answer() == CONNECTED
            try:
                raw.send(publish(topic, bytes(1_000_000), retain=True))
            except OSError:
                continue  # it hung up in the middle
            assert raw.rest() == b""
    assert gate.heard() == {b""}
    assert gate.kept(topic) == set()
    assert memory_bytes(gate) - before_bytes < 10_000_000


def test_a_length_that_is_only_announced_reserves_nothing(gate: Gate) -> None:
    before_bytes = memory_bytes(gate)
    with gate.raw("box-1") as box:
        box.send(connect())
        assert box.answer() == CONNECTED
        box.send(b"\x30\xff\xff\xff\x7f" + bytes(100))  # 256 MB to come
        assert box.rest() == b""
    assert memory_bytes(gate) - before_bytes < 10_000_000


def test_the_broker_tells_nothing_of_itself(gate: Gate) -> None:
    gate.eye.subscribe("$SYS/#")
    gate.eye.settle("eye/settled")
    assert not [topic for topic, _ in gate.eye.heard() if topic.startswith("$")]


def memory_bytes(gate: Gate) -> int:
    """Resident memory of the broker."""
    for line in Path(f"/proc/{gate.mosquitto.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def test_a_boxs_certificate_is_no_brokers(gate: Gate) -> None:
    stolen = gate.authority.issue("localhost", "unit", hosts=("localhost",))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(stolen.certificate_path, stolen.key_path)
    listening = socket.create_server(("127.0.0.1", 0))

    def pretend() -> None:
        with listening, listening.accept()[0] as plain:
            try:
                server.wrap_socket(plain, server_side=True).close()
            except OSError:
                return  # it was hung up on

    thief = threading.Thread(target=pretend, name="thief")
    thief.start()
    mine = gate.authority.credentials("box-1")
    context = make_context(
        Identity(ca_path=mine.ca_path, certificate_path=mine.certificate_path, key_path=mine.key_path),
        Clock(ntp_synchronised=lambda: True),
    )
    with (
        socket.create_connection(listening.getsockname(), timeout=5) as plain,
        pytest.raises(ssl.SSLCertVerificationError, match=r"(unsuitable|unsupported) certificate purpose"),
    ):
        context.wrap_socket(plain, server_hostname="localhost")
    thief.join(5)

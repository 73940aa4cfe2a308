"""Who may read and who may write, tried against the real broker over mutual TLS on the loopback."""

from __future__ import annotations

import queue
import socket
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import ROLES
from mqtt_client import MqttClient

from broker.mosquitto import Listener, PortTaken, ThrowawayMosquitto, prepare, render_configuration
from provisioning.throwaway import Authority, make_authority

Connect = Callable[..., MqttClient]


def everything(client: MqttClient) -> MqttClient:
    client.subscribe("#", "city/v1/#", "pantau/v1/+/+", "pantau/v1/+/down/#")
    return client


def test_a_client_without_a_certificate_gets_nothing_on_the_loopback_either(
    authority: Authority, mosquitto: ThrowawayMosquitto
) -> None:
    context = ssl.create_default_context(cafile=str(authority.ca_path))
    connect = bytes.fromhex("101300044d5154540402003c000773746f6c656e21")
    with pytest.raises(OSError, match=r"certificate required|reset|EOF|Broken pipe"):  # noqa: SIM117
        with (
            socket.create_connection((mosquitto.host, mosquitto.port), timeout=5) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as tls,
        ):
            tls.sendall(connect)  # TLS 1.3 tells a client without a certificate only now
            if not tls.recv(1):
                raise ConnectionResetError("connection reset: closed without an answer")


def test_a_plain_connection_gets_nothing(mosquitto: ThrowawayMosquitto) -> None:
    with socket.create_connection((mosquitto.host, mosquitto.port), timeout=5) as raw:
        raw.sendall(bytes.fromhex("101300044d5154540402003c000773746f6c656e21"))
        answer = b""
        try:
            while piece := raw.recv(64):
                answer += piece
        except ConnectionResetError:
            pass
        assert not answer.startswith(b"\x20"), "a CONNACK"


def test_a_certificate_of_another_authority_is_refused(
    mosquitto: ThrowawayMosquitto, authority: Authority, tmp_path: Path
) -> None:
    foreign = make_authority(tmp_path / "foreign").issue("ambulance-1", "unit")
    with pytest.raises((TimeoutError, OSError)):
        MqttClient(replace(foreign, ca_path=authority.ca_path), mosquitto.host, mosquitto.port, patience_s=1.0)


def test_a_consumer_sees_its_agency_and_nothing_else_retained_included(client: Connect) -> None:
    publisher = client("bridge-publisher")
    publisher.publish("city/v1/fire/engine-1/state", b"old fire", retain=True)
    publisher.publish("city/v1/police/car-1/state", b"old police", retain=True)
    publisher.settle("city/v1/x/x/x")
    fire, centre = everything(client("city-fire")), everything(client("city-centre"))
    publisher.publish("city/v1/police/car-1/track", b"new police")
    publisher.publish("city/v1/fire/engine-1/track", b"new fire")
    publisher.publish("city/v1/fire/engine-1/event", b"marker")
    assert fire.until(b"marker") == {b"old fire", b"new fire", b"marker"}
    assert centre.until(b"marker") >= {b"old fire", b"old police", b"new police"}


def test_a_technician_sees_boxes_connect_and_the_own_agency_and_no_parcel_and_no_receipt(client: Connect) -> None:
    unit, publisher, receipts = client("other"), client("bridge-publisher"), client("bridge-1-receipts")
    unit.publish("pantau/v1/other/birth", b"birth", retain=True)
    unit.settle("pantau/v1/none/up")
    technician = everything(client("city-rini"))
    unit.publish("pantau/v1/other/up", b"parcel")
    receipts.publish("pantau/v1/other/down/receipt", b"receipt")
    publisher.publish("city/v1/police/car-1/track", b"police")
    publisher.publish("city/v1/fire/engine-1/event", b"marker")
    heard = technician.until(b"marker")
    assert {b"birth", b"marker"} <= heard and not heard & {b"parcel", b"receipt", b"police"}


def test_a_unit_sees_only_its_own_down(client: Connect) -> None:
    receipts = client("bridge-1-receipts")
    receipts.publish("pantau/v1/other/down/desired", b"other's", retain=True)
    receipts.publish("pantau/v1/mine/down/desired", b"retained", retain=True)
    receipts.settle("pantau/v1/none/down/x")
    unit = everything(client("mine"))
    receipts.publish("pantau/v1/other/down/receipt", b"other's")
    receipts.publish("pantau/v1/mine/down/receipt", b"receipt")
    assert unit.until(b"receipt") == {b"retained", b"receipt"}


def test_a_unit_reads_no_clean_topic_and_no_parcel(client: Connect) -> None:
    unit = everything(client("mine"))
    client("bridge-publisher").publish("city/v1/fire/engine-1/state", b"state", retain=True)
    client("other").publish("pantau/v1/other/up", b"parcel")
    client("bridge-1-receipts").publish("pantau/v1/mine/down/receipt", b"marker")
    assert unit.until(b"marker") == {b"marker"}


@pytest.mark.parametrize(
    ("writer", "topic"),
    [
        ("mine", "pantau/v1/other/up"),
        ("mine", "pantau/v1/other/birth"),
        ("mine", "pantau/v1/mine/down/receipt"),
        ("mine", "pantau/v1/bridge/bridge-1/state"),
        ("mine", "city/v1/fire/engine-1/state"),
        ("city-fire", "pantau/v1/other/up"),
        ("city-fire", "pantau/v1/city-fire/up"),
        ("city-fire", "city/v1/fire/engine-1/state"),
        ("city-rini", "pantau/v1/other/up"),
        ("city-rini", "pantau/v1/other/birth"),
        ("city-rini", "pantau/v1/city-rini/up"),
        ("city-rini", "pantau/v1/city-rini/birth"),
        ("city-rini", "pantau/v1/other/down/command"),
        ("city-rini", "city/v1/fire/engine-1/state"),
        ("bridge-1", "pantau/v1/mine/down/receipt"),
        ("bridge-publisher", "pantau/v1/mine/down/receipt"),
        ("bridge-publisher", "pantau/v1/bridge-publisher/up"),
    ],
)
def test_who_may_not_write_is_not_heard(client: Connect, writer: str, topic: str) -> None:
    listeners = [everything(client(name)) for name in ("bridge-1", "mine", "other", "city-fire", "city-centre")]
    outsider = client(writer)
    outsider.publish(topic, b"forged", retain=True)
    outsider.settle("pantau/v1/nowhere/x")
    for listener in listeners:
        assert (topic, b"forged") not in listener.heard()
    assert (topic, b"forged") not in everything(client("bridge-1")).heard()


def test_nobody_takes_over_anothers_session(client: Connect) -> None:
    first = client("mine")
    client("other", client_id="mine")
    receipts = client("bridge-1-receipts")
    first.subscribe("pantau/v1/mine/down/#")
    receipts.publish("pantau/v1/mine/down/receipt", b"still here")
    assert bytes(first.next().payload) == b"still here"


def test_a_name_with_wildcards_has_no_topics(client: Connect) -> None:
    receipts = client("bridge-1-receipts")
    try:
        thief = everything(client("+"))
    except TimeoutError:
        return  # refused at the door is as good
    receipts.publish("pantau/v1/mine/down/receipt", b"not yours")
    receipts.settle("pantau/v1/none/down/x")
    with pytest.raises(queue.Empty):
        thief.next(patience_s=0.3)


def test_a_snapshot_fits_and_a_length_bomb_does_not(client: Connect) -> None:
    bridge = client("bridge-1")
    bridge.subscribe("pantau/v1/+/bulk")
    unit = client("mine")
    unit.publish("pantau/v1/mine/bulk", bytes(400 * 1024))
    client("other").publish("pantau/v1/other/bulk", bytes(257 * 1024))
    message = bridge.next()
    assert (message.topic, len(message.payload)) == ("pantau/v1/other/bulk", 257 * 1024)


def test_a_taken_port_is_said_in_one_line(mosquitto: ThrowawayMosquitto, tmp_path: Path) -> None:
    with pytest.raises(PortTaken, match=rf"cannot listen on 127.0.0.1 port {mosquitto.port}: Address already in use"):
        prepare(mosquitto.listener, ROLES, tmp_path)


def test_anonymous_is_never_allowed_and_nothing_is_kept() -> None:
    listener = Listener(
        address="0.0.0.0", port=8883, ca_path=Path("ca"), certificate_path=Path("c"), key_path=Path("k")
    )
    lines = render_configuration(listener, acl_path=Path("acl"), as_root=False, connections=9).splitlines()
    assert "listener 8883 0.0.0.0" in lines
    assert {"allow_anonymous false", "persistence false", "require_certificate true"} <= set(lines)
    assert not [line for line in lines if line.startswith("user ")]
    assert sum(line.startswith("listener") for line in lines) == 1

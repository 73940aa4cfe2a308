"""The publisher's own half of MQTT: its packets are those a broker expects, and a barrier proves what is before it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqtt_client import MqttClient

from broker.clean import Message
from broker.mosquitto import ThrowawayMosquitto
from broker.mqtt import Endpoint
from broker.outlet import Connection, OutletLost, publish_packet
from provisioning.throwaway import Authority


@given(topic=st.text(min_size=1, max_size=60), payload=st.binary(max_size=300), times=st.sampled_from([1, 60, 7_000]))
def test_a_packet_can_be_taken_apart_again(topic: str, payload: bytes, times: int) -> None:
    payload *= times
    packet = publish_packet(Message(topic, payload, 0, True))
    assert packet[0] == 0x31
    length, at = 0, 0
    while True:
        at += 1
        length |= (packet[at] & 0x7F) << 7 * (at - 1)
        if packet[at] < 0x80:
            break
    rest = packet[at + 1 :]
    assert len(rest) == length
    name = int.from_bytes(rest[:2], "big")
    assert rest[2 : 2 + name].decode() == topic
    assert rest[2 + name :] == payload


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


def test_a_proof_comes_after_everything_before_it_was_taken_in_order(
    endpoint: Endpoint, client: Callable[..., MqttClient]
) -> None:
    consumer = client("city-centre")
    consumer.subscribe("city/v1/a/b/#")
    connection = Connection(endpoint)
    connection.open()
    sizes = [0, 1, 120, 5_000, 200_000]  # one, two and three bytes of length; more than a socket's buffer together
    tracks = [Message("city/v1/a/b/track", bytes([i]) * sizes[i % 5], 0, False) for i in range(60)]
    events = [Message("city/v1/a/b/event", bytes([i]), 1, False) for i in range(60)]
    for track, event in zip(tracks, events, strict=True):
        connection.publish(track)
        connection.publish(event)
    connection.barrier(7)
    while (proven := connection.turn(0.1)) is None:
        pass
    assert proven == 7
    assert not connection.behind
    heard = [consumer.next() for _ in range(120)]
    # Among topics the broker itself lets QoS 0 overtake: it has 20 QoS 1 messages of a subscriber in flight, no more.
    for sent in (tracks, events):
        assert [bytes(m.payload) for m in heard if m.topic == sent[0].topic] == [one.payload for one in sent]
    connection.close()


def test_a_connection_that_breaks_says_so(endpoint: Endpoint, mosquitto: ThrowawayMosquitto) -> None:
    connection = Connection(endpoint)
    connection.open()
    mosquitto.kill()
    connection.barrier(1)
    with pytest.raises(OutletLost):
        for _ in range(100):
            connection.turn(0.1)
    connection.close()
    with pytest.raises(OutletLost):
        Connection(endpoint).open()

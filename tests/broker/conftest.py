"""A real Mosquitto over mutual TLS, and clients of every role."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mqtt_client import MqttClient

from broker.acl import Consumer, Roles, Technician
from broker.mosquitto import ThrowawayMosquitto
from provisioning.throwaway import Authority, make_authority

ROLES = Roles(
    consumers=(
        Consumer(name="city-fire", agencies=("fire",)),
        Consumer(name="city-centre", agencies=("*",)),
        Technician(name="city-rini", agencies=("fire",)),
    )
)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def mosquitto(authority: Authority, tmp_path: Path) -> Iterator[ThrowawayMosquitto]:
    mine = authority.ensure("localhost", "broker")
    with ThrowawayMosquitto(
        tmp_path / "mosquitto",
        ca_path=mine.ca_path,
        certificate_path=mine.certificate_path,
        key_path=mine.key_path,
        roles=ROLES,
    ) as running:
        yield running


@pytest.fixture
def client(authority: Authority, mosquitto: ThrowawayMosquitto) -> Iterator[Callable[..., MqttClient]]:
    """`client("ambulance-1")` is connected with that certificate; all are disconnected at the end."""
    made: list[MqttClient] = []

    def connect(name: str, **options: Any) -> MqttClient:
        credentials = authority.ensure(name, "unit")
        made.append(MqttClient(credentials, mosquitto.host, mosquitto.port, **options))
        return made[-1]

    yield connect
    for one in made:
        one.close()

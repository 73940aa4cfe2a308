"""The centre's certificates are renewed while everybody is connected, and nobody notices; what ends is refused."""

from __future__ import annotations

import configparser
import datetime as dt
import os
import shlex
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bridge_driver import endpoint
from conftest import ROLES
from cryptography import x509
from mqtt_client import MqttClient
from typer.testing import CliRunner

from broker.mosquitto import ThrowawayMosquitto
from broker.mqtt import Link
from pantau.provision.app import app
from provisioning.authority import open_authority
from provisioning.files import PUBLIC, write
from provisioning.throwaway import Authority, Credentials, make_authority
from provisioning.x509 import Life, life, pem, revocations

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
SOON_S = 3.0
WITHIN_S = 10.0


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def shown(broker: ThrowawayMosquitto, authority: Authority) -> int:
    """Serial number of the certificate that a new connection is shown."""
    context = ssl.create_default_context(cafile=str(authority.ca_path))
    with (
        socket.create_connection((broker.host, broker.port), timeout=5) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as tls,
    ):
        return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"").serial_number


def soon() -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=SOON_S)


@pytest.fixture
def mine(tmp_path: Path) -> Authority:
    """An authority whose broker gets other certificates than everybody else's tests have."""
    return make_authority(tmp_path / "authority")


@pytest.fixture
def start(mine: Authority, tmp_path: Path) -> Iterator[Callable[[], ThrowawayMosquitto]]:
    found: list[ThrowawayMosquitto] = []

    def started() -> ThrowawayMosquitto:
        pems = mine.ensure("localhost", "broker")
        broker = ThrowawayMosquitto(
            tmp_path / "mosquitto",
            ca_path=pems.ca_path,
            certificate_path=pems.certificate_path,
            key_path=pems.key_path,
            roles=ROLES,
        )
        broker.start()
        found.append(broker)
        return broker

    yield started
    for broker in found:
        broker.kill()


def renew(broker: ThrowawayMosquitto, mine: Authority) -> None:
    mine.issue("localhost", "broker")
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGHUP)


def test_a_renewed_broker_drops_nobody_and_shows_the_new_one(
    mine: Authority, start: Callable[[], ThrowawayMosquitto]
) -> None:
    broker = start()
    before = shown(broker, mine)
    unit = MqttClient(mine.ensure("box-1", "unit"), broker.host, broker.port)
    receipts = MqttClient(mine.ensure("bridge-1-receipts", "bridge"), broker.host, broker.port)
    try:
        lost: list[object] = []
        unit.on_lost(lost.append)
        unit.subscribe("pantau/v1/box-1/down/#")
        renew(broker, mine)
        eventually(lambda: shown(broker, mine) != before)
        for n in range(50):
            receipts.publish("pantau/v1/box-1/down/receipt", f"{n}".encode())
        assert [bytes(unit.next().payload) for _ in range(50)] == [f"{n}".encode() for n in range(50)]
        assert not lost, "the session from before the renewal is the one that heard it"
    finally:
        unit.close()
        receipts.close()


def test_a_broker_whose_certificate_ends_keeps_its_sessions_and_a_renewal_lets_others_in_again(
    mine: Authority, start: Callable[[], ThrowawayMosquitto]
) -> None:
    mine.issue("localhost", "broker", not_after=soon())
    broker = start()
    unit = MqttClient(mine.ensure("box-1", "unit"), broker.host, broker.port)
    try:
        lost: list[object] = []
        unit.on_lost(lost.append)
        time.sleep(SOON_S + 1.0)
        with pytest.raises(ssl.SSLCertVerificationError, match="certificate has expired"):
            shown(broker, mine)
        unit.settle("pantau/v1/box-1/up")
        renew(broker, mine)
        eventually(lambda: lets_in(broker, mine))
        unit.settle("pantau/v1/box-1/up")
        assert not lost
    finally:
        unit.close()


def test_a_bridge_that_was_renewed_while_it_ran_comes_back_with_the_new_one(
    mine: Authority, start: Callable[[], ThrowawayMosquitto]
) -> None:
    mine.issue("bridge-1", "bridge", not_after=soon())
    broker = start()
    connected = threading.Semaphore(0)
    link = Link(endpoint(mine, broker, "bridge-1"), "bridge-1", connected=connected.release)
    running = threading.Thread(target=link.run, name="renewed-link")
    running.start()
    try:
        assert connected.acquire(timeout=WITHIN_S)
        time.sleep(SOON_S + 1.0)
        assert link.online, "what is connected stays connected"
        broker.kill()
        broker.start()
        assert not connected.acquire(timeout=2.0), "an ended certificate is refused"
        mine.issue("bridge-1", "bridge")
        assert connected.acquire(timeout=WITHIN_S), "the file is read at each connect"
    finally:
        link.close()
        running.join(WITHIN_S)


class Centre:
    """The city's own authority and registry, and credentials of a centre, made with the documented verbs."""

    def __init__(self, home: Path) -> None:
        self.home, self.credentials = home, home / "credentials"
        self.run("authority", "jakarta")
        for name, role in (("localhost", "broker"), ("bridge-1", "bridge"), ("bridge-2", "bridge")):
            self.run("certificate", name, "--role", role, "--out", str(self.credentials))

    def run(self, *words: str) -> None:
        places = {"PANTAU_AUTHORITY": str(self.home / "authority"), "PANTAU_REGISTRY": str(self.home / "registry.db")}
        done = CliRunner().invoke(app, words, env=places)
        assert done.exit_code == 0, done.output

    def pems(self, name: str) -> Credentials:
        files = (self.credentials / each for each in ("ca.pem", f"{name}.pem", f"{name}.key"))
        return Credentials(*files)

    def list_that_ends(self, ends: dt.datetime) -> None:
        issuer = open_authority(self.home / "authority")
        lives = Life(life(dt.timedelta()).begins, ends)
        write(self.credentials / "crl.pem", revocations(issuer.issuing, issuer.key, {}, lives), mode=PUBLIC)

    def run_unit(self, name: str, broker: ThrowawayMosquitto) -> None:
        """What systemd would do: the verb, and the reload of the unit that is named after it."""
        service = unit_file(name)
        words = shlex.split(service["ExecStart"].replace("/etc/pantau/credentials", str(self.credentials)))
        self.run(*words[3:])
        told = shlex.split(service.get("ExecStartPost", ""))
        if told[1:] == ["try-reload-or-restart", "pantau-mosquitto.service"]:
            command = unit_file("pantau-mosquitto")["ExecReload"].replace("$MAINPID", str(broker.pid))
            subprocess.run(shlex.split(command), check=True)


def unit_file(name: str) -> configparser.SectionProxy:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    assert parser.read(PACKAGING / f"{name}.service")
    return parser["Service"]


def with_list(centre: Centre, folder: Path) -> ThrowawayMosquitto:
    """A broker that goes by the centre's list of revoked certificates, not started yet."""
    mine = centre.pems("localhost")
    broker = ThrowawayMosquitto(
        folder / "mosquitto", ca_path=mine.ca_path, certificate_path=mine.certificate_path,
        key_path=mine.key_path, roles=ROLES,
    )  # fmt: skip
    broker.listener = replace(broker.listener, crl_path=centre.credentials / "crl.pem")
    return broker


def test_the_daily_list_reaches_the_broker_that_runs_and_drops_nobody(tmp_path: Path) -> None:
    centre = Centre(tmp_path)
    ends = soon() + dt.timedelta(seconds=SOON_S)
    centre.list_that_ends(ends)
    with with_list(centre, tmp_path) as broker:
        bridge = MqttClient(centre.pems("bridge-1"), "localhost", broker.port)
        try:
            lost: list[object] = []
            bridge.on_lost(lost.append)
            centre.run_unit("pantau-crl", broker)
            while dt.datetime.now(dt.UTC) < ends + dt.timedelta(seconds=1):
                time.sleep(0.1)
            MqttClient(centre.pems("bridge-2"), "localhost", broker.port).close()
            bridge.settle("pantau/v1/bridge/bridge-1/state")
            assert not lost
        finally:
            bridge.close()


def test_a_fresh_issuing_key_locks_out_nobody_that_the_one_before_let_in(tmp_path: Path) -> None:
    centre = Centre(tmp_path)
    for name in ("city-rini", "city-budi"):
        centre.run("certificate", name, "--role", "technician", "--out", str(centre.credentials))
    centre.run("authority", "jakarta", "--renew-issuing")
    for name, role in (("localhost", "broker"), ("bridge-3", "bridge")):
        centre.run("certificate", name, "--role", role, "--out", str(centre.credentials))
    centre.run("retire", "city-budi", "--yes")
    centre.run("crl", str(centre.credentials / "crl.pem"))
    with with_list(centre, tmp_path) as broker:
        for name in ("bridge-1", "bridge-3"):
            alone = centre.credentials / f"{name}.pem"  # as boxes do: the leaf without what issued it
            alone.write_bytes(pem(x509.load_pem_x509_certificate(alone.read_bytes())))
            MqttClient(centre.pems(name), "localhost", broker.port).close()
        with pytest.raises((TimeoutError, OSError)):
            MqttClient(centre.pems("city-budi"), "localhost", broker.port, patience_s=2.0)


def lets_in(broker: ThrowawayMosquitto, mine: Authority) -> bool:
    try:
        return bool(shown(broker, mine))
    except ssl.SSLCertVerificationError:
        return False

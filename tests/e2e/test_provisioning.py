"""From a bare box to a trusted unit with the documented commands: authority, code, enrolment, a swap on the road."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import paho.mqtt.client as paho
import pytest
from boot_partition import flashed
from box_root import BoxRoot
from office import HOST, Office
from outing import Outing, drain, eventually
from paho.mqtt.enums import CallbackAPIVersion

from running.paho_loop import stop_loop
from torture.consumer import pantau


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    try:
        office.build()
        yield office
    finally:
        office.close()


@pytest.mark.slow
def test_a_box_swapped_on_the_road_leaves_one_history_and_a_retired_one_never_comes_back(office: Office) -> None:
    first = driven(office, office.box("box-1"))
    office.provision("swap", "box-1", "box-2", "--at", str(max(first) + 1))
    second = driven(office, office.box("box-2", ahead_s=3_600))
    office.provision("publish", "--store", office.store_url)
    assert stored(office, "--unit", "box-1") == first and stored(office, "--unit", "box-2") == second
    assert stored(office, "--asset", "ambulance-7") == first | second, "one asset, one history"
    office.provision("retire", "box-1", "--yes")
    card = office.home / "box-1" / "enrolment.toml"
    assert "retired" in office.provision("renew", "--now", "--config", str(card), code=1)


@pytest.mark.slow
def test_a_retired_box_that_is_connected_is_out_within_seconds_and_stays_out(office: Office) -> None:
    office.box("box-1").give_up()
    box, witness = Tap(office, "box-1"), Tap(office, "bridge-1-receipts")
    with box, witness:
        assert heard_within(box, witness, 5.0), "as long as it is ours it hears its own topics"
        begun = time.monotonic()
        said = office.provision("retire", "box-1", "--yes", "--centre", str(office.home / "centre.toml"))
        assert "its connection has ended" in said
        assert time.monotonic() - begun < 5.0
        assert box.ended.wait(5.0), "its connection has ended"
        box.ended.clear()
        box.client.reconnect_delay_set(1, 1)
        assert not heard_within(box, witness, 5.0), "it is not let in again"
    card = office.home / "box-1" / "enrolment.toml"
    assert "retired" in office.provision("renew", "--now", "--config", str(card), code=1)
    refused = office.provision("code", "box-1", code=1)
    assert "retired" in refused


@pytest.mark.slow
def test_a_card_makes_a_box_that_enrols_itself_at_first_power_on(office: Office) -> None:
    office.site()
    card = flashed(office.home / "bootfs", trixie=True)
    office.provision("card", str(card), "--unit", "box-1")
    with BoxRoot(office.home / "root", boot=card) as box:
        # 1: the services are a package's, and none is on this card; all else is done.
        box.run("sh /boot/firmware/pantau/first-boot.sh", code=1)
        said = box.provision("enrol", user="pantau")
        assert "box-1 is enrolled until" in said, "the broker has let it in"
        assert box.run("stat -c '%U %a' /var/lib/pantau/identity/current/key.pem") == "pantau 600\n"
        box.run("test ! -e /var/lib/pantau/code")
        assert "is enrolled until" in box.provision("enrol </dev/null", user="pantau"), "twice is once"
        assert "no code" in box.provision("enrol --again </dev/null", user="pantau", code=1)
        assert "not yet due" in box.provision("renew", user="pantau")
        assert "belum waktunya" in box.run(f"PANTAU_LANGUAGE=id {box.command('renew')}", user="pantau")


@pytest.mark.slow
def test_a_bare_box_enrols_with_nothing_but_the_text_of_its_label(office: Office) -> None:
    office.site()
    (told,) = json.loads(office.provision("label", "box-1", "--codes", "--json"))
    bare = flashed(office.home / "bootfs", trixie=True)
    with BoxRoot(office.home / "root", boot=bare) as box:
        box.run("useradd --system --home-dir /var/lib/pantau --user-group pantau")
        box.run("install -d -o pantau -g pantau /var/lib/pantau && install -d /etc/pantau")
        ticket, fingerprint = told["qr"], told["qr"].split()[-1]
        other_city = ticket.replace(fingerprint, 64 * "0")
        refused = box.run(f"echo '{other_city}' | {box.command('enrol')}", code=1)
        assert "fingerprint is another" in refused
        assert box.run("ls -A /etc/pantau /var/lib/pantau").split() == ["/etc/pantau:", "/var/lib/pantau:"]
        said = box.run(f"echo '{ticket.lower()}' | {box.command('enrol')}")  # as root, from a scanner
        assert "box-1 is enrolled until" in said
        assert box.run("stat -c '%U %a' /var/lib/pantau/identity/current/key.pem") == "pantau 600\n"
        trusted = (office.home / "authority" / "ca.pem").read_text()
        assert box.run("cat /etc/pantau/ca.pem") == trusted
        assert "not yet due" in box.provision("renew", user="pantau")
        (other,) = json.loads(office.provision("label", "box-2", "--codes", "--json"))
        assert "this box is box-1" in box.run(f"echo '{other['qr']}' | {box.command('enrol --again')}", code=1)


@pytest.mark.slow
def test_a_technician_gets_a_certificate_under_a_name_no_box_has_and_loses_it_for_good(office: Office) -> None:
    words = ("certificate", "--role", "technician", "--agency", "health", "--out", str(office.home / "people"))
    assert "begins with city-" in office.provision(*words, "rini", code=2)
    office.provision(*words, "city-rini")
    assert "technician" in office.provision("show", "city-rini")
    assert "1 certificates revoked" in office.provision(
        "retire", "city-rini", "--yes", "--centre", str(office.home / "centre.toml")
    )
    assert (office.home / "credentials" / "retired").read_text() == "city-rini\n"
    assert "is retired" in office.provision(*words, "city-rini", code=1)


class Tap:
    """A client with a box's identity, or with one of the centre's, that goes on connecting."""

    def __init__(self, office: Office, name: str) -> None:
        own = office.home / name / "identity" / "current"
        mine = (own / "certificate.pem", own / "key.pem") if own.exists() else ()
        centre = office.home / "credentials"
        certificate, key = mine or (centre / f"{name}.pem", centre / f"{name}.key")
        self.heard: list[bytes] = []
        self.ended = threading.Event()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, name)
        self.client.tls_set(str(office.home / "authority" / "ca.pem"), str(certificate), str(key))
        self.client.on_connect = lambda client, *_: client.subscribe("pantau/v1/box-1/down/#", qos=1)
        self.client.on_disconnect = lambda *_: self.ended.set()
        self.client.on_message = lambda _client, _userdata, message: self.heard.append(bytes(message.payload))
        self._port = office.port

    def __enter__(self) -> Self:
        self.client.connect(HOST, self._port)
        self.client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        stop_loop(self.client)


def heard_within(box: Tap, centre: Tap, seconds: float) -> bool:
    """Whether anything that the centre says to the box reaches it."""
    before, deadline = len(box.heard), time.monotonic() + seconds
    while len(box.heard) == before and time.monotonic() < deadline:
        centre.client.publish("pantau/v1/box-1/down/command", b"{}", qos=1)
        time.sleep(0.1)
    return len(box.heard) > before


def driven(office: Office, box: Outing) -> set[int]:
    """Times of the fixes of a short drive, all of them delivered."""
    try:
        box.begin()
        eventually(lambda: len(box.told) > 15, 20, box.child.tail)
        office.provision("publish", "--store", office.store_url)
        eventually(lambda: stored(office, "--unit", box.child.name), 20, box.child.tail)
        told = box.end()
    finally:
        box.give_up()
    drain({Path(box.child.command[-1]).parent / "outbox.db": box.child})
    return told


def stored(office: Office, *whose: str) -> set[int]:
    done = pantau("export", "--store", office.store_url, *whose)
    assert done.returncode == 0, done.stderr
    return {int(line.split(",")[0]) for line in done.stdout.splitlines()[1:]}

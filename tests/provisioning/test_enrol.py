"""A box enrols and renews against a real server and a real broker, killed at every step on the way."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random

import pytest
from test_est import SERVER
from typer.testing import CliRunner

from broker.acl import Roles
from broker.mosquitto import ThrowawayMosquitto
from edge.clock import Clock
from edge.errors import LinkRefused
from pantau.provision.app import app
from provisioning.authority import Issuer, found_authority
from provisioning.broker_try import try_broker
from provisioning.enrol import POINTS, Enroller, due
from provisioning.enrolment import Enrolments
from provisioning.est_client import EstClient, NotIssued, Server
from provisioning.files import PUBLIC, SECRET, write
from provisioning.identity import Identities
from provisioning.registry import Registry
from provisioning.values import Unit
from provisioning.x509 import Identity, identity_of, key_pem, new_key, pem
from settings import EXIT_CONFIG
from stage.city import free_port
from tests.cards import mounted_card

OWNER = 61_418  # nobody's
STATE = "state"  # where the box keeps what it is: a folder, or a card that loses power
BOX = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[6])
from test_enrol import enroller
home, port, broker, verb, point = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
def at(name):
    if name == point:
        os.kill(os.getpid(), signal.SIGKILL)
box = enroller(home, port, broker, at)
import datetime as dt
box.enrol(sys.argv[7]) if verb == "enrol" else box.renew(now=dt.datetime.now(dt.UTC), whatever=True)
"""


def enroller(home: Path, port: int, broker_port: int, at: object = lambda _point: None) -> Enroller:
    clock = Clock(ntp_synchronised=lambda: True)
    return Enroller(
        name="box-1",
        server=EstClient(Server(host="localhost", port=port, ca_path=home / "ca.pem"), clock),
        identities=Identities(home / STATE / "box"),
        ca_path=home / "ca.pem",
        try_broker=lambda identity: try_broker(identity, "box-1", "localhost", broker_port, clock),
        at=at,  # type: ignore[arg-type]
    )


class WorstLuck(Random):
    """Of the names that were not synced none survives a power cut: the seed begins with ten numbers above a half."""

    def getrandbits(self, _bits: int) -> int:
        lucks = ((seed, Random(seed)) for seed in count())
        return next(seed for seed, luck in lucks if all(luck.random() > 0.5 for _ in range(10)))


class Office:
    """Authority, registry and enrolment server, and the broker that trusts them."""

    def __init__(self, home: Path, port: int, broker_port: int, issuer: Issuer) -> None:
        self.home, self.port, self.broker_port, self.issuer = home, port, broker_port, issuer

    def code(self) -> str:
        with Registry(self.home / "registry.db", who="office") as registry:
            return Enrolments(registry, self.issuer).new_code(Identity(name="box-1", role="unit"))

    def issued(self) -> list[str]:
        with Registry(self.home / "registry.db", who="office") as registry:
            return [one.how for one in registry.enrolments("box-1")]

    def box(self, verb: str, point: str = "", code: str = "") -> int:
        """A box's process that is killed at the point; how it ended."""
        words = [str(self.home), str(self.port), str(self.broker_port), verb, point, str(Path(__file__).parent), code]
        return subprocess.run([sys.executable, "-c", BOX, *words], timeout=60, check=False).returncode


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    home = tmp_path / "home"
    issuer, port = found_authority(home, "jakarta"), free_port()
    for name in ("server", "broker"):
        key = new_key()
        mine = issuer.issue(Identity(name="localhost", role="broker", hosts=("localhost",)), key.public_key())
        write(home / f"{name}.key", key_pem(key), mode=SECRET)
        write(home / f"{name}.pem", mine + pem(issuer.issuing), mode=PUBLIC)
    with Registry(home / "registry.db", who="office") as registry:
        registry.put_unit(Unit(unit="box-1"))
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(home), str(port)])
    pems = {"ca_path": home / "ca.pem", "certificate_path": home / "broker.pem", "key_path": home / "broker.key"}
    try:
        with ThrowawayMosquitto(tmp_path / "mosquitto", roles=Roles(), **pems) as mosquitto:
            deadline = time.monotonic() + 20
            while socket.socket().connect_ex(("127.0.0.1", port)):
                assert server.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)
            yield Office(home, port, mosquitto.listener.port, issuer)
    finally:
        server.terminate()
        assert server.wait(10) == 0


def test_killed_at_every_step_a_box_ends_with_a_working_identity(office: Office) -> None:
    code = office.code()
    for point in POINTS:
        assert office.box("enrol", point, code) == -signal.SIGKILL, point
    assert office.box("enrol", "", code) == 0
    works(office)
    before = Identities(office.home / STATE / "box").current()
    for point in POINTS:
        assert office.box("renew", point) == -signal.SIGKILL, point
        works(office)  # the old one or the new one
    assert office.box("renew") == 0
    works(office)
    after = Identities(office.home / STATE / "box").current()
    assert before is not None and after is not None and before.path != after.path
    assert (
        len([each for each in (office.home / STATE / "box").iterdir() if each.is_dir() and not each.is_symlink()]) == 2
    )
    assert set(office.issued()) == {"code", "renewal"}


def test_a_power_cut_at_every_step_leaves_a_working_identity_whatever_the_card_had_not_written(
    office: Office, tmp_path: Path
) -> None:
    luck, folder = WorstLuck(), tmp_path / "card"
    (folder / "run").mkdir(parents=True)
    with mounted_card(folder) as card:
        (office.home / STATE).symlink_to(card.directory)
        code = office.code()
        for point in (*POINTS, ""):
            office.box("enrol", point, code)
            card.power_cut(luck)
        assert office.box("enrol", "", code) == 0, "the code and the key that it was used with are still one"
        for point in (*POINTS, ""):
            card.power_cut(luck)
            works(office, modes=False)
            office.box("renew", point)
        card.power_cut(luck)
        works(office, modes=False)
        assert set(office.issued()) == {"code", "renewal"}


def works(office: Office, *, modes: bool = True) -> None:
    """What the box is now gets in at the broker, and nobody else reads its key (`modes`: where files have some)."""
    current = Identities(office.home / STATE / "box").current()
    assert current is not None
    certificate = current.certificate()
    assert certificate is not None and identity_of(certificate) == Identity(name="box-1", role="unit")
    assert not modes or stat.S_IMODE(current.key_path.stat().st_mode) == 0o600
    box = enroller(office.home, office.port, office.broker_port)
    box.try_broker(box._identity(current))


def test_a_certificate_that_the_broker_refuses_is_not_swapped_in(office: Office, tmp_path: Path) -> None:
    assert office.box("enrol", "", office.code()) == 0
    before = Identities(office.home / STATE / "box").current()
    stranger = found_authority(tmp_path / "stranger", "elsewhere")
    folder = Identities(office.home / STATE / "box").next()
    wrong = stranger.issue(Identity(name="box-1", role="unit"), folder.key().public_key())
    folder.keep(wrong)
    with pytest.raises(LinkRefused):
        enroller(office.home, office.port, office.broker_port).renew(now=dt.datetime.now(dt.UTC), whatever=True)
    assert Identities(office.home / STATE / "box").current() == before
    works(office)
    assert office.box("renew") == 0, "the refused one is not tried for ever"
    assert Identities(office.home / STATE / "box").current() != before
    works(office)


def test_it_is_renewed_at_two_thirds_of_its_life_and_not_before(office: Office) -> None:
    assert office.box("enrol", "", office.code()) == 0
    box = enroller(office.home, office.port, office.broker_port)
    current = Identities(office.home / STATE / "box").current()
    certificate = current.certificate() if current else None
    assert certificate is not None
    assert box.renew(now=certificate.not_valid_before_utc + dt.timedelta(days=200)) is None
    lasts = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert 0.61 < (due(certificate) - certificate.not_valid_before_utc) / lasts < 0.72
    assert box.renew(now=due(certificate)) is not None
    works(office)


def test_what_the_server_refuses_is_told_and_nothing_is_swapped(office: Office) -> None:
    box = enroller(office.home, office.port, office.broker_port)
    with pytest.raises(NotIssued, match="no such name, or another code") as refused:
        box.enrol("AAAA-BBBB-CCCC")
    assert refused.value.again is False
    with pytest.raises(NotIssued) as gone:
        enroller(office.home, free_port(), office.broker_port).enrol("AAAA-BBBB-CCCC")
    assert gone.value.again is True
    with pytest.raises(FileNotFoundError, match="enrol it with a code"):
        box.renew(now=dt.datetime.now(dt.UTC))
    assert Identities(office.home / STATE / "box").current() is None


def test_a_server_that_another_authority_vouches_for_is_not_asked(office: Office, tmp_path: Path) -> None:
    found_authority(tmp_path / "mine", "mine")
    clock = Clock(ntp_synchronised=lambda: True)
    client = EstClient(Server(host="localhost", port=office.port, ca_path=tmp_path / "mine" / "ca.pem"), clock)
    with pytest.raises(NotIssued, match="certificate"):
        client.enrol("box-1", office.code(), new_key())


def test_a_connection_that_breaks_is_no_refusal_and_one_tries_again(office: Office) -> None:
    """A bad link between the handshake and the broker's answer must not cost a box the certificate it just got."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(office.home / "broker.pem", office.home / "broker.key")
    assert office.box("enrol", "", office.code()) == 0
    current = Identities(office.home / STATE / "box").current()
    assert current is not None
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def hang_up() -> None:
            taken, _ = listening.accept()
            with context.wrap_socket(taken, server_side=True) as link:
                link.recv(100)

        breaking = threading.Thread(target=hang_up)
        breaking.start()
        box = enroller(office.home, office.port, listening.getsockname()[1])
        with pytest.raises(ConnectionResetError, match="was lost") as broken:
            box.try_broker(box._identity(current))
        breaking.join()
    assert not isinstance(broken.value, LinkRefused)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("verb", ["enrol", "renew"])
def test_what_root_does_for_a_box_it_does_as_the_boxs_own_user(
    verb: str, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    became: list[int] = []
    monkeypatch.setattr(os, "setgroups", lambda _groups: None)
    monkeypatch.setattr(os, "setgid", became.append)
    monkeypatch.setattr(os, "setuid", became.append)
    (open_folder / "identity").mkdir()
    os.chown(open_folder / "identity", OWNER, OWNER)
    done = CliRunner().invoke(app, [verb, "--config", str(configured(open_folder))])
    assert became == [OWNER, OWNER]
    assert done.exit_code == 1, "it has no identity, and there is no code"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_who_may_not_read_the_code_is_told_how(open_folder: Path) -> None:
    config, codes = configured(open_folder), open_folder / "codes"
    codes.mkdir(mode=0o700)
    (codes / "code").write_text("ABCD-EFGH-JKLM\n")
    os.seteuid(OWNER)
    try:
        done = CliRunner().invoke(app, ["enrol", "--config", str(config)])
    finally:
        os.seteuid(0)
    assert done.exit_code == EXIT_CONFIG
    assert done.stderr.startswith("pantau-provision: ") and "with sudo" in done.stderr
    assert isinstance(done.exception, SystemExit)


def configured(folder: Path) -> Path:
    (folder / "ca.pem").write_text("")
    (folder / "enrolment.toml").write_text(
        f"""
        [unit]
        id = "box-1"
        [enrolment]
        host = "localhost"
        ca_path = "{folder}/ca.pem"
        code_path = "{folder}/codes/code"
        [broker]
        host = "localhost"
        [identity]
        directory = "{folder}/identity"
        """
    )
    return folder / "enrolment.toml"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that others may enter, as /var/lib is: pytest's own are closed to them."""
    folder = Path(tempfile.mkdtemp(prefix="pantau-enrol-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)

"""The enrolment server as any EST client sees it: nothing here but curl and openssl."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from provisioning.authority import Issuer, found_authority, open_authority
from provisioning.enrolment import Enrolments
from provisioning.files import PUBLIC, SECRET, write
from provisioning.registry import Registry
from provisioning.values import Unit
from provisioning.x509 import Identity, key_pem, new_key, pem
from stage.city import free_port
from tests.service_manager import Manager

WITHIN_S = 1.0

SERVER = """
import sys
from pathlib import Path
from provisioning.authority import open_authority
from provisioning.enrolment import Enrolments
from provisioning.registry import Registry
from provisioning.serve import Place, serve
home, port = Path(sys.argv[1]), int(sys.argv[2])
enrolments = Enrolments(Registry(home / "registry.db", who="server", wait_s=0.5), open_authority(home))
serve(enrolments, Place(host="127.0.0.1", port=port, ca_path=home / "ca.pem",
                        certificate_path=home / "server.pem", key_path=home / "server.key"), within_s=WITHIN_S)
""".replace("WITHIN_S", f"{WITHIN_S}")


class Est:
    """A running server, and curl."""

    def __init__(self, home: Path, port: int, code: str, pid: int, manager: Manager) -> None:
        self.home, self.port, self.code, self.pid, self.manager = home, port, code, pid, manager

    def curl(self, operation: str, *words: str) -> tuple[int, bytes]:
        url = f"https://localhost:{self.port}/.well-known/est/{operation}"
        command = ["curl", "-s", "-w", "\n%{http_code}", "--cacert", str(self.home / "root.pem"), *words, url]
        done = subprocess.run(command, capture_output=True, timeout=30, check=True)
        body, _, status = done.stdout.rpartition(b"\n")
        return int(status), body

    def post(self, operation: str, request: Path, *words: str) -> tuple[int, bytes]:
        kind = "Content-Type: application/pkcs10"
        return self.curl(operation, "-H", kind, "--data-binary", f"@{request}", *words)


def openssl(*words: str, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *words], input=given, capture_output=True, timeout=30, check=True).stdout


def subjects(pkcs7: bytes) -> list[str]:
    told = openssl("pkcs7", "-inform", "DER", "-print_certs", "-noout", given=base64.b64decode(pkcs7)).decode()
    return [line.replace(" ", "") for line in told.splitlines() if line.startswith("subject")]


@pytest.fixture
def est(tmp_path: Path) -> Iterator[Est]:
    if not (shutil.which("curl") and shutil.which("openssl")):
        pytest.skip("curl and openssl are not here")
    home = tmp_path / "home"
    issuer, key, port = found_authority(home, "jakarta"), new_key(), free_port()
    mine = issuer.issue(Identity(name="localhost", role="broker", hosts=("localhost",)), key.public_key())
    write(home / "server.key", key_pem(key), mode=SECRET)
    write(home / "server.pem", mine + pem(issuer.issuing), mode=PUBLIC)
    with Registry(home / "registry.db", who="office") as registry:
        registry.put_unit(Unit(unit="box-1"))
        code = Enrolments(registry, issuer).new_code(Identity(name="box-1", role="unit"))
    manager = Manager(tmp_path, watchdog_s=1.5)
    command = [sys.executable, "-c", SERVER, str(home), str(port)]
    server = subprocess.Popen(command, env={**os.environ, **manager.environment})
    try:
        manager.until("READY=1")
        yield Est(home, port, code, server.pid, manager)
    finally:
        server.terminate()
        manager.until("STOPPING=1")
        assert server.wait(10) == 0
        manager.close()


def requested(folder: Path, name: str, *key: str) -> tuple[Path, Path]:
    """(key, request in base64) of a client that makes its own key."""
    kept, asked = folder / f"{name}.key", folder / f"{name}.b64"
    new = key or ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    words = ("req", "-new", "-newkey", *new, "-nodes", "-keyout", str(kept), "-subj", f"/CN={name}", "-outform", "DER")
    asked.write_bytes(base64.encodebytes(openssl(*words)))
    return kept, asked


def test_curl_and_openssl_are_enough_to_enrol_and_to_renew(est: Est, tmp_path: Path) -> None:
    assert set(subjects(est.curl("cacerts")[1])) == {"subject=CN=jakartaissuing", "subject=CN=jakartaroot"}
    key, asked = requested(tmp_path, "bridge-1")  # what a thief would like to be
    status, told = est.post("simpleenroll", asked, "-u", "box-1:AAAA-BBBB-CCCC", "-i")
    assert status == 401 and b"connection: close" in told.lower(), "each guess costs a connection"
    status, issued = est.post("simpleenroll", asked, "-u", f"box-1:{est.code}")
    assert status == 200 and subjects(issued) == ["subject=O=unit,CN=box-1"]
    certificate = tmp_path / "box.pem"
    certificate.write_bytes(openssl("pkcs7", "-inform", "DER", "-print_certs", given=base64.b64decode(issued)))
    openssl("verify", "-CAfile", str(est.home / "ca.pem"), str(certificate))
    shown = ("--cert", str(certificate), "--key", str(key))
    status, renewed = est.post("simplereenroll", asked, *shown)
    assert status == 200 and subjects(renewed) == ["subject=O=unit,CN=box-1"]
    assert est.post("simplereenroll", asked)[0] == 401, "without a certificate nothing is renewed"


def test_it_is_ready_once_it_listens_and_fed_while_it_turns(est: Est) -> None:
    assert socket.socket().connect_ex(("127.0.0.1", est.port)) == 0, "it has said READY=1"
    est.manager.until("WATCHDOG=1")
    assert f"STATUS=127.0.0.1 port {est.port}" in est.manager.told
    est.manager.until("WATCHDOG=1")


def test_bad_input_is_an_answer_and_the_server_goes_on(est: Est, tmp_path: Path) -> None:
    junk = tmp_path / "junk"
    for content, status in ((b"", 400), (b"@@@", 400), (base64.b64encode(b"abc"), 400), (b"A" * 100_000, 413)):
        junk.write_bytes(content)
        assert est.post("simpleenroll", junk, "-u", f"box-1:{est.code}")[0] == status, content[:10]
    assert est.post("simpleenroll", junk, "-H", "Authorization: Basic !!!")[0] == 401
    with socket.create_connection(("127.0.0.1", est.port)) as silent:  # who says nothing holds nobody up
        assert est.curl("cacerts")[0] == 200
        silent.sendall(b"\x16\x03\x01garbage")
    _, asked = requested(tmp_path, "box-1", "rsa:2048")
    assert est.post("simpleenroll", asked, "-u", f"box-1:{est.code}")[0] == 200


def test_while_the_office_writes_a_box_is_told_to_come_again_and_its_code_stays_good(est: Est, tmp_path: Path) -> None:
    _, asked = requested(tmp_path, "box-1")
    with closing(sqlite3.connect(est.home / "registry.db")) as office:
        office.execute("BEGIN IMMEDIATE")
        status, answer = est.post("simpleenroll", asked, "-i", "-u", f"box-1:{est.code}")
        assert status == 503 and b"Retry-After: " in answer
        office.rollback()
    assert est.post("simpleenroll", asked, "-u", f"box-1:{est.code}")[0] == 200


HALF = b"""POST /.well-known/est/simpleenroll HTTP/1.1\r
Host: localhost\r
Authorization: Basic Ym94LTE6eA==\r
Content-Length: 9\r
\r
half"""


@pytest.mark.parametrize("said", [b"", b"GET /.well-known/est/cac", HALF], ids=["nothing", "line", "body"])
def test_a_connection_that_brings_no_whole_request_ends(est: Est, said: bytes) -> None:
    with connected(est) as tls:
        tls.sendall(said)
        begun, heard = time.monotonic(), b""
        while more := tls.recv(4096):
            heard += more
        assert WITHIN_S / 2 < time.monotonic() - begun < WITHIN_S + 4
    assert (b" 408 " in heard) == (said == HALF), "a late body is told so"


def test_a_connection_is_good_for_one_request(est: Est) -> None:
    with connected(est) as tls:
        tls.sendall(b"GET /.well-known/est/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2)
        heard = b""
        while more := tls.recv(4096):
            heard += more
    assert heard.count(b"HTTP/1.1 404") == 1


def test_the_servers_own_certificate_is_renewed_while_it_runs_and_a_broken_one_is_not_taken(est: Est) -> None:
    issuer, before = open_authority(est.home), shown_serial(est)
    renew_server(est, issuer)
    deadline = time.monotonic() + 10
    while (renewed := shown_serial(est)) == before:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (est.home / "server.pem").write_text("no certificate")
    os.kill(est.pid, signal.SIGHUP)
    time.sleep(0.5)
    assert shown_serial(est) == renewed
    assert est.curl("cacerts")[0] == 200


def renew_server(est: Est, issuer: Issuer) -> None:
    key = new_key()
    mine = issuer.issue(Identity(name="localhost", role="broker", hosts=("localhost",)), key.public_key())
    write(est.home / "server.key", key_pem(key), mode=SECRET)
    write(est.home / "server.pem", mine + pem(issuer.issuing), mode=PUBLIC)
    os.kill(est.pid, signal.SIGHUP)


@contextmanager
def connected(est: Est) -> Iterator[ssl.SSLSocket]:
    context = ssl.create_default_context(cafile=str(est.home / "ca.pem"))
    with (
        socket.create_connection(("127.0.0.1", est.port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as tls,
    ):
        yield tls


def shown_serial(est: Est) -> str:
    with connected(est) as tls:
        return str((tls.getpeercert() or {})["serialNumber"])

"""The throwaway authority: real X.509 that strict verification takes, and keys nobody else reads."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path
from typing import Any

import pytest

from provisioning.throwaway import make_authority


def test_only_the_owner_reads_a_key(tmp_path: Path) -> None:
    issued = make_authority(tmp_path).issue("box-1", "unit")
    for key in (issued.key_path, tmp_path / "ca.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_both_ends_take_it_with_strict_verification(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    broker = authority.issue("broker.example", "broker", hosts=("broker.example", "127.0.0.1"))
    for name, role in (("box-1", "unit"), ("city-fire", "consumer")):
        unit = authority.issue(name, role)
        server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(broker.ca_path))
        server.load_cert_chain(broker.certificate_path, broker.key_path)
        server.verify_mode = ssl.CERT_REQUIRED
        client = ssl.create_default_context(cafile=str(unit.ca_path))
        client.load_cert_chain(unit.certificate_path, unit.key_path)
        server.verify_flags |= ssl.VERIFY_X509_STRICT
        client.verify_flags |= ssl.VERIFY_X509_STRICT  # the default since Python 3.13
        assert ("commonName", name) in [pair for (pair,) in handshake(server, client, "broker.example")["subject"]]
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(server, client, "another.example")


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> dict[str, Any]:
    """TLS between the two in memory; the certificate that the server has seen."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [server.wrap_bio(up, down, server_side=True), client.wrap_bio(down, up, server_hostname=host)]
    for _ in range(5):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ends[0].getpeercert() or {}


def test_opened_again_it_is_the_same_authority_and_ensure_issues_once(tmp_path: Path) -> None:
    first = make_authority(tmp_path).ensure("box-1", "unit").certificate_path.read_bytes()
    again = make_authority(tmp_path).ensure("box-1", "unit")
    assert again.certificate_path.read_bytes() == first


def test_an_unknown_role_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="role 'king'"):
        make_authority(tmp_path).issue("box-1", "king")

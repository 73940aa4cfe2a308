"""The throwaway authority: real X.509 that strict verification takes, and keys nobody else reads."""

from __future__ import annotations

import ssl
import stat
import subprocess
from pathlib import Path

import pytest

from provisioning.throwaway import make_authority


def test_only_the_owner_reads_a_key(tmp_path: Path) -> None:
    issued = make_authority(tmp_path).issue("box-1", "unit")
    for key in (issued.key_path, tmp_path / "ca.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_strict_verification_takes_what_it_issues(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    for name, role in (("broker.example", "broker"), ("box-1", "unit"), ("city-fire", "consumer")):
        issued = authority.issue(name, role, hosts=("broker.example", "127.0.0.1"))
        command = ["openssl", "verify", "-x509_strict", "-CAfile", str(issued.ca_path), str(issued.certificate_path)]
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0
        ssl.create_default_context(cafile=str(issued.ca_path)).load_cert_chain(issued.certificate_path, issued.key_path)


def test_opened_again_it_is_the_same_authority_and_ensure_issues_once(tmp_path: Path) -> None:
    first = make_authority(tmp_path).ensure("box-1", "unit").certificate_path.read_bytes()
    again = make_authority(tmp_path).ensure("box-1", "unit")
    assert again.certificate_path.read_bytes() == first


def test_an_unknown_role_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="role 'king'"):
        make_authority(tmp_path).issue("box-1", "king")

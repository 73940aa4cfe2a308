"""A throwaway authority for `make run`, tests and benches: real X.509, keys on this machine, never for a street.

The city's own authority is `provisioning.authority`; this one only has to make mutual TLS real from the first minute.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509

from provisioning.files import PUBLIC, SECRET, write
from provisioning.x509 import Identity, Key, Life, authority, certificate, key_pem, life, load_key, new_key, pem

LIFE: Final = dt.timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Credentials:
    """PEM files of one identity; the key file has mode 0600."""

    ca_path: Path
    certificate_path: Path
    key_path: Path


class Authority:
    """A self-signed root that issues certificates into its own directory."""

    def __init__(self, directory: Path, certificate: x509.Certificate, key: Key) -> None:
        self.directory = directory
        self._certificate = certificate
        self._key = key

    @property
    def ca_path(self) -> Path:
        return self.directory / "ca.pem"

    def credentials(self, common_name: str) -> Credentials:
        """Where `issue` puts the files of this identity; they may not be there yet."""
        return Credentials(
            ca_path=self.ca_path,
            certificate_path=self.directory / f"{common_name}.pem",
            key_path=self.directory / f"{common_name}.key",
        )

    def issue(
        self,
        common_name: str,
        role: str,
        *,
        hosts: tuple[str, ...] = ("localhost", "127.0.0.1"),
        not_before: dt.datetime | None = None,
        not_after: dt.datetime | None = None,
    ) -> Credentials:
        """Make a key and a certificate with CN `common_name` and O `role`; `hosts` matter to the broker only."""
        found, key, usual = self.credentials(common_name), new_key(), life(LIFE)
        who = Identity(name=common_name, role=role, hosts=hosts)
        lives = Life(not_before or usual.begins, not_after or usual.ends)
        write(found.key_path, key_pem(key), mode=SECRET)
        issued = certificate(who, key.public_key(), self._certificate, self._key, lives)
        write(found.certificate_path, issued, mode=PUBLIC)
        return found

    def ensure(
        self, common_name: str, role: str, *, hosts: tuple[str, ...] = ("localhost", "127.0.0.1")
    ) -> Credentials:
        """The identity's files as they are, or freshly issued when they are missing."""
        found = self.credentials(common_name)
        if found.certificate_path.exists() and found.key_path.exists():
            return found
        return self.issue(common_name, role, hosts=hosts)


def make_authority(directory: Path) -> Authority:
    """Open the throwaway authority in `directory`, or make a new one there."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    certificate_path, key_path = directory / "ca.pem", directory / "ca.key"
    if certificate_path.exists() and key_path.exists():
        key = load_key(key_path.read_bytes(), str(key_path))
        return Authority(directory, x509.load_pem_x509_certificate(certificate_path.read_bytes()), key)
    key = new_key()
    root = authority("pantau throwaway authority", key, life(LIFE))
    write(key_path, key_pem(key), mode=SECRET)
    write(certificate_path, pem(root), mode=PUBLIC)
    return Authority(directory, root, key)

"""A throwaway authority for `make run`, tests and benches: real X.509, keys on this machine, never for a street.

The city's own authority (issuing key apart from the root, one-time codes, renewal) is provisioning's next part;
this one only has to make mutual TLS real from the first minute.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE_DAYS: Final = 365
BACKDATE_MINUTES: Final = 60  # another machine's clock may be behind this one's
ROLES: Final = frozenset({"broker", "unit", "bridge", "publisher", "consumer", "technician"})

# Strict verification (Python 3.13's default) refuses an authority that does not say what its key is for.
_SIGNS_CERTIFICATES: Final = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """PEM files of one identity; the key file has mode 0600."""

    ca_path: Path
    certificate_path: Path
    key_path: Path


class Authority:
    """A self-signed root that issues certificates into its own directory."""

    def __init__(self, directory: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
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
        if role not in ROLES:
            raise ValueError(f"role {role!r}: expected one of {', '.join(sorted(ROLES))}")
        found = self.credentials(common_name)
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name(
            [x509.NameAttribute(NameOID.ORGANIZATION_NAME, role), x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
        )
        usage = ExtendedKeyUsageOID.SERVER_AUTH if role == "broker" else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = (
            _builder(name, self._certificate.subject, key.public_key(), not_before, not_after)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        )
        if role == "broker":
            builder = builder.add_extension(x509.SubjectAlternativeName([_host(h) for h in hosts]), critical=False)
        _write(found.key_path, _key_pem(key), mode=0o600)
        _write(found.certificate_path, _pem(builder.sign(self._key, hashes.SHA256())), mode=0o644)
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
        key = serialization.load_pem_private_key(key_path.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{key_path}: not an elliptic-curve key")
        return Authority(directory, x509.load_pem_x509_certificate(certificate_path.read_bytes()), key)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pantau throwaway authority")])
    certificate = (
        _builder(name, name, key.public_key(), None, None)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_SIGNS_CERTIFICATES, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(key_path, _key_pem(key), mode=0o600)
    _write(certificate_path, _pem(certificate), mode=0o644)
    return Authority(directory, certificate, key)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    not_before: dt.datetime | None,
    not_after: dt.datetime | None,
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before or now - dt.timedelta(minutes=BACKDATE_MINUTES))
        .not_valid_after(not_after or now + dt.timedelta(days=LIFE_DAYS))
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes, *, mode: int) -> None:
    """Write a file that was never readable by others, replacing the old one in one step."""
    aside = path.with_suffix(path.suffix + ".new")
    aside.unlink(missing_ok=True)
    aside.touch(mode=mode)
    aside.write_bytes(content)
    aside.chmod(mode)
    aside.replace(path)

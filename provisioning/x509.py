"""Certificates as values: who one is for, and the X.509 that says so. Pure; only `cryptography` below it.

Subject: CN is the name, O the role, OU the agencies a consumer may read. Keys are P-256 (RFC 5480), signatures ECDSA
with SHA-256: small on the air, and every OpenSSL since 1.0.2 has them.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ROLES: Final = frozenset({"broker", "unit", "bridge", "publisher", "consumer", "technician"})
SERVES: Final = frozenset({"broker"})  # roles whose certificate names hosts, and is shown by a server
BACKDATE: Final = dt.timedelta(minutes=60)  # another machine's clock may be behind this one's

Key = ec.EllipticCurvePrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey  # ours are elliptic; other EST clients bring RSA


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whom a certificate speaks for; `hosts` only where a server shows it, `agencies` only for a consumer."""

    name: str
    role: str
    agencies: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"role {self.role!r}: expected one of {', '.join(sorted(ROLES))}")


@dataclass(frozen=True, slots=True)
class Life:
    """When a certificate begins and ends, UTC."""

    begins: dt.datetime
    ends: dt.datetime


def life(lasts: dt.timedelta, *, now: dt.datetime | None = None) -> Life:
    """From a little before now on."""
    now = now or dt.datetime.now(dt.UTC)
    return Life(now - BACKDATE, now + lasts)


def new_key() -> Key:
    """A fresh private key."""
    return ec.generate_private_key(ec.SECP256R1())


def certificate(who: Identity, public_key: PublicKey, issuer: x509.Certificate, key: Key, lives: Life) -> bytes:
    """The certificate of an identity, PEM, signed by the issuer's key."""
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, who.role)]
    names += [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, agency) for agency in who.agencies]
    subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, who.name)])
    usage = ExtendedKeyUsageOID.SERVER_AUTH if who.role in SERVES else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        _builder(subject, issuer.subject, public_key, lives)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    )
    if who.role in SERVES:
        builder = builder.add_extension(x509.SubjectAlternativeName([_host(h) for h in who.hosts]), critical=False)
    return pem(builder.sign(key, hashes.SHA256()))


def authority(
    name: str,
    key: Key,
    lives: Life,
    *,
    signed_by: tuple[x509.Certificate, Key] | None = None,
    path_length: int = 0,
) -> x509.Certificate:
    """The certificate of an authority, signed by itself or by another one."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, issuer_key = (subject, key) if signed_by is None else (signed_by[0].subject, signed_by[1])
    return (
        _builder(subject, issuer, key.public_key(), lives)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_SIGNS_CERTIFICATES, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def revocations(issuer: x509.Certificate, key: Key, serials: dict[int, dt.datetime], lives: Life) -> bytes:
    """The list of certificates that are no longer good (CRL), PEM: serial number and since when."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.subject)
    builder = builder.last_update(lives.begins).next_update(lives.ends)
    # Two issuing certificates have one name: which list is whose is told by the key.
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    builder = builder.add_extension(identifier, critical=False)
    for serial, since in sorted(serials.items()):
        revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since).build()
        builder = builder.add_revoked_certificate(revoked)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def identity_of(found: x509.Certificate) -> Identity:
    """Whom a certificate of ours speaks for; ValueError when it names no role of ours."""

    def named(oid: x509.ObjectIdentifier) -> tuple[str, ...]:
        return tuple(str(each.value) for each in found.subject.get_attributes_for_oid(oid))

    names, roles = named(NameOID.COMMON_NAME), named(NameOID.ORGANIZATION_NAME)
    if len(names) != 1 or len(roles) != 1:
        raise ValueError(f"{found.subject.rfc4514_string()}: wanted one CN and one O")
    return Identity(name=names[0], role=roles[0], agencies=named(NameOID.ORGANIZATIONAL_UNIT_NAME))


def pem(found: x509.Certificate) -> bytes:
    """A certificate as PEM."""
    return found.public_bytes(serialization.Encoding.PEM)


def key_pem(key: Key) -> bytes:
    """A private key as PEM, not encrypted: the file's mode protects it."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load_key(text: bytes, where: str) -> Key:
    """A private key from PEM; ValueError with `where` when it is none of ours."""
    key = serialization.load_pem_private_key(text, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{where}: not an elliptic-curve key")
    return key


def key_fingerprint(key: PublicKey) -> str:
    """SHA-256 of the public key (SubjectPublicKeyInfo), hexadecimal: the same through every renewal with that key."""
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(spki)
    return digest.finalize().hex()


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


def _builder(subject: x509.Name, issuer: x509.Name, public_key: PublicKey, lives: Life) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(lives.begins)
        .not_valid_after(lives.ends)
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)

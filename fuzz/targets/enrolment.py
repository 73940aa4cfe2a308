"""Whatever is sent to the enrolment server gets a certificate for its own key and its code's name, or is Refused."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Mapping
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from fuzz.claims import MENDED
from fuzz.scratch import scratch
from provisioning.authority import Issuer, found_authority
from provisioning.enrolment import Enrolments, Refused, requested_key
from provisioning.registry import Registry
from provisioning.serve import credentials_of, request_of
from provisioning.values import Unit
from provisioning.x509 import Identity, identity_of, key_fingerprint

MAX_BYTES = 4096
WHO = Identity(name="amb-017", role="unit")
NOW = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)


def hold(data: bytes) -> None:
    """A line with the credentials and the body behind it; or the body behind the right credentials."""
    right = data[:1] == bytes([MENDED])
    line, _, body = (b"", b"", data[1:]) if right else data.partition(b"\n")
    try:
        given = None if right else credentials_of(line.decode("utf-8", "surrogateescape"))  # as aiohttp reads it
        request = request_of(body)
        requested_key(request)
    except Refused as refused:
        assert refused.status in (400, 401)
        return
    with Registry(scratch("enrolment") / "registry.db", who="fuzz") as registry:
        registry.put_unit(Unit(unit=WHO.name))
        enrolments = Enrolments(registry, _issuer(), now=lambda: NOW)
        name, typed = given or (WHO.name, enrolments.new_code(WHO))
        try:
            issued = enrolments.enrol(name, typed, request, address="127.0.0.1")
        except Refused as refused:
            assert refused.status == 401
            return
        assert right, "nobody guesses a code"
        _check(issued, request, registry)


def _check(issued: bytes, request: bytes, registry: Registry) -> None:
    """The registry says who it is, never the request; and it is for the key that asked."""
    found, asked = x509.load_pem_x509_certificate(issued), x509.load_der_x509_csr(request)
    assert identity_of(found) == WHO
    public = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    assert found.public_key().public_bytes(*public) == asked.public_key().public_bytes(*public)
    (kept,) = registry.enrolments(WHO.name)
    assert kept.key == key_fingerprint(requested_key(request))


@cache
def _issuer() -> Issuer:
    return found_authority(scratch("authority"), "jakarta")


def seeds() -> Mapping[str, bytes]:
    """Requests with keys of several kinds, a certificate, wrong and no credentials."""
    requests = {
        "p256": _request(ec.generate_private_key(ec.SECP256R1())),
        "p521": _request(ec.generate_private_key(ec.SECP521R1())),
        "ed25519": _request(ed25519.Ed25519PrivateKey.generate()),
        "rsa": _request(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    }
    basic = b"Basic " + base64.b64encode(b"amb-017:ABCD-EFGH-JKLM")
    return {
        **{name: bytes([MENDED]) + base64.b64encode(der) for name, der in requests.items()},
        "pem": bytes([MENDED]) + b"-----BEGIN-----\n" + base64.encodebytes(requests["p256"]) + b"-----END-----\n",
        "wrong-code": basic + b"\n" + base64.b64encode(requests["p256"]),
        "no-name": b"Basic Og==\n",
        "bearer": b"Bearer x\n",
        "empty": bytes([MENDED]),
    }


def _request(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bridge-1")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    signed = builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)

"""How a box that trusts nobody yet comes to trust its city: certificates by a fingerprint it was given.

RFC 7030, section 4.1.1: what the server hands out is believed only when a human's word (here the label's SHA-256)
vouches for it. Until then nothing is believed and nothing is said: no code, no name goes over that connection.
"""

from __future__ import annotations

import base64
import binascii
import http.client
import ssl
import tomllib
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import pkcs7

from provisioning.est import PATH
from provisioning.est_client import ANSWER_LIMIT_BYTES, ANSWER_WITHIN_S, NotIssued
from provisioning.files import PUBLIC, write
from provisioning.ticket import Ticket
from provisioning.words import _
from provisioning.written import enrolment_toml
from provisioning.x509 import pem


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate, hex: what `openssl x509 -fingerprint -sha256` shows."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def prepare(config: Path, ticket: Ticket) -> None:
    """Make the box ready for a ticket: ca.pem fetched where it is missing, enrolment.toml written where it is missing.

    What is there stays, and must be of the ticket's authority. Raises NotIssued; OSError when a file cannot be written.
    """
    written = config.exists()
    ca_path = _ca_path(config) if written else config.parent / "ca.pem"
    if ca_path is not None and ca_path.exists():
        if ticket.fingerprint not in map(fingerprint, _in_file(ca_path)):
            told = _("{path} is not of the authority on the label: this box belongs to another city")
            raise NotIssued(told.format(path=ca_path), again=False)
    elif ca_path is not None:
        write(ca_path, fetched(ticket.at.enrolment_host, ticket.at.enrolment_port, ticket.fingerprint), mode=PUBLIC)
    if not written:
        write(config, enrolment_toml(ticket.unit, ticket.at).encode(), mode=PUBLIC)


def fetched(host: str, port: int, wanted: str) -> bytes:
    """The root with that fingerprint and what it vouches for, PEM, root first. Raises NotIssued."""
    found = _offered(host, port)
    root = next((one for one in found if fingerprint(one) == wanted), None)
    if root is None:
        told = _(
            "{host} port {port} is not the server on the label: the authority's fingerprint is another; do not go on"
        )
        raise NotIssued(told.format(host=host, port=port), again=False)
    return pem(root) + b"".join(pem(one) for one in found if one != root and _vouched_for(one, root))


def _offered(host: str, port: int) -> list[x509.Certificate]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The one place without verification: there is nothing yet to verify with, and the fingerprint judges what comes.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    link = http.client.HTTPSConnection(host, port, timeout=ANSWER_WITHIN_S, context=context)
    try:
        link.request("GET", PATH + "cacerts")
        answer = link.getresponse()
        status, body = answer.status, answer.read(ANSWER_LIMIT_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise NotIssued(f"{host} port {port}: {error}", again=True) from error
    finally:
        link.close()
    if status != http.HTTPStatus.OK:
        raise NotIssued(f"{host} port {port}: HTTP status {status}", again=True)
    try:
        return pkcs7.load_der_pkcs7_certificates(base64.b64decode(body))
    except (ValueError, binascii.Error) as error:
        told = _("{host} port {port} is no enrolment server: {error}")
        raise NotIssued(told.format(host=host, port=port, error=error), again=False) from error


def _vouched_for(one: x509.Certificate, root: x509.Certificate) -> bool:
    try:
        one.verify_directly_issued_by(root)
        return one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound):  # another's, or no authority
        return False


def _in_file(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except ValueError as error:
        raise NotIssued(f"{path}: {error}", again=False) from error


def _ca_path(config: Path) -> Path | None:
    """Where a written enrolment.toml has the authority's certificates; None when the file itself is wrong."""
    try:
        named = tomllib.loads(config.read_text("utf-8"))["enrolment"]["ca_path"]
    except (ValueError, KeyError, TypeError):
        return None  # loading it will say all that is wrong with it
    return config.parent / named if isinstance(named, str) else None

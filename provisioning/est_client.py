"""The box's side of EST: asks a server it can verify for a certificate. Raises NotIssued with what to do about it."""

from __future__ import annotations

import base64
import binascii
import http.client
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from edge.clock import Clock
from edge.errors import LinkRefused
from edge.tls import Identity, make_context, trusting
from provisioning.est import PATH
from provisioning.words import _
from provisioning.x509 import Key, pem
from wire.errors import PantauError

ANSWER_WITHIN_S: Final = 30.0
ANSWER_LIMIT_BYTES: Final = 65_536


class NotIssued(PantauError, OSError):
    """No certificate this time. `again`: whether trying later without a human can help."""

    def __init__(self, why: str, *, again: bool) -> None:
        super().__init__(why)
        self.again = again


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where the enrolment server is, and the authority that vouches for it."""

    host: str
    port: int
    ca_path: Path


class EstClient:
    """Asks one server; `clock` judges its certificate as far as this box knows the date."""

    def __init__(self, server: Server, clock: Clock) -> None:
        self._server = server
        self._clock = clock

    def enrol(self, name: str, code: str, key: Key) -> bytes:
        """The first certificate (PEM) of a name, for its one-time code."""
        basic = base64.b64encode(f"{name}:{code}".encode()).decode()
        return self._ask("simpleenroll", name, key, None, {"Authorization": f"Basic {basic}"})

    def renew(self, name: str, key: Key, shown: Identity) -> bytes:
        """The next certificate (PEM), for showing the one before."""
        return self._ask("simplereenroll", name, key, shown, {})

    def _ask(self, operation: str, name: str, key: Key, shown: Identity | None, headers: dict[str, str]) -> bytes:
        said = {"Content-Type": "application/pkcs10", "Content-Transfer-Encoding": "base64", **headers}
        try:
            context = trusting(self._server.ca_path, self._clock) if shown is None else make_context(shown, self._clock)
            link = http.client.HTTPSConnection(
                self._server.host, self._server.port, timeout=ANSWER_WITHIN_S, context=context
            )
            try:
                link.request("POST", PATH + operation, base64.encodebytes(request(name, key)), said)
                answer = link.getresponse()
                status, body = answer.status, answer.read(ANSWER_LIMIT_BYTES)
            finally:
                link.close()
        except (LinkRefused, FileNotFoundError) as error:
            raise NotIssued(str(error), again=False) from error
        except (OSError, http.client.HTTPException) as error:
            raise NotIssued(
                _("{host} port {port}: {why}").format(host=self._server.host, port=self._server.port, why=error),
                again=True,
            ) from error
        if status != http.HTTPStatus.OK:
            why = body.decode("utf-8", "replace").strip().splitlines() or [f"HTTP status {status}"]
            raise NotIssued(
                _("the server refused: {why}").format(why=_(why[0][:200])), again=status in (429, 500, 502, 503)
            )
        return ours(body, key)


def request(name: str, key: Key) -> bytes:
    """A certificate request (PKCS #10, DER); the name in it is only a courtesy."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    asked = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return asked.public_bytes(serialization.Encoding.DER)


def ours(answer: bytes, key: Key) -> bytes:
    """The certificate (PEM) for our key out of the server's answer; NotIssued when there is none."""
    try:
        found = pkcs7.load_der_pkcs7_certificates(base64.b64decode(answer))
    except (ValueError, binascii.Error) as error:
        raise NotIssued(_("the answer is no certificate: {why}").format(why=error), again=True) from error
    for one in found:
        if one.public_key() == key.public_key():
            return pem(one)
    raise NotIssued(_("the answer holds no certificate for this box's key"), again=True)

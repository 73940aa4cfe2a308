"""The sheet's signature: ECDSA with SHA-256 by the box's own key, as `openssl dgst -sha256 -verify` reads it."""

from __future__ import annotations

import base64
import hashlib
from binascii import Error as NotBase64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from provisioning.acceptance.sheet import Sheet, SheetError, from_bytes
from provisioning.words import _
from provisioning.x509 import Key, identity_of, key_fingerprint

LARGEST_CERTIFICATE_BYTES: Final = 16_384  # PEM, with the issuing one behind it


@dataclass(frozen=True, slots=True)
class Signed:
    """The sheet's bytes, their signature (DER), and the certificate of the key that made it (PEM)."""

    content: bytes
    signature: bytes
    certificate: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes, hexadecimal: the sheet's name."""
        return hashlib.sha256(self.content).hexdigest()

    def as_detail(self) -> dict[str, str]:
        """As the words of an event."""
        return {
            "sheet": self.content.decode(),
            "signature": base64.b64encode(self.signature).decode(),
            "certificate": self.certificate.decode("ascii"),
        }


@dataclass(frozen=True, slots=True)
class Proven:
    """A sheet whose signature holds; `serial` (hex) and `key` (SHA-256 of the public key, hex) are who signed."""

    sheet: Sheet
    signed: Signed
    serial: str
    key: str


def sign(content: bytes, key: Key, certificate: bytes) -> Signed:
    """Sign with the box's own key; `certificate` is that key's, PEM. SheetError when it is another key's."""
    signed = Signed(content, key.sign(content, ec.ECDSA(hashes.SHA256())), certificate)
    prove(signed)
    return signed


def from_detail(detail: Mapping[str, str]) -> Signed:
    """What `as_detail` said; SheetError when it is not that."""
    try:
        signature = base64.b64decode(detail["signature"], validate=True)
        return Signed(detail["sheet"].encode(), signature, detail["certificate"].encode("ascii"))
    except (KeyError, NotBase64, UnicodeError, ValueError) as error:
        raise SheetError(f"no signed sheet: {error!r}") from error


def prove(signed: Signed) -> Proven:
    """The sheet, when its signature holds and the certificate is of the unit it names. SheetError says what does not.

    Whether the certificate is one of ours is the registry's to say, or `openssl verify`'s.
    """
    if len(signed.certificate) > LARGEST_CERTIFICATE_BYTES:
        raise SheetError(f"a certificate of more than {LARGEST_CERTIFICATE_BYTES} bytes")
    try:
        certificate = x509.load_pem_x509_certificate(signed.certificate)
        who, key = identity_of(certificate), certificate.public_key()
    except (ValueError, TypeError) as error:
        raise SheetError(f"certificate: {error}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise SheetError("certificate: not of an elliptic-curve key")
    try:
        key.verify(signed.signature, signed.content, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise SheetError(
            _("the signature does not hold: the sheet was changed, or another box has signed it")
        ) from error
    sheet = from_bytes(signed.content)
    if (who.role, who.name) != ("unit", sheet.unit):
        raise SheetError(
            _("the sheet of {unit} is signed by {role} {name}").format(unit=sheet.unit, role=who.role, name=who.name)
        )
    return Proven(sheet, signed, f"{certificate.serial_number:x}", key_fingerprint(key))

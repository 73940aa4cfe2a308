"""Who gets a certificate: codes, renewals, and boxes that come back after their certificate has ended.

A certificate's name and role come from the registry, never from the request: a request that asks to be `bridge` gets
the certificate of whoever holds the code, or nothing.
"""

from __future__ import annotations

import datetime as dt
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from provisioning import codes
from provisioning.authority import Issuer
from provisioning.codes import Code
from provisioning.registry import Registry
from provisioning.throttle import Throttle
from provisioning.values import Enrolment, RegistryError
from provisioning.x509 import Identity, PublicKey, identity_of, key_fingerprint

log = logging.getLogger(__name__)

LATE: Final = dt.timedelta(days=365)  # how long after its end a certificate may still be renewed with the same key
A_DAY: Final = dt.timedelta(days=1)
MOST_A_DAY: Final = 10  # certificates of one name; a box that gets one asks for the next after weeks
LEAST_RSA_BITS: Final = 2048
# What a request that is none, or one of another version, curve or algorithm, raises in cryptography.
_NO_REQUEST: Final = (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.InvalidVersion)
CURVES: Final = ("secp256r1", "secp384r1")


class Refused(RegistryError):
    """No certificate: `status` is HTTP's (400, 401, 403, 408, 429), `wait_s` when to come again."""

    def __init__(self, status: int, why: str, *, wait_s: float = 0.0) -> None:
        super().__init__(why)
        self.status = status
        self.wait_s = wait_s


class Enrolments:
    """Answers requests for certificates from one registry and one issuer."""

    def __init__(
        self,
        registry: Registry,
        issuer: Issuer,
        *,
        late: dt.timedelta = LATE,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self.issuer: Final = issuer
        self._late = late
        self._now = now
        self._monotonic_s = monotonic_s
        self._throttle = Throttle()

    # ---------------------------------------------------------------- codes

    def new_code(self, who: Identity, *, lasts_ms: int = codes.LASTS_MS) -> str:
        """A fresh one-time code for that identity; shown once, kept as a hash."""
        code, salt = codes.draw(), secrets.token_hex(8)
        kept = Code(
            name=who.name,
            role=who.role,
            agencies=who.agencies,
            hosts=who.hosts,
            salt=salt,
            digest=codes.digest(code, salt),
            expires_utc_ms=self._now_ms() + lasts_ms,
        )
        self._registry.put_code(kept)
        return code

    def kept_code(self, name: str, code: str) -> bool:
        """Whether that code of a name is good still: the one it has, not used, not expired."""
        kept = self._registry.code(name)
        good = kept is not None and not kept.used_by_key and kept.expires_utc_ms > self._now_ms()
        return good and kept is not None and codes.holds(kept, code)

    # ---------------------------------------------------------------- requests

    def enrol(self, name: str, typed: str, request: bytes, *, address: str) -> bytes:
        """A certificate (PEM) for a name and its code; `request` is PKCS #10, DER. Raises Refused."""
        kept = self._registry.code(name)
        if kept is None or not codes.holds(kept, typed):
            raise self._wrong(name, address)
        if kept.expires_utc_ms < self._now_ms():
            raise Refused(401, "the code has expired; ask for a new one")
        key = requested_key(request)
        print_ = key_fingerprint(key)
        if kept.used_by_key and kept.used_by_key != print_:
            log.warning("the code of %s was used a second time, with another key, from %s", name, address)
            raise Refused(401, "the code has been used")
        if kept.used_by_key and (again := self._enough(name, key)) is not None:
            return again
        who = Identity(name=kept.name, role=kept.role, agencies=kept.agencies, hosts=kept.hosts)
        with self._registry.together():
            # The same key may come again with it: a box that lost power before it had the answer.
            self._registry.put_code(replace(kept, used_by_key=print_))
            return self._issue(who, key, "code")

    def renew(self, shown: x509.Certificate, request: bytes) -> bytes:
        """A new certificate (PEM) for whoever showed a certificate of ours in TLS. Raises Refused."""
        before = self._known(shown)
        who = identity_of(shown)
        key = requested_key(request)
        ended_ago = self._now() - shown.not_valid_after_utc
        how = "renewal"
        if ended_ago > dt.timedelta():
            if ended_ago > self._late:
                raise Refused(403, f"the certificate ended more than {self._late.days} days ago; a new code is needed")
            if key_fingerprint(key) != before.key:
                raise Refused(403, "after its end a certificate is renewed with the same key only")
            how = "late"
        if (again := self._enough(who.name, key)) is not None:
            return again
        if how == "late":
            log.warning("%s comes back %d days after its certificate has ended", who.name, ended_ago.days)
        hosts = shown_hosts(shown)
        return self._issue(replace(who, hosts=hosts), key, how)

    # ---------------------------------------------------------------- inside

    def _known(self, shown: x509.Certificate) -> Enrolment:
        """What the registry says of a certificate that was shown."""
        kept = self._registry.enrolment(serial_of(shown)) if self.issuer.issued(shown) else None
        if kept is None:
            raise Refused(403, "not a certificate of ours")
        unit = self._registry.unit(kept.name) if kept.role == "unit" else None
        if kept.revoked_utc_ms is not None or (unit is not None and unit.state == "retired"):
            log.warning("%s is retired and asked for a new certificate", kept.name)
            raise Refused(403, "retired")
        return kept

    def _enough(self, name: str, key: PublicKey) -> bytes | None:
        """A name that has had enough for a day, so that a thief fills neither registry nor CRL, gets nothing new.

        Its last certificate is given once more to the same key, which may have lost it on the way; another is Refused.
        """
        newest = self._registry.newest_enrolments(name, MOST_A_DAY)
        if len(newest) < MOST_A_DAY:
            return None
        ago = dt.timedelta(milliseconds=self._now_ms() - newest[-1].at_utc_ms)
        if not dt.timedelta() <= ago < A_DAY:
            return None
        last = self._registry.answer(newest[0])
        if last is None or newest[0].key != key_fingerprint(key):
            wait_s = (A_DAY - ago).total_seconds()
            raise Refused(429, f"{name} has had {MOST_A_DAY} certificates within a day", wait_s=wait_s)
        return last

    def _issue(self, who: Identity, key: PublicKey, how: str) -> bytes:
        text = self.issuer.issue(who, key)
        issued = x509.load_pem_x509_certificate(text)
        enrolment = Enrolment(
            serial=serial_of(issued),
            name=who.name,
            role=who.role,
            key=key_fingerprint(key),
            how=how,
            at_utc_ms=self._now_ms(),
            ends_utc_ms=int(issued.not_valid_after_utc.timestamp() * 1000),
        )
        with self._registry.together():
            self._registry.add_enrolment(enrolment)
            self._registry.keep_answer(enrolment, text)
        log.info("certificate for %s (%s, %s) until %s", who.name, who.role, how, issued.not_valid_after_utc)
        return text

    def _wrong(self, name: str, address: str) -> Refused:
        """What whoever brought a wrong code is told."""
        now_s = self._monotonic_s()
        wait_s = self._throttle.wait_s(address, now_s)
        if wait_s > 0:
            return Refused(429, f"too many wrong codes; try again in {wait_s:.0f} s", wait_s=wait_s)
        self._throttle.failed(address, now_s)
        log.warning("wrong code for %r from %s", name, address)
        return Refused(401, "no such name, or another code")

    def _now_ms(self) -> int:
        return int(self._now().timestamp() * 1000)


def requested_key(request: bytes) -> PublicKey:
    """The public key of a PKCS #10 request (DER) that proves it holds the private one. Raises Refused(400)."""
    try:
        asked = x509.load_der_x509_csr(request)
        sound = asked.is_signature_valid
        key = asked.public_key()
    except _NO_REQUEST as error:
        raise Refused(400, f"not a certificate request: {error}") from error
    if not sound:
        raise Refused(400, "the request is not signed by its own key")
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES:
        return key
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= LEAST_RSA_BITS:
        return key
    raise Refused(400, f"wanted a key on P-256 or P-384, or RSA of {LEAST_RSA_BITS} bits or more")


def serial_of(found: x509.Certificate) -> str:
    """Its serial number, hex."""
    return f"{found.serial_number:x}"


def shown_hosts(found: x509.Certificate) -> tuple[str, ...]:
    """The hosts a server's certificate names; none for a client's."""
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(each.value) for each in names)

"""TLS to the broker on a box whose clock may be wrong: chain and host name always, dates by whoever knows the date.

OpenSSL judges dates with the OS clock. When that clock is not right its time check is switched off (nothing else is),
and the broker's certificate is judged here, after the handshake and before the first byte of MQTT.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edge.clock import Clock
from edge.errors import LinkRefused

X509_V_FLAG_NO_CHECK_TIME: Final = 0x200000  # openssl/x509_vfy.h; not named by Python's ssl, but passed through
_DATE_CODES: Final = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, _CERT_HAS_EXPIRED, openssl/x509_vfy.h
TCP_USER_TIMEOUT_MS: Final = 30_000  # unacknowledged this long: the connection is dead (architecture section 3)
TCP_USER_TIMEOUT: Final = getattr(socket, "TCP_USER_TIMEOUT", 18)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """PEM files: who we trust, who we are, and our key (which never leaves the box)."""

    ca_path: Path
    certificate_path: Path
    key_path: Path


class DateRefused(LinkRefused):
    """The broker's certificate is not of the date that we know."""


class LinkSocket(ssl.SSLSocket):
    """An SSL socket that sends at once, dies in 30 s on a dead path, and remembers why it died.

    In TLS 1.3 the broker's refusal of our certificate arrives after the handshake, on the first read, where paho
    keeps only "connection lost".
    """

    context: LinkContext
    failure: OSError | None = None

    def do_handshake(self, block: bool = False) -> None:
        self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, TCP_USER_TIMEOUT_MS)
        try:
            super().do_handshake(block)
            self.context.judge(self.getpeercert() or {})
        except OSError:
            self.close()
            raise

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        try:
            return super().recv(buflen, flags)
        except OSError as error:
            self._remember(error)
            raise

    def send(self, data: Any, flags: int = 0) -> int:
        try:
            return super().send(data, flags)
        except OSError as error:
            self._remember(error)
            raise

    def _remember(self, error: OSError) -> None:
        if not isinstance(error, ssl.SSLWantReadError | ssl.SSLWantWriteError):
            self.failure = self.failure or error

    def break_off(self) -> None:
        """Make the thread that reads this socket see its end; callable from any thread.

        The plain socket's shutdown: SSLSocket's own drops the TLS layer first, and what another thread writes in that
        moment would go out in the clear.
        """
        try:
            socket.socket.shutdown(self, socket.SHUT_RDWR)
        except OSError:
            return  # already gone: that was the aim


class LinkContext(ssl.SSLContext):
    """A client context that knows what date certificates are to be judged by."""

    sslsocket_class = LinkSocket
    known_utc_ms: tuple[int, int] | None = None  # earliest and latest
    floor_utc_ms: int = 0
    judged_by_openssl: bool = True
    ends_utc_ms: int | None = None  # of the broker's certificate, once we have seen it

    @property
    def fully_checked(self) -> bool:
        """Are begin and end of the broker's certificate checked against a date we believe."""
        return self.judged_by_openssl or self.known_utc_ms is not None

    def judge(self, certificate: Mapping[str, Any]) -> None:
        """Raise LinkRefused when the broker's certificate has ended, or (if the date is known) not begun.

        Of two dates that differ either may be the wrong one: a spoofed sky does not lock us out, nor a wrong centre.
        """
        ends, begins = certificate.get("notAfter"), certificate.get("notBefore")
        self.ends_utc_ms = None if ends is None else certificate_date_ms(str(ends))
        if self.judged_by_openssl:
            return
        earliest_ms, latest_ms = self.known_utc_ms or (self.floor_utc_ms, None)
        if self.ends_utc_ms is None or self.ends_utc_ms < max(earliest_ms, self.floor_utc_ms):
            raise DateRefused(f"the broker's certificate ended {ends}")
        if latest_ms is not None and (begins is None or certificate_date_ms(str(begins)) > latest_ms):
            raise DateRefused(f"the broker's certificate begins only {begins}")


def make_context(identity: Identity, clock: Clock) -> LinkContext:
    """A context for one connection; never without verification of chain and host name.

    Raises LinkRefused when our own certificate or key cannot be used, FileNotFoundError when they are not there.
    """
    context = trusting(identity.ca_path, clock)
    try:
        context.load_cert_chain(str(identity.certificate_path), str(identity.key_path))
    except ssl.SSLError as error:
        raise LinkRefused(f"our own certificate or key: {error}") from error
    return context


def trusting(ca_path: Path, clock: Clock) -> LinkContext:
    """A context that knows whom it trusts and shows no certificate: for a box that has none yet.

    Raises LinkRefused when the authority's certificate cannot be used, FileNotFoundError when it is not there.
    """
    context = LinkContext(ssl.PROTOCOL_TLS_CLIENT)  # CERT_REQUIRED and check_hostname are its defaults
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(str(ca_path))
    except ssl.SSLError as error:
        raise LinkRefused(f"the authority's certificate {ca_path}: {error}") from error
    context.floor_utc_ms = clock.floor_utc_ms
    context.known_utc_ms = clock.known_utc_ms()
    context.judged_by_openssl = clock.os_clock_right()
    if not context.judged_by_openssl:
        context.verify_flags |= X509_V_FLAG_NO_CHECK_TIME
    return context


def refusal(error: BaseException | None) -> str | None:
    """Why this end of a connection means that credentials were refused (by us or by the broker), None otherwise."""
    if isinstance(error, LinkRefused):
        return str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the broker's certificate: {error.verify_message}"
    if not isinstance(error, ssl.SSLError) or "_ALERT_" not in (reason := getattr(error, "reason", None) or ""):
        return None
    # e.g. SSLV3_ALERT_CERTIFICATE_EXPIRED, TLSV1_ALERT_UNKNOWN_CA, TLSV13_ALERT_CERTIFICATE_REQUIRED
    alert = reason.partition("_ALERT_")[2]
    if any(word in alert for word in ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED", "DECRYPT_ERROR")):
        return f"the broker refused our certificate: {alert.lower().replace('_', ' ')}"
    return None


def date_refused(error: BaseException | None) -> bool:
    """Was it OpenSSL that found the broker's certificate not to be of the OS clock's date."""
    return isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in _DATE_CODES


def certificate_date_ms(text: str) -> int:
    """Unix ms of a date as Python's ssl writes it ("Jan  5 09:34:43 2028 GMT"), whatever the locale."""
    return ssl.cert_time_to_seconds(text) * 1_000

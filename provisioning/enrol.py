"""Enrolling and renewing, step by step on the box: key, certificate aside, tried at the broker, then swapped.

Every step is durable before the next begins, and doing it again goes on where it was: a box that loses power anywhere
ends with a working identity, the old one or the new one.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509

from edge.errors import LinkRefused
from edge.tls import Identity
from provisioning.est_client import EstClient
from provisioning.identity import Folder, Identities
from provisioning.words import _

RENEW_AFTER: Final = 2 / 3  # of a certificate's life, as certbot and step-ca have it
JITTER: Final = 0.05  # of its life: boxes enrolled on one day do not come back on one day

# Where a test may kill the process: the names that `at` is called with.
POINTS: Final = ("enrol:key", "enrol:issued", "enrol:tried", "enrol:swapped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Enroller:
    """What it takes: the server, where identities are, and a try at the broker (raises when it does not let us in)."""

    name: str
    server: EstClient
    identities: Identities
    ca_path: Path
    try_broker: Callable[[Identity], None]
    at: Callable[[str], None] = lambda _point: None

    def enrol(self, code: str, *, again: bool = False) -> x509.Certificate:
        """Get the first certificate, or (with `again`) another one for a new code.

        A box that has one keeps it, so that doing it twice is doing it once. Raises NotIssued, LinkRefused, OSError.
        """
        current = self.identities.current()
        held = None if current is None else current.certificate()
        if held is not None and not again:
            return held
        return self._become(lambda folder: self.server.enrol(self.name, code, folder.key()))

    def renew(self, *, now: dt.datetime, whatever: bool = False) -> x509.Certificate | None:
        """Get the next certificate when it is time (or `whatever` the time is); None when it is not."""
        current = self.identities.current()
        before = None if current is None else current.certificate()
        if current is None or before is None:
            raise FileNotFoundError(_("this box has no identity yet: enrol it with a code first"))
        if not (whatever or now >= due(before)):
            return None
        shown = self._identity(current)
        if now > before.not_valid_after_utc:  # after its end only the same key is taken
            following = self.identities.next()
            if following.certificate() is None:
                following.adopt(current)
        return self._become(lambda folder: self.server.renew(self.name, folder.key(), shown))

    def _become(self, issue: Callable[[Folder], bytes]) -> x509.Certificate:
        folder = self.identities.next()
        folder.key()
        self.at("enrol:key")
        if folder.certificate() is None:
            folder.keep(issue(folder))
            self.at("enrol:issued")
        try:
            self.try_broker(self._identity(folder))
        except LinkRefused:
            folder.forget()  # else every later try would offer the same one again
            raise
        self.at("enrol:tried")
        self.identities.become(folder)
        self.at("enrol:swapped")
        issued = folder.certificate()
        assert issued is not None
        return issued

    def _identity(self, folder: Folder) -> Identity:
        return Identity(ca_path=self.ca_path, certificate_path=folder.certificate_path, key_path=folder.key_path)


def due(certificate: x509.Certificate) -> dt.datetime:
    """When it is to be renewed: two thirds into its life, a little earlier or later by its own serial number."""
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    shift = random.Random(certificate.serial_number).uniform(-JITTER, JITTER)
    return begins + (ends - begins) * (RENEW_AFTER + shift)

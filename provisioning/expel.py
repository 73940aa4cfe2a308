"""Ending the connection of a retired box: the office takes its name for a moment, with a certificate of minutes.

The broker has one connection a name, so a new one ends the old one. Whoever comes back after that shows a certificate
that is on the list of revoked ones, and a name that may do nothing.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path
from typing import Final

from edge.clock import Clock
from edge.tls import Identity as Pems
from provisioning.authority import Issuer
from provisioning.broker_try import try_broker
from provisioning.files import PUBLIC, SECRET, write
from provisioning.x509 import Identity, key_pem, new_key, pem

LASTS: Final = dt.timedelta(minutes=10)


def expel(issuer: Issuer, name: str, *, host: str, port: int, ca_path: Path) -> None:
    """Take the name's connection at the broker and let it go. Raises LinkRefused or OSError when that cannot be."""
    key = new_key()
    issued = issuer.issue(Identity(name=name, role="unit"), key.public_key(), lasts=LASTS)
    with tempfile.TemporaryDirectory(prefix="pantau-expel-") as folder:
        pems = Pems(
            ca_path=ca_path, certificate_path=Path(folder) / "certificate.pem", key_path=Path(folder) / "key.pem"
        )
        write(pems.key_path, key_pem(key), mode=SECRET)
        write(pems.certificate_path, issued + pem(issuer.issuing), mode=PUBLIC)
        try_broker(pems, name, host, port, Clock(ntp_synchronised=lambda: True))

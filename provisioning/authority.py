"""The city's own authority: a root that can be locked away, and an issuing key that works every day.

`root.key` signs nothing but issuing certificates and may live on a stick in a safe; the machine that serves has
`issuing.key` only. What is trusted is `root.pem`; what is shown is a certificate with `issuing.pem` behind it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from provisioning import x509 as pki
from provisioning.files import PUBLIC, SECRET, write
from provisioning.values import RegistryError
from provisioning.words import _

ROOT_LASTS: Final = dt.timedelta(days=365 * 20)  # boxes in the field trust it; replacing it means visiting them
ISSUING_LASTS: Final = dt.timedelta(days=365 * 5)
# A box renews at two thirds, so four months without a word are no trouble; one parked for longer comes back expired,
# which the server allows for a bounded time (enrolment.LATE).
LASTS: Final = dt.timedelta(days=365)
CRL_LASTS: Final = dt.timedelta(days=30)  # Mosquitto refuses everybody once its list is out of date: renewed daily


class NoAuthority(RegistryError):
    """The directory holds no authority, or not the part that is needed."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """The issuing certificate, its key, and the root above it; `earlier` ones sign nothing but their lists."""

    root: x509.Certificate
    issuing: x509.Certificate
    key: pki.Key
    earlier: tuple[tuple[x509.Certificate, pki.Key], ...] = ()

    def issue(self, who: pki.Identity, public_key: pki.PublicKey, *, lasts: dt.timedelta = LASTS) -> bytes:
        """A certificate for that key, PEM; never longer than the issuing certificate itself."""
        lives = pki.life(lasts)
        ends = min(lives.ends, self.issuing.not_valid_after_utc)
        return pki.certificate(who, public_key, self.issuing, self.key, pki.Life(lives.begins, ends))

    def chain(self) -> list[x509.Certificate]:
        """What EST's cacerts gives: issuing certificate, then root."""
        return [self.issuing, self.root]

    def trusted(self) -> bytes:
        """What everybody trusts, PEM: the content of ca.pem."""
        return b"".join(pki.pem(one) for one in (self.root, self.issuing, *(held for held, _key in self.earlier)))

    def crl(self, serials: dict[int, dt.datetime]) -> bytes:
        """The list of certificates that are no longer good, PEM: one of each issuing key, or Mosquitto lets in none."""
        lives = pki.life(CRL_LASTS)
        signers = ((self.issuing, self.key), *self.earlier)
        return b"".join(pki.revocations(issuing, key, serials, lives) for issuing, key in signers)

    def issued(self, found: x509.Certificate) -> bool:
        """Whether this authority signed it."""
        return any(_signed(found, issuing) for issuing in (self.issuing, *(held for held, _key in self.earlier)))


def found_authority(directory: Path, city: str, *, root_directory: Path | None = None) -> Issuer:
    """Make root and issuing key; the root's key goes to `root_directory` when given. Refuses to replace anything.

    `root_directory` has to be there: a stick that is not mounted would leave the root's key on this machine.
    """
    safe = root_directory or directory
    if root_directory is not None and not root_directory.is_dir():
        raise NoAuthority(_("{path} is not there: is the stick mounted?").format(path=root_directory))
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path in (safe / "root.key", directory / "root.pem", directory / "issuing.key"):
        if path.exists():
            raise NoAuthority(_("{path} is there already: an authority is made once").format(path=path))
    root_key = pki.new_key()
    root = pki.authority(f"{city} root", root_key, pki.life(ROOT_LASTS), path_length=1)
    write(safe / "root.key", pki.key_pem(root_key), mode=SECRET)
    for folder in {directory, safe}:
        write(folder / "root.pem", pki.pem(root), mode=PUBLIC)
    return renew_issuing(directory, city, root_directory=safe)


def renew_issuing(directory: Path, city: str, *, root_directory: Path) -> Issuer:
    """A fresh issuing key and certificate, signed by the root's key in `root_directory`.

    The one before is kept as issuing-N: what it has signed stays good, and its list of revoked ones goes on.
    """
    root = _certificate(root_directory / "root.pem")
    root_key = _key(root_directory / "root.key")
    _keep_earlier(directory)
    key = pki.new_key()
    issuing = pki.authority(f"{city} issuing", key, pki.life(ISSUING_LASTS), signed_by=(root, root_key))
    write(directory / "issuing.key", pki.key_pem(key), mode=SECRET)
    write(directory / "issuing.pem", pki.pem(issuing), mode=PUBLIC)
    # What broker, bridge and boxes are given as ca.pem: with the issuing certificate in it, a leaf alone is enough.
    issuer = Issuer(root, issuing, key, _earlier(directory, issuing))
    write(directory / "ca.pem", issuer.trusted(), mode=PUBLIC)
    return issuer


def open_authority(directory: Path) -> Issuer:
    """The issuer in a directory; NoAuthority says what is missing."""
    issuing, key = _certificate(directory / "issuing.pem"), _key(directory / "issuing.key")
    if issuing.public_key() != key.public_key():
        raise NoAuthority(_("{directory}: issuing.key does not belong to issuing.pem").format(directory=directory))
    return Issuer(_certificate(directory / "root.pem"), issuing, key, _earlier(directory, issuing))


def _keep_earlier(directory: Path) -> None:
    """Issuing key and certificate once more as issuing-N; the key first, as a certificate without one is no use."""
    if not (directory / "issuing.pem").exists():
        return
    number = 1
    while (directory / f"issuing-{number}.pem").exists():
        number += 1
    write(directory / f"issuing-{number}.key", _read(directory / "issuing.key"), mode=SECRET)
    write(directory / f"issuing-{number}.pem", _read(directory / "issuing.pem"), mode=PUBLIC)


def _earlier(directory: Path, issuing: x509.Certificate) -> tuple[tuple[x509.Certificate, pki.Key], ...]:
    """Every issuing-N that is not the present one, as it is after a power cut."""
    kept = [(_certificate(path), _key(path.with_suffix(".key"))) for path in sorted(directory.glob("issuing-*.pem"))]
    return tuple((held, key) for held, key in kept if held != issuing)


def _signed(found: x509.Certificate, issuing: x509.Certificate) -> bool:
    try:
        found.verify_directly_issued_by(issuing)
    except (InvalidSignature, ValueError, TypeError):  # another key, another issuer's name, another kind of key
        return False
    return True


def _certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(_read(path))


def _key(path: Path) -> pki.Key:
    return pki.load_key(_read(path), str(path))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NoAuthority(f"{path}: {error.strerror}") from error

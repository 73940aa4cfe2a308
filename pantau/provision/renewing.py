"""`pantau-provision certificates`: what the centre's own machines show, renewed when it is time; one daily timer."""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from cryptography import x509
from typer import Argument, Exit, Option

from pantau.provision.authority import is_due, issue_into, tell_broker, warn_of_its_end
from pantau.provision.registry import DEFAULT, RegistryPath, office
from pantau.provision.retiring import HOME, Directory
from pantau.store import AsJson
from provisioning.authority import open_authority
from provisioning.enrolment import serial_of, shown_hosts
from provisioning.registry import Registry
from provisioning.words import _
from provisioning.x509 import SERVES, Identity, identity_of, load_key

EXIT_UNREADABLE = 1


def certificates(
    folders: Annotated[list[Path], Argument(help="Folders of NAME.pem and NAME.key, as `certificate` writes them.")],
    centre: Annotated[
        Path | None, Option(help="centre.toml, on the machine of the broker: it reads a new one at once.")
    ] = None,
    directory: Directory = HOME,
    path: RegistryPath = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Renew what is due in these folders: each name gets a new key and a certificate that says what its old one said.

    What is not of this authority, or retired, is left as it is and named. Exit 1 when one could not be read.
    """
    warn_of_its_end(open_authority(directory))
    renewed: list[Identity] = []
    left: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    for pem in sorted(pem for folder in folders for pem in folder.glob("*.pem") if pem.with_suffix(".key").exists()):
        try:
            held = Held.read(pem)
        except (OSError, ValueError) as error:
            unreadable[str(pem)] = str(error)
            continue
        with office(path) as registry:
            why = held.why_left(registry)
        if why:
            left[str(pem)] = why
        elif is_due(pem) or not held.fits:
            issue_into(pem.parent, held.who, directory, path)
            renewed.append(held.who)
    if as_json:
        print(json.dumps({"renewed": [who.name for who in renewed], "left": left, "unreadable": unreadable}))
    else:
        _tell(renewed, left)
    if centre is not None and any(who.role in SERVES for who in renewed):
        tell_broker(centre)
    for where, why in unreadable.items():
        sys.stderr.write(f"pantau-provision: {where}: {why}\n")
    if unreadable:
        raise Exit(EXIT_UNREADABLE)


@dataclass(frozen=True, slots=True)
class Held:
    """A certificate as it lies in a folder; `fits`: its key is the one beside it, as it is not after a power cut."""

    who: Identity
    serial: str
    fits: bool

    @classmethod
    def read(cls, path: Path) -> "Held":
        """NAME.pem and NAME.key. Raises OSError, ValueError."""
        found = x509.load_pem_x509_certificate(path.read_bytes())
        key_path = path.with_suffix(".key")
        key = load_key(key_path.read_bytes(), str(key_path))
        who = replace(identity_of(found), hosts=shown_hosts(found))
        return cls(who, serial_of(found), fits=key.public_key() == found.public_key())

    def why_left(self, registry: Registry) -> str:
        """Why it is nothing to renew here; empty when it is."""
        kept = registry.enrolment(self.serial)
        if kept is None or (kept.name, kept.role) != (self.who.name, self.who.role) or kept.role == "unit":
            return _("not a certificate of ours")
        return _("retired") if any(one.revoked_utc_ms for one in registry.enrolments(kept.name)) else ""


def _tell(renewed: list[Identity], left: dict[str, str]) -> None:
    for who in renewed:
        print(_("{name} ({role}) is renewed").format(name=who.name, role=who.role))
    for where, why in left.items():
        print(_("{path} is left as it is: {why}").format(path=where, why=why))
    if not renewed:
        print(_("not yet due"))

"""`pantau-provision label`: what sticks on a box, or lies beside it in the workshop."""

import json
from pathlib import Path
from typing import Annotated

from typer import Argument, BadParameter, Option

from pantau.provision.card import SITE, Days, SitePath, UnitsCsv, names_in
from pantau.provision.registry import DEFAULT, RegistryPath, office
from pantau.provision.retiring import HOME, Directory
from pantau.store import AsJson
from provisioning.authority import open_authority
from provisioning.card.site import load_site
from provisioning.codes import LASTS_MS
from provisioning.enrolment import Enrolments
from provisioning.files import PUBLIC, SECRET, write
from provisioning.labels import Label, sheet, svg, terminal
from provisioning.registry import Registry
from provisioning.ticket import Ticket
from provisioning.trust import fingerprint
from provisioning.values import RegistryError
from provisioning.words import _
from provisioning.x509 import Identity

UNIT = "{unit}"


def label(
    names: Annotated[list[str] | None, Argument(help="Boxes; a label each.")] = None,
    units: UnitsCsv = None,
    url: Annotated[str | None, Option(help="The QR code is this address; {unit} in it is the box's name.")] = None,
    codes: Annotated[bool, Option("--codes", help="The QR code is a ticket with a fresh one-time code.")] = False,
    out: Annotated[Path | None, Option(help="sheet.html to print, or label.svg for one; else the terminal.")] = None,
    days: Days = LASTS_MS / 86_400_000,
    site: SitePath = SITE,
    directory: Directory = HOME,
    path: RegistryPath = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Labels with a QR code: the box's name, an address, or a ticket that `pantau-provision enrol` takes as it is.

    A ticket is worth a certificate until it is used: print it for the workshop, and the name for the box itself.
    """
    wanted = [*(names or []), *(names_in(units) if units is not None else [])]
    _checked(wanted, url, codes, out)
    with office(path) as registry:
        if codes:
            labels = _tickets(registry, wanted, site, directory, round(days * 86_400_000))
        else:
            labels = [_plain(registry, name, url) for name in wanted]
    if as_json:
        print(json.dumps([{"unit": one.unit, "qr": one.qr, "lines": one.lines} for one in labels]))
    if out is not None:
        text = svg(labels[0]) if out.suffix == ".svg" else sheet(labels)
        try:
            write(out, text.encode(), mode=SECRET if codes else PUBLIC)
        except OSError as error:
            raise RegistryError(f"{out}: {error.strerror}") from error
    elif not as_json:
        print("\n".join(terminal(one) for one in labels), end="")


def _checked(wanted: list[str], url: str | None, codes: bool, out: Path | None) -> None:
    if not wanted:
        raise BadParameter(_("wanted the names of boxes, or --units CSV"))
    if url is not None and (codes or UNIT not in url):
        raise BadParameter(_("--url: wanted an address with {unit} in it, and no --codes").format(unit=UNIT))
    if out is not None and out.suffix not in (".html", ".svg"):
        raise BadParameter(_("--out: wanted a name that ends with .html or .svg"))
    if out is not None and out.suffix == ".svg" and len(wanted) > 1:
        raise BadParameter(_("--out: one label is an .svg; more are a sheet, .html"))


def _plain(registry: Registry, name: str, url: str | None) -> Label:
    box = registry.known_unit(name)
    return Label(unit=box.unit, qr=box.unit if url is None else url.replace(UNIT, box.unit))


def _tickets(registry: Registry, names: list[str], site: Path, directory: Path, lasts_ms: int) -> list[Label]:
    at, issuer = load_site(site).addresses, open_authority(directory)
    enrolments = Enrolments(registry, issuer)
    root = fingerprint(issuer.root)
    with registry.together():
        drawn = {name: enrolments.new_code(Identity(name=name, role="unit"), lasts_ms=lasts_ms) for name in names}
    return [
        Label(unit=name, qr=str(Ticket(unit=name, code=code, at=at, fingerprint=root)), lines=(code, _("use once")))
        for name, code in drawn.items()
    ]

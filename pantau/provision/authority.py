"""The authority's verbs: made once, certificates for the centre's own machines, codes for boxes, the server."""

import datetime as dt
import json
import logging
import sys
from pathlib import Path
from typing import Annotated

from cryptography import x509
from typer import Argument, BadParameter, Option

from pantau.provision.registry import DEFAULT, RegistryPath, office
from pantau.provision.retiring import CRL_NAME, HOME, Directory, revoked_list
from pantau.store import AsJson
from provisioning.authority import Issuer, found_authority, open_authority, renew_issuing
from provisioning.codes import LASTS_MS
from provisioning.enrol import due
from provisioning.enrolment import Enrolments, serial_of
from provisioning.est import PORT
from provisioning.files import PUBLIC, SECRET, write
from provisioning.registry import Registry
from provisioning.values import Enrolment, RegistryError
from provisioning.words import _
from provisioning.x509 import ROLES, Identity, Key, key_fingerprint, key_pem, new_key, pem
from wire.topics import valid_name

WARNS_BEFORE_END = dt.timedelta(days=730)
SERVER_WAITS_S = 1.0  # in its event loop: a box comes again, and the others are not kept waiting
Agencies = Annotated[list[str] | None, Option("--agency", help="What a consumer may read; * is every agency.")]
Hosts = Annotated[list[str] | None, Option("--host", help="Names and addresses of a server.")]


def authority(
    city: Annotated[str, Argument(help="Whose it is, e.g. jakarta.")],
    root: Annotated[
        Path | None, Option("--root", help="Where the root's key goes: a stick that is locked away.")
    ] = None,
    renew: Annotated[
        bool, Option("--renew-issuing", help="A fresh issuing key, signed by the root in --root.")
    ] = False,
    directory: Directory = HOME,
) -> None:
    """Make the city's own authority, once: a root to lock away, and an issuing key for every day."""
    if renew:
        renew_issuing(directory, city, root_directory=root or directory)
        print(_("{directory}/issuing.pem is new; restart the enrolment server").format(directory=directory))
        return
    found_authority(directory, city, root_directory=root)
    print(_("made {directory}/ca.pem (what everybody trusts) and {directory}/issuing.key").format(directory=directory))
    where = _("the root's key is in {directory}/root.key: keep it apart from this machine, and a copy of it")
    print(where.format(directory=root or directory))


def certificate(
    name: Annotated[str, Argument(help="The common name: the broker's host name, bridge-1, city-fire …")],
    role: Annotated[str, Option(help="broker, bridge, publisher, consumer or technician.")],
    out: Annotated[Path, Option(help="The folder for NAME.pem and NAME.key.")],
    agency: Agencies = None,
    host: Hosts = None,
    if_due: Annotated[
        bool, Option("--if-due", help="Only when two thirds of the one in --out are over: for a daily timer.")
    ] = False,
    centre: Annotated[
        Path | None, Option(help="centre.toml, on the machine of the broker: it reads a new one at once.")
    ] = None,
    directory: Directory = HOME,
    path: RegistryPath = DEFAULT,
) -> None:
    """Key and certificate for a machine of the centre. Boxes make their own keys: see `code` and `enrol`."""
    if role not in ROLES - {"unit"}:
        wanted = ", ".join(sorted(ROLES - {"unit"}))
        raise BadParameter(_("role {role}: wanted {wanted}").format(role=repr(role), wanted=wanted))
    _refuse_another_roles_name(name, role)
    if if_due and not is_due(out / f"{name}.pem"):
        print(_("not yet due"))
        return
    hosts = tuple(host or ()) or ((name,) if role == "broker" else ())
    issue_into(out, Identity(name=name, role=role, agencies=tuple(agency or ()), hosts=hosts), directory, path)
    print(_("{out}/{name}.pem and .key ({role})").format(out=out, name=name, role=role))
    if centre is not None:
        tell_broker(centre)


def code(
    names: Annotated[list[str], Argument(help="Boxes; a code each.")],
    days: Annotated[float, Option(min=0.01, max=365, help="How long they are good.")] = LASTS_MS / 86_400_000,
    directory: Directory = HOME,
    path: RegistryPath = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """A one-time code for each box: the right to one certificate. Shown now, and never again."""
    issuer = open_authority(directory)
    with office(path) as registry:
        enrolments = Enrolments(registry, issuer)
        lasts_ms = round(days * 86_400_000)
        with registry.together():
            drawn = {name: enrolments.new_code(Identity(name=name, role="unit"), lasts_ms=lasts_ms) for name in names}
    if as_json:
        print(json.dumps(drawn))
        return
    for name, one in drawn.items():
        print(f"{name}  {one}")


def serve(
    certificate: Annotated[Path, Option(help="The server's certificate with the issuing one behind it, PEM.")],
    key: Annotated[Path, Option(help="Its key, PEM.")],
    host: Annotated[str, Option(help="Address to listen on.")] = "0.0.0.0",
    port: Annotated[int, Option(min=1, max=65535, help="Port to listen on.")] = PORT,
    directory: Directory = HOME,
    path: RegistryPath = DEFAULT,
) -> None:
    """Run the enrolment server (EST, RFC 7030): boxes get certificates for codes, and renew them."""
    from provisioning.serve import Place, serve

    logging.getLogger("provisioning").setLevel(logging.INFO)
    place = Place(host=host, port=port, ca_path=directory / "ca.pem", certificate_path=certificate, key_path=key)
    with office(path, wait_s=SERVER_WAITS_S) as registry:
        issuer = open_authority(directory)
        warn_of_its_end(issuer)
        try:
            serve(Enrolments(registry, issuer), place)
        except OSError as error:
            said = _("{host} port {port}: {why}")
            raise RegistryError(said.format(host=host, port=port, why=error.strerror or error)) from error


def _refuse_another_roles_name(name: str, role: str) -> None:
    """The broker knows a certificate by its name alone: that must not be one that may do something else."""
    begins = {"bridge": "bridge", "publisher": "bridge", "consumer": "city-", "technician": "city-"}.get(role)
    if begins is not None and not (name.startswith(begins) and valid_name(name)):
        said = _("{name}: a name for the role {role} begins with {begins}")
        raise BadParameter(said.format(name=repr(name), role=role, begins=begins))
    if role == "broker" and name.startswith(("bridge", "city-")):
        raise BadParameter(_("{name}: wanted the broker's host name").format(name=repr(name)))


def is_due(path: Path) -> bool:
    """Whether two thirds of the life of the certificate there are over, or there is none."""
    return not path.exists() or dt.datetime.now(dt.UTC) >= due(x509.load_pem_x509_certificate(path.read_bytes()))


def issue_into(out: Path, who: Identity, directory: Path, path: Path) -> None:
    """A new key and certificate for `who` into the folder `out`. The key goes first: see `certificates`."""
    issuer, key = open_authority(directory), new_key()
    with office(path, begin=True) as registry:
        if any(one.revoked_utc_ms is not None for one in registry.enrolments(who.name)):
            raise RegistryError(_("{name} is retired; who comes back gets a new name").format(name=who.name))
        issued = _issue(issuer, registry, who, key)
    out.mkdir(parents=True, exist_ok=True)
    write(out / f"{who.name}.key", key_pem(key), mode=SECRET)
    write(out / f"{who.name}.pem", issued + pem(issuer.issuing), mode=PUBLIC)
    write(out / "ca.pem", (directory / "ca.pem").read_bytes(), mode=PUBLIC)
    if who.role == "broker":  # it asks for the list from its first start on, or it would not hear of it later
        write(out / CRL_NAME, revoked_list(directory, path), mode=PUBLIC)


def warn_of_its_end(issuer: Issuer) -> None:
    """Say in time that the issuing certificate ends: what it signs never lasts longer than itself."""
    ends = issuer.issuing.not_valid_after_utc
    if ends - dt.datetime.now(dt.UTC) < WARNS_BEFORE_END:
        said = _("issuing.pem ends on {day}: renew it with the root's key (authority --renew-issuing)")
        sys.stderr.write(f"pantau-provision: {said.format(day=ends.date())}\n")


def tell_broker(centre: Path) -> None:
    """Have the broker of this machine show its new certificate."""
    from broker.config import load_centre
    from broker.mosquitto import reload

    config = load_centre(centre)
    told = reload(config.roles, config.mosquitto_directory)
    print(_("the broker shows it from now on") if told else _("no broker runs here; it reads it at its next start"))


def _issue(issuer: Issuer, registry: Registry, who: Identity, key: Key) -> bytes:
    public_key = key.public_key()
    text = issuer.issue(who, public_key)
    issued = x509.load_pem_x509_certificate(text)
    registry.add_enrolment(
        Enrolment(
            serial=serial_of(issued),
            name=who.name,
            role=who.role,
            key=key_fingerprint(public_key),
            how="office",
            at_utc_ms=int(dt.datetime.now(dt.UTC).timestamp() * 1000),
            ends_utc_ms=int(issued.not_valid_after_utc.timestamp() * 1000),
        )
    )
    return text

"""The verbs for a box that is stolen, lost or broken for good: out within seconds, and never in again."""

import datetime as dt
import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Exit, Option

from edge.errors import LinkRefused
from pantau.provision.registry import DEFAULT, RegistryPath, office
from provisioning.authority import open_authority
from provisioning.expel import expel
from provisioning.files import PUBLIC, write
from provisioning.words import _

Directory = Annotated[
    Path, Option("--authority", envvar="PANTAU_AUTHORITY", help="The folder of the issuing key and root.pem.")
]
HOME = Path("/etc/pantau/authority")
CRL_NAME = "crl.pem"


def retire(
    unit: Annotated[str, Argument(help="The box; or a technician, or any other name with a certificate.")],
    centre: Annotated[
        Path | None, Option(help="centre.toml, on the machine of the broker: the box is put out at once.")
    ] = None,
    yes: Annotated[bool, Option("--yes", help="Do not ask.")] = False,
    directory: Directory = HOME,
    path: RegistryPath = DEFAULT,
) -> None:
    """Put a box out for ever: it can neither publish nor hear from this moment on, and gets no certificate again.

    Without --centre only registry and enrolment server know; run it again on the broker's machine.
    """
    if not yes and not _confirmed(
        _("Retire {unit} for ever? A repaired box gets a new name. [y/N] ").format(unit=unit)
    ):
        raise Exit(1)
    with office(path) as registry:
        revoked = [one for one in registry.retire(unit) if one.revoked_utc_ms is not None]
        retired = registry.retired()
    print(_("{unit} is retired; {count} certificates revoked").format(unit=unit, count=len(revoked)))
    if centre is None:
        print(_("the broker was not told (--centre)"))
        return
    _put_out(unit, retired, centre, directory, path)


def crl(
    out: Annotated[Path, Argument(help="The file that the broker reads: crl.pem beside its certificates.")],
    directory: Directory = HOME,
    path: RegistryPath = DEFAULT,
) -> None:
    """Write the list of revoked certificates anew; daily, as it ends after 30 days and then nobody is let in."""
    write(out, revoked_list(directory, path), mode=PUBLIC)
    print(_("{out} is new; a running broker reads it at: systemctl reload pantau-mosquitto").format(out=out))


def revoked_list(directory: Path, path: Path) -> bytes:
    """Every certificate that is no longer good, as the broker reads it (PEM)."""
    with office(path) as registry:
        since = {
            int(one.serial, 16): dt.datetime.fromtimestamp((one.revoked_utc_ms or 0) / 1000, dt.UTC)
            for one in registry.revoked()
        }
    return open_authority(directory).crl(since)


def _confirmed(question: str) -> bool:
    """Whether somebody says yes, in any language of ours; whoever says anything else, or nothing, has not."""
    try:
        return input(question).strip().lower() in {"y", "yes", "ya"}
    except EOFError:
        return False


def _put_out(unit: str, retired: list[str], centre: Path, directory: Path, path: Path) -> None:
    """First the name may do nothing, then its connection ends: in between it could only have been heard."""
    from broker.config import load_centre
    from broker.mosquitto import reload

    config = load_centre(centre)
    write(config.retired_path, "".join(f"{name}\n" for name in retired).encode(), mode=PUBLIC)
    write(config.crl_path, revoked_list(directory, path), mode=PUBLIC)
    if not reload(config.roles, config.mosquitto_directory):
        said = _("no broker runs here; it refuses the box from its next start on")
        sys.stderr.write(f"pantau-provision: {said}\n")
        raise Exit(1)
    try:
        expel(
            open_authority(directory),
            unit,
            host=config.broker.host,
            port=config.broker.port,
            ca_path=config.ca_path,
        )
    except (LinkRefused, OSError) as error:
        said = _("{unit} may do nothing any more, but its connection stays: {why}")
        sys.stderr.write(f"pantau-provision: {said.format(unit=unit, why=error)}\n")
        raise Exit(1) from error
    print(_("{unit} may do nothing at the broker any more, and its connection has ended").format(unit=unit))

"""The verbs on the box: enrol once, renew by a timer."""

import datetime as dt
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

from typer import Exit, Option

from edge.clock import Clock
from edge.errors import LinkRefused
from provisioning.broker_try import try_broker
from provisioning.config import EnrolmentConfig, load_enrolment
from provisioning.enrol import Enroller
from provisioning.est_client import EstClient, NotIssued, Server
from provisioning.identity import Identities
from provisioning.owner import become_owner
from provisioning.ticket import read_ticket
from provisioning.trust import prepare
from provisioning.values import RegistryError
from provisioning.words import _
from settings import EXIT_CONFIG

ConfigPath = Annotated[Path, Option("--config", help="The box's enrolment.toml.")]
FILE = Path("/etc/pantau/enrolment.toml")
EXIT_TRY_AGAIN = 75  # EX_TEMPFAIL of sysexits.h: systemd tries again
EXIT_REFUSED = 1


def enrol(
    again: Annotated[bool, Option("--again", help="Also when this box has an identity already.")] = False,
    config: ConfigPath = FILE,
) -> None:
    """Give this box its identity: the key is made here and never leaves, the certificate is tried, then used.

    The one-time code, or the text of a label's QR code, is on the card, or is typed or scanned. It is no argument:
    those are seen by everybody on the box, and stay in the shell's history. A box that has no enrolment.toml and no
    ca.pem yet takes them from the label and the server it names.

    Exit 0 done, 75 try again later (no network, server away), 1 refused, 78 the file is wrong.
    """
    given = _carefully(lambda: _on_card(load_enrolment(config).enrolment.code_path)) if config.exists() else None
    given = given or _typed()
    ticket = read_ticket(given) if given else None
    if ticket is not None:
        _carefully(lambda: prepare(config, ticket))
    found = load_enrolment(config)
    if ticket is not None and ticket.unit != found.unit.id:
        told = _("the label is of {label}, and this box is {unit}; to give it that name, remove {path}")
        raise RegistryError(told.format(label=ticket.unit, unit=found.unit.id, path=config))
    given = ticket.code if ticket is not None else given
    become_owner(found.identity.directory)
    if not given and (again or Identities(found.identity.directory).current() is None):
        # Not asked with an empty one: the server would count it as a guess.
        raise Exit(_told(_("no code: type it, or scan the label"), EXIT_REFUSED))
    issued = _carefully(lambda: _enroller(found).enrol(given, again=again))
    _carefully(lambda: found.enrolment.code_path.unlink(missing_ok=True))  # worth nothing to a thief any more
    day = f"{issued.not_valid_after_utc:%Y-%m-%d}"
    print(_("{unit} is enrolled until {day}").format(unit=found.unit.id, day=day))


def renew(
    whatever: Annotated[bool, Option("--now", help="Also when it is not time yet.")] = False,
    config: ConfigPath = FILE,
) -> None:
    """Renew this box's certificate when two thirds of its life are over; a timer calls it daily."""
    found = load_enrolment(config)
    become_owner(found.identity.directory)
    now = dt.datetime.now(dt.UTC)
    issued = _carefully(lambda: _enroller(found).renew(now=now, whatever=whatever))
    if issued is None:
        print(_("not yet due"))
    else:
        print(_("renewed until {day}").format(day=f"{issued.not_valid_after_utc:%Y-%m-%d}"))


def _enroller(config: EnrolmentConfig) -> Enroller:
    clock, broker = Clock(), config.broker
    clock.take_anchor()  # asks whether NTP is in step
    server = Server(host=config.enrolment.host, port=config.enrolment.port, ca_path=config.enrolment.ca_path)
    return Enroller(
        name=config.unit.id,
        server=EstClient(server, clock),
        identities=Identities(config.identity.directory),
        ca_path=config.enrolment.ca_path,
        try_broker=lambda identity: try_broker(identity, config.unit.id, broker.host, broker.port, clock),
    )


Given = TypeVar("Given")


def _carefully(act: Callable[[], Given]) -> Given:
    """What `act` gives; what goes wrong is one line and the exit code that says whether to try again."""
    logging.getLogger("provisioning").setLevel(logging.INFO)
    try:
        return act()
    except NotIssued as error:
        raise Exit(_told(error, EXIT_TRY_AGAIN if error.again else EXIT_REFUSED)) from error
    except PermissionError as error:
        if error.filename is None:  # of a network, not of a file
            raise Exit(_told(error, EXIT_TRY_AGAIN)) from error
        told = _("{path}: {why}; with sudo, and without -u pantau?")
        raise Exit(_told(told.format(path=error.filename, why=error.strerror), EXIT_CONFIG)) from error
    except (LinkRefused, FileNotFoundError) as error:
        raise Exit(_told(error, EXIT_REFUSED)) from error
    except OSError as error:
        raise Exit(_told(error, EXIT_TRY_AGAIN)) from error


def _told(why: object, code: int) -> int:
    """The exit code, once it was said why."""
    sys.stderr.write(f"pantau-provision: {why}\n")
    return code


def _typed() -> str:
    """A code or a label's text from the keyboard or a scanner; nothing when nobody is there to type."""
    return input(_("code, or the label's QR code: ")) if sys.stdin.isatty() else sys.stdin.readline().strip()


def _on_card(path: Path) -> str | None:
    return path.read_text("utf-8").strip() if path.exists() else None

"""What the QR code on a label says: everything a box needs that knows nothing yet, as one line of text. Pure.

    PANTAU1 BOX-1 ABCD-EFGH-JKLM ENROL.CITY.EXAMPLE:8443 BROKER.CITY.EXAMPLE:8883 4F0A…

Capitals, digits, blanks and four signs only: QR has a denser mode for these, and a scanner that types them as a
keyboard gets them right with any layout of letters. Names of boxes and hosts mean the same in small letters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from provisioning import codes
from provisioning.values import RegistryError
from provisioning.words import _
from provisioning.written import Addresses
from settings.checks import host_name
from wire.topics import valid_unit

MARK: Final = "PANTAU1"  # another number is another order of words
_PLACE: Final = re.compile(r"(.+):([0-9]{1,5})")
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")


class TicketDamaged(RegistryError):
    """The text begins as a label's and is none: the message says which part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """Which box, its one-time code, where to go, and the SHA-256 (hex) of the root certificate to be believed."""

    unit: str
    code: str
    at: Addresses
    fingerprint: str

    def __str__(self) -> str:
        places = (
            f"{self.at.enrolment_host}:{self.at.enrolment_port}",
            f"{self.at.broker_host}:{self.at.broker_port}",
        )
        return " ".join((MARK, self.unit, self.code, *places, self.fingerprint)).upper()


def read_ticket(scanned: str) -> Ticket | None:
    """The ticket in a text, wherever its line was broken; None when it is none at all. Raises TicketDamaged."""
    words = scanned.split()
    if not words or words[0].upper() != MARK:
        return None
    if len(words) != 6:
        raise TicketDamaged(_("the label's text has {found} parts and not 6; scan it again").format(found=len(words)))
    unit, code, enrolment, broker, fingerprint = (word.lower() for word in words[1:])
    if not valid_unit(unit):
        raise _damaged(unit)
    if len(codes.plain(code)) != codes.GROUP * codes.GROUPS:
        raise _damaged(_("the code"))  # not the code itself: what is said here may be read by others
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise _damaged(fingerprint)
    (enrolment_host, enrolment_port), (broker_host, broker_port) = _place(enrolment), _place(broker)
    at = Addresses(
        enrolment_host=enrolment_host,
        enrolment_port=enrolment_port,
        broker_host=broker_host,
        broker_port=broker_port,
    )
    return Ticket(unit=unit, code=code.upper(), at=at, fingerprint=fingerprint)


def _place(word: str) -> tuple[str, int]:
    found = _PLACE.fullmatch(word)
    if found is None or host_name(found[1]) is not None or not 0 < int(found[2]) < 65_536:
        raise _damaged(word)
    return found[1], int(found[2])


def _damaged(what: str) -> TicketDamaged:
    return TicketDamaged(_("the label's text is damaged ({what}); scan it again").format(what=what))

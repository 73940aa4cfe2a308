"""What a scanner reads off a label is a ticket that is written again the same, no ticket, or named as damaged."""

from __future__ import annotations

from collections.abc import Mapping

from fuzz.forms import parts_changed
from provisioning import codes
from provisioning.ticket import MARK, Ticket, TicketDamaged, read_ticket
from provisioning.written import Addresses, enrolment_toml
from settings.checks import host_name
from wire.topics import valid_unit

MAX_BYTES = 512
form = parts_changed(b" ", (b"BOX-1", b"BRIDGE-1", b"A:0", b"A:65536", b"2001:DB8::7:8443", b'A"B:1', b"0" * 64))


def hold(data: bytes) -> None:
    """The text as a terminal hands it on."""
    text = data.decode("utf-8", "replace")
    try:
        ticket = read_ticket(text)
    except TicketDamaged:
        return
    if ticket is None:
        assert text.split()[:1] == [] or text.split()[0].upper() != MARK
        return
    assert read_ticket(str(ticket)) == ticket
    assert valid_unit(ticket.unit)
    assert len(codes.plain(ticket.code)) == codes.GROUP * codes.GROUPS
    assert host_name(ticket.at.enrolment_host) is None and host_name(ticket.at.broker_host) is None
    told = enrolment_toml(ticket.unit, ticket.at)
    assert told.count("\n") == 13, "a line that nobody wrote"


def seeds() -> Mapping[str, bytes]:
    """A label's text, as it is and as people bring it."""
    at = Addresses(
        enrolment_host="enrol.city.example", enrolment_port=8443, broker_host="broker.city.example", broker_port=8883
    )
    text = str(Ticket(unit="amb-017", code="ABCD-EFGH-JKLM", at=at, fingerprint="4f" * 32)).encode()
    return {
        "scanned": text,
        "typed": text.lower(),
        "broken-line": text.replace(b" ", b"\r\n"),
        "code": b"ABCD-EFGH-JKLM",
        "half": text[: len(text) // 2],
        "empty": b"",
    }

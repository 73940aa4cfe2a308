"""What a label says is what is read from it, however a scanner or a person brings it."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning import codes
from provisioning.ticket import Ticket, TicketDamaged, read_ticket
from provisioning.written import Addresses
from wire.topics import valid_unit

ADDRESSES = Addresses(
    enrolment_host="enrol.city.example", enrolment_port=8443, broker_host="2001:db8::7", broker_port=8883
)
TICKET = Ticket(unit="box-1", code="ABCD-EFGH-JKLM", at=ADDRESSES, fingerprint="0f" * 32)
ALPHANUMERIC = set(string.digits + string.ascii_uppercase + " $%*+-./:")  # of a QR code, ISO/IEC 18004


@given(
    unit=st.from_regex(r"[a-z0-9][a-z0-9-]{0,30}", fullmatch=True).filter(valid_unit),
    code=st.builds(codes.draw),
    port=st.integers(1, 65_535),
    fingerprint=st.binary(min_size=32, max_size=32).map(bytes.hex),
    blank=st.sampled_from([" ", "\n", "  \t", "\r\n"]),
)
def test_a_ticket_is_read_as_it_was_written_wherever_its_line_was_broken(
    unit: str, code: str, port: int, fingerprint: str, blank: str
) -> None:
    at = Addresses(enrolment_host="10.0.0.1", enrolment_port=port, broker_host="broker.example", broker_port=8883)
    ticket = Ticket(unit=unit, code=code, at=at, fingerprint=fingerprint)
    text = str(ticket)
    assert set(text) <= ALPHANUMERIC, "the denser mode of a QR code"
    assert read_ticket(text.replace(" ", blank)) == ticket
    assert read_ticket(text.lower()) == ticket


def test_a_code_is_no_ticket() -> None:
    assert read_ticket("ABCD-EFGH-JKLM") is None
    assert read_ticket("") is None


@pytest.mark.parametrize(
    ("part", "becomes", "told"),
    [
        ("BOX-1", "BRIDGE-1", "bridge-1"),
        ("BOX-1", "", "5 parts"),
        ("ABCD-EFGH-JKLM", "ABCD-EFGH", "the code"),
        ("8443", "84430", "84430"),
        ("ENROL.CITY", "ENROL$CITY", "enrol"),
        ("0F0F", "0F0", "0f0"),
    ],
)
def test_what_is_damaged_is_named_and_the_code_is_not_told(part: str, becomes: str, told: str) -> None:
    with pytest.raises(TicketDamaged, match=told) as damaged:
        read_ticket(str(TICKET).replace(part, becomes))
    assert "EFGH" not in str(damaged.value)


@given(st.text(max_size=200))
def test_any_text_is_a_ticket_none_or_named_as_damaged(text: str) -> None:
    try:
        found = read_ticket(f"PANTAU1 {text}")
    except TicketDamaged:
        return
    assert found is None or isinstance(found, Ticket)

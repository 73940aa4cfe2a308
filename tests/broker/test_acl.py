"""The access list says who may do what, and nothing else is granted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from broker.acl import Consumer, Roles, Technician, receipts_name, render_acl

AGENCIES = st.lists(st.from_regex(r"[a-z0-9][a-z0-9-]{0,10}", fullmatch=True) | st.just("*"), max_size=4)


def block_of(text: str, user: str) -> list[str]:
    """The lines that belong to one user."""
    lines = text.splitlines()
    start = lines.index(f"user {user}") + 1
    return lines[start : lines.index("", start)]


def test_a_unit_needs_no_line_of_its_own() -> None:
    text = render_acl(Roles())
    assert "pattern write pantau/v1/%u/up" in text
    assert "pattern read pantau/v1/%u/down/#" in text
    assert not [line for line in text.splitlines() if line.startswith("pattern") and "write" in line and "down" in line]


def test_only_the_receipts_connection_writes_down() -> None:
    lines = render_acl(Roles()).splitlines()
    writers = [line for line in lines if "/down/" in line and ("write" in line)]
    assert writers == ["topic write pantau/v1/+/down/#"]
    assert writers == block_of(render_acl(Roles()), receipts_name("bridge-1"))


@given(AGENCIES)
def test_a_consumer_reads_its_agencies_and_writes_nothing_but_its_own_questions(agencies: list[str]) -> None:
    block = block_of(render_acl(Roles(consumers=(Consumer(name="city-x", agencies=tuple(agencies)),))), "city-x")
    assert block[0] == "topic deny pantau/#"
    assert all(line.startswith("topic read city/v1/") for line in block[1:-2])
    assert block[-2:] == ["topic write ask/v1/city-x/+", "topic read answer/v1/city-x/+"]
    assert len(block) == 3 + len(agencies)


def test_a_retired_name_is_denied_everything() -> None:
    lines = render_acl(Roles(retired=("box-9",))).splitlines()
    assert lines[lines.index("user box-9") + 1] == "topic deny #"


@given(AGENCIES)
def test_a_technician_reads_as_a_consumer_and_births_and_writes_nothing_but_its_own_questions(
    agencies: list[str],
) -> None:
    block = block_of(
        render_acl(Roles(consumers=(Technician(name="city-rini", agencies=tuple(agencies)),))), "city-rini"
    )
    assert block[:2] == ["topic deny pantau/v1/city-rini/#", "topic read pantau/v1/+/birth"]
    assert all(line.startswith("topic read city/v1/") for line in block[2:-2])
    assert block[-2:] == ["topic write ask/v1/city-rini/+", "topic read answer/v1/city-rini/+"]
    assert len(block) == 4 + len(agencies)

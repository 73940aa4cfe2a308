"""Only the newest session's word counts, whatever arrives late."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.presence import (
    Birth,
    Heard,
    Presence,
    Register,
    parse_birth,
    read_presence,
    write_presence,
)
from wire.errors import PeerViolation


def birth(session: int, *, online: bool = True, outbox_id: int | None = 1) -> Birth:
    return Birth(online=online, session=session, outbox_id=outbox_id, firmware="1.0")


def parcel(session: int | None, *, waiting: int = 0, bulk: bool = False, at_ms: int = 1000) -> Heard:
    return Heard("a", session, 1, waiting, bulk, at_ms)


def online(register: Register) -> bool:
    presence = register.of("a")
    assert presence is not None
    return presence.online


def test_a_late_will_of_an_older_session_does_not_count() -> None:
    register = Register()
    register.born("a", birth(8), 1)
    assert not register.born("a", birth(7, online=False), 2)
    assert online(register)


def test_the_will_of_the_session_itself_counts() -> None:
    register = Register()
    register.born("a", birth(8), 1)
    assert register.born("a", birth(8, online=False), 2)
    assert not online(register)
    presence = register.of("a")
    assert presence is not None
    assert presence.since_utc_ms == 2


def test_a_parcel_of_a_newer_session_sets_the_unit_online() -> None:
    register = Register()
    register.born("a", birth(7, online=False), 1)
    register.heard(parcel(8))
    assert online(register)
    register.born("a", birth(7, online=False), 2)
    assert online(register)


@pytest.mark.parametrize("session", [None, 6, 7])
def test_a_parcel_of_the_ended_session_does_not_bring_it_back(session: int | None) -> None:
    register = Register()
    register.born("a", birth(7, online=False), 1)
    register.heard(parcel(session))
    assert not online(register)


def test_a_new_card_counts_its_sessions_from_one() -> None:
    register = Register()
    register.born("a", birth(900), 1)
    register.born("a", birth(900, online=False), 2)
    assert register.born("a", birth(1, outbox_id=2), 3)
    assert online(register)
    assert not register.born("a", birth(899, online=False, outbox_id=1), 4) or not online(register)


def test_the_backlog_is_what_the_unit_said_last() -> None:
    register = Register()
    said = []
    for heard in (
        parcel(1, waiting=5000),
        parcel(None),  # a live parcel that does not ask says nothing about the backlog
        parcel(None, waiting=900, bulk=True),
        parcel(None, bulk=True),
    ):
        register.heard(heard)
        presence = register.of("a")
        assert presence is not None
        said.append(presence.waiting_bytes)
    assert said == [5000, 5000, 900, 0]


def test_last_seen_never_goes_back() -> None:
    register = Register()
    register.heard(parcel(1, at_ms=2000))
    register.heard(parcel(1, at_ms=1000))
    presence = register.of("a")
    assert presence is not None
    assert presence.last_seen_utc_ms == 2000


@given(st.permutations([birth(1), birth(1, online=False), birth(2), birth(2, online=False), birth(3)]))
def test_in_whatever_order_births_and_wills_arrive_the_newest_session_wins(order: list[Birth]) -> None:
    register = Register()
    for one in order:
        register.born("a", one, 1)
    assert online(register)


@given(st.binary(max_size=300) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.dictionaries(st.sampled_from(["online", "session", "outbox_id", "firmware"]), inner),
    max_leaves=6,
).map(lambda said: json.dumps(said).encode()))  # fmt: skip
def test_whatever_is_no_birth_is_refused_and_nothing_else_happens(payload: bytes) -> None:
    try:
        parsed = parse_birth(payload)
    except PeerViolation:
        return
    assert isinstance(parsed.online, bool)
    assert 0 <= parsed.session < 2**63
    Register().born("a", parsed, 1)


def test_a_deep_or_long_birth_is_refused() -> None:
    for payload in (b"[" * 2000, b'{"online":true,"session":1,"firmware":"' + b"x" * 3000 + b'"}'):
        with pytest.raises(PeerViolation):
            parse_birth(payload)


def test_the_file_gives_back_what_was_written(tmp_path: Path) -> None:
    register = Register()
    register.born("a", birth(3), 5)
    register.heard(parcel(3, waiting=77))
    path = tmp_path / "presence.json"
    assert read_presence(path) == ([], {})
    write_presence(path, register.all(), {"rows": 4}, 9)
    units, counters = read_presence(path)
    assert units == register.all()
    assert counters == {"rows": 4}
    assert [type(unit) for unit in units] == [Presence]
    path.write_text("{broken", "utf-8")
    assert read_presence(path) == ([], {})

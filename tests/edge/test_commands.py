"""Commands: carried out at most once, not after their expiry, and whatever comes down harms nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import BUILT_UTC_MS, Clock
from edge.commands import COMMAND_LIMIT_BYTES, IDS_KEPT, Commands
from wire import records_pb2

NOW_MS = BUILT_UTC_MS + 10_000_000


class Ids:
    """Remembered ids, on a disk that a test can look at."""

    def __init__(self) -> None:
        self.kept: list[str] = []

    def load(self) -> list[str]:
        return self.kept

    def save(self, ids: list[str]) -> None:
        self.kept = ids


@pytest.fixture
def clock() -> Clock:
    made = Clock(ntp_synchronised=lambda: False)
    made.heard_gnss(NOW_MS)
    return made


def order(command_id: str = "1", verb: str = "ping", expires_utc_ms: int = NOW_MS + 60_000) -> bytes:
    return json.dumps(
        {"id": command_id, "verb": verb, "arguments": {"a": 1}, "expires_utc_ms": expires_utc_ms}
    ).encode()


def result(body: bytes | None) -> tuple[str, bool, str]:
    assert body is not None
    message = records_pb2.Result.FromString(body)
    return message.command_id, message.ok, message.detail


def test_ping_is_answered(clock: Clock) -> None:
    assert result(Commands(clock, Ids()).carry_out(order())) == ("1", True, "pong")


def test_a_command_is_carried_out_once_even_over_a_restart(clock: Clock) -> None:
    ids, done = Ids(), []
    verbs = {"count": lambda _arguments: str(done.append(1))}
    Commands(clock, ids, verbs).carry_out(order(verb="count"))
    assert Commands(clock, ids, verbs).carry_out(order(verb="count")) is None
    assert len(done) == 1


def test_the_id_is_on_disk_before_anything_is_done(clock: Clock) -> None:
    ids = Ids()

    def look(_arguments: object) -> str:
        return ",".join(ids.kept)

    assert result(Commands(clock, ids, {"look": look}).carry_out(order(verb="look")))[2] == "1"


@pytest.mark.parametrize(
    "payload, said",
    [(order(verb="dance"), "unknown verb"), (order(expires_utc_ms=NOW_MS - 60_000), "expired")],
)
def test_what_can_not_be_done_is_said(clock: Clock, payload: bytes, said: str) -> None:
    assert result(Commands(clock, Ids()).carry_out(payload)) == ("1", False, said)


def test_a_clock_that_is_not_sane_still_knows_what_expired_before_its_floor() -> None:
    box = Clock(ntp_synchronised=lambda: False)
    assert result(Commands(box, Ids()).carry_out(order(expires_utc_ms=BUILT_UTC_MS - 1)))[2] == "expired"


def test_why_a_verb_failed_is_said(clock: Clock) -> None:
    def fail(_arguments: object) -> str:
        raise ValueError("no such camera")

    assert result(Commands(clock, Ids(), {"look": fail}).carry_out(order(verb="look")))[1:] == (False, "no such camera")


def test_remembered_ids_are_bounded(clock: Clock) -> None:
    ids = Ids()
    commands = Commands(clock, ids)
    for number in range(3 * IDS_KEPT):
        commands.carry_out(order(str(number)))
    assert len(ids.kept) == IDS_KEPT and ids.kept[-1] == str(3 * IDS_KEPT - 1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)
FIELDS = st.fixed_dictionaries({}, optional=dict.fromkeys(("id", "verb", "arguments", "expires_utc_ms"), JSON))


@given(st.binary(max_size=200) | (JSON | FIELDS).map(lambda said: json.dumps(said).encode()))
def test_no_payload_raises(payload: bytes) -> None:
    commands = Commands(Clock(ntp_synchronised=lambda: False), Ids())
    assert commands.carry_out(payload) is None or commands.rejected == {}


HALF_A_CHARACTER = b'{"id": "\\ud800", "verb": "ping", "expires_utc_ms": 9999999999999}'


@pytest.mark.parametrize(
    "garbage", [b"", b"[" * 10_000, b"{" * COMMAND_LIMIT_BYTES * 2, b"null", b"\xff", HALF_A_CHARACTER]
)
def test_garbage_is_counted(clock: Clock, garbage: bytes) -> None:
    commands = Commands(clock, Ids())
    assert commands.carry_out(garbage) is None
    assert commands.rejected["command"] == 1

"""A command is carried out at most once, answered with a record that can be read, or counted; nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping

from edge.commands import IDS_KEPT, LONGEST_ID, Commands, parse_command
from fuzz.box import NOW_UTC_MS, StillClock
from fuzz.forms import json_changed
from wire import records_pb2
from wire.errors import PeerViolation

MAX_BYTES = 2048
form = json_changed


class Kept:
    """Ids in memory, as the documents would hold them: JSON."""

    def __init__(self) -> None:
        self._text = "[]"

    def load(self) -> list[str]:
        """The ids, oldest first."""
        ids: list[str] = json.loads(self._text)
        return ids

    def save(self, ids: list[str]) -> None:
        """Keep these."""
        self._text = json.dumps(ids, allow_nan=False)


def hold(data: bytes) -> None:
    """The command twice, and once more after a restart."""
    done: list[Mapping[str, object]] = []

    def act(arguments: Mapping[str, object]) -> str:
        done.append(arguments)
        if "refuse" in arguments:
            raise ValueError("not here")
        return "done"

    clock, kept = StillClock(floor_utc_ms=NOW_UTC_MS), Kept()
    commands = Commands(clock, kept, {"act": act})
    result = commands.carry_out(data)
    assert commands.carry_out(data) is None
    assert Commands(clock, kept, {"act": act}).carry_out(data) is None
    assert len(done) <= 1
    try:
        command = parse_command(data)
    except PeerViolation:
        assert result is None
        assert commands.rejected["command"] == 2
        return
    assert result is not None
    message = records_pb2.Result.FromString(result)
    assert message.command_id == command.id
    assert 0 < len(command.id) <= LONGEST_ID
    assert kept.load() == [command.id]
    assert len(kept.load()) <= IDS_KEPT
    if command.expires_utc_ms < NOW_UTC_MS:
        assert not message.ok
        assert not done


def seeds() -> Mapping[str, bytes]:
    """Commands as the bridge sends them."""

    def said(**more: object) -> bytes:
        return json.dumps(
            {"id": "c0ffee", "expires_utc_ms": NOW_UTC_MS + 60_000, "verb": "ping", "arguments": {}, **more}
        ).encode()

    return {
        "ping": said(),
        "act": said(verb="act", arguments={"relay": 1}),
        "refused": said(verb="act", arguments={"refuse": True}),
        "expired": said(expires_utc_ms=1),
        "unknown": said(verb="fly", arguments=None),
        "half-a-character": said(id="\ud800", verb="\udfff"),
    }

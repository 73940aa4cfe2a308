"""Commands of the centre, carried out at most once: the id is on disk before anything is done."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from edge.clock import Clock
from wire import encode
from wire.errors import PeerViolation

COMMAND_LIMIT_BYTES: Final = 16_384
LONGEST_ID: Final = 64
IDS_KEPT: Final = 200  # the centre never has so many open for one unit

Verb = Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True)
class Command:
    """What the centre wants done; nothing is done after `expires_utc_ms`."""

    id: str
    verb: str
    arguments: Mapping[str, Any]
    expires_utc_ms: int


class Seen(Protocol):
    """Ids of commands that survive a restart."""

    def load(self) -> list[str]: ...
    def save(self, ids: list[str]) -> None: ...


def parse_command(payload: bytes) -> Command:
    """The command in a payload; PeerViolation when it is none."""
    if len(payload) > COMMAND_LIMIT_BYTES:
        raise PeerViolation("command too long")
    try:
        said: Any = json.loads(payload)
        found = Command(said["id"], said["verb"], said.get("arguments") or {}, said["expires_utc_ms"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PeerViolation("no command") from error
    if not (isinstance(found.id, str) and 0 < len(found.id) <= LONGEST_ID and isinstance(found.verb, str)):
        raise PeerViolation("command without id or verb")
    if not found.id.isprintable():  # JSON can name half a character, which no record can carry
        raise PeerViolation("command with an id that is no text")
    if not isinstance(found.arguments, dict) or type(found.expires_utc_ms) is not int:
        raise PeerViolation("command with other types")
    return found


class Commands:
    """Carries out what is in `verbs` (a verb returns what to say, ValueError says why not); used by the main thread."""

    def __init__(self, clock: Clock, seen: Seen, verbs: Mapping[str, Verb] | None = None) -> None:
        self.rejected: Counter[str] = Counter()
        self._clock = clock
        self._seen = seen
        self._verbs: Mapping[str, Verb] = {"ping": lambda _arguments: "pong", **(verbs or {})}
        self._ids = seen.load()

    def carry_out(self, payload: bytes) -> bytes | None:
        """The body of the Result record (kind result, class status); None when nothing was or is to be done."""
        try:
            command = parse_command(payload)
        except PeerViolation:
            self.rejected["command"] += 1
            return None
        if command.id in self._ids:
            return None  # its result is in the outbox, or stored and the centre has not seen that yet
        # Remembered first: killed in between, it was done not at all or once, never twice.
        self._ids = [*self._ids, command.id][-IDS_KEPT:]
        self._seen.save(self._ids)
        ok, detail = self._outcome(command)
        return encode.result(at=self._clock.stamp(), command_id=command.id, ok=ok, detail=detail)

    def _outcome(self, command: Command) -> tuple[bool, str]:
        # Sane or not: it is certainly later than the floor.
        if (self._clock.utc_ms() or self._clock.floor_utc_ms) > command.expires_utc_ms:
            return False, "expired"
        verb = self._verbs.get(command.verb)
        if verb is None:
            return False, "unknown verb"
        try:
            return True, verb(command.arguments)
        except ValueError as error:
            return False, str(error)

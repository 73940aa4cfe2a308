"""What a person may order a unit to do, checked before it is sent: verbs, their arguments, how long they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from broker.downlink import Command, Downlink
from wire.errors import PantauError
from wire.topics import valid_unit

GOOD_FOR_S: Final = 600.0  # a person waits for it; who wants it to reach a box that is away says so
LONGEST_GOOD_FOR_S: Final = 30 * 86_400.0


class OrderRefused(PantauError, ValueError):
    """No unit does this, or not so."""


@dataclass(frozen=True, slots=True)
class Verb:
    """A thing a unit does when told; `arguments` name what it must be told, in this order."""

    text: str
    arguments: Mapping[str, type] = field(default_factory=dict)


# The whole list: a command is one of these or it is refused, here and once more on the box. There is no shell.
VERBS: Final[Mapping[str, Verb]] = {
    "ping": Verb("answer, and nothing else"),
    "report": Verb("send a health record now"),
    "burst": Verb("keep every fix for some minutes (1 to 60)", {"minutes": int}),
    "mission": Verb('be on mission, or not any more: "on" or "off"', {"state": str}),
    "acknowledge": Verb("a person has seen this call for help: the driver is told", {"call": str, "by": str}),
    "config": Verb("send what runs as configuration"),
    "restart": Verb("end cleanly; systemd starts the process anew"),
    "snapshot": Verb("a camera node: send a picture now", {"camera": str}),
    "live": Verb(
        "a camera node: push a camera's stream there for so many seconds, or renew it",
        {"camera": str, "url": str, "lease_s": int},
    ),
    "live_end": Verb("a camera node: end a live view", {"camera": str}),
    "accept_view": Verb("a camera node: what the camera shows now is its view", {"camera": str}),
    "updating": Verb(
        "a camera node: somebody updates the camera's firmware, so no recovery for so many minutes; 0 = it is done",
        {"camera": str, "minutes": int},
    ),
    "camera_mended": Verb("a camera node: somebody was there, recovery may be tried again", {"camera": str}),
}


def arguments_of(verb: str, words: Sequence[str]) -> dict[str, Any]:
    """The arguments from a command line's words, in the verb's order; OrderRefused says what would be right."""
    known = VERBS.get(verb)
    if known is None:
        raise OrderRefused(f"{verb}: no such verb; there are {', '.join(VERBS)}")
    wanted = dict(known.arguments)
    if len(words) != len(wanted):
        raise OrderRefused(f"{verb} wants {', '.join(wanted) or 'no arguments'}: {known.text}")
    try:
        return {name: kind(word) for (name, kind), word in zip(wanted.items(), words, strict=True)}
    except ValueError as error:
        raise OrderRefused(f"{verb}: {error}; wanted: {known.text}") from error


def order(
    downlink: Downlink, unit: str, verb: str, words: Sequence[str], *, who: str, now_utc_ms: int,
    good_for_s: float = GOOD_FOR_S,
) -> Command:  # fmt: skip
    """Have the unit told; raises OrderRefused. It is sent until its result is stored, or `good_for_s` have passed."""
    if not valid_unit(unit):
        raise OrderRefused(f"{unit!r} is no unit's name")
    if not 0 < good_for_s <= LONGEST_GOOD_FOR_S:
        raise OrderRefused(f"a command is good for at most {LONGEST_GOOD_FOR_S:.0f} s")
    arguments = arguments_of(verb, words)
    return downlink.order(unit, verb, arguments, expires_utc_ms=now_utc_ms + int(good_for_s * 1000), who=who)

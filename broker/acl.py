"""Who may write and read what: Mosquitto's access list, rendered from roles (pure).

Mosquitto knows a client by its certificate's common name. Units are not listed: `pattern` lines give every name its
own topics, so enrolling a box touches no file here. Patterns therefore hold for bridges and consumers too; a `deny`
line takes them away again (Mosquitto tries a user's denials first), and the bridge refuses reserved names anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

EVERY_AGENCY: Final = "*"
BRIDGE_NAME: Final = "bridge-1"
PUBLISHER_NAME: Final = "bridge-publisher"
WORK_NAME: Final = "bridge-work"
ANSWERS_NAME: Final = "bridge-answers"

_UNIT: Final = (
    "pattern write pantau/v1/%u/up",
    "pattern write pantau/v1/%u/bulk",
    "pattern write pantau/v1/%u/birth",
    "pattern read pantau/v1/%u/down/#",
    "pattern read pantau/v1/bridge/+/state",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """A reader of the clean topics: certificate name `city-…` and the agencies it may see (`*`: all of them).

    It may also ask, under its own name, and is answered of these agencies.
    """

    name: str
    agencies: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Technician(Consumer):
    """A consumer who also sees every box connect and go, and whether a bridge is there: to know that a box works.

    Reads and asks only. Nothing a technician's certificate can say reaches a box or the store.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Every certificate name that is not a unit's."""

    bridge: str = BRIDGE_NAME
    publisher: str = PUBLISHER_NAME
    work: str = WORK_NAME
    answers: str = ANSWERS_NAME
    consumers: tuple[Consumer, ...] = field(default=())
    retired: tuple[str, ...] = field(default=())  # names that may do nothing any more, whatever certificate they show


def receipts_name(bridge: str) -> str:
    """The name of the bridge's second connection: receipts wait behind nothing the first one reads."""
    return f"{bridge}-receipts"


def render_acl(roles: Roles) -> str:
    """The whole access list; whatever it does not grant is refused."""
    blocks: list[list[str]] = [_bridge(roles.bridge), _receipts(roles.bridge), _publisher(roles.publisher)]
    blocks += [_work(roles.work), _answers(roles.answers)]
    blocks += [list(_consumer(consumer)) for consumer in roles.consumers]
    blocks += [[f"user {name}", "topic deny #"] for name in roles.retired]
    lines = ["# Rendered by pantau from the centre's configuration: a change here is lost at the next start."]
    for block in blocks:
        lines += ["", *block]
    return "\n".join([*lines, "", "# Units, by the name in their certificate.", *_UNIT, ""])


def _bridge(name: str) -> list[str]:
    return [
        f"user {name}",
        "topic read pantau/v1/+/up",
        "topic read pantau/v1/+/bulk",
        "topic read pantau/v1/+/birth",
        "topic read pantau/v1/bridge/+/state",
        f"topic write pantau/v1/bridge/{name}/state",
    ]


def _receipts(bridge: str) -> list[str]:
    return [f"user {receipts_name(bridge)}", "topic write pantau/v1/+/down/#"]


def _publisher(name: str) -> list[str]:
    return [f"user {name}", "topic deny pantau/#", "topic readwrite city/v1/#"]


def _work(name: str) -> list[str]:
    return [
        f"user {name}",
        "topic deny pantau/#",
        "topic write city/v1/+/+/work",
        "topic write city/v1/+/+/hours",
        "topic write city/v1/+/areas/+/notice",
    ]


def _answers(name: str) -> list[str]:
    return [f"user {name}", "topic deny pantau/#", "topic read ask/v1/+/+", "topic write answer/v1/+/+"]


def _consumer(consumer: Consumer) -> Iterator[str]:
    yield f"user {consumer.name}"
    if isinstance(consumer, Technician):
        yield f"topic deny pantau/v1/{consumer.name}/#"  # what the patterns would give it as if it were a box
        yield "topic read pantau/v1/+/birth"
    else:
        yield "topic deny pantau/#"
    for agency in consumer.agencies:
        yield "topic read city/v1/#" if agency == EVERY_AGENCY else f"topic read city/v1/{agency}/#"
    yield f"topic write ask/v1/{consumer.name}/+"
    yield f"topic read answer/v1/{consumer.name}/+"

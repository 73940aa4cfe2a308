"""Sinks: who else gets the committed log. A sink is one file here, of what it is called, with two names in it.

* `Options`: a dataclass of settings (keys of its `[[sinks.each]]`), made from `broker.sinks.Options`;
* `open_sink(options) -> Sink`: what delivers.

`broker.sink` does the rest: cursor, order, back-off, what is set aside, figures. Each sink is a process of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from broker.clean import Message
from broker.store import LogEntry
from settings import setting
from wire.errors import PantauError


class NotNow(PantauError, ConnectionError):
    """The consumer took nothing, or nobody knows: the same again later. `after_s` is what it asked for itself."""

    def __init__(self, why: str, after_s: float | None = None) -> None:
        super().__init__(why)
        self.after_s = after_s


class Refused(PantauError, ValueError):
    """The consumer will never take this, whoever asks: of several, at least one of them."""


class Item(NamedTuple):
    """An entry of the log on its way to a consumer: decoded, and as the message of its clean topic."""

    entry: LogEntry
    body: Any
    message: Message


class Sink(Protocol):
    """One consumer; used by one thread."""

    def deliver(self, items: Sequence[Item]) -> None:
        """Returns when the consumer has all of them, in their order. Raises NotNow, Refused."""

    def close(self) -> None:
        """Let go of connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What every sink can be told beside its own keys."""

    name: str = setting("what its cursor and its service are called by")
    kind: str = setting("which sink: the name of its file in broker/sinks")
    agencies: tuple[str, ...] = setting(
        'agencies whose records it gets; ["*"]: all', default=("*",), reason="it belongs to the city's own systems"
    )
    streams: tuple[str, ...] = setting(
        "which of track, event, health", default=("track", "event", "health"), reason="all that is published"
    )
    batch: int = setting(
        "records given to it at once, at most", unit="records", at_least=1, at_most=10_000, default=100,
        reason="some 60 kB of JSON",
    )  # fmt: skip
    timeout_s: float = setting(
        "how long the consumer may be silent while it is asked", unit="s", at_least=0.1, at_most=600, default=10.0,
        reason="one that answers slower than this is taken for hung, and asked again",
    )  # fmt: skip
    metrics_port: int = setting(
        "TCP port of its figures, at metrics.address; 0 = off", at_least=0, at_most=65535, default=0,
        reason="each sink needs one of its own",
    )  # fmt: skip

"""Wired inputs as they count: debounced, counted, and several wires of one kind said as one. Pure.

Ignition and work are one input each to the centre, however many wires a machine has for them (power take-off and boom,
for one): on when any of them is. Every other wire speaks for itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from wire.inputs import INPUTS, said_as


@dataclass(frozen=True, slots=True)
class Wire:
    """One wire: its name in this box, its kind (wire.inputs.KINDS), and how long a level must hold to count."""

    name: str
    kind: str
    debounce_s: float


class Change(NamedTuple):
    """A wire's level that counts. `edge`: it changed just now; else it is only said how it stands.

    `tells` is False where the change alters nothing of what is said: one more wire of the same work went on.
    """

    wire: str
    said: str
    on: bool
    edge: bool
    tells: bool = True


@dataclass(slots=True)
class _Seen:
    wire: Wire
    counts: bool | None = None  # the level that counts; None before the first one has held
    now: bool = False
    since_s: float | None = None  # monotonic, when `now` began; None once it counts


@dataclass(slots=True)
class Inputs:
    """All wires of a box; times are monotonic seconds."""

    wires: Iterable[Wire]
    _seen: dict[str, _Seen] = field(init=False)

    def __post_init__(self) -> None:
        self._seen = {wire.name: _Seen(wire) for wire in self.wires}

    def heard(self, name: str, on: bool, now_s: float) -> None:
        """The wire's level as the pin says it, bounces and repetitions included."""
        seen = self._seen[name]
        if on == seen.counts:
            seen.since_s = None  # back before it held: a bounce
        elif seen.since_s is None or on != seen.now:
            seen.since_s = now_s
        seen.now = on

    @property
    def known(self) -> bool:
        """Every wire has a level that counts."""
        return all(seen.counts is not None for seen in self._seen.values())

    def settled(self, now_s: float) -> list[Change]:
        """The edges that have held for their debounce time by now; a wire's first level is none (`levels` has it)."""
        changes = []
        for seen in self._seen.values():
            if seen.since_s is None or now_s - seen.since_s < seen.wire.debounce_s:
                continue
            first, before = seen.counts is None, self._level(seen.wire)
            seen.counts, seen.since_s = seen.now, None
            if not first:
                tells = self._level(seen.wire) != before
                changes.append(Change(seen.wire.name, said_as(seen.wire.kind), seen.now, edge=True, tells=tells))
        return changes

    def levels(self) -> list[Change]:
        """What is said of each input now; of several wires of one, the first speaks for all."""
        said: dict[str, Change] = {}
        for seen in self._seen.values():
            if seen.counts is not None and _key(seen.wire) not in said:
                level = self._level(seen.wire)
                said[_key(seen.wire)] = Change(seen.wire.name, said_as(seen.wire.kind), level, edge=False)
        return list(said.values())

    def _level(self, wire: Wire) -> bool:
        return any(each.counts for each in self._seen.values() if _key(each.wire) == _key(wire))


def _key(wire: Wire) -> str:
    """Wires of the same key are one input."""
    said = said_as(wire.kind)
    return said if said in INPUTS else f"{said} {wire.name}"


@dataclass(slots=True)
class Meter:
    """Edges counted a wire, and the seconds that the ignition was on; JSON-able, so that both survive a reboot."""

    edges: dict[str, int]
    engine_s: float = 0.0
    _on_since_s: float | None = None

    @classmethod
    def restored(cls, kept: object) -> "Meter":
        """From `state()`; what is no such thing (a card's worn bits) counts as nothing."""
        meter = cls({})
        if isinstance(kept, Mapping):
            edges, engine_s = kept.get("edges"), kept.get("engine_s")
            if isinstance(edges, Mapping):
                meter.edges = {str(name): n for name, n in edges.items() if type(n) is int and n >= 0}
            if isinstance(engine_s, int | float) and 0 <= engine_s < float("inf"):
                meter.engine_s = float(engine_s)
        return meter

    def state(self, now_s: float) -> dict[str, object]:
        """What `restored` takes."""
        return {"edges": dict(self.edges), "engine_s": round(self.engine_until(now_s), 1)}

    def edge(self, wire: str) -> int:
        """One more edge of this wire, counted since the box was made; how many that are."""
        self.edges[wire] = self.edges.get(wire, 0) + 1
        return self.edges[wire]

    def ignition(self, on: bool, now_s: float) -> None:
        """The engine may run from now on, or not."""
        self.engine_s = self.engine_until(now_s)
        self._on_since_s = now_s if on else None

    def engine_until(self, now_s: float) -> float:
        """Seconds that the ignition was on, up to now."""
        return self.engine_s + (0.0 if self._on_since_s is None else now_s - self._on_since_s)

"""What a scenario is: a few lines that break something, a promise in one sentence, and what the scene needs for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from edge.sim.nmea import Epoch

if TYPE_CHECKING:
    from torture.scene import Scene

Act = Callable[["Scene"], None]
Settings = dict[str, dict[str, object]]


class Unready(Exception):
    """This machine lacks what the scenario needs (a right, a program); the message says what."""


# Every epoch is to be found again: nothing thinned, nothing rounded, nothing judged.
EVERY_EPOCH: Final[Settings] = {
    "report": {"interval_s": 1.0, "quantum": "lossless", "tolerance_m": 0.0, "policy": False},
}


def merged(under: Settings, over: Settings) -> Settings:
    """Both tables of settings; where both name a key, `over` is right."""
    return {table: {**under.get(table, {}), **over.get(table, {})} for table in {**under, **over}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a scene is made of, and what is allowed to happen in it.

    `settings` are those of every box, as TOML values by table. `tolerance_ms`: how far a stored time may be from what
    the receiver said (from true UTC where it said no date); None: times are not judged.
    `named`: epochs may be missing if the ledger or a health record names as many records as shed or unobserved.
    `overtaken`: the centre lost records of its own (a store restored from a copy); the scenario judges the ledger.
    `conflicts`: records may come under keys that are taken (a card went back in time, or became two).
    `card`: each box lives on a simulated card (FUSE).
    `clock`: each box, and the bridge, has an OS clock of its own (libfaketime).
    `network`: each box is behind a real IP link of its own (network namespace), which can lose packets.
    `boots`: each box can be rebooted: it has a boot id and CLOCK_BOOTTIME of its own (mount and time namespace).
    `said`: what receivers say instead of the suite's own drive, from the Unix ms of the start and the box's number on.
    `epochs_per_s`: how often a receiver speaks, when it plays our own drive.
    """

    boxes: int = 1
    settings: Settings = field(default_factory=dict)
    tolerance_ms: int | None = 0
    named: bool = False
    overtaken: bool = False
    conflicts: bool = False
    card: bool = False
    clock: bool = False
    network: bool = False
    boots: bool = False
    said: Callable[[int, int], Iterator[Epoch]] | None = None
    least_s: float = 8.0
    epochs_per_s: float = 5.0

    def over(self, other: Setup) -> Setup:
        """What both need."""
        tolerances = (self.tolerance_ms, other.tolerance_ms)
        return Setup(
            boxes=max(self.boxes, other.boxes),
            settings=merged(other.settings, self.settings),
            tolerance_ms=None if None in tolerances else max(t for t in tolerances if t is not None),
            named=self.named or other.named,
            overtaken=self.overtaken or other.overtaken,
            conflicts=self.conflicts or other.conflicts,
            card=self.card or other.card,
            clock=self.clock or other.clock,
            network=self.network or other.network,
            boots=self.boots or other.boots,
            said=self.said or other.said,
            least_s=max(self.least_s, other.least_s),
            epochs_per_s=max(self.epochs_per_s, other.epochs_per_s),
        )


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that goes wrong: `act` does it to a running scene; `promise` is what holds all the same."""

    name: str
    group: str
    promise: str
    acts: tuple[Act, ...]
    setup: Setup


SCENARIOS: Final[dict[str, Scenario]] = {}


def scenario(setup: Setup | None = None) -> Callable[[Act], Act]:
    """Register a function as a scenario: group from its module's name, promise from its docstring's first line."""

    def register(act: Act) -> Act:
        group = act.__module__.rsplit(".", 1)[-1]
        name = f"{group}-{act.__name__.replace('_', '-')}"
        promise = (act.__doc__ or "").strip().splitlines()[0]
        SCENARIOS[name] = Scenario(name, group, promise, (act,), setup or Setup())
        return act

    return register


def chosen(words: list[str]) -> list[Scenario]:
    """The scenarios that are meant: names, groups, `all`, or names with + between them, which act at the same time.

    Raises LookupError with the word that means nothing.
    """
    import torture.scenarios  # noqa: F401 - registers them

    found: dict[str, Scenario] = {}
    for word in words or ["all"]:
        for one in _meant(word):
            found[one.name] = one
    return list(found.values())


def _meant(word: str) -> list[Scenario]:
    if word == "all":
        return list(SCENARIOS.values())
    if "+" in word:
        return [_together([_named(part) for part in word.split("+")])]
    group = [one for one in SCENARIOS.values() if one.group == word]
    return group or [_named(word)]


def _named(word: str) -> Scenario:
    if word not in SCENARIOS:
        raise LookupError(word)
    return SCENARIOS[word]


def _together(parts: list[Scenario]) -> Scenario:
    setup = parts[0].setup
    for part in parts[1:]:
        setup = part.setup.over(setup)
    name = "+".join(part.name for part in parts)
    acts = tuple(act for part in parts for act in part.acts)
    return Scenario(name, "together", " ".join(part.promise for part in parts), acts, setup)

"""What units have said that the file of commands does not have yet (broker/downlink.py): pure, bounded, idempotent.

A call for help that is said a hundred times is written once. Of each unit only so much is kept: who says more crowds
out its own words, and nobody else's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from broker.calls import CALLS_KEPT

ANSWERS_KEPT: Final = 1000  # of each unit: people do not order so much while a file is busy

Word = TypeVar("Word")


@dataclass(slots=True, kw_only=True)
class CallSaid:
    """Of one call for help: how often it was said (0: only that it has ended), from where, who has ended it."""

    unit: str
    call: str
    times: int = 0
    place: tuple[int, int] | None = None
    by: str | None = None
    utc_ms: int


class Answered(NamedTuple):
    """What became of a command; `utc_ms` is when the centre heard it."""

    unit: str
    command_id: str
    ok: bool
    detail: str
    utc_ms: int


class Told(NamedTuple):
    """What a unit says of its configuration; `again`: it has said so before."""

    version: int
    json: str
    utc_ms: int
    again: bool


class Said:
    """Until `calls`, `answers` and `reports` are cleared by who has written them."""

    def __init__(self) -> None:
        self.calls: dict[str, dict[str, CallSaid]] = defaultdict(dict)
        self.answers: dict[str, dict[str, Answered]] = defaultdict(dict)
        self.reports: dict[str, Told] = {}
        self.crowded_out = 0

    def call(self, said: CallSaid) -> None:
        """A call, or its end; first heard when it was first heard, where it was last known to be."""
        of_unit = self.calls[said.unit]
        if (held := of_unit.get(said.call)) is None:
            of_unit[said.call] = said
            self._crowd(of_unit, CALLS_KEPT)
        else:
            held.times, held.place = max(held.times, said.times), said.place or held.place
            held.by = said.by if held.by is None else held.by

    def answer(self, said: Answered) -> None:
        """The first answer to a command counts."""
        of_unit = self.answers[said.unit]
        of_unit.setdefault(said.command_id, said)
        self._crowd(of_unit, ANSWERS_KEPT)

    def report(self, unit: str, said: Told) -> None:
        """The newest version's word, and of one version the last that was not said before."""
        held = self.reports.get(unit)
        if held is None or said.version + (not said.again) > held.version:
            self.reports[unit] = said

    def _crowd(self, of_unit: dict[str, Word], most: int) -> None:
        if len(of_unit) > most:
            del of_unit[next(iter(of_unit))]
            self.crowded_out += 1


def each(of_units: dict[str, dict[str, Word]]) -> Iterator[Word]:
    """All units' words, each unit's in the order in which they were first said."""
    for of_unit in of_units.values():
        yield from of_unit.values()

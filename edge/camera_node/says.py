"""One camera's own alarms, told seldom enough for a SIM: one that flickers at dusk flips ten times a second. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

TOLD_EVERY_S: Final = 60.0  # each kind


@dataclass(slots=True)
class _Kind:
    on: bool = False  # each subscription begins with how everything stands, so all begin as off
    changes: int = 0  # not told yet
    again_s: float = float("-inf")


class Says:
    """`heard` each alarm as it comes, then `due`: a change is told at once, those after it when their time has come."""

    def __init__(self, every_s: float = TOLD_EVERY_S) -> None:
        self._every_s = every_s
        self._kinds: dict[str, _Kind] = {}

    def heard(self, name: str, on: bool) -> None:
        """How it stands now."""
        kind = self._kinds.setdefault(name, _Kind())
        kind.changes += kind.on != on
        kind.on = on

    def due(self, now_s: float) -> Iterator[tuple[str, bool, int]]:
        """What is to be told now: its kind, how it stands, and how often it has changed since it was told last."""
        for name, kind in self._kinds.items():
            if kind.changes and now_s >= kind.again_s:
                yield name, kind.on, kind.changes
                kind.changes, kind.again_s = 0, now_s + self._every_s

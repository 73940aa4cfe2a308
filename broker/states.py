"""The retained `state` topics: whose picture moved, and when it may be published again.

Their source is the store: the log moves them, and what only the store can say (a corrected row, a purged day, an
assignment that ended) is asked of it. The broker is never trusted to remember one.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any, Final

from broker.clean import Message, read_body
from broker.live import Picture, moved, state_message, without
from broker.store import LogEntry, Store
from wire.kinds import KIND_CAMERA

EACH_S: Final = 1.0  # one asset's state is published at most this often
REPUBLISHED_PER_S: Final = 2_000  # a city of 20,000 assets in 10 s, at 5 % of a core

Asset = tuple[str, str]  # agency, asset


class States:
    """The pictures of all assets, and a timetable of the ones to publish. Times are monotonic seconds."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pictures: dict[Asset, Picture] = {}
        self._shown_of: dict[str, set[Asset]] = {}  # unit -> assets that showed a row of it
        self._ended: set[Asset] = set()
        self._sent_s: dict[Asset, float] = {}
        self._due_s: dict[Asset, float] = {}
        self._timetable: list[tuple[float, Asset]] = []  # may hold entries that _due_s has overtaken

    def take(self, entry: LogEntry, body: Any, now_s: float) -> None:
        """Let one log entry move what it may move."""
        if entry.revision:
            for asset in self._shown_of.get(entry.unit, ()):
                if asset in self._pictures and self._pictures[asset].rests_on(entry.row_id):
                    self._ask_store(asset, entry.row_id, now_s)
        self._move((entry.agency, entry.asset), entry, body, now_s)

    def refresh(self, now_s: float, now_utc_ms: int) -> None:
        """Take from the store what no log entry tells: names that ended or hold again, positions that were purged."""
        ended = set(self._store.ended_names(now_utc_ms))
        for asset in ended - self._ended:
            self._show(asset, Picture(*asset))
            self._schedule(asset, now_s)
        self._ended = ended
        newest = {(entry.agency, entry.asset): entry for entry in self._store.newest_tracks(now_utc_ms)}
        for look in self._store.newest_looks(KIND_CAMERA):
            self._move((look.agency, look.asset), look, read_body(look), now_s)
        for asset in newest.keys() | self._pictures.keys():
            shown = self._pictures.get(asset) or Picture(*asset)
            picture = _as_stored(shown, newest.get(asset))
            if picture is not shown:
                self._show(asset, picture)
                self._schedule(asset, now_s)

    def republish_all(self, now_s: float) -> int:
        """Put every state on the timetable, at REPUBLISHED_PER_S; the ones that move meanwhile go first. How many."""
        again = [*self._pictures, *self._ended]
        for i, asset in enumerate(again):
            self._schedule(asset, now_s + i / REPUBLISHED_PER_S)
        return len(again)

    def due(self, now_s: float) -> Iterator[Message]:
        """The states to publish now."""
        while self._timetable and self._timetable[0][0] <= now_s:
            due_s, asset = heapq.heappop(self._timetable)
            if self._due_s.get(asset) == due_s:
                del self._due_s[asset]
                self._sent_s[asset] = now_s
                yield state_message(self._pictures.get(asset) or Picture(*asset))

    def next_due_s(self) -> float:
        """When `due` may have something again."""
        return self._timetable[0][0] if self._timetable else float("inf")

    def _move(self, asset: Asset, entry: LogEntry, body: Any, now_s: float) -> None:
        if asset in self._ended:  # its late records are history
            return
        shown = self._pictures.get(asset) or Picture(*asset)
        picture = moved(shown, entry, body)
        if picture is not shown:
            self._show(asset, picture)
            self._schedule(asset, now_s)

    def _ask_store(self, asset: Asset, row_id: int, now_s: float) -> None:
        picture = without(self._pictures[asset], row_id)
        self._show(asset, _as_stored(picture, self._store.newest_track(*asset)))
        self._schedule(asset, now_s)

    def _show(self, asset: Asset, picture: Picture) -> None:
        readings = picture.readings()
        if not readings:
            self._pictures.pop(asset, None)
            return
        self._pictures[asset] = picture
        for reading in readings:
            self._shown_of.setdefault(reading.entry.unit, set()).add(asset)

    def _schedule(self, asset: Asset, not_before_s: float) -> None:
        due_s = max(not_before_s, self._sent_s.get(asset, -EACH_S) + EACH_S)
        if self._due_s.get(asset, float("inf")) > due_s:
            self._due_s[asset] = due_s
            heapq.heappush(self._timetable, (due_s, asset))


def _as_stored(shown: Picture, newest: LogEntry | None) -> Picture:
    """`shown` with its position as the store has it; the same object when it already is."""
    position = shown.position
    if newest is not None and newest.conflict:  # the same key twice: not the one to believe
        return shown
    if newest is None:
        return shown if position is None else without(shown, position.entry.row_id)
    if position is None:
        return moved(shown, newest, read_body(newest))
    if position.order[0] == newest.utc_to_ms:
        return shown
    return moved(without(shown, position.entry.row_id), newest, read_body(newest))

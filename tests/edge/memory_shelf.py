"""An outbox in memory for tests of the pure rule: the reader's verbs, and append, delete and vanish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import xor

from edge.outbox_ids import OutboxIds
from wire.encode import check
from wire.kinds import CLASS_ALARM, CLASS_TRACK, KIND_EVENT, KIND_TRACK
from wire.ranges import Ranges


@dataclass(frozen=True, slots=True)
class StoredRow:
    id: int
    outbox_id: int
    seq: int
    cls: int
    kind: int
    check: int
    body: bytes


class MemoryShelf:
    """Rows of one file, with more than one outbox_id when asked for."""

    def __init__(self, outbox_id: int = 0xB0C5, first_id: int = 1) -> None:
        self.rows: dict[int, StoredRow] = {}
        self.reads = 0
        self._opened = [(first_id, outbox_id)]
        self._newest = first_id - 1

    def append(self, body: bytes | None = None, *, cls: int = CLASS_TRACK, size: int = 100) -> int:
        self._newest += 1
        if body is None:
            body = (self._newest.to_bytes(8, "big") * (size // 8 + 1))[:size]
        first_id, outbox_id = self._opened[-1]
        kind = KIND_EVENT if cls == CLASS_ALARM else KIND_TRACK
        seq = self._newest - first_id + 1
        self.rows[self._newest] = StoredRow(self._newest, outbox_id, seq, cls, kind, check(body), body)
        return self._newest

    def open_new_outbox(self, outbox_id: int) -> None:
        self._opened.append((self._newest + 1, outbox_id))

    def delete(self, ids: Ranges) -> None:
        for row_id in list(self.rows):
            if row_id in ids:
                del self.rows[row_id]

    # ------------------------------------------------------------------ as OutboxReader

    def newest_id(self) -> int:
        return max(self.rows, default=0)

    def above(self, row_id: int, limit_rows: int) -> Sequence[StoredRow]:
        return [self.rows[i] for i in sorted(self.rows) if i > row_id][:limit_rows]

    def below(self, row_id: int, limit_rows: int, limit_bytes: int) -> Sequence[StoredRow]:
        self.reads += 1
        found: list[StoredRow] = []
        size = 0
        for i in sorted((i for i in self.rows if i < row_id), reverse=True):
            if found and (len(found) >= limit_rows or size >= limit_bytes):
                break
            found.append(self.rows[i])
            size += len(self.rows[i].body)
        return found

    def alarms(self, limit_rows: int) -> Sequence[StoredRow]:
        return [row for row in self.rows.values() if row.cls == CLASS_ALARM][:limit_rows]

    def rows_of(self, ids: Ranges) -> Sequence[StoredRow]:
        return [row for row in self.rows.values() if row.id in ids]

    def checks_of(self, ids: Ranges) -> Sequence[tuple[int, int]]:
        there = [[row.check for row in self.rows.values() if first <= row.id <= last] for first, last in ids]
        return [(len(checks), reduce(xor, checks, 0)) for checks in there]

    def outboxes(self) -> OutboxIds:
        return OutboxIds(tuple(self._opened))

    def waiting(self) -> tuple[int, int]:
        return len(self.rows), sum(len(row.body) for row in self.rows.values())

"""The ledger as the centre would keep it: every row that was ever accepted must be held, receipted or named as gone."""

from __future__ import annotations

from pathlib import Path

from edge.outbox import OutboxReader, StoredRow
from edge.tombstones import read_tombstone
from wire.encode import check
from wire.kinds import KIND_EVENT, KIND_TOMBSTONE
from wire.ranges import Ranges
from wire.records_pb2 import Event

Key = tuple[int, int]  # outbox_id, seq


def rows(path: Path) -> list[StoredRow]:
    """Every row of the file, each with bytes that check."""
    reader = OutboxReader(path)
    try:
        found = reader.above(0, 1_000_000)
    finally:
        reader.close()
    assert all(check(row.body) == row.check for row in found)
    return found


def gone(path: Path) -> dict[str, set[Key]]:
    """What the tombstones in the file name, by reason."""
    named: dict[str, set[Key]] = {}
    for row in rows(path):
        if row.kind == KIND_TOMBSTONE:
            for (outbox_id, reason), seqs in read_tombstone(row.body).items():
                named.setdefault(reason, set()).update((outbox_id, seq) for seq in seqs.seqs())
    return named


def events(path: Path) -> list[tuple[str, dict[str, str]]]:
    """What the outbox says happened to it."""
    found = [Event.FromString(row.body) for row in rows(path) if row.kind == KIND_EVENT]
    return [(event.name, dict(event.detail)) for event in found]


def missing(path: Path, accepted: dict[Key, bytes], stored: set[Key] = frozenset()) -> set[Key]:  # type: ignore[assignment]
    """Accepted keys that are nowhere; a held key with other bytes than were accepted fails at once."""
    held = {(row.outbox_id, row.seq): row.body for row in rows(path)}
    for key, body in accepted.items():
        assert held.get(key, body) == body, f"{key} came back with other bytes"
    return accepted.keys() - held.keys() - stored - set().union(*gone(path).values())


def ranges(*pairs: tuple[int, int]) -> Ranges:
    """Ranges of inclusive pairs."""
    return Ranges(pairs)

"""The committing side: each arrival stored exactly once, in one transaction, with everything that derives from it."""

import sqlite3
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Final

from broker.store.derived import PARCEL, Derivation, box_of
from broker.store.log import (
    INSERT_BLOCK,
    INSERT_LOG,
    INSERT_SERVED,
    MOVE_MARKER,
    Entry,
    LogWriter,
    Names,
    body_id,
    days,
    log_transaction,
    moves_marker,
)
from broker.store.observe import MAX_BOOTTIME_MS, Observed, observe
from broker.store.schema import BLOCK_SHIFT
from broker.store.values import FUTURE, UNDECODED, Arrival, Outcome
from broker.times import ClockPoint, in_future
from wire.ranges import MAX_SEQ

# Combining members of an IntFlag costs a microsecond each time.
_STORED, _DUPLICATE, _CONFLICT = int(Outcome.STORED), int(Outcome.DUPLICATE), int(Outcome.CONFLICT)
_OUTCOMES = [Outcome(bits) for bits in range(32)]

_MOST_BOXES = 50_000  # remembered at most, 25 MB: also a unit that invents an outbox a parcel must not fill the memory


# Where a test may kill the process: the names that `at` is called with.
POINTS: Final = ("commit:begun", "commit:written", "commit:committed")


class _Box:
    """What the committer remembers of one outbox: only what is committed, or is being committed."""

    __slots__ = ("block", "high", "name", "number", "stamp", "top")

    def __init__(self, number: int, top: tuple[int, int]) -> None:
        self.number = number
        self.top = top  # the highest range in the tables; 0, 0 when there is none
        self.high = top[1]  # the highest seq, those of the batch in hand included
        self.block: tuple[int, int] | None = None  # day and block noted last
        self.name = 0  # name noted last
        self.stamp: tuple[int, int] | None = None  # boot_id and boottime seen last


class _Batch:
    """The rows of one transaction on their way into the tables."""

    def __init__(self, writer: LogWriter, derivation: Derivation) -> None:
        self.writer = writer
        self.derivation = derivation
        self.hashes: dict[tuple[int, int], list[int]] = {}
        self.bodies: list[tuple[int, bytes]] = []
        self.log: list[tuple[object, ...]] = []
        self.keys: list[tuple[int, int, int, int, int]] = []
        self.blocks: list[tuple[int, int, int]] = []
        self.served: list[tuple[int, int]] = []
        self.markers: dict[tuple[int, int], tuple[int, int]] = {}
        self.seqs: dict[_Box, list[int]] = {}
        self.dated: dict[_Box, list[int]] = {}  # of them: what may be a neighbour to records without UTC
        self.conflicts: list[tuple[int]] = []
        self.claims: list[tuple[Entry, Observed]] = []


class Intake:
    """Commits arrivals; the only one in the world to do so for its file."""

    def __init__(self, db: sqlite3.Connection, names: Names, at: Callable[[str], None]) -> None:
        self._db = db
        self._names = names
        self._at = at
        self._boxes: dict[tuple[str, int], _Box] = {}
        self._loose: set[int] = {box for (box,) in db.execute("SELECT DISTINCT box FROM undated WHERE high_seq > 0")}

    def commit(self, arrivals: Sequence[Arrival]) -> list[Outcome]:
        """See Store.commit."""
        if len(self._boxes) > _MOST_BOXES:
            self._boxes.clear()
        try:
            with log_transaction(self._db, self._names) as writer:
                self._at("commit:begun")
                batch = _Batch(writer, Derivation(self._db, writer))
                outcomes = [self._take(batch, arrival) for arrival in arrivals]
                self._write(batch)
                self._at("commit:written")
            self._at("commit:committed")
            return outcomes
        except BaseException:
            self._boxes.clear()  # they know of rows that were rolled back
            raise

    def _take(self, batch: _Batch, arrival: Arrival) -> Outcome:
        unit, outbox_id, seq, _, _, body, received, _, boot_id, sent = arrival
        box = self._boxes.get((unit, outbox_id)) or self._load(unit, outbox_id)
        if sent is not None and boot_id is not None and box.stamp != (boot_id, sent):
            box.stamp = (boot_id, sent)
            if sent <= MAX_BOOTTIME_MS:
                batch.derivation.clock_point(unit, boot_id, ClockPoint(sent, received), PARCEL)
        digest = int.from_bytes(blake2b(body, digest_size=8).digest(), "big", signed=True)
        if seq > box.high:
            box.high = seq
            known: list[int] = []
        else:
            known = batch.hashes.get((box.number, seq)) or self._known(box.number, seq)
        if digest in known:
            return _OUTCOMES[_DUPLICATE if digest == known[0] else _DUPLICATE | _CONFLICT]
        conflict = len(known)
        known.append(digest)
        batch.hashes[box.number, seq] = known
        if conflict:
            batch.conflicts.append((box.number,))
        else:
            batch.seqs.setdefault(box, []).append(seq)
        flags = self._store(batch, arrival, box, conflict, digest)
        return _OUTCOMES[_STORED | flags & (FUTURE | UNDECODED) | (_CONFLICT if conflict else 0)]

    def _load(self, unit: str, outbox_id: int) -> _Box:
        number = box_of(self._db, unit, outbox_id)
        top = self._db.execute("SELECT first, last FROM ranges WHERE box = ? ORDER BY first DESC LIMIT 1", (number,))
        box = self._boxes[unit, outbox_id] = _Box(number, top.fetchone() or (0, 0))
        return box

    def _known(self, box: int, seq: int) -> list[int]:
        found = self._db.execute("SELECT hash FROM keys WHERE box = ? AND seq = ? ORDER BY conflict", (box, seq))
        return [digest for (digest,) in found]

    def _store(self, batch: _Batch, arrival: Arrival, box: _Box, conflict: int, digest: int) -> int:
        """Put one new row into the batch; returns its flags."""
        unit, _, seq, cls, kind, body, received, _, _, _ = arrival
        observed = observe(kind, body)
        flags, utc_ms, utc_to_ms = observed.flags, observed.utc_ms, observed.utc_to_ms
        log_id = batch.writer.next_id
        batch.writer.next_id = log_id + 1
        if utc_ms is not None and utc_to_ms is not None:
            if in_future(utc_to_ms, received):
                flags |= FUTURE
            self._note_block(batch, box, seq, utc_ms, utc_to_ms)
        name = self._names.number(unit, utc_ms)
        if name != box.name:
            box.name = name
            batch.served.append((name, box.number))
        place = body_id(utc_ms, flags, received, log_id)
        batch.bodies.append((place, body))
        batch.keys.append((box.number, seq, conflict, digest, log_id))
        row = (box.number, conflict, seq, cls, kind, utc_ms, utc_to_ms, None, received, flags, name, place)
        batch.log.append((log_id, log_id, 0, *row))
        if utc_to_ms is not None and moves_marker(kind, flags, None, conflict):
            marker = (name, box.number)
            if marker not in batch.markers or batch.markers[marker][1] < utc_to_ms:
                batch.markers[marker] = (log_id, utc_to_ms)
        if utc_ms is not None and box.number in self._loose:
            batch.dated.setdefault(box, []).append(seq)
        if utc_ms is None or observed.anchor or observed.holdings or observed.gone or observed.camera:
            batch.claims.append((Entry(log_id, log_id, 0, box.number, unit, *row[1:]), observed))
        return flags

    def _note_block(self, batch: _Batch, box: _Box, seq: int, utc_ms: int, utc_to_ms: int) -> None:
        for day in days(utc_ms, utc_to_ms):
            block = (day, seq >> BLOCK_SHIFT)
            if block != box.block:
                box.block = block
                batch.blocks.append((box.number, *block))

    def _write(self, batch: _Batch) -> None:
        db = self._db
        db.executemany("INSERT INTO bodies VALUES (?, ?)", batch.bodies)
        db.executemany(INSERT_LOG, batch.log)
        db.executemany("INSERT INTO keys VALUES (?, ?, ?, ?, ?)", sorted(batch.keys))
        db.executemany(INSERT_BLOCK, batch.blocks)
        db.executemany(INSERT_SERVED, batch.served)
        db.executemany(MOVE_MARKER, [(*newest, *marker, newest[1]) for marker, newest in sorted(batch.markers.items())])
        db.executemany("UPDATE boxes SET conflicts = conflicts + 1 WHERE box = ?", batch.conflicts)
        self._extend(batch.seqs)
        self._derive(batch)

    def _extend(self, seqs: dict[_Box, list[int]]) -> None:
        """Take the new seqs into the stored ranges: mostly the highest one grows at its end."""
        grown = []
        for box, new in seqs.items():
            for first, last in _runs(new):
                if first == box.top[1] + 1 and box.top[0]:
                    box.top = (box.top[0], last)
                    grown.append((box.number, *box.top))
                else:
                    merged = self._merge(box.number, first, last)
                    if merged[1] >= box.top[1]:  # as high as before: it is what the highest became part of
                        box.top = merged
        self._db.executemany("INSERT OR REPLACE INTO ranges VALUES (?, ?, ?)", grown)

    def _merge(self, box: int, first: int, last: int) -> tuple[int, int]:
        """Put first..last into the box's ranges; the range it became part of."""
        below = "SELECT first, last FROM ranges WHERE box = ? AND first <= ? ORDER BY first DESC"
        swallowed = []
        for start, end in self._db.execute(below, (box, min(last + 1, MAX_SEQ))):
            if end < first - 1:
                break
            swallowed.append((box, start))
            last = max(last, end)
            first = min(first, start)
        self._db.executemany("DELETE FROM ranges WHERE box = ? AND first = ?", swallowed)
        self._db.execute("INSERT INTO ranges VALUES (?, ?, ?)", (box, first, last))
        return first, last

    def _derive(self, batch: _Batch) -> None:
        for entry, observed in batch.claims:
            if entry.flags & UNDECODED:
                self._db.execute("INSERT OR IGNORE INTO undecoded VALUES (?)", (entry.row_id,))
            batch.derivation.take(entry, observed)
        touched = {box.number: (min(new), max(new)) for box, new in batch.dated.items()}
        self._loose |= batch.derivation.date(touched)


def _runs(seqs: list[int]) -> list[tuple[int, int]]:
    """Distinct seqs as ascending runs of neighbours."""
    seqs.sort()
    runs: list[tuple[int, int]] = []
    for seq in seqs:
        if runs and runs[-1][1] + 1 == seq:
            runs[-1] = (runs[-1][0], seq)
        else:
            runs.append((seq, seq))
    return runs

"""What derives from bodies as they are stored: clock points, dates of records without UTC, held and shed seqs."""

import sqlite3
from array import array
from typing import NamedTuple

from broker.store.log import Entry, LogWriter, signed
from broker.store.observe import Holding, Observed
from broker.store.values import FUTURE
from broker.times import ClockPoint, Dated, by_clock, by_neighbours, in_future, tighter
from wire.ranges import MAX_SEQ, Ranges

# What one transaction dates anew: a box has hundreds of records without UTC at the worst (no receiver, no network, boot
# after boot), and they come newest first. One that makes up more must not cost all others their receipts.
MOST_AT_ONCE = 8192
PARCEL = -1  # source of a clock point: no anchor (those are 0.. as in the contract) but the stamps of a parcel

_NEIGHBOUR = f"""FROM keys y CROSS JOIN log l ON l.log_id = y.log_id WHERE y.box = ? AND y.conflict = 0
 AND l.utc_ms IS NOT NULL AND l.time_doubt_s IS NULL AND l.flags & {FUTURE} = 0 AND y.seq """
_BEFORE = f"SELECT y.seq, l.utc_to_ms {_NEIGHBOUR} < ? ORDER BY y.seq DESC LIMIT 1"
_AFTER = f"SELECT y.seq, l.utc_ms {_NEIGHBOUR} > ? ORDER BY y.seq LIMIT 1"


def box_of(db: sqlite3.Connection, unit: str, outbox_id: int) -> int:
    """The number of an outbox, given when it is first heard of."""
    found = db.execute("SELECT box FROM boxes WHERE unit = ? AND outbox_id = ?", (unit, outbox_id)).fetchone()
    if found:
        return int(found[0])
    return int(db.execute("INSERT INTO boxes (unit, outbox_id) VALUES (?, ?)", (unit, outbox_id)).lastrowid or 0)


class _Gap(NamedTuple):
    """Two dated rows of an outbox with none between them, and what they say of those that lie there."""

    low_seq: int
    not_before_ms: int | None
    high_seq: int
    not_after_ms: int | None


class Derivation:
    """Takes the claims of bodies into the derived tables, inside the caller's transaction."""

    def __init__(self, db: sqlite3.Connection, writer: LogWriter) -> None:
        self._db = db
        self._writer = writer
        self._boots: set[tuple[str, int]] = set()  # whose clock is known better now
        self._new: list[tuple[int, int, int]] = []  # keys of undated rows of this transaction
        self._gaps: dict[int, _Gap] = {}  # by box, the last one looked for: it is the same for every row in it

    def take(self, entry: Entry, observed: Observed) -> None:
        """Note what one record says beside its own time."""
        if observed.anchor is not None and not entry.flags & FUTURE:
            boot_id, point, source = observed.anchor
            self.clock_point(entry.unit, boot_id, point, source)
        for gone in observed.gone:
            box = box_of(self._db, entry.unit, gone.outbox_id)
            rows = [(box, gone.reason, first, last) for first, last in gone.seqs]
            self._db.executemany("INSERT OR IGNORE INTO shed VALUES (?, ?, ?, ?)", rows)
        for holding in observed.holdings:
            self._hold(entry, holding)
        if observed.camera is not None and not entry.conflict and not entry.flags & FUTURE:
            self._db.execute(
                "INSERT INTO looks VALUES (?, ?, ?, ?, ?) ON CONFLICT (box, camera, kind) DO UPDATE"
                " SET seq = excluded.seq, utc_ms = excluded.utc_ms"
                " WHERE (excluded.utc_ms, excluded.seq) > (utc_ms, seq)",
                (entry.box, observed.camera, entry.kind, entry.seq, entry.utc_ms or 0),
            )
        if observed.boot_id is not None:
            self._undated(entry, observed)

    def clock_point(self, unit: str, boot_id: int, point: ClockPoint, source: int) -> None:
        """At that point of a boot it was that time. Of a boot's parcels only the tightest is kept."""
        boot = signed(boot_id)
        if source == PARCEL:
            where = (unit, boot, PARCEL)
            query = "SELECT boottime_ms, utc_ms FROM clock_points WHERE unit = ? AND boot_id = ? AND source = ?"
            found = self._db.execute(query, where).fetchone()
            if not tighter(ClockPoint._make(found) if found else None, point):
                return
            self._db.execute("DELETE FROM clock_points WHERE unit = ? AND boot_id = ? AND source = ?", where)
        self._db.execute("INSERT OR REPLACE INTO clock_points VALUES (?, ?, ?, ?, ?)", (unit, boot, *point, source))
        self._boots.add((unit, boot))

    def _hold(self, entry: Entry, holding: Holding) -> None:
        # The newest account of an outbox covers the most of it; of a closed outbox, whose account covers
        # the same ever after, the newest is the one of the latest record.
        box = box_of(self._db, entry.unit, holding.outbox_id)
        utc_ms = 0 if entry.utc_ms is None or entry.flags & FUTURE else entry.utc_ms
        pairs = array("q", (number for pair in holding.held for number in pair)).tobytes()
        self._db.execute(
            "INSERT INTO held VALUES (?, ?, ?, ?, ?) ON CONFLICT (box) DO UPDATE SET below_seq = excluded.below_seq,"
            " utc_ms = excluded.utc_ms, log_id = excluded.log_id, ranges = excluded.ranges"
            " WHERE (excluded.below_seq, excluded.utc_ms, excluded.log_id) > (below_seq, utc_ms, log_id)",
            (box, min(holding.below_seq, MAX_SEQ), utc_ms, entry.log_id, pairs),
        )

    def _undated(self, entry: Entry, observed: Observed) -> None:
        key = (entry.box, entry.seq, entry.row_id)
        row = (*key, signed(observed.boot_id or 0), observed.boottime_ms, observed.lasted_ms, 0, MAX_SEQ)
        self._db.execute("INSERT OR REPLACE INTO undated VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        self._new.append(key)

    def date(self, new_seqs: dict[int, tuple[int, int]]) -> set[int]:
        """Date what can be dated, or dated better, now. new_seqs: by box the least and greatest seq of new dated rows.

        Returns the boxes that have rows which a neighbour still to come can date better.
        """
        bounds = dict(new_seqs)
        loose = set()
        for box, seq, row_id in self._by_clock():  # first: what the clock dates is then a neighbour of the rest
            if self._date_one(box, seq, row_id):
                loose.add(box)
                continue  # it is nobody's neighbour
            self._gaps.pop(box, None)
            least, greatest = bounds.get(box, (seq, seq))
            bounds[box] = (min(least, seq), max(greatest, seq))
        for box, (least, greatest) in bounds.items():
            between = "SELECT seq, row_id FROM undated WHERE box = ? AND low_seq < ? AND high_seq > ?"
            between += " ORDER BY seq DESC LIMIT ?"
            for seq, row_id in self._db.execute(between, (box, greatest, least, MOST_AT_ONCE)).fetchall():
                if self._date_one(box, seq, row_id):
                    loose.add(box)
        return loose

    def _by_clock(self) -> list[tuple[int, int, int]]:
        """Keys of undated rows that are new, or whose boot's clock is known better."""
        keys = dict.fromkeys(self._new)
        for unit, boot in self._boots:
            found = self._db.execute(
                "SELECT u.box, u.seq, u.row_id FROM undated u JOIN boxes x ON x.box = u.box"
                " WHERE x.unit = ? AND u.boot_id = ? ORDER BY u.seq DESC LIMIT ?",
                (unit, boot, MOST_AT_ONCE),
            )
            keys.update(dict.fromkeys(found.fetchall()))
        return list(keys)

    def _date_one(self, box: int, seq: int, row_id: int) -> bool:
        """Date one row; whether a neighbour still to come can date it better."""
        entry = self._writer.newest(row_id)
        if entry is None:  # purged
            self._db.execute("DELETE FROM undated WHERE box = ? AND seq = ? AND row_id = ?", (box, seq, row_id))
            return False
        boot, boottime_ms, lasted_ms = self._db.execute(
            "SELECT boot_id, boottime_ms, lasted_ms FROM undated WHERE box = ? AND seq = ? AND row_id = ?",
            (box, seq, row_id),
        ).fetchone()
        utc_ms = by_clock(boottime_ms, self._points(entry.unit, boot))
        dated: Dated | None
        if utc_ms is not None:
            dated, low, high = Dated(utc_ms, utc_ms + lasted_ms, None), 0, 0
        else:
            dated, low, high = self._between(entry, lasted_ms)
        future = dated is not None and in_future(dated.utc_to_ms, entry.stored_utc_ms)
        self._writer.amend(entry, dated, entry.flags & ~FUTURE | FUTURE * future)
        bounds = "UPDATE undated SET low_seq = ?, high_seq = ? WHERE box = ? AND seq = ? AND row_id = ?"
        self._db.execute(bounds, (low, high, box, seq, row_id))
        return bool(high)

    def _points(self, unit: str, boot: int) -> list[ClockPoint]:
        """The boot's anchors in boottime order; without any, its tightest parcel."""
        if not boot:
            return []
        found = self._db.execute(
            "SELECT boottime_ms, utc_ms, source FROM clock_points WHERE unit = ? AND boot_id = ? ORDER BY boottime_ms",
            (unit, boot),
        ).fetchall()
        anchors = [ClockPoint(at, utc_ms) for at, utc_ms, source in found if source != PARCEL]
        return anchors or [ClockPoint(at, utc_ms) for at, utc_ms, _ in found]

    def _between(self, entry: Entry, lasted_ms: int) -> tuple[Dated | None, int, int]:
        gap = self._gaps.get(entry.box)
        if gap is None or not gap.low_seq < entry.seq < gap.high_seq:
            before = self._db.execute(_BEFORE, (entry.box, entry.seq)).fetchone()
            after = self._db.execute(_AFTER, (entry.box, entry.seq)).fetchone()
            gap = self._gaps[entry.box] = _Gap(*(before or (0, None)), *(after or (MAX_SEQ, None)))
        ends = [entry.stored_utc_ms] if gap.not_after_ms is None else [entry.stored_utc_ms, gap.not_after_ms]
        return by_neighbours(lasted_ms, gap.not_before_ms, min(ends)), gap.low_seq, gap.high_seq


def held_ranges(pairs: bytes) -> Ranges:
    """What _hold kept."""
    numbers = array("q", pairs)
    return Ranges(zip(numbers[::2], numbers[1::2], strict=True))

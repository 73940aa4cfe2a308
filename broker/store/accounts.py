"""What the ledger needs from the tables: of every outbox, or of those that are not simply stored as a whole."""

import sqlite3
from collections.abc import Iterator

from broker.ledger import Account, balance
from broker.store.derived import held_ranges
from broker.store.values import LedgerSums
from wire.ranges import Ranges

EVERY = "SELECT box FROM boxes"
# Outboxes that one range does not cover from 1 to the highest seq anybody has named.
INCOMPLETE = """SELECT x.box FROM boxes x LEFT JOIN held h ON h.box = x.box WHERE NOT EXISTS (
 SELECT 1 FROM ranges r WHERE r.box = x.box AND r.first = 1 AND r.last >= ifnull(h.below_seq, 1) - 1
 AND r.last >= ifnull((SELECT max(s.last) FROM shed s WHERE s.box = x.box), 0)
 AND NOT EXISTS (SELECT 1 FROM ranges o WHERE o.box = x.box AND o.first > 1))"""

Pairs = list[tuple[int, int]]


def accounts(db: sqlite3.Connection, which: str) -> Iterator[Account]:
    """The balances of the outboxes `which` selects, by unit; read at once, drawn one by one as they are taken."""
    db.execute("BEGIN")  # one moment of all tables
    try:
        boxes = db.execute(
            f"SELECT box, unit, outbox_id, expired, conflicts FROM boxes WHERE box IN ({which}) ORDER BY unit, box"
        ).fetchall()
        stored: dict[int, Pairs] = {}
        for box, *pair in db.execute(f"SELECT box, first, last FROM ranges WHERE box IN ({which}) ORDER BY box, first"):
            stored.setdefault(box, []).append((pair[0], pair[1]))
        shed: dict[int, dict[str, Pairs]] = {}
        for box, reason, *pair in db.execute(f"SELECT box, reason, first, last FROM shed WHERE box IN ({which})"):
            shed.setdefault(box, {}).setdefault(reason, []).append((pair[0], pair[1]))
        held = {
            row[0]: row[1:] for row in db.execute(f"SELECT box, below_seq, ranges FROM held WHERE box IN ({which})")
        }
    finally:
        db.execute("COMMIT")
    return (_account(row, stored, shed, held) for row in boxes)


def _account(
    row: tuple[int, str, int, int, int],
    stored: dict[int, Pairs],
    shed: dict[int, dict[str, Pairs]],
    held: dict[int, tuple[int, bytes]],
) -> Account:
    box, unit, outbox_id, expired, conflicts = row
    below_seq, pairs = held.get(box, (0, b""))
    return balance(
        unit=unit,
        outbox_id=outbox_id,
        stored=Ranges(stored.get(box, ())),
        shed={reason: _merged(gone) for reason, gone in shed.get(box, {}).items()},
        held=held_ranges(pairs),
        below_seq=below_seq,
        expired=expired,
        conflicts=conflicts,
    )


def _merged(pairs: Pairs) -> Ranges:
    """Ranges of several tombstones, which may overlap."""
    merged = Ranges()
    for first, last in pairs:
        merged.add(first, last)
    return merged


def ledger_sums(db: sqlite3.Connection) -> LedgerSums:
    """See Store.ledger_sums."""
    stored = "SELECT ifnull(sum(last - first + 1), 0) FROM ranges"
    query = f"SELECT count(*), ({stored}), ifnull(sum(expired), 0), ifnull(sum(conflicts), 0) FROM boxes"
    return LedgerSums._make(db.execute(query).fetchone())

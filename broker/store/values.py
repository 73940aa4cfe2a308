"""What goes into the store and what comes out of it."""

from enum import IntFlag
from typing import NamedTuple

from wire.errors import PantauError

DAY_MS = 86_400_000


class StoreUnavailable(PantauError, OSError):
    """The disk is full, slow or failing, or the store is locked: nothing was committed, try the same again later."""


class StoreInUse(PantauError, OSError):
    """Another process commits to this store; two would give two receipts for different bytes."""


class StoreVersion(PantauError, OSError):
    """The store was written by a newer pantau, or is no store at all."""


# Marks of a log entry; the bits FUTURE and UNDECODED mean the same in an Outcome.
FUTURE = 8  # dated more than a day after it arrived: moves nothing
UNDECODED = 16  # the body could not be read; `rederive` tries again
UNKNOWN_KIND = 32  # its kind is newer than this centre's contract (UNDECODED is set as well)


class Outcome(IntFlag):
    """What became of one arrival. Every combination means that its bytes are stored and may be receipted."""

    STORED = 1  # its bytes were not here before
    DUPLICATE = 2  # the same key with the same bytes is stored already
    CONFLICT = 4  # the key was taken by other bytes: stored beside them; the unit should open a new outbox
    FUTURE = FUTURE
    UNDECODED = UNDECODED


# Named tuples, not dataclasses: one of each is made for every row, and they are made four times as fast.
class Arrival(NamedTuple):
    """A row as it arrived. Times in ms; session, boot_id and sent_boottime_ms are the parcel's, None = not said."""

    unit: str
    outbox_id: int
    seq: int
    cls: int
    kind: int
    body: bytes
    received_utc_ms: int
    session: int | None = None
    boot_id: int | None = None
    sent_boottime_ms: int | None = None


class LogEntry(NamedTuple):
    """One entry of the committed log: a record with what the centre knows about it.

    A correction (its time became known, its name changed, its body became readable) is a new entry with a new log_id,
    the same row_id and revision + 1. utc_ms..utc_to_ms is the record's own time (None = not known yet); the truth lies
    within ± time_doubt_s (None = exact). conflict is 0, or n for the n-th other bytes that came under the same key.
    """

    log_id: int
    row_id: int
    revision: int
    unit: str
    outbox_id: int
    conflict: int
    seq: int
    cls: int
    kind: int
    body: bytes
    utc_ms: int | None
    utc_to_ms: int | None
    time_doubt_s: float | None
    stored_utc_ms: int
    flags: int
    agency: str
    asset: str
    asset_kind: str | None


class Unread(NamedTuple):
    """What a reader of the log has before it: how many entries, and when the oldest one's record arrived (Unix ms).

    since_utc_ms is None when nothing is unread, and when all that was looked at are corrections of older records.
    """

    last_log_id: int
    entries: int
    since_utc_ms: int | None


class Size(NamedTuple):
    """What the store takes on its disk, and what that has left for this user, in bytes."""

    file_bytes: int
    wal_bytes: int
    disk_free_bytes: int
    disk_bytes: int


class LedgerSums(NamedTuple):
    """What needs no balance: outboxes, records stored, of those expired (purged), and conflicts beside them."""

    outboxes: int
    stored: int
    expired: int
    conflicts: int


class Purged(NamedTuple):
    """What a purge took: records and bytes of their bodies."""

    rows: int
    body_bytes: int

"""The SQLite file: its tables, and how an older file becomes a newer one.

The log is the source. A log row is small and is never changed in meaning: what becomes known later is a new row (a
correction). Bodies lie apart, clustered by the record's UTC day, so that a purge deletes neighbours. There is no row
per fix, and no index by time: `blocks` says which blocks of seqs of an outbox touch a day, `keys` then resolves them.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from broker.store.values import StoreUnavailable, StoreVersion

# A body's id: the record's UTC day above the log_id of its first entry. 2**40 records are 100 years at 300 a second.
DAY_SHIFT = 40
ROW_MASK = (1 << DAY_SHIFT) - 1
LAST_DAY = 1 << 22  # the year 13,000: beyond it a date is only ever a receiver's mistake

# 1024 seqs a block: a day of ten-second records is nine of them, and a block costs one insert in a thousand.
BLOCK_SHIFT = 10
BLOCK_SEQS = 1 << BLOCK_SHIFT

_BUSY_TIMEOUT_S = 10.0  # a purge or correction holds the file for tens of ms at a time

# Pages in the WAL before they are copied home (32 MB): rows of hundreds of units touch the same pages again and
# again, and each is then copied once. The default of 1000 checkpoints every few commits.
_CHECKPOINT_PAGES = 8000

_FIRST = """
CREATE TABLE store (
  store_id INTEGER NOT NULL,             -- 1 .. 2**32 - 1
  next_log_id INTEGER NOT NULL,          -- never given again, also after a purge of the newest
  roster_version INTEGER NOT NULL        -- counts set_assignments
);
INSERT INTO store VALUES (1 + abs(random() % 4294967295), 1, 0);
CREATE TABLE boxes (                     -- outboxes
  box INTEGER PRIMARY KEY,
  unit TEXT NOT NULL,
  outbox_id INTEGER NOT NULL,
  expired INTEGER NOT NULL DEFAULT 0,    -- records of it that were purged
  conflicts INTEGER NOT NULL DEFAULT 0,  -- records of it that came under a taken key
  UNIQUE (unit, outbox_id)
);
CREATE TABLE names (
  name INTEGER PRIMARY KEY,
  agency TEXT NOT NULL,
  asset TEXT NOT NULL,
  kind TEXT,
  UNIQUE (agency, asset, kind)
);
CREATE TABLE log (
  log_id INTEGER PRIMARY KEY,
  row_id INTEGER NOT NULL,               -- log_id of the record's first entry
  revision INTEGER NOT NULL,
  box INTEGER NOT NULL,
  conflict INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  cls INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  utc_ms INTEGER,
  utc_to_ms INTEGER,
  time_doubt_s REAL,
  stored_utc_ms INTEGER NOT NULL,
  flags INTEGER NOT NULL,
  name INTEGER NOT NULL,
  body_id INTEGER NOT NULL
);
CREATE INDEX corrections ON log (row_id) WHERE revision > 0;
CREATE TABLE bodies (body_id INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE keys (                      -- what is stored; outlives the bodies, so that a resent row stays a duplicate
  box INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  conflict INTEGER NOT NULL,
  hash INTEGER NOT NULL,                 -- 64 bit BLAKE2b of the body
  log_id INTEGER NOT NULL,               -- the record's newest entry
  PRIMARY KEY (box, seq, conflict)
) WITHOUT ROWID;
CREATE TABLE ranges (                    -- the seqs of keys, for the ledger
  box INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (box, first)
) WITHOUT ROWID;
CREATE TABLE blocks (
  box INTEGER NOT NULL, day INTEGER NOT NULL, block INTEGER NOT NULL, PRIMARY KEY (box, day, block)
) WITHOUT ROWID;
CREATE TABLE served (                    -- which outboxes have records under a name, and its newest track from there
  name INTEGER NOT NULL, box INTEGER NOT NULL, log_id INTEGER, utc_ms INTEGER, PRIMARY KEY (name, box)
) WITHOUT ROWID;
CREATE TABLE shed (
  box INTEGER NOT NULL, reason TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY (box, reason, first, last)
) WITHOUT ROWID;
CREATE TABLE held (                      -- of the newest health record that speaks of the outbox
  box INTEGER PRIMARY KEY, below_seq INTEGER NOT NULL, utc_ms INTEGER NOT NULL, log_id INTEGER NOT NULL,
  ranges BLOB NOT NULL
);
CREATE TABLE clock_points (              -- source -1: the stamps of a parcel, else as in the contract's Anchor
  unit TEXT NOT NULL, boot_id INTEGER NOT NULL, boottime_ms INTEGER NOT NULL, utc_ms INTEGER NOT NULL,
  source INTEGER NOT NULL, PRIMARY KEY (unit, boot_id, boottime_ms, source)
) WITHOUT ROWID;
CREATE TABLE undated (                   -- records without UTC of their own
  box INTEGER NOT NULL, seq INTEGER NOT NULL, row_id INTEGER NOT NULL, boot_id INTEGER NOT NULL,
  boottime_ms INTEGER NOT NULL, lasted_ms INTEGER NOT NULL,
  low_seq INTEGER NOT NULL, high_seq INTEGER NOT NULL,  -- a dated record between these dates it better; 0, 0: none
  PRIMARY KEY (box, seq, row_id)
) WITHOUT ROWID;
CREATE INDEX loose ON undated (box) WHERE high_seq > 0;
CREATE TABLE undecoded (row_id INTEGER PRIMARY KEY);
CREATE TABLE assignments (
  unit TEXT NOT NULL, asset TEXT NOT NULL, agency TEXT NOT NULL, kind TEXT NOT NULL,
  from_utc_ms INTEGER NOT NULL, to_utc_ms INTEGER
);
CREATE TABLE renames (                   -- blocks whose records may have got another name and were not looked at yet
  box INTEGER NOT NULL, block INTEGER NOT NULL, PRIMARY KEY (box, block)
) WITHOUT ROWID;
CREATE TABLE cursors (cursor TEXT PRIMARY KEY, log_id INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE purges (
  at_utc_ms INTEGER NOT NULL, before_utc_ms INTEGER NOT NULL, asset TEXT, rows INTEGER NOT NULL,
  body_bytes INTEGER NOT NULL
);
"""

_CAMERAS = """
CREATE TABLE looks (                     -- the newest verdict and the newest picture of each camera, by its outbox
  box INTEGER NOT NULL, camera TEXT NOT NULL, kind INTEGER NOT NULL, seq INTEGER NOT NULL, utc_ms INTEGER NOT NULL,
  PRIMARY KEY (box, camera, kind)
) WITHOUT ROWID;
"""

# Ranges that overlap or touch become one: a gap filled behind live rows left both, and they were counted twice.
_WHOLE_RANGES = """
CREATE TABLE whole AS SELECT box, min(first) AS first, max(last) AS last FROM (
 SELECT box, first, last, sum(apart) OVER (PARTITION BY box ORDER BY first) AS run FROM (
  SELECT box, first, last, ifnull(first - 1 > max(last) OVER (
   PARTITION BY box ORDER BY first ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 1) AS apart FROM ranges
 )) GROUP BY box, run;
DELETE FROM ranges;
INSERT INTO ranges SELECT box, first, last FROM whole;
DROP TABLE whole;
"""

# One script per version of the file, run in order; a script is never edited once it was released.
MIGRATIONS: tuple[str, ...] = (_FIRST, _CAMERAS, _WHOLE_RANGES)


# Primary result codes that say "not now" and change nothing: busy, locked, out of memory, read-only, interrupted,
# disk I/O, full, cannot open, locking protocol. https://www.sqlite.org/rescode.html
_NOT_NOW = frozenset({5, 6, 7, 8, 9, 10, 13, 14, 15})


@contextmanager
def unavailable(what: str) -> Iterator[None]:
    """Failures of the disk as StoreUnavailable; any other error of SQLite is a bug or a broken file, and stays one."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in _NOT_NOW:
            raise StoreUnavailable(f"{what}: {error}") from error
        raise


def connect(path: str, *, writer: bool, migrations: Sequence[str] = MIGRATIONS) -> sqlite3.Connection:
    """Open the file; a writer creates or migrates it. Raises StoreVersion, StoreUnavailable."""
    if not writer and not Path(path).exists():
        raise StoreUnavailable(f"no store at {path}")
    with unavailable(path):
        db = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        with unavailable(path):
            _prepare(db, path, writer, migrations)
    except BaseException as error:
        db.close()
        if isinstance(error, sqlite3.DatabaseError):
            raise StoreVersion(f"{path}: {error}") from error
        raise
    return db


def _version(db: sqlite3.Connection) -> int:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return version


def _prepare(db: sqlite3.Connection, path: str, writer: bool, migrations: Sequence[str]) -> None:
    version = _version(db)
    if not version and db.execute("SELECT 1 FROM sqlite_schema").fetchone():
        version = _version(db)  # the bridge may have made it all between the two looks
        if not version:
            raise StoreVersion(f"{path}: no store")
    if version > len(migrations):
        raise StoreVersion(f"{path}: of a newer version ({version}) than this pantau's {len(migrations)}")
    if version < len(migrations) and not writer:
        raise StoreUnavailable(f"{path}: version {version}, wait until the bridge has made it {len(migrations)}")
    if not version:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only counts before the first table
    if writer:
        db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    db.execute("PRAGMA cache_size = -65536")  # KiB: the leaves that some thousand units append to
    for script in migrations[version:]:
        version += 1
        db.executescript(f"BEGIN IMMEDIATE;{script}PRAGMA user_version = {version};COMMIT;")

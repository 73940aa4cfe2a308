"""The outbox's file on disk: opened, upgraded, still under its name, set aside and rebuilt when it is damaged.

Replacing the file is three renames, and a kill may fall between any two. So the new file is built as .salvaging,
becomes .salvage in one step when it is complete and durable, and whoever finds a .salvage finishes the swap.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from edge.disk import Disk, beside, check_format, inode, size_bytes
from edge.outbox_schema import PAGE_BYTES, set_pragmas, upgrade

_FRAME_BYTES: Final = PAGE_BYTES + 24
_SHM_BYTES: Final = 32 << 10
_IDS_BYTES: Final = 4 << 10
LEAST_LIMIT_BYTES: Final = 256 << 10  # below it the write-ahead log alone would take most


@dataclass(frozen=True, slots=True)
class Limits:
    """How a bound on disk is split: rows, write-ahead log, its index, ballast."""

    limit_bytes: int
    room_bytes: int  # what the disk gives us now, when that is less

    @property
    def wal_pages(self) -> int:
        """Checkpoint after so many; a small outbox takes a 16th of itself.

        Measured, MB a day on ext4 at 8,640 reports: 128 pages 56.2, 256 56.7, 500 58.6, 1,000 (SQLite's default) 62.1:
        each start begins a new log, and while it grows every sync writes the file system's journal too.
        """
        return max(32, min(256, min(self.limit_bytes, self.room_bytes) // 16 // _FRAME_BYTES))

    @property
    def wal_bytes(self) -> int:
        """Twice the checkpoint mark (a reader may hold one up), and the 1 % shed at a time passes through it."""
        return 2 * self.wal_pages * _FRAME_BYTES + self.limit_bytes // 80

    @property
    def batch_bytes(self) -> int:
        """Rows that leave in one transaction that must not lengthen the log: their pages all pass through it."""
        return self.wal_pages * PAGE_BYTES // 2

    @property
    def ballast_bytes(self) -> int:
        """A full log's worth: on a full disk it lets the log be folded into the file, so that the log starts again."""
        return self.wal_pages * _FRAME_BYTES

    @property
    def pages(self) -> int:
        """What is left for rows."""
        others = self.wal_bytes + self.ballast_bytes + _SHM_BYTES + _IDS_BYTES
        return (self.limit_bytes - others) // PAGE_BYTES


class OutboxFile:
    """The one writing connection and the names around it."""

    def __init__(self, path: Path, *, limit_bytes: int, disk: Disk, at: Callable[[str], None]) -> None:
        self.path: Final = path
        self.wal: Final = beside(path, "-wal")
        self.ids_copy: Final = beside(path, ".ids")
        self.ballast: Final = beside(path, ".ballast")
        self._building = beside(path, ".salvaging")
        self._built = beside(path, ".salvage")
        self.limits = Limits(limit_bytes, limit_bytes)
        self._disk = disk
        self._at = at
        self._connection: sqlite3.Connection | None = None
        self._lock_file: TextIO | None = None
        self.frozen = False  # the disk is full: rows only take the place of rows
        self._inodes: list[tuple[int, int] | None] = [None, None]

    @property
    def connection(self) -> sqlite3.Connection | None:
        """The open one, None before `open` and after `close`."""
        return self._connection

    def open(self) -> sqlite3.Connection:
        """Finish what a kill interrupted, connect, upgrade; sqlite3.Error or OSError when it can not be."""
        self.close()
        self._lock()
        if self._built.exists():
            self._swap()
        room_bytes = self.bytes_on_disk() + self._disk.free_bytes(self.path.parent)
        self.limits = Limits(self.limits.limit_bytes, room_bytes)
        check_format(self.path)
        connection = self._disk.connect(self.path)
        try:
            set_pragmas(connection, wal_pages=self.limits.wal_pages, wal_limit_bytes=self.limits.wal_bytes)
            upgrade(connection, self._at)
            connection.execute(f"PRAGMA max_page_count={self.limits.pages}").fetchall()
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self._inodes = [inode(self.path), None]
        self.frozen = False
        return connection

    def unlock(self) -> None:
        """Let another process write."""
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None

    def _lock(self) -> None:
        """Two writers would give out the same ids. EWOULDBLOCK while another process has it; a kill lets go of it."""
        if self._lock_file is None:
            file = beside(self.path, ".lock").open("a")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                raise
            self._lock_file = file

    def close(self) -> None:
        """Close the connection; SQLite then folds the log into the file when nobody else reads."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()

    def still_ours(self) -> bool:
        """Do the names still stand for what we write to? A deleted file would take rows until the power is cut."""
        if self._inodes[1] is None:
            self._inodes[1] = inode(self.wal)
        return self._inodes == [inode(self.path), inode(self.wal)]

    def put_back(self) -> None:
        """The file was deleted or replaced while open: write all of it to its name again, from the open connection."""
        if self._connection is None:
            return
        self._clear_building()
        target = self._build()
        try:
            self._connection.backup(target)
        except BaseException:
            target.close()
            raise
        self._finish(target)
        self._swap()

    def rebuild(self, fill: Callable[[sqlite3.Connection, Path], None]) -> None:
        """Put a new file in place of a damaged one; `fill` gets its connection and what the bad one will be called."""
        self._clear_building()
        target = self._build()
        try:
            upgrade(target, lambda _point: None)
            fill(target, self._aside())
        except BaseException:
            target.close()
            raise
        self._finish(target)
        self._swap()

    def bytes_on_disk(self) -> int:
        """All that belongs to the outbox now, files set aside not counted."""
        files = (self.path, self.wal, beside(self.path, "-shm"), self.ids_copy, self.ballast)
        return sum(size_bytes(file) for file in files)

    def checkpoint(self) -> None:
        """Fold the log into the file, so that the log starts again at its beginning and needs no new blocks."""
        if self._connection is not None:
            self._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    # ------------------------------------------------------------------ ballast

    def take_ballast(self) -> None:
        """Hold some blocks for a bad day, when the disk has plenty; the file may grow again then."""
        if self.ballast.exists() or self._disk.free_bytes(self.path.parent) <= 2 * self.limits.ballast_bytes:
            return
        self._disk.allocate(self.ballast, self.limits.ballast_bytes)
        if self.frozen and self._connection is not None:
            self._connection.execute(f"PRAGMA max_page_count={self.limits.pages}").fetchall()
            self.frozen = False

    def drop_ballast(self) -> None:
        """Give the blocks back."""
        self.ballast.unlink(missing_ok=True)

    def freeze(self) -> None:
        """Let the file not grow on a full disk: pages in the log that the file has no place for would jam the log."""
        if self._connection is not None:
            (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
            self._connection.execute(f"PRAGMA max_page_count={min(pages, self.limits.pages)}").fetchall()
            self.frozen = True

    # ------------------------------------------------------------------ replacing the file

    def _build(self) -> sqlite3.Connection:
        connection = self._disk.connect(self._building)
        # Nobody reads it before it is complete: no log and no sync on the way, one fsync at its end.
        for pragma in (f"page_size={PAGE_BYTES}", "journal_mode=MEMORY", "synchronous=OFF", "secure_delete=OFF"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        return connection

    def _clear_building(self) -> None:
        for ending in ("", "-wal", "-shm", "-journal"):
            beside(self._building, ending).unlink(missing_ok=True)

    def _finish(self, target: sqlite3.Connection) -> None:
        target.close()
        with self._building.open("rb") as file:
            os.fsync(file.fileno())
        self._disk.rename(self._building, self._built)
        self._at("salvage:complete")

    def _aside(self) -> Path:
        number = 1
        while (name := beside(self.path, f".corrupt-{number}")).exists():
            number += 1
        return name

    def _swap(self) -> None:
        """The bad file away, its log first: a log left behind would be replayed into the new file."""
        aside = self._aside()
        if self.wal.exists():
            self._disk.rename(self.wal, beside(aside, "-wal"))
            self._at("salvage:log_aside")
        self.close()  # after the log has another name: SQLite deletes the log of the last connection by name
        beside(self.path, "-shm").unlink(missing_ok=True)
        if self.path.exists():
            self._disk.rename(self.path, aside)
            self._at("salvage:aside")
        self._disk.rename(self._built, self.path)
        self._at("salvage:swapped")

"""What the outbox asks of the file system: the seam where a test's disk is full, read-only or failing."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

# A technician's `pantau outbox` reads for milliseconds; 5 s is a card that stalls while it erases a block.
BUSY_TIMEOUT_S: Final = 5.0

_WRITE_VERSION_AT: Final = 18
_WAL_VERSION: Final = 2  # 1 is the rollback journal, 2 the write-ahead log; there is no other yet


class Disk:
    """The real one; every method raises OSError (or sqlite3.Error) as the kernel says."""

    def connect(self, path: Path) -> sqlite3.Connection:
        """A connection that writes; transactions are opened by hand."""
        return sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)

    def free_bytes(self, folder: Path) -> int:
        """Bytes an ordinary process may still write on the file system of `folder`."""
        state = os.statvfs(folder)
        return state.f_bavail * state.f_frsize

    def allocate(self, path: Path, size_bytes: int) -> None:
        """A file whose blocks really are there: a sparse one would give nothing back when the disk is full."""
        handle = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
        try:
            os.posix_fallocate(handle, 0, size_bytes)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(handle)

    def rename(self, old: Path, new: Path) -> None:
        """Rename, durable when it returns."""
        old.rename(new)
        sync_folder(new.parent)

    def write(self, path: Path, content: bytes) -> None:
        """Replace a small file in one step, durable when it returns."""
        beside = path.with_name(path.name + ".new")
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self.rename(beside, path)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def inode(path: Path) -> tuple[int, int] | None:
    """Which file the name stands for now; None when there is none."""
    with suppress(FileNotFoundError):
        state = path.stat()
        return state.st_dev, state.st_ino
    return None


def size_bytes(path: Path) -> int:
    """Length of the file; 0 when there is none."""
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def check_format(path: Path) -> None:
    """sqlite3.DatabaseError when a worn byte of its header makes the file one of a later SQLite's.

    SQLite would open such a file and only ever read it ("attempt to write a readonly database"), which looks like a
    card that takes no writes and never ends. Format: sqlite.org/fileformat2.html, section 1.3.
    """
    with suppress(FileNotFoundError), path.open("rb") as file:
        head = file.read(_WRITE_VERSION_AT + 1)
        if len(head) > _WRITE_VERSION_AT and head[_WRITE_VERSION_AT] > _WAL_VERSION:
            raise sqlite3.DatabaseError(f"file format {head[_WRITE_VERSION_AT]}")


def beside(path: Path, ending: str) -> Path:
    """The file that belongs to `path`: SQLite's own -wal and -shm, our .ids, .ballast, .salvage."""
    return path.with_name(path.name + ending)

"""What makes the centre's store sick, at its edges: somebody else's transaction, a small disk that is full."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from torture.scenario import Unready

STORE_FILES: Final = ("store.db", "store.db-wal", "store.db-shm", "store.db.writer")


@contextmanager
def locked(store: Path) -> Iterator[None]:
    """Somebody else's transaction that does not end: commits wait, and give up after SQLite's own timeout."""
    with closing(sqlite3.connect(store, isolation_level=None, timeout=30.0)) as other:
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Not a byte is free on that file system."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def small_disk(place: Path, size: str = "8m") -> Iterator[Path]:
    """A file system of its own, in memory. Raises Unready for who may not mount one."""
    place.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "pantau-stage", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        raise Unready("may not mount a small file system (root is needed)")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def moved(home: Path, to: Path) -> None:
    """The files of a store that nobody has open."""
    to.mkdir(parents=True, exist_ok=True)
    for name in STORE_FILES:
        if (home / name).exists() or (home / name).is_symlink():
            shutil.move(home / name, to / name)

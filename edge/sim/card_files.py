"""A simulated card's files, as the kernel asks for them over FUSE: the only file that imports mfusepy.

Files are opened past the kernel's cache, so that a write is here before it returns, and what a verb did is felt at the
next read. Only SQLite's -shm goes through the cache, because it is mapped: it is memory that has a name, made anew by
whoever opens the database first, so what the kernel writes back of it is taken whatever the card does.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable
from typing import Any, Final

os.environ["FUSE_LIBRARY_NAME"] = "fuse3"  # mfusepy would take libfuse2 when it is there: another file_info
import mfusepy

from edge.sim.durable import SECTOR_BYTES, File
from edge.sim.durable_names import Directory, Link, Tree

CAPACITY_BYTES: Final = 64 << 20
_HIDDEN: Final = "/.fuse_hidden"  # libfuse 3, hide_node in lib/fuse.c
_CALLER: Final = {"st_uid": os.getuid(), "st_gid": os.getgid(), "st_nlink": 1}


class CardFiles(mfusepy.Operations):  # type: ignore[misc]
    """The operations of the kernel on a tree, and the faults that stand in their way. A verb takes its `turn`."""

    use_ns = True

    def __init__(self, tree: Tree, ready: Callable[[], None]) -> None:
        self.turn = threading.Lock()
        self.tree = tree
        self.capacity_bytes = CAPACITY_BYTES
        self.read_only = False
        self.write_errno: dict[str, int] = {}  # by path; "" is every path
        self.read_errno: dict[str, int] = {}
        self.losing: set[str] = set()  # paths whose next fsync fails for good
        self.bad: dict[int, set[int]] = {}  # sectors that can not be read, by file number
        self.bytes_written = self.syncs = self.sectors_synced = 0
        self._ready = ready
        self._open: dict[int, tuple[File | Directory, str]] = {}
        self._hidden: dict[str, File] = {}
        self._hidden_last = ""
        self._next_handle = 1

    # ------------------------------------------------------------------ room and faults

    def free_bytes(self) -> int:
        """What the card still takes; files that are only open count as long as they are."""
        files = self.tree.files() | {node for node, _ in self._open.values() if isinstance(node, File)}
        return self.capacity_bytes - sum(-(-len(file.content) // SECTOR_BYTES) * SECTOR_BYTES for file in files)

    def _may_change(self, *paths: str) -> None:
        if self.read_only:
            raise mfusepy.FuseOSError(errno.EROFS)
        for path in ("", *paths):
            if self.write_errno.get(path):
                raise mfusepy.FuseOSError(self.write_errno[path])

    def _may_read(self, path: str, file: File, offset: int, size: int) -> None:
        for name in ("", path):
            if self.read_errno.get(name):
                raise mfusepy.FuseOSError(self.read_errno[name])
        asked = range(offset // SECTOR_BYTES, -(-min(offset + size, len(file.content)) // SECTOR_BYTES))
        if not self.bad.get(file.number, set()).isdisjoint(asked):
            raise mfusepy.FuseOSError(errno.EIO)

    # ------------------------------------------------------------------ mfusepy calls these

    def init_with_config(self, _connection: Any, config: Any) -> None:
        """The kernel asks us for names and sizes each time."""
        config.use_ino = 1
        config.entry_timeout = config.negative_timeout = config.attr_timeout = 0.0
        self._ready()

    def getattr(self, path: str, _info: Any = None) -> dict[str, Any]:
        with self.turn:
            node = self._hidden.get(path) or self.tree.at(path)
            if isinstance(node, File):
                return {**_CALLER, "st_mode": stat.S_IFREG | 0o644, "st_ino": node.number, "st_size": len(node.content)}
            kind = stat.S_IFLNK | 0o777 if isinstance(node, Link) else stat.S_IFDIR | 0o755
            return {**_CALLER, "st_mode": kind, "st_ino": node.number}

    def readlink(self, path: str) -> str:
        with self.turn:
            node = self.tree.at(path)
            if not isinstance(node, Link):
                raise mfusepy.FuseOSError(errno.EINVAL)
            return node.target

    def statfs(self, _path: str) -> dict[str, int]:
        with self.turn:
            free = max(0, self.free_bytes()) // SECTOR_BYTES
            return {
                "f_bsize": SECTOR_BYTES,
                "f_frsize": SECTOR_BYTES,
                "f_blocks": self.capacity_bytes // SECTOR_BYTES,
                "f_bfree": free,
                "f_bavail": free,
                "f_namemax": 255,
            }

    def open(self, path: str, info: Any) -> int:
        with self.turn:
            file = self.tree.file(path)
            if info.flags & os.O_ACCMODE != os.O_RDONLY and self.read_only:
                raise mfusepy.FuseOSError(errno.EROFS)
            if info.flags & os.O_TRUNC:
                self._may_change(path)
                file.resize(0)
            return self._opened(file, path, info)

    def create(self, path: str, _mode: int, info: Any) -> int:
        with self.turn:
            self._may_change(path)
            return self._opened(self.tree.create(path), path, info)

    def read(self, _path: str, size: int, offset: int, info: Any) -> bytes:
        with self.turn:
            file, path = self._file(info)
            self._may_read(path, file, offset, size)
            return bytes(file.content[offset : offset + size])

    def write(self, _path: str, chunk: bytes, offset: int, info: Any) -> int:
        with self.turn:
            file, path = self._file(info)
            if info.writepage:  # of a mapped file, see above
                file.write(offset, chunk[: max(0, len(file.content) - offset)])
                return len(chunk)
            self._may_change(path)
            growth = offset + len(chunk) - len(file.content)
            if growth > 0:
                chunk = chunk[: len(chunk) - max(0, growth - max(0, self._room_bytes(file)))]
                if not chunk:
                    raise mfusepy.FuseOSError(errno.ENOSPC)
            self.tree.write(file, offset, chunk)
            self.bytes_written += len(chunk)
            return len(chunk)

    def truncate(self, path: str, size: int, _info: Any = None) -> int:
        with self.turn:
            file = self._hidden.get(path) or self.tree.file(path)
            self._may_change(path)
            if size - len(file.content) > self._room_bytes(file):
                raise mfusepy.FuseOSError(errno.ENOSPC)
            file.resize(size)
            return 0

    def fallocate(self, path: str, mode: int, offset: int, size: int, info: Any) -> int:
        if mode:
            raise mfusepy.FuseOSError(errno.EOPNOTSUPP)
        with self.turn:
            length = len(self._file(info)[0].content)
        return self.truncate(path, max(length, offset + size))

    def fsync(self, _path: str, _data_only: int, info: Any) -> int:
        """fdatasync too: it covers the size, and we keep nothing else that it could leave out."""
        with self.turn:
            file, path = self._file(info)
            if file.pending:
                self._may_change(path)
            if path in self.losing:
                self.losing.remove(path)
                file.lose()
                raise mfusepy.FuseOSError(errno.EIO)
            self.syncs += 1
            self.sectors_synced += file.sync()
            return 0

    def release(self, _path: str, info: Any) -> int:
        with self.turn:
            self._open.pop(info.fh, None)
            return 0

    def opendir(self, path: str) -> int:
        with self.turn:
            return self._handle(self.tree.directory(path), path)

    def readdir(self, _path: str, handle: int) -> list[tuple[str, dict[str, int], int]]:
        """With inode numbers: programs take an entry of number 0 for none."""
        with self.turn:
            node = self._open[handle][0]
            names = node.names if isinstance(node, Directory) else {}
            numbers = {".": node.number, "..": node.number, **{name: child.number for name, child in names.items()}}
            return [(name, {"st_ino": number}, 0) for name, number in sorted(numbers.items())]

    def fsyncdir(self, _path: str, _data_only: int, handle: int) -> int:
        with self.turn:
            self._may_change()
            node = self._open[handle][0]
            if isinstance(node, Directory):
                self.tree.sync_directory(node)
            self.syncs += 1
            return 0

    def releasedir(self, _path: str, handle: int) -> int:
        with self.turn:
            self._open.pop(handle, None)
            return 0

    def mkdir(self, path: str, _mode: int) -> int:
        return self._change(self.tree.make_directory, path)

    def rmdir(self, path: str) -> int:
        return self._change(self.tree.remove_directory, path)

    def unlink(self, path: str) -> int:
        if self._hidden.pop(path, None):
            return 0
        return self._change(self.tree.unlink, path)

    def symlink(self, path: str, target: str) -> int:
        return self._change(lambda new: self.tree.make_link(new, target), path)

    def rename(self, old: str, new: str) -> int:
        if _HIDDEN in new:
            return self._change(lambda _old: self._hide(old, new), old)
        unlinked = new == self._hidden_last
        return self._change(lambda _old: self.tree.rename(old, new, unlinked=unlinked), old)

    def chmod(self, _path: str, _mode: int) -> int:
        """Not kept: every file is its mounter's."""
        return 0

    def chown(self, _path: str, _uid: int, _gid: int) -> int:
        """Not kept, see chmod."""
        return 0

    def utimens(self, _path: str, _times: tuple[int, int] | None = None) -> int:
        """Not kept, see chmod."""
        return 0

    # ------------------------------------------------------------------ inside

    def _change(self, change: Callable[[str], None], path: str) -> int:
        with self.turn:
            self._may_change(path)
            self._hidden_last = ""
            change(path)
            return 0

    def _hide(self, path: str, hidden: str) -> None:
        """libfuse keeps an open file whose name goes under a name of its own, also when a rename replaces it."""
        self._hidden[hidden] = self.tree.file(path)
        self.tree.unlink(path)
        self._hidden_last = path

    def _room_bytes(self, file: File) -> int:
        """By how much that file may grow: what is free, and the rest of its last sector."""
        return self.free_bytes() + -len(file.content) % SECTOR_BYTES

    def _opened(self, file: File, path: str, info: Any) -> int:
        info.fh = self._handle(file, path)
        info.direct_io = not path.endswith("-shm")
        return 0

    def _handle(self, node: File | Directory, path: str) -> int:
        handle, self._next_handle = self._next_handle, self._next_handle + 1
        self._open[handle] = (node, path)
        return handle

    def _file(self, info: Any) -> tuple[File, str]:
        node, path = self._open[info.fh]
        if not isinstance(node, File):
            raise mfusepy.FuseOSError(errno.EISDIR)
        return node, path


def serve(files: CardFiles, mountpoint: str) -> None:
    """Until it is unmounted; one request at a time."""
    mfusepy.FUSE(files, mountpoint, raw_fi=True, foreground=True, nothreads=True, fsname="pantau-card")

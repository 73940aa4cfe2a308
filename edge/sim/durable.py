"""What a power cut leaves of files and names: only what was synced for sure, of all else whatever luck says. Pure.

A write, a new size, a name are there for every program at once, and on the card after fsync: of the file for its
bytes and its size, of the directory for its names. Until then each is a pending change. A power cut keeps any subset
of the pending 512-byte pieces, so that later ones may be there and earlier ones not; the sizes a file had, up to one of
them, as a journal keeps their order; and any subset of the changes of names, each whole: a rename never leaves neither.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Final, TypeAlias

SECTOR_BYTES: Final = 512  # what a card takes as one: SD Physical Layer Specification, READ/WRITE_BLOCK
# A kernel writes dirty pages back by itself after a while (vm.dirty_expire_centisecs); keeps us to 10 MB a file.
MOST_PENDING: Final = 20_000

# What a directory holds, by path from its root: a file's bytes, a link's target, None for a directory.
Image: TypeAlias = dict[str, bytes | str | None]

_numbers = count(2)  # inode numbers; 1 is the root


@dataclass(frozen=True, slots=True)
class _Write:
    offset: int
    chunk: bytes


@dataclass(frozen=True, slots=True)
class _Resize:
    size: int


class File:
    """Bytes as programs see them, and what is pending of them."""

    def __init__(self, content: bytes = b"") -> None:
        """`content` is on the card already."""
        self.number: Final = next(_numbers)
        self.content = bytearray(content)
        self._safe = bytearray(content)
        self._pending: deque[_Write | _Resize] = deque()

    @property
    def pending(self) -> bool:
        """Would a power cut now leave more than one possibility?"""
        return bool(self._pending)

    def write(self, offset: int, chunk: bytes) -> None:
        """As pwrite does; a hole before it reads as zeros."""
        if offset + len(chunk) > len(self.content):
            self.resize(offset + len(chunk))
        self.content[offset : offset + len(chunk)] = chunk
        self._pending.extend(_pieces(offset, chunk))
        while len(self._pending) > MOST_PENDING:
            _apply(self._safe, self._pending.popleft())

    def resize(self, size: int) -> None:
        """As ftruncate does."""
        self._pending.append(_Resize(size))
        _apply(self.content, self._pending[-1])

    def sync(self) -> int:
        """As fsync does; how many sectors the card had to take for it."""
        sectors = {change.offset // SECTOR_BYTES for change in self._pending if isinstance(change, _Write)}
        for change in self._pending:
            _apply(self._safe, change)
        self._pending.clear()
        return len(sectors)

    def wear_out(self, content: bytes) -> None:
        """The card's own doing: from now on it holds this, whatever was written or synced."""
        self.content[:] = self._safe[:] = content
        self._pending.clear()

    def survivor(self, luck: Random, *, torn: bool = False) -> bytes:
        """What a power cut may leave; `torn`: it fell into the last write, of which a sector has only a beginning."""
        image = bytearray(self._safe)
        sizes = luck.randint(0, sum(isinstance(change, _Resize) for change in self._pending))
        some = luck.random()
        share = luck.choice((0.0, some, some, 1.0))  # how far the kernel had come with writing back
        last = next((change for change in reversed(self._pending) if isinstance(change, _Write)), None)
        for change in self._pending:
            if isinstance(change, _Resize):
                sizes -= 1
                if sizes >= 0:
                    _apply(image, change)
            elif change is last and torn:
                _apply(image, _Write(change.offset, change.chunk[: luck.randrange(len(change.chunk))]))
            elif luck.random() < share:
                _apply(image, change)
        return bytes(image)


def _pieces(offset: int, chunk: bytes) -> Iterator[_Write]:
    """A write as the sectors it consists of."""
    at = 0
    while at < len(chunk):
        size = SECTOR_BYTES - (offset + at) % SECTOR_BYTES
        yield _Write(offset + at, bytes(chunk[at : at + size]))
        at += size


def _apply(image: bytearray, change: _Write | _Resize) -> None:
    """What lies beyond the size (a later size that did not survive) is nowhere."""
    if isinstance(change, _Resize):
        del image[change.size :]
        image.extend(bytes(change.size - len(image)))
    else:
        fits = change.chunk[: max(0, len(image) - change.offset)]
        image[change.offset : change.offset + len(fits)] = fits


@dataclass(slots=True, eq=False)
class Directory:
    """Names as programs see them, and as they are on the card."""

    names: dict[str, Node] = field(default_factory=dict)
    safe: dict[str, Node] = field(default_factory=dict)
    number: int = field(default_factory=lambda: next(_numbers))


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """A symbolic link: here always udev's name of a device, so nothing of the card, and not lost with it."""

    target: str
    number: int = field(default_factory=lambda: next(_numbers))


Node: TypeAlias = File | Directory | Link


@dataclass(frozen=True, slots=True)
class _Naming:
    """Names that change together: each becomes a node, or nothing."""

    names: tuple[tuple[Directory, str, Node | None], ...]

    def show(self) -> None:
        for directory, name, node in self.names:
            _set(directory.names, name, node)

    def keep(self) -> None:
        for directory, name, node in self.names:
            _set(directory.safe, name, node)


def _set(names: dict[str, Node], name: str, node: Node | None) -> None:
    if node is None:
        names.pop(name, None)
    else:
        names[name] = node


class Tree:
    """Directories and files of one card; paths are as in `/a/b`. What can not be is the OSError a kernel raises."""

    def __init__(self, image: Image | None = None, volatile: Iterable[str] = ()) -> None:
        """`image` is on the card; below the directories named `volatile` (tmpfs) a power cut leaves nothing."""
        self.root = Directory(number=1)
        self._volatile = frozenset(f"/{name.strip('/')}" for name in volatile)
        self._pending: list[_Naming] = []
        self._written: File | None = None
        for path, content in sorted((image or {}).items()):
            self._add(f"/{path}", _node(content))
        self.sync()

    # ------------------------------------------------------------------ what programs see

    def at(self, path: str) -> Node:
        """What the name stands for."""
        node: Node = self.root
        for name in path.split("/"):
            if name:
                if not isinstance(node, Directory):
                    raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
                if name not in node.names:
                    raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path)
                node = node.names[name]
        return node

    def file(self, path: str) -> File:
        """The file of that name."""
        node = self.at(path)
        if not isinstance(node, File):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        return node

    def directory(self, path: str) -> Directory:
        """The directory of that name."""
        node = self.at(path)
        if not isinstance(node, Directory):
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        return node

    def files(self) -> set[File]:
        """Every file that has a name."""
        return {node for _, node in _walk(self.root, "names") if isinstance(node, File)}

    def create(self, path: str) -> File:
        """A new, empty file."""
        file = File()
        self._add(path, file)
        return file

    def make_directory(self, path: str) -> None:
        """As mkdir does."""
        self._add(path, Directory())

    def make_link(self, path: str, target: str) -> None:
        """As symlink does; there for good at once."""
        self._add(path, Link(target))

    def write(self, file: File, offset: int, chunk: bytes) -> None:
        """As pwrite does."""
        file.write(offset, chunk)
        self._written = file

    def unlink(self, path: str) -> None:
        """The name goes; who has the file open keeps it."""
        parent, name = self._place(path)
        if isinstance(self.at(path), Directory):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        self._change((parent, name, None))

    def remove_directory(self, path: str) -> None:
        """As rmdir does."""
        parent, name = self._place(path)
        if self.directory(path).names:
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)
        self._change((parent, name, None))

    def rename(self, old: str, new: str, *, unlinked: bool = False) -> None:
        """As rename does: `new` is replaced in one step; `unlinked`: that it was unlinked just now is part of it."""
        node, (old_parent, old_name), (new_parent, new_name) = self.at(old), self._place(old), self._place(new)
        replaced = new_parent.names.get(new_name)
        if replaced is node:
            return
        if isinstance(replaced, Directory) and (replaced.names or not isinstance(node, Directory)):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), new)
        if unlinked and self._pending and self._pending[-1].names == ((new_parent, new_name, None),):
            self._pending.pop()
        self._change((old_parent, old_name, None), (new_parent, new_name, node))

    def image(self) -> Image:
        """Everything as programs see it."""
        return {path: _content(node) for path, node in _walk(self.root, "names")}

    # ------------------------------------------------------------------ what is on the card

    def sync_directory(self, directory: Directory) -> None:
        """As fsync of a directory does: its names, not what they stand for."""
        left = []
        for naming in self._pending:
            if any(changed is directory for changed, _, _ in naming.names):
                naming.keep()
            else:
                left.append(naming)
        self._pending = left

    def sync(self) -> None:
        """As sync does: everything."""
        for naming in self._pending:
            naming.keep()
        self._pending.clear()
        for file in self.files():
            file.sync()

    def power_cut(self, luck: Random) -> Image:
        """What is there when the light is on again. The tree is of no use afterwards."""
        for naming in self._pending:
            if luck.random() < 0.5:
                naming.keep()
        left: Image = {}
        for path, node in _walk(self.root, "safe"):
            if any(f"/{path}".startswith(f"{folder}/") for folder in self._volatile):
                continue
            torn = node is self._written
            left[path] = node.survivor(luck, torn=torn) if isinstance(node, File) else _content(node)
        return left

    # ------------------------------------------------------------------ inside

    def _place(self, path: str) -> tuple[Directory, str]:
        parent, _, name = path.rpartition("/")
        return self.directory(parent), name

    def _add(self, path: str, node: Node) -> None:
        parent, name = self._place(path)
        if name in parent.names:
            raise OSError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        self._change((parent, name, node))

    def _change(self, *names: tuple[Directory, str, Node | None]) -> None:
        naming = _Naming(names)
        links = any(isinstance(directory.names.get(name), Link) for directory, name, _ in names)
        naming.show()
        if links or any(isinstance(node, Link) for _, _, node in names):
            naming.keep()
        else:
            self._pending.append(naming)


def _node(content: bytes | str | None) -> Node:
    if content is None:
        return Directory()
    return Link(content) if isinstance(content, str) else File(content)


def _content(node: Node) -> bytes | str | None:
    if isinstance(node, Directory):
        return None
    return node.target if isinstance(node, Link) else bytes(node.content)


def _walk(directory: Directory, which: str, above: str = "") -> Iterator[tuple[str, Node]]:
    """Every path below, each directory before what is in it."""
    for name, node in sorted(getattr(directory, which).items()):
        yield above + name, node
        if isinstance(node, Directory):
            yield from _walk(node, which, f"{above}{name}/")

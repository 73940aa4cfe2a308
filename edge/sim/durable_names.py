"""What a power cut leaves of names: a directory's are on the card once it was synced, each change is whole. Pure.

Of the changes that are pending any subset survives (a journal would keep their order, so this is worse than ext4), but
a rename is one change: of a file renamed over another one of the two is there.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import TypeAlias

from edge.sim.durable import File, numbers

# What a directory holds, by path from its root: a file's bytes, a link's target, None for a directory.
Image: TypeAlias = dict[str, bytes | str | None]


@dataclass(slots=True, eq=False)
class Directory:
    """Names as programs see them, and as they are on the card."""

    names: dict[str, Node] = field(default_factory=dict)
    safe: dict[str, Node] = field(default_factory=dict)
    number: int = field(default_factory=lambda: next(numbers))


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """A symbolic link: here always udev's name of a device, so nothing of the card, and not lost with it."""

    target: str
    number: int = field(default_factory=lambda: next(numbers))


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

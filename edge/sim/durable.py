"""What a power cut leaves of a file's bytes: what was synced for sure, of all else whatever luck says. Pure.

A write or a new size is there for every program at once, and on the card after fsync. Until then it is a pending
change. A power cut keeps any subset of the pending 512-byte pieces, so that later ones may be there and earlier ones
not; and of the sizes the file had those up to one of them, as a journal keeps their order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Final

SECTOR_BYTES: Final = 512  # what a card takes as one: SD Physical Layer Specification, READ/WRITE_BLOCK
# A kernel writes dirty pages back by itself after a while (vm.dirty_expire_centisecs); keeps us to 10 MB a file.
MOST_PENDING: Final = 20_000

numbers: Final = count(2)  # inode numbers; 1 is the root


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
        self.number: Final = next(numbers)
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

    def lose(self) -> None:
        """As an fsync that failed does (lwn.net/Articles/752063): what was pending is taken for written, and is not."""
        self._pending.clear()

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

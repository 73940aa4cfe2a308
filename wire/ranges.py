"""Sets of seqs as sorted ranges: what a receipt confirms, what a unit holds, what a tombstone names. Portable."""

from wire.errors import PeerViolation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_SEQ = (1 << 63) - 1  # a seq is an SQLite row id
MAX_RANGES = 100_000  # bounds memory and time; newest to oldest order leaves about four


class Ranges:
    """A set of seqs (1 .. MAX_SEQ) as sorted inclusive (first, last) pairs that neither overlap nor touch."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, pairs: "Iterable[tuple[int, int]]" = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in pairs:
            self.add(first, last)

    def add(self, first: int, last: "int | None" = None) -> None:
        """Put first .. last (or one seq) into the set; ValueError unless 1 <= first <= last <= MAX_SEQ."""
        first, last = _checked(first, last)
        low, high = self._touching(first - 1, last + 1)
        if low < high:
            first = min(first, self._firsts[low])
            last = max(last, self._lasts[high - 1])
        self._firsts[low:high] = [first]
        self._lasts[low:high] = [last]

    def remove(self, first: int, last: "int | None" = None) -> None:
        """Take first .. last out of the set; what is not in it is no error."""
        first, last = _checked(first, last)
        low, high = self._touching(first, last)
        if low == high:
            return
        firsts, lasts = [], []
        if self._firsts[low] < first:
            firsts.append(self._firsts[low])
            lasts.append(first - 1)
        if self._lasts[high - 1] > last:
            firsts.append(last + 1)
            lasts.append(self._lasts[high - 1])
        self._firsts[low:high] = firsts
        self._lasts[low:high] = lasts

    def _touching(self, first: int, last: int) -> tuple[int, int]:
        """Indexes low .. high - 1 of the ranges that share a seq with first .. last."""
        return _index_from(self._lasts, first), _index_from(self._firsts, last + 1)

    def __contains__(self, seq: int) -> bool:
        at = _index_from(self._lasts, seq)
        return at < len(self._firsts) and self._firsts[at] <= seq

    def __iter__(self) -> "Iterator[tuple[int, int]]":
        """The (first, last) pairs, ascending."""
        return iter(list(zip(self._firsts, self._lasts)))  # noqa: B905 (MicroPython's zip has no strict)

    def __len__(self) -> int:
        """How many ranges, not how many seqs."""
        return len(self._firsts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and self._firsts == other._firsts and self._lasts == other._lasts

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"Ranges({list(self)})"

    def count(self) -> int:
        """How many seqs."""
        return sum(self._lasts) - sum(self._firsts) + len(self._firsts)

    def highest(self) -> int:
        """The largest seq in the set, 0 when it is empty."""
        return self._lasts[-1] if self._lasts else 0

    def seqs(self) -> "Iterator[int]":
        """Every seq, ascending."""
        for first, last in self:
            yield from range(first, last + 1)

    def union(self, other: "Ranges") -> "Ranges":
        """The seqs in either."""
        out = Ranges(self)
        for first, last in other:
            out.add(first, last)
        return out

    def minus(self, other: "Ranges") -> "Ranges":
        """The seqs in this one and not in `other`."""
        out = Ranges(self)
        for first, last in other:
            out.remove(first, last)
        return out

    def pack(self) -> list[int]:
        """(skip, length) pairs as on the wire, skip from the end of the range before: 1..3 and 7 are [1, 3, 3, 1]."""
        out = []
        end = 0
        for first, last in self:
            out.append(first - end)
            out.append(last + 1 - first)
            end = last + 1
        return out

    @staticmethod
    def unpack(numbers: list[int]) -> "Ranges":
        """The set that `pack` gave; PeerViolation when it can not have been one, or has more than MAX_RANGES."""
        if len(numbers) % 2 or len(numbers) > 2 * MAX_RANGES:
            raise PeerViolation("ranges: odd or too many")
        out = Ranges()
        end = 0
        for index in range(0, len(numbers), 2):
            first = end + numbers[index]
            end = first + numbers[index + 1]
            if numbers[index] < 1 or numbers[index + 1] < 1 or end - 1 > MAX_SEQ:
                raise PeerViolation("ranges: empty, touching or beyond 2**63")
            out._firsts.append(first)
            out._lasts.append(end - 1)
        return out


def _checked(first: int, last: "int | None") -> tuple[int, int]:
    if last is None:
        last = first
    if not 1 <= first <= last <= MAX_SEQ:
        raise ValueError(f"no range of seqs: {first} to {last}")
    return first, last


def _index_from(numbers: list[int], least: int) -> int:
    """Index of the first of the sorted `numbers` that is >= least (MicroPython has no bisect)."""
    low, high = 0, len(numbers)
    while low < high:
        middle = (low + high) // 2
        if numbers[middle] < least:
            low = middle + 1
        else:
            high = middle
    return low

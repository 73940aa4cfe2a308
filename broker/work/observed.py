"""What was observed of one asset: a set. Order of arrival, doubles and how it was cut into records say nothing."""

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

T = TypeVar("T", bound="Iterable[object]")


class Fix(NamedTuple):
    """Where it was; positions in 1e-7 deg, speed in cm/s (None = the receiver gave none).

    `since_ms`: all was observed from then on, so that nothing is hidden since the fix of that time. `parked`: the box
    itself says that it stands.
    """

    at_ms: int
    lat_e7: int
    lon_e7: int
    speed_cmps: int | None = None
    since_ms: int | None = None
    parked: bool = False


class Level(NamedTuple):
    """An input was so at that instant; `edge`: it became so just then. `source` is the box that says it."""

    at_ms: int
    source: str
    name: str
    on: bool
    edge: bool


class Sign(NamedTuple):
    """A box was recording all the while from from_ms to to_ms."""

    from_ms: int
    to_ms: int
    source: str


class Start(NamedTuple):
    """A box's process began; what it said before does not hold by itself any more."""

    at_ms: int
    source: str


class Window(NamedTuple):
    """A stretch of Unix ms, from inclusive, to exclusive."""

    from_ms: int
    to_ms: int

    @property
    def lasts_ms(self) -> int:
        return self.to_ms - self.from_ms

    def overlap_ms(self, from_ms: int, to_ms: int) -> int:
        """How much of from..to lies in it."""
        return max(0, min(self.to_ms, to_ms) - max(self.from_ms, from_ms))


class Observed(NamedTuple):
    """All of it in one order, whatever order it came in; make it with `observed`."""

    fixes: tuple[Fix, ...] = ()
    levels: tuple[Level, ...] = ()
    signs: tuple[Sign, ...] = ()
    starts: tuple[Start, ...] = ()

    @property
    def extent(self) -> Window | None:
        """From the first instant of which anything is known to the last; None when nothing is."""
        begins = [things[0][0] for things in self if things]
        ends = [things[-1].at_ms for things in (self.fixes, self.levels, self.starts) if things]
        ends += [sign.to_ms for sign in self.signs]
        return Window(min(begins), max(ends)) if begins else None


def observed(
    fixes: Iterable[Fix] = (), levels: Iterable[Level] = (), signs: Iterable[Sign] = (), starts: Iterable[Start] = ()
) -> Observed:
    """The same for every order and any number of doubles of the same things."""
    return Observed(_ordered(fixes), _ordered(levels), _ordered(signs), _ordered(starts))


def _ordered(things: Iterable[T]) -> tuple[T, ...]:
    """Sorted, each once; None comes before every number, where two differ in nothing before it."""
    each = set(things)
    try:
        return tuple(sorted(each))  # type: ignore[type-var]
    except TypeError:
        return tuple(sorted(each, key=_none_first))


def _none_first(thing: Iterable[object]) -> list[tuple[bool, object]]:
    return [(value is not None, value) for value in thing]

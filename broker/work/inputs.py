"""How an input stood and while it was known: from what boxes said, and from when they were there to say it. Pure.

What was said holds while the box is seen. Where it is not (no record for longer than a parked box is silent, or its
process begins anew), nothing is known, unless the hole is short and the same is said on both sides.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from broker.work.observed import Level, Observed, Sign, Start
from broker.work.thresholds import LEVEL_HOLDS_MS, PARKED_GAP_MS, RESTART_MS


class Known(NamedTuple):
    """An input was on, or off, all the while from from_ms until to_ms."""

    from_ms: int
    to_ms: int
    on: bool


class _Watch(NamedTuple):
    """A box was there all the while, and would have said what changed."""

    from_ms: int
    to_ms: int


def known_levels(seen: Observed, name: str) -> list[Known]:
    """When the input is known, over all boxes that served the asset; in order, without overlap.

    Where two boxes contradict each other one of them is not wired to it: on is what no loose wire says.
    """
    of_boxes = []
    for source in sorted({level.source for level in seen.levels if level.name == name}):
        said = [level for level in seen.levels if level.source == source and level.name == name]
        watches = _watches(
            [sign for sign in seen.signs if sign.source == source],
            [level for level in seen.levels if level.source == source],
            [start for start in seen.starts if start.source == source],
        )
        of_boxes.append(_bridged(watches, [_held(watch, said) for watch in watches]))
    return of_boxes[0] if len(of_boxes) == 1 else _together(of_boxes)


def _watches(signs: Iterable[Sign], levels: Iterable[Level], starts: Iterable[Start]) -> list[_Watch]:
    begun = [(start.at_ms, False, start.at_ms) for start in starts]
    alive = [(sign.from_ms, True, sign.to_ms) for sign in signs]
    alive += [(level.at_ms, True, level.at_ms) for level in levels]
    out: list[_Watch] = []
    for from_ms, goes_on, to_ms in sorted(begun + alive):
        last = out[-1] if out else None
        if last is not None and from_ms - last.to_ms <= PARKED_GAP_MS and (goes_on or from_ms <= last.from_ms):
            out[-1] = last._replace(to_ms=max(last.to_ms, to_ms))
        else:
            out.append(_Watch(from_ms, to_ms))
    return out


def _held(watch: _Watch, said: Sequence[Level]) -> list[Known]:
    """What is known within one watch: from each statement to the next; an edge also says how it stood before."""
    within = [level for level in said if watch.from_ms <= level.at_ms <= watch.to_ms]
    if not within:
        return []
    out: list[Known] = []
    if within[0].edge:
        out.append(Known(max(watch.from_ms, within[0].at_ms - LEVEL_HOLDS_MS), within[0].at_ms, not within[0].on))
    ends = [level.at_ms for level in within[1:]] + [watch.to_ms]
    for level, end_ms in zip(within, ends, strict=True):
        out.append(Known(level.at_ms, min(end_ms, level.at_ms + LEVEL_HOLDS_MS), level.on))
    return _joined(out)


def _bridged(watches: Sequence[_Watch], held: Sequence[list[Known]]) -> list[Known]:
    """All of it, and the short holes between two watches that the same level is known on both sides of."""
    out: list[Known] = []
    for index, known in enumerate(held):
        if out and known and out[-1].to_ms == watches[index - 1].to_ms and out[-1].on == known[0].on:
            hole = Known(out[-1].to_ms, known[0].from_ms, known[0].on)
            if hole.to_ms - hole.from_ms <= RESTART_MS:
                out.append(hole)
        out.extend(known)
    return _joined(out)


def _joined(known: Iterable[Known]) -> list[Known]:
    out: list[Known] = []
    for each in known:
        if each.from_ms >= each.to_ms:
            continue
        if out and out[-1].on == each.on and out[-1].to_ms >= each.from_ms:
            out[-1] = out[-1]._replace(to_ms=max(out[-1].to_ms, each.to_ms))
        else:
            out.append(each)
    return out


def _together(of_boxes: Sequence[Sequence[Known]]) -> list[Known]:
    """What several boxes know of one input."""
    instants = sorted({at for known in of_boxes for each in known for at in (each.from_ms, each.to_ms)})
    out: list[Known] = []
    cursors = [0] * len(of_boxes)
    for begin_ms, end_ms in itertools.pairwise(instants):
        say: list[bool] = []
        for box, known in enumerate(of_boxes):
            while cursors[box] < len(known) and known[cursors[box]].to_ms <= begin_ms:
                cursors[box] += 1
            if cursors[box] < len(known) and known[cursors[box]].from_ms <= begin_ms:
                say.append(known[cursors[box]].on)
        if say:
            out.append(Known(begin_ms, end_ms, any(say)))
    return _joined(out)

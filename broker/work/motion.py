"""When it moved, when it stood, and when nobody saw it: from positions alone. Pure.

The steps, each over what is near in time only:

1. Fixes that neither neighbour can have reached are left out.
2. Two fixes in a row are a *step*: seen, or with a gap in which anything may have happened.
3. A step moves or stands by the receiver's speed, else by positions, with hysteresis.
4. Movements with less than `STOP_MS` between them are one; it is a journey when it leaves `TRAVEL_MIN_CM`.
"""

import itertools
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import NamedTuple

from broker.work.ground import apart_cm
from broker.work.observed import Fix
from broker.work.thresholds import (
    GAP_MS,
    JUMP_SLACK_CM,
    MOVES_CMPS,
    NEAR_MS,
    PARKED_GAP_MS,
    SPEED_MAX_CMPS,
    STANDS_CMPS,
    STOP_MS,
    TOWED_MIN_CM,
    TRAVEL_MIN_CM,
    WIDE_MS,
)


class Motion(Enum):
    """What the positions say."""

    MOVES = "moves"
    PAUSES = "pauses"  # it stands within a journey
    STANDS = "stands"
    UNSEEN = "unseen"


class Phase(NamedTuple):
    """A stretch of one motion. `carried`: it left where it was so little that with the engine off it stood.

    `cm`: the way gone in it; of an unseen one how far apart its ends are, None when one of them is open.
    """

    from_ms: int
    to_ms: int
    motion: Motion
    cm: int | None = 0
    carried: bool = False


class _Run(NamedTuple):
    """Fixes without a gap between them, and whether each step moves."""

    fixes: Sequence[Fix]
    moves: Sequence[bool]


def phases(fixes: Sequence[Fix]) -> list[Phase]:
    """The phases from the first fix to the last, without holes; `fixes` are credible ones in order of time."""
    runs = [_Run(run, _moves(run)) for run in _runs(fixes)]
    out: list[Phase] = []
    for index, run in enumerate(runs):
        gap_before = _gap(runs[index - 1], run) if index else None
        gap_after = _gap(run, runs[index + 1]) if index + 1 < len(runs) else None
        if gap_before is not None:
            out.append(gap_before)
        out.extend(_phases(run, _displaced(gap_before), _displaced(gap_after)))
    return out


def credible(fixes: Sequence[Fix]) -> list[Fix]:
    """One fix an instant, without those that can be reached from neither neighbour."""
    single = [fix for index, fix in enumerate(fixes) if not index or fix.at_ms != fixes[index - 1].at_ms]
    reached = [True, *(_reachable(a, b) for a, b in itertools.pairwise(single)), True]
    if all(reached):
        return single
    kept = [reached[index] or reached[index + 1] for index in range(len(single))]
    if len(single) > 1:  # the outermost have one neighbour only
        kept[0], kept[-1] = reached[1], reached[-2]
    return [fix for fix, keep in zip(single, kept, strict=True) if keep]


def _reachable(a: Fix, b: Fix) -> bool:
    # The cheap bound first: 1e-7 deg is at most 1.12 cm.
    if abs(b.lat_e7 - a.lat_e7) + abs(b.lon_e7 - a.lon_e7) < JUMP_SLACK_CM // 2:
        return True
    limit_cm = SPEED_MAX_CMPS * (b.at_ms - a.at_ms) // 1000 + JUMP_SLACK_CM
    return apart_cm(a.lat_e7, a.lon_e7, b.lat_e7, b.lon_e7) <= limit_cm


def _runs(fixes: Sequence[Fix]) -> Iterator[list[Fix]]:
    run: list[Fix] = []
    for fix in fixes:
        if run and not _seen(run[-1], fix):
            yield run
            run = []
        run.append(fix)
    if run:
        yield run


def _seen(a: Fix, b: Fix) -> bool:
    """Whether what happened between them is known: by their record, by the report interval, by the parked interval."""
    apart_ms = b.at_ms - a.at_ms
    if apart_ms <= GAP_MS or (b.since_ms is not None and b.since_ms <= a.at_ms):
        return _reachable(a, b)  # a leap that several fixes confirm on both sides is a gap
    return apart_ms <= PARKED_GAP_MS and apart_cm(a.lat_e7, a.lon_e7, b.lat_e7, b.lon_e7) < TRAVEL_MIN_CM


def _gap(before: _Run, after: _Run) -> Phase:
    a, b = before.fixes[-1], after.fixes[0]
    return Phase(a.at_ms, b.at_ms, Motion.UNSEEN, apart_cm(a.lat_e7, a.lon_e7, b.lat_e7, b.lon_e7))


def _displaced(gap: Phase | None) -> bool:
    return gap is not None and gap.cm is not None and gap.cm >= TRAVEL_MIN_CM


# ---------------------------------------------------------------------- a step moves or stands


def _moves(run: Sequence[Fix]) -> list[bool]:
    """Step by step whether it moves; between the thresholds as the step before, the first as the next that says so."""
    said = list(_said(run))
    known = next((each for each in said if each is not None), False)
    moves = []
    for each in said:
        known = known if each is None else each
        moves.append(known)
    return moves


def _said(run: Sequence[Fix]) -> Iterator[bool | None]:
    near, wide = _Ruler(run, NEAR_MS), _Ruler(run, WIDE_MS)
    for index in range(len(run) - 1):
        a, b = run[index], run[index + 1]
        if a.parked and b.parked:
            yield False
        elif a.speed_cmps is not None and b.speed_cmps is not None and b.at_ms - a.at_ms <= WIDE_MS:
            yield _judged((a.speed_cmps + b.speed_cmps) // 2)
        else:
            by_near, by_wide = near.speed_cmps(index), wide.speed_cmps(index)
            if by_near >= MOVES_CMPS and by_wide >= STANDS_CMPS:
                yield True
            else:
                yield False if min(by_near, by_wide) < STANDS_CMPS else None


def _judged(cmps: int) -> bool | None:
    if cmps >= MOVES_CMPS:
        return True
    return False if cmps < STANDS_CMPS else None


class _Ruler:
    """Speed around a step by how far apart the places are half a length before and after its middle."""

    def __init__(self, run: Sequence[Fix], length_ms: int) -> None:
        self._run = run
        self._half_ms = length_ms // 2
        self._from = self._to = 0

    def speed_cmps(self, index: int) -> int:
        """Of the step from fix `index` to the next; indexes must come in ascending order."""
        run = self._run
        a, b = run[index], run[index + 1]
        lasts_ms = b.at_ms - a.at_ms
        if lasts_ms >= 2 * self._half_ms:
            return apart_cm(a.lat_e7, a.lon_e7, b.lat_e7, b.lon_e7) * 1000 // lasts_ms
        middle_ms = (a.at_ms + b.at_ms) // 2
        begin_ms = max(middle_ms - self._half_ms, run[0].at_ms)
        end_ms = min(middle_ms + self._half_ms, run[-1].at_ms)
        self._from = self._step_at(self._from, begin_ms)
        self._to = self._step_at(self._to, end_ms)
        cm = apart_cm(*_place(run, self._from, begin_ms), *_place(run, self._to, end_ms))
        return cm * 1000 // (end_ms - begin_ms)

    def _step_at(self, index: int, at_ms: int) -> int:
        """The step that holds an instant, searched from `index` on."""
        last = len(self._run) - 2
        while index < last and self._run[index + 1].at_ms <= at_ms:
            index += 1
        return index


def _place(run: Sequence[Fix], index: int, at_ms: int) -> tuple[int, int]:
    """Where it was at an instant within a step, on the straight line."""
    a, b = run[index], run[index + 1]
    part_ms, lasts_ms = at_ms - a.at_ms, b.at_ms - a.at_ms
    return (
        a.lat_e7 + (b.lat_e7 - a.lat_e7) * part_ms // lasts_ms,
        a.lon_e7 + (b.lon_e7 - a.lon_e7) * part_ms // lasts_ms,
    )


# ---------------------------------------------------------------------- movements become journeys


class _Movement(NamedTuple):
    """Steps first..last (indexes, inclusive) that all move or all stand."""

    first: int
    last: int
    moves: bool


def _phases(run: _Run, displaced_before: bool, displaced_after: bool) -> Iterator[Phase]:
    movements = _movements(run.moves)
    fixes = run.fixes
    for group in _grouped(fixes, movements):
        first, last = group[0].first, group[-1].last
        if not group[0].moves:
            yield Phase(fixes[first].at_ms, fixes[last + 1].at_ms, Motion.STANDS)
            continue
        near_gap = (displaced_before and fixes[first].at_ms - fixes[0].at_ms < STOP_MS) or (
            displaced_after and fixes[-1].at_ms - fixes[last + 1].at_ms < STOP_MS
        )
        across_cm = TOWED_MIN_CM if near_gap else _across_cm(fixes[first : last + 2])
        if across_cm < TRAVEL_MIN_CM:
            yield Phase(fixes[first].at_ms, fixes[last + 1].at_ms, Motion.STANDS)
            continue
        for each in group:
            cm = way_cm(fixes[each.first : each.last + 2]) if each.moves else 0
            motion = Motion.MOVES if each.moves else Motion.PAUSES
            begin_ms, end_ms = fixes[each.first].at_ms, fixes[each.last + 1].at_ms
            yield Phase(begin_ms, end_ms, motion, cm, across_cm < TOWED_MIN_CM)


def _movements(moves: Sequence[bool]) -> list[_Movement]:
    out: list[_Movement] = []
    first = 0
    for index in range(1, len(moves) + 1):
        if index == len(moves) or moves[index] != moves[first]:
            out.append(_Movement(first, index - 1, moves[first]))
            first = index
    return out


def _grouped(fixes: Sequence[Fix], movements: Sequence[_Movement]) -> Iterator[list[_Movement]]:
    """Movements with short stands between them together; every long stand, and those at the ends, by itself."""
    group: list[_Movement] = []
    for index, each in enumerate(movements):
        lasts_ms = fixes[each.last + 1].at_ms - fixes[each.first].at_ms
        between = 0 < index < len(movements) - 1 and lasts_ms < STOP_MS
        if each.moves or between:
            group.append(each)
            continue
        if group:
            yield group
        group = []
        yield [each]
    if group:
        yield group


def _across_cm(fixes: Sequence[Fix]) -> int:
    """The diagonal of the smallest upright box around them."""
    lats, lons = [fix.lat_e7 for fix in fixes], [fix.lon_e7 for fix in fixes]
    return apart_cm(min(lats), min(lons), max(lats), max(lons))


def way_cm(fixes: Sequence[Fix]) -> int:
    """Centimetres from fix to fix."""
    return sum(apart_cm(a.lat_e7, a.lon_e7, b.lat_e7, b.lon_e7) for a, b in itertools.pairwise(fixes))


# ---------------------------------------------------------------------- where one side says nothing about the other


def quiet(fixes: Sequence[Fix]) -> Iterator[tuple[int, int]]:
    """Stretches (from_ms, to_ms) over which no phase depends on fixes from both sides: long stands, and gaps.

    `fixes` are credible ones in order. What begins them may depend on what came before, hence the margins.
    """
    runs = list(_runs(fixes))
    for index, run in enumerate(runs):
        if index:
            yield runs[index - 1][-1].at_ms, run[0].at_ms
        yield from _long_stands(run)


def _long_stands(run: Sequence[Fix]) -> Iterator[tuple[int, int]]:
    since_ms: int | None = None
    not_before_ms = run[0].at_ms + WIDE_MS
    said = [*_said(run), True]
    for fix, moves in zip(run, said, strict=True):
        if moves is False and since_ms is None and fix.at_ms >= not_before_ms:
            since_ms = fix.at_ms
        elif moves and since_ms is not None:
            if fix.at_ms - since_ms > STOP_MS + WIDE_MS:
                yield since_ms, fix.at_ms
            since_ms = None

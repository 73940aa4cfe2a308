"""What one asset did, from when to when, and what shows it: sessions from everything that was observed. Pure.

`derive` is a function of the set of observations and of nothing else.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby, pairwise
from operator import attrgetter, itemgetter
from typing import Final, Generic, NamedTuple, TypeVar

from broker.work.inputs import Known, known_levels
from broker.work.motion import Motion, Phase, credible, phases, way_cm
from broker.work.observed import Fix, Observed, Window
from broker.work.thresholds import FLICKER_MS, TRAVEL_MIN_CM, WORK_PAUSE_MS
from wire.inputs import IGNITION, PTO, input_event


class Kind(StrEnum):
    """What an asset does. `stopped`: it stands, and nobody says whether the engine runs."""

    TRAVELLING = "travelling"
    WORKING = "working"
    IDLING = "idling"
    STOPPED = "stopped"
    PARKED = "parked"
    UNKNOWN = "unknown"


class Place(NamedTuple):
    """A position in 1e-7 deg."""

    lat_e7: int
    lon_e7: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One kind from from_ms to to_ms (Unix ms, exclusive), with what shows its two borders.

    Durations in ms count what was seen of position (`position_ms`), of the engine (`engine_known_ms`, of that
    `engine_on_ms`) and of the power take-off. `place` is where it stood (the mean of its fixes), of a journey where it
    began; `place_after` where it ended. None = no position is known.
    """

    kind: Kind
    from_ms: int
    to_ms: int
    began: str
    ended: str
    distance_cm: int
    position_ms: int
    engine_known_ms: int
    engine_on_ms: int
    pto_known_ms: int
    pto_on_ms: int
    place: Place | None
    place_after: Place | None

    @property
    def lasts_ms(self) -> int:
        return self.to_ms - self.from_ms

    def figures(self) -> dict[str, float | str]:
        """What it lasted, what shows its borders, and what of it was seen, as it is told: in seconds and metres."""
        return {
            "lasts_s": self.lasts_ms / 1000,
            "began_by": self.began,
            "ended_by": self.ended,
            "distance_m": self.distance_cm / 100,
            "position_known_s": self.position_ms / 1000,
            "engine_on_s": self.engine_on_ms / 1000,
            "engine_known_s": self.engine_known_ms / 1000,
            "pto_on_s": self.pto_on_ms / 1000,
            "pto_known_s": self.pto_known_ms / 1000,
        }


# What shows a border that no input shows.
MOVED, STOOD, LAST_SEEN, SEEN_AGAIN, CUT = "moved", "stood", "last_seen", "seen_again", "cut"


class Piece(NamedTuple):
    """A stretch in which nothing changes; `phase` is None before the first fix and after the last."""

    from_ms: int
    to_ms: int
    phase: Phase | None
    engine: bool | None
    pto: bool | None

    @property
    def motion(self) -> Motion:
        return self.phase.motion if self.phase else Motion.UNSEEN


def derive(seen: Observed, window: Window) -> list[Session]:
    """The sessions of the window, from its begin to its end without holes; what lies around it is context."""
    fixes = credible(seen.fixes)
    pieces = _pieces(phases(fixes), known_levels(seen, IGNITION), known_levels(seen, PTO), window)
    kinds = settled(pieces)
    edges = {(level.at_ms, level.name) for level in seen.levels if level.edge}
    inside = [
        (kind, piece._replace(from_ms=max(piece.from_ms, window.from_ms), to_ms=min(piece.to_ms, window.to_ms)))
        for kind, piece in zip(kinds, pieces, strict=True)
        if piece.from_ms < window.to_ms and window.from_ms < piece.to_ms
    ]
    out: list[Session] = []
    border = CUT
    for kind, grouped in groupby(inside, key=itemgetter(0)):
        group = [piece for _, piece in grouped]
        end_ms = group[-1].to_ms
        before, border = border, CUT
        if end_ms < window.to_ms:
            border = _shown_by(group[-1], next(p for _, p in inside if p.from_ms == end_ms), edges)
        out.append(_session(kind, group, fixes, before, border))
    return out


def _pieces(moving: Sequence[Phase], engine: Sequence[Known], pto: Sequence[Known], window: Window) -> list[Piece]:
    """Cut wherever one of the three changes, and at the window's borders."""
    instants = {window.from_ms, window.to_ms}
    for stretches in (moving, engine, pto):
        instants.update(each.from_ms for each in stretches)
        instants.update(each.to_ms for each in stretches)
    ordered = sorted(instants)
    at_motion, at_engine, at_pto = _Cursor(moving), _Cursor(engine), _Cursor(pto)
    out = []
    for begin_ms, end_ms in pairwise(ordered):
        engine_then, pto_then = at_engine.at(begin_ms), at_pto.at(begin_ms)
        out.append(
            Piece(
                begin_ms,
                end_ms,
                at_motion.at(begin_ms),
                None if engine_then is None else engine_then.on,
                None if pto_then is None else pto_then.on,
            )
        )
    return out


S = TypeVar("S", Phase, Known)


class _Cursor(Generic[S]):
    """The stretch that holds an instant, asked for in ascending order."""

    def __init__(self, stretches: Sequence[S]) -> None:
        self._stretches: Sequence[S] = stretches
        self._next = 0

    def at(self, at_ms: int) -> S | None:
        while self._next < len(self._stretches) and self._stretches[self._next].to_ms <= at_ms:
            self._next += 1
        if self._next == len(self._stretches) or self._stretches[self._next].from_ms > at_ms:
            return None
        return self._stretches[self._next]


# ---------------------------------------------------------------------- what kind a piece is of


def settled(pieces: Sequence[Piece]) -> list[Kind]:
    """The kind of each piece: what it says itself, then short interruptions of a kind closed."""
    kinds = [_kind(piece) for piece in pieces]
    for kind, others, limit_ms in _CLOSED:
        _close(pieces, kinds, kind, others, limit_ms)
    _start_off(pieces, kinds)
    return kinds


def _kind(piece: Piece) -> Kind:
    motion = piece.motion
    if motion is Motion.UNSEEN:
        if _elsewhere(piece):
            return Kind.UNKNOWN
        if piece.pto:
            return Kind.WORKING
        return Kind.PARKED if piece.engine is False else Kind.UNKNOWN
    if piece.phase is not None and piece.phase.carried and piece.engine is False:
        motion = Motion.STANDS
    if motion is Motion.MOVES:
        return Kind.TRAVELLING
    if piece.pto:
        return Kind.WORKING
    if piece.engine is False:
        return Kind.PARKED
    if motion is Motion.PAUSES:
        return Kind.TRAVELLING
    return Kind.STOPPED if piece.engine is None else Kind.IDLING


def _elsewhere(piece: Piece) -> bool:
    """Whether it was not where it had been after a stretch that nobody saw."""
    return piece.phase is not None and piece.motion is Motion.UNSEEN and (piece.phase.cm or 0) >= TRAVEL_MIN_CM


def _rests(piece: Piece, kind: Kind) -> Kind:
    """Engine on under a roof: whether it went anywhere is not known, but as a rest from work it will do."""
    return Kind.IDLING if kind is Kind.UNKNOWN and piece.engine and not _elsewhere(piece) else kind


_CLOSED: Final = (
    (Kind.WORKING, {Kind.IDLING, Kind.STOPPED}, WORK_PAUSE_MS),
    (Kind.WORKING, {Kind.PARKED}, FLICKER_MS),
    (Kind.TRAVELLING, {Kind.WORKING, Kind.PARKED, Kind.IDLING, Kind.STOPPED}, FLICKER_MS),
    (Kind.IDLING, {Kind.WORKING, Kind.PARKED}, FLICKER_MS),
    (Kind.PARKED, {Kind.WORKING, Kind.IDLING}, FLICKER_MS),
)


def _close(pieces: Sequence[Piece], kinds: list[Kind], kind: Kind, others: set[Kind], limit_ms: int) -> None:
    """Runs of others shorter than the limit between two pieces of a kind become that kind, in place."""
    last: int | None = None  # the last piece of that kind with nothing but others after it
    for index, each in enumerate(kinds):
        if each is kind:
            if last is not None and pieces[index].from_ms - pieces[last].to_ms < limit_ms:
                kinds[last + 1 : index] = [kind] * (index - last - 1)
            last = index
        elif (_rests(pieces[index], each) if kind is Kind.WORKING else each) not in others:
            last = None


def _start_off(pieces: Sequence[Piece], kinds: list[Kind]) -> None:
    """Standing with the engine on for a moment before or after a journey belongs to it, in place."""
    first = 0
    for index in range(1, len(kinds) + 1):
        if index < len(kinds) and kinds[index] is kinds[first]:
            continue
        short = pieces[index - 1].to_ms - pieces[first].from_ms < FLICKER_MS
        beside = {kinds[first - 1] if first else None, kinds[index] if index < len(kinds) else None}
        if short and kinds[first] is Kind.IDLING and Kind.TRAVELLING in beside:
            kinds[first:index] = [Kind.TRAVELLING] * (index - first)
        first = index


# ---------------------------------------------------------------------- a session of its pieces


def _session(kind: Kind, group: Sequence[Piece], fixes: Sequence[Fix], began: str, ended: str) -> Session:
    from_ms, to_ms = group[0].from_ms, group[-1].to_ms
    place, after = _places(kind, fixes, from_ms, to_ms)
    return Session(
        kind=kind,
        from_ms=from_ms,
        to_ms=to_ms,
        began=began,
        ended=ended,
        distance_cm=sum(_way_cm(piece, fixes) for piece in group) if kind is Kind.TRAVELLING else 0,
        position_ms=_sum_ms(piece for piece in group if piece.motion is not Motion.UNSEEN),
        engine_known_ms=_sum_ms(piece for piece in group if piece.engine is not None),
        engine_on_ms=_sum_ms(piece for piece in group if piece.engine),
        pto_known_ms=_sum_ms(piece for piece in group if piece.pto is not None),
        pto_on_ms=_sum_ms(piece for piece in group if piece.pto),
        place=place,
        place_after=after,
    )


def _sum_ms(pieces: Iterable[Piece]) -> int:
    return sum(piece.to_ms - piece.from_ms for piece in pieces)


def _way_cm(piece: Piece, fixes: Sequence[Fix]) -> int:
    """The way gone in a piece that moves; a step belongs to the piece in which it begins."""
    phase = piece.phase
    if phase is None or phase.motion is not Motion.MOVES:
        return 0
    if (piece.from_ms, piece.to_ms) == (phase.from_ms, phase.to_ms):
        return phase.cm or 0
    first, last = bisect_left(fixes, piece.from_ms, key=_at_ms), bisect_left(fixes, piece.to_ms, key=_at_ms)
    return way_cm(fixes[first : last + 1])


def _places(kind: Kind, fixes: Sequence[Fix], from_ms: int, to_ms: int) -> tuple[Place | None, Place | None]:
    first, last = bisect_left(fixes, from_ms, key=_at_ms), bisect_right(fixes, to_ms, key=_at_ms)
    if first == last:
        return None, None
    if kind in (Kind.TRAVELLING, Kind.UNKNOWN):
        return Place(*fixes[first][1:3]), Place(*fixes[last - 1][1:3])
    count = last - first
    mean = Place(
        sum(fix.lat_e7 for fix in fixes[first:last]) // count, sum(fix.lon_e7 for fix in fixes[first:last]) // count
    )
    return mean, mean


# ---------------------------------------------------------------------- what shows a border


def _shown_by(before: Piece, after: Piece, edges: set[tuple[int, str]]) -> str:
    """What changed there: an input, by its event (`pto_on?` when it was only told later), else the motion."""
    for name, was, is_now in ((PTO, before.pto, after.pto), (IGNITION, before.engine, after.engine)):
        if was is not is_now and is_now is not None:
            event = input_event(name, is_now)
            return event if (after.from_ms, name) in edges else f"{event}?"
    if before.motion is Motion.UNSEEN and after.motion is not Motion.UNSEEN:
        return SEEN_AGAIN
    if after.motion is Motion.UNSEEN or before.motion is after.motion:
        return LAST_SEEN
    return MOVED if after.motion is Motion.MOVES else STOOD


_at_ms = attrgetter("at_ms")

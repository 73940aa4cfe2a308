"""What gps_unit would have recorded of a simulated day, without its processes: records in the order it makes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from edge.gps_unit.fix import Fix, to_columns
from edge.gps_unit.motion import Policy
from edge.sim.work import WIRED, Day, Edge, Epoch
from wire.columns import encode_track
from wire.encode import event
from wire.inputs import EDGE, LEVEL, WHY, input_event
from wire.kinds import CLASS_STATUS, CLASS_TRACK, KIND_EVENT, KIND_TRACK
from wire.thin import thin

_INTERVAL_MS: Final = 10_000
_PARKED_INTERVAL_MS: Final = 600_000
_LEVELS_MS: Final = 3_600_000
_TOLERANCE_M: Final = 2.5
_QUANTUM: Final = (0, 1, 2, 1, 2, 1)
_DAY_MS: Final = 86_400_000


class Cut(NamedTuple):
    """The box has no power from from_ms to to_ms; what it had not reported yet is lost. `box`: the one after it."""

    from_ms: int
    to_ms: int
    box: str | None = None


class Row(NamedTuple):
    """A record as a box would have appended it: `kind` and `cls` of wire.kinds, and what it says it spans."""

    box: str
    kind: int
    cls: int
    body: bytes
    from_ms: int
    to_ms: int


def recorded(day: Day, cuts: Sequence[Cut] = (), *, box: str = "box-1") -> list[Row]:
    """The day's records: gps_unit's own policy and thinning, its report intervals, and the events of its inputs."""
    return list(Box(box).record(day, sorted(cuts)))


class Box:
    """One box after the other in one vehicle."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._policy = Policy()
        self._waiting: list[Fix] = []
        self._moved = False  # one that waits is not of a vehicle that stands parked
        self._due_ms = self._say_ms = 0
        self._levels = dict.fromkeys(WIRED, False)

    def record(self, day: Day, cuts: Sequence[Cut]) -> Iterator[Row]:
        """Every record of the day; nothing while the power is cut."""
        left, edges = list(cuts), list(day.edges)
        yield from self._begin(day.epochs[0].at_ms)
        off: Cut | None = None
        for epoch in day.epochs:
            if off is not None and epoch.at_ms >= off.to_ms:
                self._name, off = off.box or self._name, None
                self._policy, self._waiting, self._moved = Policy(), [], False
                yield from self._begin(epoch.at_ms)
            if off is None and left and epoch.at_ms >= left[0].from_ms:
                off = left.pop(0)
            while edges and edges[0].at_ms <= epoch.at_ms:
                edge = edges.pop(0)
                self._levels[edge.name] = edge.on
                if off is None:
                    yield self._input(edge)
            if off is None:
                if epoch.at_ms >= self._say_ms:
                    yield from self._say_levels(epoch.at_ms)
                yield from self._take(epoch)
        yield from self._report(ending=True)

    def _begin(self, at_ms: int) -> Iterator[Row]:
        self._due_ms = at_ms + _INTERVAL_MS
        yield self._event(at_ms, "boot", {"reason": "power_on", "firmware": "sim"})
        yield from self._say_levels(at_ms)

    def _say_levels(self, at_ms: int) -> Iterator[Row]:
        self._say_ms = at_ms + _LEVELS_MS
        for name, on in self._levels.items():
            yield self._event(at_ms, input_event(name, on), {WHY: LEVEL})

    def _input(self, edge: Edge) -> Row:
        return self._event(edge.at_ms, input_event(edge.name, edge.on), {WHY: EDGE})

    def _event(self, at_ms: int, name: str, detail: dict[str, str]) -> Row:
        body = event(at=(at_ms, 0, 0), name=name, detail=detail)
        return Row(self._name, KIND_EVENT, CLASS_STATUS, body, at_ms, at_ms)

    def _take(self, epoch: Epoch) -> Iterator[Row]:
        if epoch.at_ms >= self._due_ms:
            yield from self._report()
            self._due_ms = epoch.at_ms + _INTERVAL_MS
        if not epoch.sky:
            return
        fix = Fix(
            utc_ms=epoch.at_ms,
            time_of_day_ms=epoch.at_ms % _DAY_MS,
            boottime_ms=None,
            lat_deg=epoch.lat_e7 / 1e7,
            lon_deg=epoch.lon_e7 / 1e7,
            speed_mps=epoch.speed_cmps / 100,
            hdop=1.0,
            satellites=9,
        )
        if (kept := self._policy.feed(fix)) is not None:
            self._waiting.append(kept)
            self._moved |= not kept.parked

    def _report(self, *, ending: bool = False) -> Iterator[Row]:
        waiting = self._waiting
        if not waiting:
            return
        lasts_ms = (waiting[-1].utc_ms or 0) - (waiting[0].utc_ms or 0)
        if not ending and not self._moved and lasts_ms < _PARKED_INTERVAL_MS - _INTERVAL_MS:
            return
        self._waiting, self._moved = [], False
        run: list[Fix] = []
        for fix in waiting:
            if run and run[0].parked != fix.parked:
                yield self._track(run)
                run = []
            run.append(fix)
        yield self._track(run)

    def _track(self, run: Sequence[Fix]) -> Row:
        columns = [to_columns(fix) for fix in run]
        kept = thin([(at or 0, lat, lon) for at, lat, lon, *_ in columns], _TOLERANCE_M)
        rows = [(columns[index][0] or 0, *columns[index][1:]) for index in kept]
        body = encode_track(rows, scales=_QUANTUM, observed=len(run), parked=run[0].parked)
        return Row(self._name, KIND_TRACK, CLASS_TRACK, body, rows[0][0], rows[-1][0])

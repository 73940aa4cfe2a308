"""Hours by kind, engine hours, kilometres and coverage of a stretch of time: sums over its sessions. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from broker.work.observed import Window
from broker.work.sessions import Kind, Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Milliseconds by kind and of the inputs, centimetres of way; `lasts_ms` is all of the stretch."""

    from_ms: int
    to_ms: int
    by_kind_ms: dict[Kind, int]
    engine_on_ms: int
    engine_known_ms: int
    pto_on_ms: int
    pto_known_ms: int
    distance_cm: int

    @property
    def lasts_ms(self) -> int:
        return self.to_ms - self.from_ms

    @property
    def observed_percent(self) -> float:
        """How much of the stretch is known; 100.0 of one that lasts no time."""
        return 100 - 100 * self.by_kind_ms[Kind.UNKNOWN] / self.lasts_ms if self.lasts_ms else 100.0


def hours_of(sessions: Iterable[Session], window: Window) -> Hours:
    """The sums of sessions that lie within the window."""
    by_kind_ms = dict.fromkeys(Kind, 0)
    engine_on_ms = engine_known_ms = pto_on_ms = pto_known_ms = distance_cm = 0
    for session in sessions:
        by_kind_ms[session.kind] += session.lasts_ms
        engine_on_ms += session.engine_on_ms
        engine_known_ms += session.engine_known_ms
        pto_on_ms += session.pto_on_ms
        pto_known_ms += session.pto_known_ms
        distance_cm += session.distance_cm
    return Hours(
        from_ms=window.from_ms,
        to_ms=window.to_ms,
        by_kind_ms=by_kind_ms,
        engine_on_ms=engine_on_ms,
        engine_known_ms=engine_known_ms,
        pto_on_ms=pto_on_ms,
        pto_known_ms=pto_known_ms,
        distance_cm=distance_cm,
    )

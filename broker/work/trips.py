"""Journeys from stop to stop, and sessions that midnight cut joined again. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from broker.work.ground import apart_cm
from broker.work.sessions import CUT, Kind, Place, Session
from broker.work.thresholds import TRAVEL_MIN_CM, TRIP_GAP_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """From where it began to move to where it stood: travelling, with short stretches that nobody saw in between."""

    from_ms: int
    to_ms: int
    distance_cm: int
    unseen_ms: int
    place: Place | None
    place_after: Place | None

    @property
    def lasts_ms(self) -> int:
        return self.to_ms - self.from_ms


def trips_of(sessions: Sequence[Session]) -> list[Trip]:
    """The trips in sessions that follow one another without holes."""
    out: list[Trip] = []
    open_trip: list[Session] = []
    for index, session in enumerate(sessions):
        if session.kind is Kind.TRAVELLING or (open_trip and _goes_on(sessions, index)):
            open_trip.append(session)
        elif open_trip:
            out.append(_trip(open_trip))
            open_trip = []
    if open_trip:
        out.append(_trip(open_trip))
    return out


def _goes_on(sessions: Sequence[Session], index: int) -> bool:
    """Whether the journey goes on over a session that nobody saw: it is short, and it was elsewhere afterwards."""
    session = sessions[index]
    if session.kind is not Kind.UNKNOWN or session.lasts_ms > TRIP_GAP_MS or index + 1 == len(sessions):
        return False
    a, b = session.place, session.place_after
    elsewhere = a is not None and b is not None and apart_cm(*a, *b) >= TRAVEL_MIN_CM
    return elsewhere and sessions[index + 1].kind is Kind.TRAVELLING


def _trip(sessions: Sequence[Session]) -> Trip:
    unseen = [session for session in sessions if session.kind is Kind.UNKNOWN]
    return Trip(
        from_ms=sessions[0].from_ms,
        to_ms=sessions[-1].to_ms,
        distance_cm=sum(session.distance_cm for session in sessions),
        unseen_ms=sum(session.lasts_ms for session in unseen),
        place=sessions[0].place,
        place_after=sessions[-1].place_after,
    )


def joined(sessions: Iterable[Session]) -> list[Session]:
    """The same with what was cut (at midnight) made whole; of a place that two halves have, the longer one's stays."""
    out: list[Session] = []
    for session in sessions:
        last = out[-1] if out else None
        if last is not None and last.kind is session.kind and last.ended == session.began == CUT:
            out[-1] = _whole(last, session)
        else:
            out.append(session)
    return out


def _whole(a: Session, b: Session) -> Session:
    longer = a if a.lasts_ms >= b.lasts_ms else b
    goes = a.kind in (Kind.TRAVELLING, Kind.UNKNOWN)
    return replace(
        a,
        to_ms=b.to_ms,
        ended=b.ended,
        distance_cm=a.distance_cm + b.distance_cm,
        position_ms=a.position_ms + b.position_ms,
        engine_known_ms=a.engine_known_ms + b.engine_known_ms,
        engine_on_ms=a.engine_on_ms + b.engine_on_ms,
        pto_known_ms=a.pto_known_ms + b.pto_known_ms,
        pto_on_ms=a.pto_on_ms + b.pto_on_ms,
        place=(a.place or b.place) if goes else longer.place or a.place or b.place,
        place_after=(b.place_after or a.place_after) if goes else longer.place or a.place or b.place,
    )

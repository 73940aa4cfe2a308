"""Stored records of an asset become observations. Pure."""

from collections.abc import Iterable, Iterator

from broker.clean import fix_times
from broker.store.values import FUTURE, UNDECODED, LogEntry
from broker.work.observed import Fix, Level, Observed, Sign, Start, observed
from broker.work.thresholds import DOUBT_MAX_S, EPOCH_MAX_MS, HDOP_MAX_C, SATS_MIN
from wire import records_pb2
from wire.decode import decode_body
from wire.errors import PeerViolation
from wire.inputs import EDGE, WHY, said_of_input
from wire.kinds import KIND_EVENT, KIND_TRACK
from wire.track import decode_track

BOOT = "boot"


def observations(entries: Iterable[LogEntry], *, with_fixes: bool = True) -> Observed:
    """What the entries say; fixes are most of what it costs."""
    fixes: list[Fix] = []
    levels: list[Level] = []
    signs: list[Sign] = []
    starts: list[Start] = []
    for entry in entries:
        if entry.utc_ms is None or entry.utc_to_ms is None or not _dated(entry):
            continue
        if entry.kind == KIND_EVENT and (event := _event(entry)) is not None:
            if event.name == BOOT:
                starts.append(Start(entry.utc_ms, entry.unit))
                continue  # a start ends what was known before: it must not be a sign of life before itself
            if said := said_of_input(event.name):
                levels.append(Level(entry.utc_ms, entry.unit, *said, event.detail.get(WHY, EDGE) == EDGE))
        signs.append(Sign(entry.utc_ms, entry.utc_to_ms, entry.unit))
        if with_fixes and entry.kind == KIND_TRACK:
            fixes.extend(_fixes(entry))
    return observed(fixes, levels, signs, starts)


def _dated(entry: LogEntry) -> bool:
    return not entry.flags & FUTURE and (entry.time_doubt_s is None or entry.time_doubt_s <= DOUBT_MAX_S)


def _event(entry: LogEntry) -> records_pb2.Event | None:
    try:
        event = decode_body(entry.kind, entry.body)
    except PeerViolation:  # stored and marked; `pantau rederive` reads it again
        return None
    return event if isinstance(event, records_pb2.Event) else None


def _fixes(entry: LogEntry) -> Iterator[Fix]:
    """A track's fixes that the receiver vouches for."""
    if entry.flags & UNDECODED:
        return
    track = decode_track(entry.body)
    times = [at for at in fix_times(entry, track) if at is not None]
    whole = bool(times) and max(times) - min(times) <= track.observed * EPOCH_MAX_MS
    before_ms: int | None = None
    for at_ms, lat, lon, speed, hdop, sats in zip(
        times, track.lat_e7, track.lon_e7, track.speed_cmps, track.hdop_c, track.sats, strict=True
    ):
        if (hdop is None or hdop <= HDOP_MAX_C) and (sats is None or sats >= SATS_MIN):
            yield Fix(at_ms, lat, lon, speed, before_ms if whole else None, track.parked)
        before_ms = at_ms

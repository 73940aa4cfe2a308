"""The parts of a box around a parser under test: a clock that stands where it is put, a recorder, an uplink."""

from __future__ import annotations

from pathlib import Path

from edge.clock import BUILT_UTC_MS, Clock
from edge.gps_unit.interval import OpenInterval
from edge.gps_unit.motion import Policy
from edge.gps_unit.record import Recorder, Reporting, Tally
from edge.health import Health, Machine, Sources
from edge.memory import Memory
from edge.today import Today, Traffic
from wire.kinds import KIND_TRACK
from wire.track import Track, decode_track

NOW_UTC_MS = BUILT_UTC_MS + 30 * 86_400_000
NOWHERE = Path("/nonexistent")


class StillClock(Clock):
    """A clock that only `pass_s` moves, of boot 7; nobody has told it the date."""

    def __init__(self, floor_utc_ms: int = 0) -> None:
        self.at_s = 1000.0
        super().__init__(
            floor_utc_ms=floor_utc_ms,
            boot_id=7,
            monotonic_s=lambda: self.at_s,
            boottime_ns=lambda: int(self.at_s * 1e9),
            realtime_ns=lambda: NOW_UTC_MS * 1_000_000,
            ntp_synchronised=lambda: False,
        )

    def pass_s(self, seconds: float) -> None:
        """Let time go on."""
        self.at_s += seconds


class Shelved:
    """Where the recorder's records end up: what Recorder and Health ask of an outbox, on a disk without faults."""

    outbox_id: int | None = 1

    def __init__(self, last_interval: int | None = None) -> None:
        self.last_interval = last_interval
        self.records: list[tuple[int, bytes]] = []

    def append(self, body: bytes, *, kind: int, cls: int, interval: int | None = None) -> int:  # noqa: ARG002
        """Keep one record."""
        self.records.append((kind, body))
        self.last_interval = self.last_interval if interval is None else interval
        return len(self.records)

    def holds(self, row_id: int) -> bool:
        """Nothing is receipted here."""
        return row_id <= len(self.records)

    def settle(self) -> bool:
        """There is nothing to wait for."""
        return True

    def tick(self) -> None:
        """Nothing waits."""

    def account(self) -> None:
        """Not asked for here."""

    def tracks(self) -> list[Track]:
        """Every track record, read as the centre does; raises PeerViolation when one cannot be."""
        return [decode_track(body) for kind, body in self.records if kind == KIND_TRACK]


def recorder(
    folder: Path, clock: Clock, outbox: Shelved, *, quantum: str = "receiver", policy: bool = False
) -> Recorder:
    """A gps_unit's recorder with its open interval in `folder`."""
    sources = Sources(traffic=Traffic, rejected=dict, unobserved=dict)
    health = Health(
        outbox,
        clock,
        sources,
        today=Today(clock, Memory(NOWHERE)),
        firmware="0",
        disk=NOWHERE,
        machine=Machine(NOWHERE, NOWHERE),
    )
    return Recorder(
        Reporting(parked_interval_s=600.0, interval_s=10.0, quantum=quantum, tolerance_m=0.0),
        outbox,
        clock,
        OpenInterval(folder / "interval"),
        policy=Policy() if policy else None,
        health=health,
        appended=lambda: None,
        tally=Tally(),
    )

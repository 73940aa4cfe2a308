"""kill: SIGKILL of gps_unit, bridge, publisher and broker at random moments while a drive plays.

Promise: every due epoch is stored exactly once, every other at most once, and a consumer with a cursor misses nothing.
"""

from __future__ import annotations

import json
import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from edge.outbox_reader import OutboxReader
from edge.sim.nmea import Epoch as Said
from edge.sim.receiver import SimulatedReceiver, Written, recorded, synthetic
from stage.city import CENTRE, City, UnitPlan
from torture.account import Epoch, Opened, Verdict, compare, restart_to_first_epoch_s
from torture.consumer import Consumer, exported_utc_ms, pantau

LOOK_EVERY_S: Final = 0.02
OPEN_MARGIN_S: Final = (
    0.05  # opening a serial port throws away what came before: the epoch after it is the first due one
)
CALM_S: Final = (1.0, 6.0)  # between two kills
DEAD_S: Final = (0.0, 1.5)  # how long the killed process stays away
DRAIN_DEADLINE_S: Final = 240.0
# Every epoch is to be found again: nothing thinned, nothing rounded, nothing judged; the log's own dates are believed.
SETTINGS: Final[dict[str, dict[str, object]]] = {
    "report": {"interval_s": 2.0, "quantum": "lossless", "tolerance_m": 0.0, "policy": False},
    "receiver": {"not_before": "none"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one run found."""

    seed: int
    minutes: float
    kills: dict[str, int]
    verdicts: dict[str, Verdict]
    restart_s: list[float]
    ledger_judged: int
    ledger_missing: int
    ledger_exit_code: int
    consumer_live: int
    consumer_missing: int
    consumer_gaps: int
    consumer_replayed: int
    drain_s: float
    failed_to_stop: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether the promise held."""
        accounts = all(v.holds and v.due > 0 for v in self.verdicts.values())
        balanced = self.ledger_exit_code == 0 and self.ledger_judged > 0
        told = self.consumer_live > 0 and self.consumer_missing == 0  # one that heard nothing proves nothing
        return accounts and balanced and told and not self.failed_to_stop


class Doorkeeper(threading.Thread):
    """Sees from outside when a unit's process has its port open: its file descriptors, 50 times a second."""

    def __init__(self, city: City, tty: dict[str, Path]) -> None:
        super().__init__(name="doorkeeper")
        self._city = city
        self._tty = tty
        self._stop_asked = threading.Event()
        self._open_since: dict[str, dict[int, float]] = {name: {} for name in tty}

    def run(self) -> None:
        while not self._stop_asked.wait(LOOK_EVERY_S):
            for name, tty in self._tty.items():
                pid = self._city.children[name].pid
                if pid is not None and pid not in self._open_since[name] and _has_open(pid, tty):
                    self._open_since[name][pid] = time.monotonic() + OPEN_MARGIN_S

    def stop(self) -> None:
        self._stop_asked.set()
        self.join()

    def opened(self, unit: str) -> list[Opened]:
        """For each life of the unit: from when its port was open, to its end."""
        starts = sorted(self._open_since[unit].values())
        found = []
        for begun, ended in self._city.children[unit].lives:
            end = ended if ended is not None else float("inf")
            since = next((s for s in starts if begun <= s < end), None)
            if since is not None:
                found.append(Opened(since, end))
        return found


class Run:
    """One city under fire."""

    def __init__(
        self,
        directory: Path,
        *,
        seed: int,
        minutes: float,
        units: int = 1,
        log: Path | None = None,
        speed: float = 5.0,
        progress: Callable[[float, str], None] = lambda _part, _what: None,
    ) -> None:
        self._luck = random.Random(seed)
        self._seed, self._minutes, self._speed, self._progress = seed, minutes, speed, progress
        self._recording = log.read_bytes() if log is not None else None
        plans = [
            UnitPlan(
                name=f"box-{i + 1}", asset=f"ambulance-{i + 1}", agency="health", kind="ambulance", settings=SETTINGS
            )
            for i in range(units)
        ]
        self._city = City(directory, plans)
        self._played: dict[str, list[Epoch]] = {p.name: [] for p in plans}
        self._kills: dict[str, int] = {}

    def run(self) -> Outcome:
        """Play, kill, wait for calm, compare."""
        city = self._city
        city.prepare()
        receivers = {p.name: self._plug_in(p.name, i) for i, p in enumerate(city.units)}
        ttys = {name: receiver.tty.resolve() for name, receiver in receivers.items()}
        quiet = threading.Event()
        players = [threading.Thread(target=r.play, args=(quiet,), name=f"receiver {n}") for n, r in receivers.items()]
        doorkeeper, consumer = Doorkeeper(city, ttys), Consumer(city)
        try:
            city.start_centre()
            consumer.start()
            doorkeeper.start()
            city.start_units()
            for player in players:
                player.start()
            self._fire(time.monotonic() + self._minutes * 60)
            quiet.set()
            for player in players:
                player.join()
            drain_s = self._drain()
            self._await(lambda: self._has_all(consumer), 15.0)
            consumer.replay()
            outcome = self._outcome(doorkeeper, consumer, drain_s)
            return replace(outcome, failed_to_stop=city.stop())
        finally:
            quiet.set()
            consumer.stop()
            if doorkeeper.is_alive():
                doorkeeper.stop()
            city.stop()
            for receiver in receivers.values():
                receiver.close()

    # ---------------------------------------------------------------- acts

    def _plug_in(self, name: str, index: int) -> SimulatedReceiver:
        def written(epoch: Written) -> None:
            if epoch.valid and epoch.whole and epoch.utc_ms is not None:
                self._played[name].append(Epoch(epoch.utc_ms, epoch.first_mono_s, epoch.last_mono_s))

        return SimulatedReceiver(self._epochs(index), link=self._city.tty(name), on_written=written)

    def _epochs(self, index: int) -> Iterator[Said]:
        now_ms = time.time_ns() // 1_000_000
        if self._recording is None:
            return synthetic(now_ms, seed=self._seed + index, speed=self._speed, cold_start=False)
        return recorded(self._recording, now_ms, speed=self._speed, loop=True)

    def _fire(self, until_s: float) -> None:
        """Kill at random until then; everything runs when it returns."""
        victims = [*CENTRE, *(p.name for p in self._city.units)]
        begun_s = time.monotonic()
        while (now_s := time.monotonic()) < until_s:
            time.sleep(min(self._luck.uniform(*CALM_S), max(0.0, until_s - now_s)))
            victim = self._luck.choice(victims)
            self._city.children[victim].kill()
            self._kills[victim] = self._kills.get(victim, 0) + 1
            done = (time.monotonic() - begun_s) / max(0.001, until_s - begun_s)
            self._progress(min(1.0, done), f"{sum(self._kills.values())} kills, last {victim}")
            time.sleep(self._luck.uniform(*DEAD_S))
            for child in self._city.children.values():
                child.start()  # also one that gave up because its neighbour was gone: systemd would start it again

    def _drain(self) -> float:
        """A clean stop appends the open intervals; then the units run until their outboxes are empty."""
        for plan in self._city.units:
            self._city.children[plan.name].terminate()
            self._city.children[plan.name].join()
        begun_s = time.monotonic()
        self._city.start_units()
        readers = [OutboxReader(self._city.outbox_path(p.name)) for p in self._city.units]
        self._await(lambda: all(reader.waiting()[0] == 0 for reader in readers), DRAIN_DEADLINE_S)
        for reader in readers:
            reader.close()
        return time.monotonic() - begun_s

    def _await(self, true: Callable[[], bool], deadline_s: float) -> None:
        deadline = time.monotonic() + deadline_s
        while not true() and time.monotonic() < deadline:
            for child in self._city.ended():
                child.start()
            time.sleep(0.2)

    # ---------------------------------------------------------------- account

    def _stored(self) -> dict[str, list[int]]:
        return {p.name: exported_utc_ms(self._city, p.name) for p in self._city.units}

    def _has_all(self, consumer: Consumer) -> bool:
        return consumer.fixes() >= {(unit, utc_ms) for unit, times in self._stored().items() for utc_ms in times}

    def _outcome(self, doorkeeper: Doorkeeper, consumer: Consumer, drain_s: float) -> Outcome:
        stored = self._stored()
        ledger = pantau("ledger", "--store", self._city.store_url, "--json")
        everything = {(unit, utc_ms) for unit, times in stored.items() for utc_ms in times}
        restarts = []
        for plan in self._city.units:
            begun = [life[0] for life in self._city.children[plan.name].lives]
            restarts += restart_to_first_epoch_s(begun, self._played[plan.name], stored[plan.name])
        return Outcome(
            seed=self._seed,
            minutes=self._minutes,
            kills=dict(sorted(self._kills.items())),
            verdicts={
                p.name: compare(self._played[p.name], doorkeeper.opened(p.name), stored[p.name])
                for p in self._city.units
            },
            restart_s=restarts,
            ledger_judged=_judged(ledger.stdout),
            ledger_missing=_missing(ledger.stdout),
            ledger_exit_code=ledger.returncode,
            consumer_live=consumer.live,
            consumer_missing=len(everything - consumer.fixes()),
            consumer_gaps=consumer.gaps,
            consumer_replayed=consumer.replayed,
            drain_s=drain_s,
        )


def summary(outcome: Outcome) -> list[tuple[str, str]]:
    """The outcome in words: (what, figure)."""
    rows = [("seed", str(outcome.seed)), ("minutes", f"{outcome.minutes:g}")]
    rows.append(("kills", ", ".join(f"{n} {name}" for name, n in outcome.kills.items()) or "none"))
    for unit, v in outcome.verdicts.items():
        rows += [
            (f"{unit} epochs put in", f"{v.played}, {v.due} of them due"),
            (f"{unit} stored", f"{v.stored}, {len(v.twice)} twice, {len(v.foreign)} foreign"),
            (f"{unit} due and missing", str(len(v.due_missing))),
            (f"{unit} unobserved (not due, not stored)", str(v.unobserved)),
        ]
    if outcome.restart_s:
        rows.append(
            (
                "restart to first epoch",
                f"median {statistics.median(outcome.restart_s):.2f} s, max {max(outcome.restart_s):.2f} s",
            )
        )
    rows.append(("time to drain", f"{outcome.drain_s:.1f} s"))
    rows.append(
        (
            "ledger",
            f"{outcome.ledger_missing} missing of {outcome.ledger_judged} judged, exit code {outcome.ledger_exit_code}",
        )
    )
    replay = f"{outcome.consumer_live} live, {outcome.consumer_gaps} gaps seen, {outcome.consumer_replayed} replayed"
    rows.append(("consumer", f"{outcome.consumer_missing} missing ({replay})"))
    rows.append(("killed because they would not stop", ", ".join(outcome.failed_to_stop) or "none"))
    rows.append(("the promise", "holds" if outcome.holds else "BROKEN"))
    return rows


def _judged(ledger_json: str) -> int:
    """Records that a health record has accounted for; what is unjudged proves nothing yet."""
    return sum(account["produced"] - account["unjudged"] for account in json.loads(ledger_json))


def _missing(ledger_json: str) -> int:
    return sum(account["missing"] for account in json.loads(ledger_json))


def _has_open(pid: int, tty: Path) -> bool:
    try:
        return any(fd.resolve() == tty for fd in _descriptors(pid))
    except OSError:
        return False


def _descriptors(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/fd").iterdir())

"""What the end-to-end tests share: a unit out on the road, what its port was told, and what the centre has of it."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from edge.outbox_reader import OutboxReader
from edge.sim.receiver import SimulatedReceiver, Written, synthetic
from stage.city import City, UnitPlan
from stage.process import Child
from torture.consumer import exported_utc_ms, pantau

Settings = dict[str, dict[str, object]]

SPEED = 5.0  # five epochs a second
EVERY_FIX: Settings = {
    "report": {"interval_s": 1.0, "quantum": "lossless", "tolerance_m": 0.0, "policy": False},
    "receiver": {"not_before": "none"},
}
LAST_EPOCH_S = 2.0  # longer than a receiver is silent inside an epoch: the last one is complete


def plan(unit: str, settings: Settings | None = None) -> UnitPlan:
    """A unit that keeps every fix."""
    tables = {table: dict(values) for table, values in EVERY_FIX.items()}
    for table, values in (settings or {}).items():
        tables.setdefault(table, {}).update(values)
    return UnitPlan(name=unit, asset=f"ambulance-{unit}", agency="health", kind="ambulance", settings=tables)


def eventually(claim: Callable[[], object], within_s: float, what: Callable[[], object] = lambda: "") -> float:
    """Seconds until the claim held; fails when it does not within `within_s`."""
    begun = time.monotonic()
    while not claim():
        assert time.monotonic() < begun + within_s, what()
        time.sleep(0.05)
    return time.monotonic() - begun


class Outing:
    """One life of a unit's process with a receiver that plays into its port; `told` is the port's own account."""

    def __init__(self, child: Child, tty: Path, *, seed: int = 0, ahead_s: float = 0.0) -> None:
        """`ahead_s`: how far the receiver's clock is ahead (two boxes whose times must not be the same)."""
        self.child = child
        self.told: list[Written] = []
        self._tty = tty
        utc_ms = time.time_ns() // 1_000_000 + round(ahead_s * 1000)
        epochs = synthetic(utc_ms, seed=seed, speed=SPEED, cold_start=False)
        self.receiver = SimulatedReceiver(epochs, link=tty, on_written=self._wrote)
        self._quiet = threading.Event()
        self._player = threading.Thread(target=self.receiver.play, args=(self._quiet,), name=f"receiver {child.name}")

    def begin(self) -> None:
        """Start the process, and play as soon as it listens (what is said before is nobody's)."""
        self.child.start()
        port = self._tty.resolve()
        eventually(lambda: _has_open(self.child.pid, port), 20, self.child.tail)
        time.sleep(0.2)
        self._player.start()

    def pause(self) -> None:
        """The receiver falls silent; the last epoch is complete when this returns."""
        self._quiet.set()
        self._player.join()
        time.sleep(LAST_EPOCH_S)

    def end(self) -> set[int]:
        """A clean stop; the times of all fixes the port was told."""
        if not self._quiet.is_set():
            self.pause()
        self.child.terminate()
        assert self.child.join(), f"stopped late: {self.child.tail()}"
        assert self.child.exit_code == 0, self.child.tail()
        self.receiver.close()
        return self.utc_ms()

    def give_up(self) -> None:
        """Whatever state it is in: leave nothing running."""
        self._quiet.set()
        if self._player.is_alive():
            self._player.join()
        self.child.kill()
        self.receiver.close()

    def utc_ms(self) -> set[int]:
        return {w.utc_ms for w in self.told if w.utc_ms is not None}

    def _wrote(self, written: Written) -> None:
        if written.valid:
            assert written.whole
            self.told.append(written)


def outing(city: City, unit: str, *, seed: int = 0) -> Outing:
    """An outing of one of the city's units."""
    return Outing(city.children[unit], city.tty(unit), seed=seed)


def drain(outboxes: dict[Path, Child], within_s: float = 60.0) -> float:
    """Run units without receivers until all that their outboxes had before was receipted and deleted; seconds it took.

    (A session's first receipt goes at once. Those of its later live rows are gathered for up to a minute.)
    """
    readers = {OutboxReader(path): child for path, child in outboxes.items()}
    newest = {reader: reader.newest_id() for reader in readers}

    def waiting() -> int:
        return sum(row.id <= newest[reader] for reader in readers for row in reader.above(0, 10_000))

    for child in outboxes.values():
        child.start()
    try:
        return eventually(
            lambda: not waiting(), within_s, lambda: [waiting(), *(child.tail() for child in outboxes.values())]
        )
    finally:
        for child in outboxes.values():
            child.terminate()
        for reader, child in readers.items():
            reader.close()
            assert child.join() and child.exit_code == 0, child.tail()


def assert_stored_once(city: City, unit: str, told: set[int]) -> None:
    """The centre has exactly what the ports were told, each fix once."""
    stored = Counter(exported_utc_ms(city, unit))
    assert sorted(told - stored.keys()) == [], "lost"
    assert sorted(stored.keys() - told) == [], "never told"
    assert [utc_ms for utc_ms, times in stored.items() if times > 1] == [], "twice"


def balanced(city: City) -> list[dict[str, object]]:
    """The ledger's accounts; fails when anything is missing."""
    ledger = pantau("ledger", "--store", city.store_url, "--json")
    assert ledger.returncode == 0, ledger.stdout + ledger.stderr
    accounts: list[dict[str, object]] = json.loads(ledger.stdout)
    assert accounts and all(account["missing"] == 0 for account in accounts)
    return accounts


def _has_open(pid: int | None, port: Path) -> bool:
    try:
        return any(fd.resolve() == port for fd in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False

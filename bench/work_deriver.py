"""CPU of the deriver as it runs: the store read, days derived, what is told remembered, and given to a Mosquitto."""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from bench.report import Figure, median
from broker.acl import WORK_NAME, Roles
from broker.assets import Assignment
from broker.mosquitto import ThrowawayMosquitto
from broker.mqtt import Endpoint
from broker.store import Arrival, Store, open_store
from broker.work.areas import Areas
from broker.work.deriver import EACH_S, GRACE_MS, Deriver
from broker.work.memory import WorkMemory
from broker.work.teller import Spoken, Teller
from edge.sim.work_box import Row
from provisioning.throwaway import make_authority

ZONE: Final = ZoneInfo("Asia/Jakarta")
KEEP_DAYS: Final = 36_500
DAY_MS: Final = 86_400_000
PATIENCE_S: Final = 600.0

Asset = tuple[str, Sequence[Row]]  # its unit's name, and its records in the order it makes them


def at_once(assets: Sequence[Asset], now_ms: int, city: int) -> list[Figure]:
    """Days that lie in the store already, as after an outage of the deriver: the process's own loop, to a Mosquitto."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with stored(folder, assets) as store, WorkMemory(folder / "work.db") as memory, _broker(folder) as endpoint:
            for _, rows in assets:
                _commit(store, assets, rows)
            deriver, told = _deriver(store, memory, each_s=EACH_S), Spoken()
            teller = Teller(store, memory, deriver, endpoint, utc_ms=lambda: now_ms, told=told)
            done = _Done(told, store.last_log_id())
            began_s = time.process_time()
            teller.run(done)
            cpu_s = time.process_time() - began_s
    share = city / len(assets)
    note = f"{told.messages / len(assets):.0f} messages an asset-day"
    return [Figure(f"the deriver: a day of {city:,} assets that lies in the store", cpu_s * share, "CPU s", note=note)]


def as_it_comes(assets: Sequence[Asset], begin_ms: int, city: int) -> list[Figure]:
    """A day that is derived anew each minute while it grows, which is what the deriver does all day."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with stored(folder, assets) as store, WorkMemory(folder / "work.db") as memory:
            deriver = _deriver(store, memory)
            position, cpu_s, minutes, messages = 0, 0.0, 0, 0
            left = {unit: list(rows) for unit, rows in assets}
            for now_ms in range(begin_ms + int(EACH_S * 1000), begin_ms + DAY_MS, int(EACH_S * 1000)):
                for unit, rows in left.items():
                    come = [row for row in rows if row.to_ms < now_ms]
                    left[unit] = rows[len(come) :]
                    _commit(store, assets, come, unit=unit)
                began_s = time.process_time()
                position = deriver.take(position)
                while deriver.derive_next(now_ms, 0.0):
                    minutes += 1
                messages += _sent(memory)
                cpu_s += time.process_time() - began_s
    each_s, a_day = cpu_s / minutes, cpu_s / len(assets)
    note = f"{minutes / len(assets):.0f} times a day, {1000 * each_s:.1f} CPU ms each; without publishing"
    most = 86_400 / a_day
    return [
        Figure(f"the deriver: a day of {city:,} assets as it grows, each minute", a_day * city, "CPU s", note=note),
        Figure("assets that one core keeps up with each minute", most, "assets", note="with more, it tells later"),
        Figure(f"how often it gets round {city:,} assets with one core", EACH_S * city / most, "s"),
    ]


def late(url: str, rows: Sequence[Row], held_back: Sequence[Row], days: int, memory_path: Path) -> Figure:
    """Records that come late, one by one, into a store of so many days of an asset, of which all was told."""
    took_s, moved = [], []
    assets = [("box-1", [row for row in rows if row not in held_back])]
    now_ms = max(row.to_ms for row in rows) + 2 * GRACE_MS
    with open_store(url, writer=True) as store, WorkMemory(memory_path) as memory:
        _assign(store, assets)
        _commit(store, assets, assets[0][1])
        deriver, position = _deriver(store, memory), 0
        while (reached := deriver.take(position)) != position:
            position = reached
        while deriver.derive_next(now_ms, 0.0):
            pass
        _sent(memory)
        # Neither the load's own objects, nor that a small store ends after the record, is the record's cost.
        gc.freeze()
        for row in held_back:
            _commit(store, assets, [row])
            before, began_s = deriver.derived, time.process_time()
            position = deriver.take(position)
            deriver.derive_next(now_ms, 0.0)
            _sent(memory)
            took_s.append(time.process_time() - began_s)
            moved.append(deriver.derived - before)
        gc.unfreeze()
    note = f"median of {len(held_back)}, {median(moved):g} days derived again"
    return Figure(f"the deriver: one late record, {days} days stored", 1000 * median(took_s), "CPU ms", note=note)


class _Done:
    """Stops a teller that has told all there is; raises TimeoutError when it does not get there."""

    def __init__(self, told: Spoken, last_log_id: int) -> None:
        self._told, self._last_log_id = told, last_log_id
        self._until_s = time.monotonic() + PATIENCE_S

    def is_set(self) -> bool:
        told = self._told
        if time.monotonic() > self._until_s:
            raise TimeoutError(f"{told.touched} asset-days are left after {PATIENCE_S:.0f} s")
        return told.cursor >= self._last_log_id and not told.touched and not told.waiting

    def wait(self, timeout: float | None = None) -> bool:
        time.sleep(timeout or 0.0)
        return self.is_set()


@contextmanager
def stored(folder: Path, assets: Sequence[Asset]) -> Iterator[Store]:
    """A store in which these units are assigned."""
    with open_store(f"sqlite:///{folder / 'store.db'}", writer=True) as store:
        _assign(store, assets)
        yield store


def _assign(store: Store, assets: Sequence[Asset]) -> None:
    store.set_assignments(
        [
            Assignment(unit=unit, asset=f"of-{unit}", agency="g", kind="excavator", from_utc_ms=0, to_utc_ms=None)
            for unit, _ in assets
        ]
    )


def _commit(store: Store, assets: Sequence[Asset], rows: Sequence[Row], *, unit: str | None = None) -> None:
    """As the bridge does, a second after each was made."""
    named = unit or next((unit for unit, known in assets if known is rows), assets[0][0])
    first = store.high_seq(named, 1) + 1
    arrivals = [
        Arrival(named, 1, seq, row.cls, row.kind, row.body, received_utc_ms=row.to_ms + 1000)
        for seq, row in enumerate(rows, first)
    ]
    for begin in range(0, len(arrivals), 2000):
        store.commit(arrivals[begin : begin + 2000])


def _deriver(store: Store, memory: WorkMemory, *, each_s: float = 0.0) -> Deriver:
    return Deriver(store, memory, zone=ZONE, areas=Areas(), keep_days=KEEP_DAYS, each_s=each_s)


def _sent(memory: WorkMemory) -> int:
    """All that waits is read and proven, as if the broker had it."""
    count = 0
    while waiting := memory.waiting(0, 500):
        memory.sent(waiting[-1][0])
        count += len(waiting)
    return count


@contextmanager
def _broker(folder: Path) -> Iterator[Endpoint]:
    authority = make_authority(folder / "authority")
    broker, mine = authority.ensure("localhost", "broker"), authority.ensure(WORK_NAME, "publisher")
    with ThrowawayMosquitto(
        folder / "mosquitto",
        ca_path=broker.ca_path,
        certificate_path=broker.certificate_path,
        key_path=broker.key_path,
        roles=Roles(),
    ) as mosquitto:
        yield Endpoint(
            host="localhost",
            port=mosquitto.port,
            ca_path=mine.ca_path,
            certificate_path=mine.certificate_path,
            key_path=mine.key_path,
        )

"""overload: real units offer a slowed bridge 4 and 10 times what it can store; and then the broker is started again.

Capacity is measured first, in the same city: one client that obeys no number keeps the bridge's bulk lane filled.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from bench.drives import Fix8, NoRealData, full_drives
from bench.driving import ROW_FIXES, endless, from_now, record, spoken
from bench.fleet import ROW_FIXES as LOAD_ROW_FIXES
from bench.fleet import Ready, parcels
from bench.report import Figure, percentile, show, skipped
from bench.watching import Watch
from edge.sim.receiver import SimulatedReceiver
from stage.city import HOST, City, UnitPlan
from stage.clients import Client, tls
from stage.process import Child
from wire.receipt import decode_receipt
from wire.topics import receipt

UNITS: Final = 24
TIMES: Final = (4, 10)
ROW_US: Final = 400.0  # about 2,000 rows/s: a full parcel is a tenth of a second, as on a full city's bridge
BACKLOG_FIXES: Final = 80_000  # a unit; more than the bridge stores while it is watched
ROW_BYTES: Final = 70  # lossless rows of ten, packed: bench codec
CAPACITY_PARCELS: Final = 130
AHEAD: Final = 20  # parcels: 1.5 s of work, within the lane's bound
WARM_UP_S: Final = 30.0  # all processes start on few cores, and the bridge learns by that what a row costs
MEASURED_S: Final = 30.0
AWAY_S: Final = 2.0
DEADLINE_S: Final = 90.0
PARCEL_BYTES: Final = 16_000
FLOOD: Final = "flood"
REPORT: Final[dict[str, object]] = {"interval_s": 2.0, "quantum": "lossless", "tolerance_m": 0.0, "policy": False}


def main(argv: Sequence[str]) -> int:
    """Run it and print its figures."""
    as_json = "--json" in argv
    try:
        drives = list(full_drives().values())
    except NoRealData as error:
        return skipped("overload", str(error), as_json=as_json)
    capacity = _measured_capacity(drives[0])
    figures = [Figure("capacity", capacity, "rows/s", None, "a full bulk lane")]
    for times in TIMES:
        figures += _overloaded(drives, capacity, times, restart=times == TIMES[-1])
    conditions = f"{UNITS} real units, a live row each 2 s, bridge slowed by {ROW_US:g} us a row"
    show("overload", figures, as_json=as_json, conditions=conditions)
    return 0


# ---------------------------------------------------------------- capacity


def _measured_capacity(drive: Sequence[Fix8]) -> float:
    """Rows per second that the slowed bridge stores and receipts when its bulk lane is never empty."""
    with _city([]) as city:
        city.authority.ensure(FLOOD, "unit")
        city.start_centre()
        ready, _ = parcels(FLOOD, drive, CAPACITY_PARCELS, outbox_id=1)
        return Flood(city, ready).rows_per_s()


class Flood:
    """A unit that obeys no number: always AHEAD parcels without a receipt."""

    def __init__(self, city: City, ready: list[Ready]) -> None:
        who = city.credentials(FLOOD)
        context = tls(who.ca_path, who.certificate_path, who.key_path)
        self._client = Client(HOST, city.port, context, FLOOD, self._heard)
        self._client.subscribe(receipt(FLOOD))
        self._ready = ready
        self._fixes = 0
        self._receipted = 0

    def rows_per_s(self) -> float:
        """Send it all; the first receipts' time does not count."""
        begun_s, begun_rows, count = time.monotonic(), 0, len(self._ready)
        for _ in range(AHEAD):
            self._client.send(self._ready.pop().packet)
        while self._receipted < count - AHEAD:
            if begun_rows == 0 and self._receipted >= AHEAD:
                begun_s, begun_rows = time.monotonic(), self._fixes // LOAD_ROW_FIXES
            self._client.turn()
            time.sleep(0.001)
        rows = self._fixes // LOAD_ROW_FIXES - begun_rows
        took_s = time.monotonic() - begun_s
        self._client.close()
        return rows / took_s

    def _heard(self, _topic: str, payload: bytes) -> None:
        rows = decode_receipt(payload).ranges.count()
        self._fixes += rows * LOAD_ROW_FIXES
        done = round(rows * LOAD_ROW_FIXES / self._ready[0].fixes) if self._ready else 1
        self._receipted += done
        for _ in range(min(done, len(self._ready))):
            self._client.send(self._ready.pop().packet)


# ---------------------------------------------------------------- overload


def _overloaded(drives: Sequence[Sequence[Fix8]], capacity: float, times: int, *, restart: bool) -> list[Figure]:
    bucket = round(times * capacity * ROW_BYTES / UNITS)
    plans = [_plan(number, bucket) for number in range(UNITS)]
    rows = BACKLOG_FIXES // ROW_FIXES
    with _city(plans) as city:
        _fill(city, drives)
        with _playing(city, drives):
            city.start_centre()
            watch = Watch(city, {plan.name: rows for plan in plans})
            watch.start()
            city.start_units()
            time.sleep(WARM_UP_S)
            begun_s, begun = time.monotonic(), len(watch.clean)
            time.sleep(MEASURED_S)
            ended_s, stored = time.monotonic(), len(watch.clean) - begun
            time.sleep(2.0)  # rows appended last are live, too
            watch.stop()
            returned = _restarted(city) if restart else []
        city.stop()
        account = json.loads(_account_path(city).read_text())
        name = f"{times} times"
        live_s = watch.live_s(begun_s, ended_s)
        figures = [
            Figure(f"{name}: goodput", 100 * stored / (ended_s - begun_s) / capacity, "% of capacity", "≥ 90"),
            Figure(
                f"{name}: live p99", percentile(live_s, 99), "s", "≤ 2", f"append to clean topic, {len(live_s)} rows"
            ),
            Figure(f"{name}: sent per stored", _resent(account), "B/B", "≤ 1.1", _lost(city, account)),
        ]
        return [*figures, *_returned_figures(returned)]


def _plan(number: int, bucket_bytes_per_s: int) -> UnitPlan:
    settings: dict[str, dict[str, object]] = {
        "report": REPORT,
        "uplink": {"bulk_bytes_per_s": bucket_bytes_per_s},
        "broker": {"fleet_units": 3_000},  # the default: what a city's boxes are delivered with
    }
    return UnitPlan(name=f"box-{number}", asset=f"car-{number}", agency="fire", kind="truck", settings=settings)


def _resent(account: dict[str, int]) -> float:
    """Bytes of rows that came to the bridge, those it had no room for included, for each byte newly stored."""
    dropped_bytes = (account["dropped_bulk"] + account["dropped_live"]) * PARCEL_BYTES
    return (account["received_bytes"] + dropped_bytes) / account["stored_bytes"]


def _lost(city: City, account: dict[str, int]) -> str:
    dropping = city.children["mosquitto"].log_path.read_text("utf-8", "replace").count("being dropped")
    bridge = account["dropped_bulk"] + account["dropped_live"]
    return f"dropped: {bridge} parcels by the bridge, {dropping} times by the broker"


# ---------------------------------------------------------------- a broker that was away


def _restarted(city: City) -> list[float]:
    """Kill the broker, start it again, and wait for every unit; seconds after it listened."""
    broker = city.children["mosquitto"]
    before = {plan.name: _connections(city, plan.name) for plan in city.units}
    broker.kill()
    time.sleep(AWAY_S)
    broker.start()
    begun_s = time.monotonic()
    returned: dict[str, float] = {}
    while len(returned) < len(before) and time.monotonic() - begun_s < DEADLINE_S:
        for name, count in before.items():
            if name not in returned and _connections(city, name) > count:
                returned[name] = time.monotonic() - begun_s
        time.sleep(0.05)
    return [returned.get(name, float("inf")) for name in before]


def _connections(city: City, unit: str) -> int:
    return city.children[unit].log_path.read_text("utf-8", "replace").count("connected to")


def _returned_figures(returned: list[float]) -> Iterator[Figure]:
    if returned:
        note = f"broker away for {AWAY_S:g} s, {len(returned)} units of a fleet of 3,000 (spread over 6 s)"
        for percent in (50, 95, 100):
            yield Figure(f"{percent} % connected again", percentile(returned, percent), "s", None, note)


# ---------------------------------------------------------------- the city


@contextlib.contextmanager
def _city(plans: Sequence[UnitPlan]) -> Iterator[City]:
    """A city whose bridge is slow."""
    with tempfile.TemporaryDirectory(prefix="pantau-overload-") as directory:
        city = City(Path(directory), plans)
        city.prepare()
        command = [sys.executable, "-m", "stage.slow_bridge", "--config", str(city.centre_config)]
        command += ["--row-us", str(ROW_US), "--account", str(_account_path(city))]
        city.children["bridge"] = Child("bridge", command, city.children["bridge"].log_path)
        try:
            yield city
        finally:
            city.stop()


def _account_path(city: City) -> Path:
    return city.directory / "account.json"


def _fill(city: City, drives: Sequence[Sequence[Fix8]]) -> None:
    """The same backlog for every unit: a row is told apart by its unit."""
    first, *others = [city.outbox_path(plan.name) for plan in city.units]
    begin_ms = time.time_ns() // 1_000_000 - BACKLOG_FIXES * 1000
    record(first, list(islice(endless(drives, begin_ms), BACKLOG_FIXES)), quantum="lossless", tolerance_m=0.0)
    for path in others:
        shutil.copyfile(first, path)


@contextlib.contextmanager
def _playing(city: City, drives: Sequence[Sequence[Fix8]]) -> Iterator[None]:
    """A receiver for every unit, each a little later than the one before, as boxes were switched on."""
    stop = threading.Event()
    receivers = [SimulatedReceiver(spoken(from_now(drives)), link=city.tty(plan.name)) for plan in city.units]
    threads = [threading.Thread(target=receiver.play, args=(stop,)) for receiver in receivers]
    for thread in threads:
        thread.start()
        time.sleep(1.0 / len(threads))
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        for receiver in receivers:
            receiver.close()

"""parked: what a standing vehicle's unit sends in a day, from its parts as they were counted on a real IP link.

Real gps_unit processes in network namespaces of their own, each with a receiver that stands still in real time; once
with a stock kernel's TCP, once as packaging/box/sysctl.conf sets up a box. One unit of each kind is as
delivered: between its reports it only pings. The other reports each 75 s instead of each ten minutes, so that some
minutes hold several reports, each with a receipt of its own (75 s is more than the 60 s it is gathered for).
"""

from __future__ import annotations

import contextlib
import itertools
import math
import random
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.drives import Fix8
from bench.driving import spoken
from bench.exchanges import Seen, watch
from bench.report import Figure, progress, show, skipped
from broker.store import open_store
from edge.config import load_unit
from edge.sim.receiver import SimulatedReceiver
from stage.city import City, UnitPlan
from stage.namespace import CENTRE_ADDRESS, MTU, Link, NamespaceRefused, link
from wire.kinds import KIND_HEALTH

SETTLING_S: Final = 100.0  # what a start says, and its receipts, are over
MINUTES: Final = 7.0  # two pings of 196 s, five reports of 75 s
OFTEN_S: Final = 75.0
DAY_S: Final = 86_400
HEALTH_A_DAY: Final = 24
ENVELOPE_BYTES: Final = 14  # of one more row in a parcel: seq, class, kind, check, lengths
REACH: Final = "≤ 150"


@dataclass(frozen=True, slots=True)
class Box:
    """One unit on its own link."""

    plan: UnitPlan
    link: Link


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a day is made of, beside what the links show."""

    keepalive_s: float
    parked_interval_s: float
    health_bytes: float

    @property
    def reports(self) -> float:
        """Reports a day."""
        return DAY_S / self.parked_interval_s

    @property
    def pings(self) -> float:
        """Pings a day: one each keep-alive of silence; the next report comes before the last one would."""
        return self.reports * (math.ceil(self.parked_interval_s / self.keepalive_s) - 1)


def main(argv: Sequence[str]) -> int:
    """Run it and print its figures; `--minutes=N` measured."""
    minutes = next((float(word.split("=", 1)[1]) for word in argv if word.startswith("--minutes=")), MINUTES)
    as_json = "--json" in argv
    try:
        with contextlib.ExitStack() as stack:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="pantau-parked-"))
            boxes = [
                _box(number, often, stack.enter_context(link(number, timestamps=number < 2)))
                for number, often in enumerate((False, True, False, True))
            ]
            figures = _measure(Path(directory), boxes, minutes)
    except NamespaceRefused as error:
        return skipped("parked", str(error), as_json=as_json)
    conditions = f"{minutes:g} min in real time, 1 Hz, MTU {MTU}, TLS 1.3, units as delivered"
    show("parked", figures, as_json=as_json, conditions=conditions)
    return 0


def _box(number: int, often: bool, on: Link) -> Box:
    settings: dict[str, dict[str, object]] = {"report": {"parked_interval_s": OFTEN_S}} if often else {}
    name = f"box-{number}"
    return Box(UnitPlan(name=name, asset=name, agency="fire", kind="truck", settings=settings, inside=on.inside), on)


def _measure(directory: Path, boxes: Sequence[Box], minutes: float) -> list[Figure]:
    city = City(directory, [box.plan for box in boxes], broker_host=CENTRE_ADDRESS)
    city.prepare()
    stop = threading.Event()
    receivers = [SimulatedReceiver(spoken(_standing(seed)), link=city.tty(b.plan.name)) for seed, b in enumerate(boxes)]
    players = [threading.Thread(target=receiver.play, args=(stop,)) for receiver in receivers]
    try:
        city.start_centre()
        for player in players:
            player.start()
        city.start_units()
        time.sleep(SETTLING_S)
        progress("parked: the start is over")
        seen = watch([box.link for box in boxes], minutes * 60)
        parts = _Parts(*_delivered(city), _health_bytes(city))
    finally:
        stop.set()
        for player in players:
            player.join()
        city.stop()
        for receiver in receivers:
            receiver.close()
    stock, sysctl = seen[:2], seen[2:]
    return [
        *_figures("stock kernel", stock[0], stock[1], parts),
        *_figures("box's sysctl", sysctl[0], sysctl[1], parts),
    ]


def _figures(name: str, pinging: Seen, reporting: Seen, parts: _Parts) -> Iterator[Figure]:
    reports = reporting.exchanges / 2  # each with its receipt a minute later
    report_bytes = reporting.counted.bytes / reports
    pings, health = parts.pings * pinging.each_bytes, HEALTH_A_DAY * parts.health_bytes
    yield Figure(f"{name}: a ping", pinging.each_bytes, "B", None, f"{pinging.exchanges} seen, nothing else between")
    yield Figure(f"{name}: a report and its receipt", report_bytes, "B", None, f"{reports:g} seen")
    note = (
        f"{parts.reports:.0f} reports x {report_bytes:.0f} B + {parts.pings:.0f} pings x {pinging.each_bytes:.0f} B"
        f" + {HEALTH_A_DAY} health records x {parts.health_bytes:.0f} B beside reports"
    )
    yield Figure(f"{name}: a parked day", (parts.reports * report_bytes + pings + health) / 1000, "kB", REACH, note)


def _delivered(city: City) -> tuple[float, float]:
    """Keep-alive and parked interval in seconds, of the unit that has no settings of its own."""
    config = load_unit(city.unit_config(city.units[0].name))
    return config.broker.keepalive_s, config.report.parked_interval_s


def _health_bytes(city: City) -> float:
    """What a health record adds to a parcel: its body as stored, and its envelope."""
    with open_store(city.store_url) as store:
        bodies = [entry.body for entry in store.read_log(0, 1_000) if entry.kind == KIND_HEALTH]
    return max(len(body) for body in bodies) + ENVELOPE_BYTES


def _standing(seed: int) -> Iterator[Fix8]:
    """A receiver on a parked vehicle: it wanders by metres, and its speed stays below what a receiver calls moving."""
    luck, began_ms = random.Random(seed), time.time_ns() // 1_000_000
    for second in itertools.count():
        place = (-61_754_000 + luck.randint(-200, 200), 1_068_272_000 + luck.randint(-200, 200))
        yield (began_ms + second * 1000, *place, 800 + luck.randint(-90, 90), luck.randint(0, 15), None, 90, 11)

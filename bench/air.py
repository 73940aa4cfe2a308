"""air: bytes an epoch that a real unit's link carries, at IP level, with everything that a carrier would bill.

Real gps_unit processes in network namespaces of their own, one for each way of recording; real drives through ptys in
real time. Counted: both directions, receipts, pings and TCP acknowledgements included; the handshake apart.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from bench.drives import Fix8, NoRealData, full_drives
from bench.driving import endless, from_now, record, spoken
from bench.owntracks import OwnTracks
from bench.report import Figure, show, skipped
from edge.outbox import OutboxReader
from edge.sim.receiver import SimulatedReceiver, Written
from stage.city import City, UnitPlan
from stage.namespace import CENTRE_ADDRESS, MTU, Counted, Link, NamespaceRefused, link

MINUTES: Final = 140 / 60  # twice the 70 s from one gathered receipt to the next
UNITS_A_WAY: Final = 3
BACKLOG_FIXES: Final = 86_400  # a day
SETTLING_S: Final = 90.0  # what a start says once (events, health, the pause before it) is not what a day costs
QUIET_S: Final = 6.0  # connecting at most 1 s after the start, receipts at once, and their deletion within 5 s
LIVE_ROWS: Final = 3  # boot event, anchor and health of a start
DEADLINE_S: Final = 90.0


@dataclass(frozen=True, slots=True)
class Way:
    """One way to record, and what its figures are held against."""

    name: str
    quantum: str
    tolerance_m: float
    live_reach: str | None = None
    backlog_reach: str | None = None
    timestamps: bool = True  # False: as packaging/box/sysctl.conf sets up a box
    profiles: bool = False  # True: an interval ends early when a map would be wrong


WAYS: Final = (
    Way("lossless", "lossless", 0.0, "≤ 30", "≤ 8"),
    Way("quantum", "receiver", 0.0),
    Way("quantum and 2.5 m", "receiver", 2.5, "≤ 22", "≤ 3"),
    Way("the same, by profile_moving", "receiver", 2.5, profiles=True),
    Way("quantum and 2.5 m, box's sysctl", "receiver", 2.5, "≤ 22", "≤ 3", timestamps=False),
)


class Fleet:
    """The units of one way, on their own link."""

    def __init__(self, way: Way, number: int, on: Link) -> None:
        self.way = way
        self.link = on
        self.epochs = 0
        settings: dict[str, dict[str, object]] = {
            "report": {
                "quantum": way.quantum,
                "tolerance_m": way.tolerance_m,
                "policy": False,
                "profiles": way.profiles,
            },
            "uplink": {"bulk_bytes_per_s": 1_000_000, "bulk_burst_bytes": 1_000_000},
        }
        self.plans = [
            UnitPlan(
                name=f"box-{number}-{i}", asset=f"car-{number}-{i}", agency="fire", kind="truck",
                settings=settings, inside=on.inside,
            )
            for i in range(UNITS_A_WAY)
        ]  # fmt: skip

    def said(self, written: Written) -> None:
        """An epoch went into a port."""
        self.epochs += written.whole

    def emptied(self, city: City) -> bool:
        """Whether only live rows, whose receipts are gathered, wait in the outboxes."""
        return all(_waiting_rows(city.outbox_path(plan.name)) <= LIVE_ROWS for plan in self.plans)


def main(argv: Sequence[str]) -> int:
    """Run it and print its figures; `--minutes=N` of live."""
    minutes = next((float(word.split("=", 1)[1]) for word in argv if word.startswith("--minutes=")), MINUTES)
    as_json = "--json" in argv
    try:
        drives = list(full_drives().values())
        with contextlib.ExitStack() as stack:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="pantau-air-"))
            fleets = [
                Fleet(way, number, stack.enter_context(link(number, timestamps=way.timestamps)))
                for number, way in enumerate(WAYS)
            ]
            phones = stack.enter_context(link(len(WAYS)))
            figures = _measure(Path(directory), fleets, phones, drives, minutes)
    except (NamespaceRefused, NoRealData) as error:
        return skipped("air", str(error), as_json=as_json)
    conditions = f"{UNITS_A_WAY} units a way, {minutes:.3g} min live, MTU {MTU}, TLS 1.3, 10 s reports, eight fields"
    show("air", figures, as_json=as_json, conditions=conditions)
    return 0


def _measure(
    directory: Path, fleets: list[Fleet], phones: Link, drives: Sequence[Sequence[Fix8]], minutes: float
) -> list[Figure]:
    city = City(directory, [plan for fleet in fleets for plan in fleet.plans], broker_host=CENTRE_ADDRESS)
    city.prepare()
    city.authority.ensure("phone", "unit")
    now_ms = time.time_ns() // 1_000_000
    backlog = list(islice(endless(drives, now_ms - BACKLOG_FIXES * 1000), BACKLOG_FIXES))
    for fleet in fleets:
        first, *others = [city.outbox_path(plan.name) for plan in fleet.plans]
        record(first, backlog, quantum=fleet.way.quantum, tolerance_m=fleet.way.tolerance_m)
        for path in others:
            shutil.copyfile(first, path)
    with _receivers(city, fleets, drives) as receivers:
        try:
            city.start_centre()
            drained = _drain(city, fleets)
            phone = OwnTracks(phones, CENTRE_ADDRESS, city.port, "phone", city.credentials("phone"))
            with _playing(receivers, phone, from_now(drives)):
                figures = _live(fleets, phones, phone, minutes)
            handshake = _handshake(city, fleets)
        finally:
            city.stop()
    return [*figures, *_backlog_figures(fleets, drained, handshake), *_handshake_figures(handshake)]


# ---------------------------------------------------------------- phases


def _drain(city: City, fleets: list[Fleet]) -> list[Counted]:
    """Connect, and send the backlog while the receivers are silent; what it took, handshakes included."""
    before = [fleet.link.counted() for fleet in fleets]
    city.start_units()
    _until(lambda: all(fleet.emptied(city) for fleet in fleets), city)
    time.sleep(QUIET_S)
    return [fleet.link.counted().since(b) for fleet, b in zip(fleets, before, strict=True)]


def _live(fleets: list[Fleet], phones: Link, phone: OwnTracks, minutes: float) -> list[Figure]:
    time.sleep(SETTLING_S)
    links = [*(fleet.link for fleet in fleets), phones]
    before = [one.counted() for one in links]
    epochs, published = [fleet.epochs for fleet in fleets], phone.published
    time.sleep(minutes * 60)
    after = [one.counted().since(b) for one, b in zip(links, before, strict=True)]
    figures = []
    for fleet, epochs_before, counted in zip(fleets, epochs, after[:-1], strict=True):
        observed, name = fleet.epochs - epochs_before, f"{fleet.way.name}, live"
        figures += [
            Figure(name, counted.bytes / observed, "B/epoch", fleet.way.live_reach, _split(counted, observed)),
            Figure(f"{name}, packets", _packets(counted) / observed * 10, "a report"),
        ]
    sent, counted = phone.published - published, after[-1]
    return [*figures, Figure("OwnTracks JSON, QoS 1", counted.bytes / sent, "B/epoch", None, _split(counted, sent))]


def _handshake(city: City, fleets: list[Fleet]) -> list[Counted]:
    """Connect once more with an empty outbox: TLS, CONNECT, SUBSCRIBE, birth, the boot event and its receipt."""
    for plan in city.units:
        city.children[plan.name].terminate()
    for plan in city.units:
        city.children[plan.name].join()
        for path in city.outbox_path(plan.name).parent.glob("outbox.db*"):
            path.unlink()
    before = [fleet.link.counted() for fleet in fleets]
    city.start_units()
    time.sleep(QUIET_S)
    return [fleet.link.counted().since(b) for fleet, b in zip(fleets, before, strict=True)]


# ---------------------------------------------------------------- figures


def _backlog_figures(fleets: list[Fleet], drained: list[Counted], handshake: list[Counted]) -> Iterator[Figure]:
    epochs = UNITS_A_WAY * BACKLOG_FIXES
    for fleet, counted, apart in zip(fleets, drained, handshake, strict=True):
        note = f"handshake apart; {_split(counted, epochs)} with it"
        name = f"{fleet.way.name}, backlog"
        yield Figure(name, (counted.bytes - apart.bytes) / epochs, "B/epoch", fleet.way.backlog_reach, note)


def _handshake_figures(handshake: list[Counted]) -> Iterator[Figure]:
    units = UNITS_A_WAY * len(handshake)
    yield Figure("connecting", sum(one.bytes for one in handshake) / units, "B", None, "TLS to first receipt")


def _split(counted: Counted, epochs: int) -> str:
    return f"{counted.up_bytes / epochs:.1f} up, {counted.down_bytes / epochs:.1f} down"


def _packets(counted: Counted) -> int:
    return counted.up_packets + counted.down_packets


# ---------------------------------------------------------------- receivers


@contextlib.contextmanager
def _receivers(city: City, fleets: list[Fleet], drives: Sequence[Sequence[Fix8]]) -> Iterator[list[SimulatedReceiver]]:
    """A port for every unit, silent so far; every way plays the same drives."""
    made = []
    for fleet in fleets:
        for index, plan in enumerate(fleet.plans):
            begin = index * len(drives) // UNITS_A_WAY
            epochs = spoken(from_now([*drives[begin:], *drives[:begin]]))
            made.append(SimulatedReceiver(epochs, link=city.tty(plan.name), on_written=fleet.said))
    try:
        yield made
    finally:
        for receiver in made:
            receiver.close()


@contextlib.contextmanager
def _playing(receivers: list[SimulatedReceiver], phone: OwnTracks, fixes: Iterator[Fix8]) -> Iterator[None]:
    stop = threading.Event()
    threads = [threading.Thread(target=receiver.play, args=(stop,)) for receiver in receivers]
    threads.append(threading.Thread(target=phone.play, args=(fixes, stop)))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _waiting_rows(outbox: Path) -> int:
    reader = OutboxReader(outbox)
    try:
        return reader.waiting()[0]
    finally:
        reader.close()


def _until(true: Callable[[], bool], city: City) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not true():
        if city.ended() or time.monotonic() > deadline_s:
            late = [f"{plan.name}: {city.children[plan.name].tail(3)}" for plan in city.units]
            raise TimeoutError("\n".join(["the units did not empty their outboxes", *late]))
        time.sleep(0.2)

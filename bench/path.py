"""path: from the moment a row is on the unit's disk until its record is at a consumer.

The row of ten real fixes is committed to a real outbox; a unit's own uplink, wired as gps_unit wires it, sends it over
TLS; broker, bridge and publisher are real processes; a paho client with the city centre's certificate hears the track.
"""

from __future__ import annotations

import random
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from bench.drives import NoRealData, full_drives
from bench.driving import ROW_FIXES, endless
from bench.report import Figure, median, percentile, show, skipped
from edge import wiring as box
from edge.clock import Clock
from edge.config import load_unit
from edge.memory import Memory
from edge.outbox import Outbox
from running.paho_loop import stop_loop
from stage.city import CONSUMER, HOST, City, UnitPlan
from wire.columns import encode_track
from wire.kinds import CLASS_TRACK, KIND_TRACK

PLAN: Final = UnitPlan(name="path-1", asset="engine-1", agency="fire", kind="engine", settings={})
ROWS: Final = 300
SPACING_S: Final = (0.05, 0.4)
DEADLINE_S: Final = 30.0
TURN_S: Final = 0.01
BEGIN_BEFORE_S: Final = 3600  # the rows hold 50 minutes: none is dated in the future

_SEQ: Final = re.compile(rb'"seq":(\d+)')


def main(argv: Sequence[str]) -> int:
    """Run it and print its figures."""
    try:
        bodies = _bodies(ROWS + 1)
    except NoRealData as error:
        return skipped("path", str(error), as_json="--json" in argv)
    with tempfile.TemporaryDirectory(prefix="pantau-path-") as directory:
        city = City(Path(directory), [PLAN])
        city.prepare()
        try:
            city.start_centre()
            figures = _measure(city, bodies)
        finally:
            city.stop()
    conditions = f"{ROWS} rows, {SPACING_S[0] * 1000:g} to {SPACING_S[1] * 1000:g} ms apart, loopback, TLS"
    show("path", figures, as_json="--json" in argv, conditions=conditions)
    return 0


def _bodies(count: int) -> list[bytes]:
    begin_utc_ms = time.time_ns() // 1_000_000 - BEGIN_BEFORE_S * 1000
    fixes = endless(list(full_drives().values()), begin_utc_ms)
    return [encode_track(list(islice(fixes, ROW_FIXES))) for _ in range(count)]


def _measure(city: City, bodies: list[bytes]) -> list[Figure]:
    wanted: dict[int, float] = {}
    appended: dict[int, float] = {}
    with _consumer(city) as heard, _unit(city) as append:
        first, _ = append(bodies[0])  # connected, greeted and receipted before anything is measured
        _until(lambda: first in heard)
        for body in bodies[1:]:
            time.sleep(random.uniform(*SPACING_S))
            wanted_s = time.monotonic()
            seq, appended[seq] = append(body)
            wanted[seq] = wanted_s
        _until(lambda: appended.keys() <= heard.keys())
    took_ms = [1000 * (heard[seq] - at_s) for seq, at_s in appended.items()]
    disk_ms = [1000 * (at_s - wanted[seq]) for seq, at_s in appended.items()]
    return [
        Figure("append to clean topic, median", median(took_ms), "ms", "≤ 15"),
        Figure("append to clean topic, p99", percentile(took_ms, 99), "ms", "≤ 80"),
        Figure("append to clean topic, most", max(took_ms), "ms"),
        Figure("the append itself, median", median(disk_ms), "ms", note="until it is on disk; not in the above"),
    ]


@contextmanager
def _unit(city: City) -> Iterator[Callable[[bytes], tuple[int, float]]]:
    """A unit's outbox and uplink, without its receiver; `append(body)` gives the row's seq, and when it was on disk."""
    config, clock, stop = load_unit(city.unit_config(PLAN.name)), Clock(), threading.Event()
    outbox = Outbox(config.outbox.path, limit_bytes=config.outbox.limit_mb * 1_000_000, clock=clock)
    uplink = box.uplink(config, clock, outbox, Memory(config.documents.path))
    thread = threading.Thread(target=uplink.run, args=(stop,), name="uplink")

    def append(body: bytes) -> tuple[int, float]:
        row_id = outbox.append(body, kind=KIND_TRACK, cls=CLASS_TRACK)
        at_s = time.monotonic()
        uplink.wake()
        return row_id, at_s  # the id is the seq in a file's first outbox

    thread.start()
    try:
        yield append
    finally:
        stop.set()
        uplink.wake()
        thread.join()
        outbox.close()


@contextmanager
def _consumer(city: City) -> Iterator[dict[int, float]]:
    """A client of the city centre; fills seq -> when its track was heard, monotonic seconds."""
    heard: dict[int, float] = {}
    subscribed = threading.Event()

    def take(_client: Any, _userdata: Any, message: paho.MQTTMessage) -> None:
        at_s = time.monotonic()
        if found := _SEQ.search(message.payload):
            heard.setdefault(int(found[1]), at_s)

    who = city.credentials(CONSUMER)
    client = paho.Client(CallbackAPIVersion.VERSION2, CONSUMER)
    client.tls_set(str(who.ca_path), str(who.certificate_path), str(who.key_path))
    client.on_message = take
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect(HOST, city.port)
    client.loop_start()
    client.subscribe(f"city/v1/{PLAN.agency}/{PLAN.asset}/track")
    try:
        if not subscribed.wait(DEADLINE_S):
            raise TimeoutError("the broker lets no consumer subscribe")
        yield heard
    finally:
        client.disconnect()
        stop_loop(client)


def _until(true: Callable[[], bool]) -> None:
    """Wait until it is; raises TimeoutError."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not true():
        if time.monotonic() > deadline_s:
            raise TimeoutError("not every row came")
        time.sleep(TURN_S)

"""3,000 poles whose power comes back at once: until every verdict is stored, and on the state topics.

Real Mosquitto over mutual TLS, real bridge, real publisher; the nodes are one process of real protocol clients
(bench/storming.py), all on the same machine. A consumer reads every state topic, and at the end `pantau cameras` says
what it sees, as an operator would ask.
"""

from __future__ import annotations

import contextlib
import json
import random
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from bench.centre import used
from bench.pole import AGENCY, CAMERAS, names
from bench.processes import rss_mb
from bench.report import Figure, percentile, progress
from bench.storming import Storm, greeting
from bench.units import OWN_FILES, open_files
from broker.store import open_store
from stage.city import CENTRE, CONSUMER, HOST, City, UnitPlan, assignments_csv
from stage.clients import Client, tls, turn_all

NODES: Final = 3_000
DEADLINE_S: Final = 600.0
LOOK_S: Final = 0.1
SEED: Final = 5


class Wall(threading.Thread):
    """A consumer: when the state of each pole first had all of its cameras, by the monotonic clock."""

    def __init__(self, city: City) -> None:
        super().__init__(name="wall")
        self.whole_s: dict[str, float] = {}
        self.messages = 0
        self._stop_asked = threading.Event()
        who = city.credentials(CONSUMER)
        context = tls(who.ca_path, who.certificate_path, who.key_path)
        self._client = Client(HOST, city.port, context, CONSUMER, self._heard)
        self._client.subscribe("city/v1/+/+/state")

    def run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._client, selectors.EVENT_READ)
            while not self._stop_asked.is_set():
                turn_all(selector, 0.2)
        self._client.close()

    def stop(self) -> None:
        self._stop_asked.set()
        self.join()

    def _heard(self, _topic: str, payload: bytes) -> None:
        self.messages += 1
        if (asset := whole(payload)) is not None:
            self.whole_s.setdefault(asset, time.monotonic())


def whole(payload: bytes) -> str | None:
    """The asset of a state message when all of a pole's cameras are in it and see; else None."""
    if not payload:
        return None
    state = orjson.loads(payload)
    cameras = state["cameras"]
    seeing = sum(camera["verdict"] == "seeing" for camera in cameras.values())
    return str(state["asset"]) if seeing == CAMERAS else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Weathered:
    """How it went; times in seconds since the power came back."""

    nodes: int
    connected_s: list[float]
    stored_s: float
    shown_s: list[float]
    messages: int
    refused: int
    lost: int
    resent: int
    cpu_s: dict[str, float]
    load_cpu_s: float
    rss_mb: dict[str, float]
    asked_s: float
    seeing: int


def figures(directory: Path, nodes: int = NODES) -> list[Figure]:
    """Run it in `directory`."""
    return [*_figures(weathered(directory, nodes))]


def weathered(directory: Path, nodes: int) -> Weathered:
    """One storm; raises TimeoutError when it is not over within DEADLINE_S."""
    open_files(nodes + OWN_FILES)
    called = [f"pole-{number:04}" for number in range(nodes)]
    city = City(directory, [])
    city.prepare()
    plans = [UnitPlan(name=one, asset=one, agency=AGENCY, kind="pole", settings={}) for one in called]
    city.assignments_path.write_text(assignments_csv(plans), "utf-8")
    storm = Storm(city.authority, city.port, called, names(), luck=random.Random(SEED))
    progress(f"poles: {nodes:,} certificates made")
    with contextlib.ExitStack() as stack:
        stack.callback(city.stop)
        city.start_centre()
        wall = Wall(city)
        wall.start()
        stack.callback(wall.stop)
        stack.callback(storm.stop)
        before, load_s = used(city), time.process_time()
        storm.start()
        stored_s = _awaited(city, storm, wall, nodes)
        load_s = time.process_time() - load_s
        spent = {part: now_s - before[part] for part, now_s in used(city).items()}
        memory = {part: rss_mb(city.children[part].pid) for part in CENTRE}
        asked_s, seeing = _asked(city)
    return Weathered(
        nodes=nodes,
        connected_s=[at_s - storm.began_s for at_s in storm.connected_s],
        stored_s=stored_s,
        shown_s=[at_s - storm.began_s for at_s in wall.whole_s.values()],
        messages=wall.messages,
        refused=storm.refused,
        lost=storm.lost,
        resent=storm.resent,
        cpu_s=spent,
        load_cpu_s=load_s,
        rss_mb=memory,
        asked_s=asked_s,
        seeing=seeing,
    )


def _awaited(city: City, storm: Storm, wall: Wall, nodes: int) -> float:
    """When all was stored, in seconds since the power came back; returns when everything is shown, too."""
    rows = nodes * (CAMERAS + len(greeting(0)))
    stored_s: float | None = None
    until_s = time.monotonic() + DEADLINE_S
    with open_store(city.store_url) as store:
        while stored_s is None or len(wall.whole_s) < nodes:
            now_s = time.monotonic()
            if now_s > until_s or not (wall.is_alive() and storm.is_alive()):
                here = f"{len(storm.connected_s)} connected, {store.last_log_id()} rows, {len(wall.whole_s)} shown"
                raise TimeoutError(f"{here}, of {nodes} nodes and {rows} rows")
            if stored_s is None and store.last_log_id() >= rows:
                stored_s = now_s - storm.began_s
            time.sleep(LOOK_S)
    return stored_s


def _asked(city: City) -> tuple[float, int]:
    """Seconds that `pantau cameras` takes, and how many cameras see by it."""
    command = [sys.executable, "-m", "pantau", "cameras", "--config", str(city.centre_config), "--json"]
    begun_s = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    lines = done.stdout.splitlines()
    return time.monotonic() - begun_s, sum(json.loads(line)["sees"] is True for line in lines)


def _figures(storm: Weathered) -> Iterator[Figure]:
    name, cameras = f"{storm.nodes:,} poles", storm.nodes * CAMERAS
    note = f"{storm.refused} attempts refused, {storm.lost} connections lost"
    yield Figure(f"{name}: all connected", max(storm.connected_s), "s", None, note)
    yield Figure(f"{name}: {cameras:,} verdicts stored", storm.stored_s, "s", "≤ 60", f"{storm.resent} sent again")
    yield Figure(f"{name}: shown, the half", percentile(storm.shown_s, 50), "s")
    note = f"{storm.messages:,} state messages"
    yield Figure(f"{name}: shown, all", max(storm.shown_s), "s", "≤ 60", note)
    for part in CENTRE:
        yield Figure(f"{name}: {part} CPU", storm.cpu_s[part], "s")
    note = f"all together {storm.load_cpu_s + sum(storm.cpu_s.values()):.0f} s: alone, two cores take half of it"
    yield Figure(f"{name}: the nodes' own CPU", storm.load_cpu_s, "s", None, note)
    for part in CENTRE:
        yield Figure(f"{name}: {part} memory", storm.rss_mb[part], "MB RSS")
    yield Figure("pantau cameras, all of them", storm.asked_s, "s", None, f"{storm.seeing:,} of {cameras:,} see")

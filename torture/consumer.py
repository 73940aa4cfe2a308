"""A recording consumer as docs/consume.md describes one: follows the clean topics, replays what it missed."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from broker.assets import unassigned
from running.paho_loop import stop_loop
from stage.city import CONSUMER, HOST, City, UnitPlan
from torture.account import Key, Stored
from wire import topics

COMMAND_DEADLINE_S: Final = 300.0

# What a fix is known by, from its time (Unix ms, None: not known) and place (1e-7 deg).
KnownBy = Callable[[int | None, int, int], Key]


def by_place(_utc_ms: int | None, lat_e7: int, lon_e7: int) -> Key:
    """The suite's own drive never names a place twice."""
    return lat_e7, lon_e7


def by_time(utc_ms: int | None, _lat_e7: int, _lon_e7: int) -> Key:
    """A recorded drive, restamped, never names an instant twice."""
    return utc_ms


def followed(units: Sequence[UnitPlan]) -> Iterator[tuple[str, int]]:
    """(topic, QoS) of all that is published of these units; a whole fleet beside them is somebody else's."""
    for unit in units:
        for agency, asset in ((unit.agency, unit.asset), unassigned(unit.name)[:2]):
            yield topics.city(agency, asset, "track"), 1
            yield topics.city(agency, asset, "state"), 0


class Track(NamedTuple):
    """A track message: when it came (monotonic s), of which unit, and the keys of its fixes, oldest first."""

    at_s: float
    unit: str
    keys: list[Key]


class Consumer:
    """Keeps a cursor (log_id) a topic; a message whose prev_log_id is another one shows that something was missed."""

    def __init__(self, city: City, known_by: KnownBy = by_place) -> None:
        """`on_track(unit, keys, at_s)` is told of each message once, with when it came (monotonic), by `fixes`."""
        self.on_track: Callable[[str, list[Key], float], None] = lambda _unit, _keys, _at_s: None
        self._city = city
        self._known_by = known_by
        self._messages: queue.SimpleQueue[tuple[str, bytes, float]] = queue.SimpleQueue()
        self._tracks: list[Track] = []
        self._states: dict[str | None, dict[str, Any]] = {}
        self._cursors: dict[str, int | None] = {}
        self._missed_after: list[int] = []
        self._fixes: set[tuple[str, Key]] = set()
        self.gaps = 0
        self.live = 0
        self.replayed = 0
        who = city.credentials(CONSUMER)
        self._client = paho.Client(CallbackAPIVersion.VERSION2, CONSUMER, reconnect_on_failure=True)
        self._client.tls_set(str(who.ca_path), str(who.certificate_path), str(who.key_path))
        self._client.reconnect_delay_set(1, 2)
        self._granted = False
        mine = list(followed(city.units))
        self._client.on_connect = lambda client, *_: client.subscribe(mine)
        self._client.on_subscribe = lambda *_: self._is_granted(True)
        self._client.on_disconnect = lambda *_: self._is_granted(False)
        self._client.on_message = lambda _client, _userdata, message: self._messages.put(
            (message.topic, bytes(message.payload), time.monotonic())
        )

    def start(self) -> None:
        """Listen until `stop`, through every death of the broker."""
        self._client.connect_async(HOST, self._city.port, keepalive=10)
        self._client.loop_start()

    def stop(self) -> None:
        self._client.disconnect()
        stop_loop(self._client)

    @property
    def connected(self) -> bool:
        """Whether it is subscribed at this moment."""
        return self._granted

    def fixes(self) -> set[tuple[str, Key]]:
        """(unit, key) of every fix it has, live and replayed."""
        self._take()
        return self._fixes

    def tracks(self) -> list[Track]:
        """Every track as it came, the first time it did."""
        self._take()
        return self._tracks

    def marker_utc_ms(self, unit: str) -> int:
        """When the unit's live marker was there, as its asset's state says; 0 when it has none."""
        self._take()
        fix_utc = self._states.get(unit, {}).get("fix_utc")
        return 0 if fix_utc is None else round(datetime.fromisoformat(fix_utc).timestamp() * 1000)

    def replay(self) -> None:
        """Catch up from the cursor: what the topics did not bring (also at their end) the export does."""
        self.live = len(self.fixes())
        cursors = [c for c in (*self._cursors.values(), *self._missed_after) if c is not None]
        after = min(cursors, default=0)
        for plan in self._city.units:
            stored = exported(self._city, plan.name, self._known_by, after_log_id=after)
            fresh = {(plan.name, one.key) for one in stored} - self._fixes
            self.replayed += len(fresh)
            self._fixes |= fresh

    def _is_granted(self, granted: bool) -> None:
        self._granted = granted

    def _take(self) -> None:
        while not self._messages.empty():
            topic, payload, at_s = self._messages.get()
            if topic.endswith("/state"):
                state = json.loads(payload) if payload else {}
                self._states[state.get("unit")] = state
                continue
            said = json.loads(payload)
            last = self._cursors.get(topic)
            if last is not None and said["log_id"] <= last:
                continue
            if said["prev_log_id"] != last:
                self.gaps += 1
                self._missed_after.append(last or 0)
            self._cursors[topic] = said["log_id"]
            keys = self._keys(said)
            self._tracks.append(Track(at_s, said["unit"], keys))
            self._fixes |= {(said["unit"], key) for key in keys}
            self.on_track(said["unit"], keys, at_s)

    def _keys(self, said: dict[str, Any]) -> list[Key]:
        geometry = said["geometry"]
        places = [geometry["coordinates"]] if geometry["type"] == "Point" else geometry["coordinates"]
        times = said["properties"]["unix_ms"]
        return [self._known_by(at, _e7(lat), _e7(lon)) for at, (lon, lat, *_) in zip(times, places, strict=True)]


def pantau(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """One command of the command line, as a person would run it."""
    command, env = [sys.executable, "-m", "pantau", *words], {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_DEADLINE_S, check=False, env=env)


def exported(city: City, unit: str, known_by: KnownBy, *, after_log_id: int | None = None) -> list[Stored]:
    """Every fix that `pantau export` gives for a unit; raises RuntimeError with what it said."""
    after = [] if after_log_id is None else ["--after", str(after_log_id)]
    done = pantau("export", "--store", city.store_url, "--unit", unit, *after)
    if done.returncode:
        raise RuntimeError(f"pantau export: {done.stderr}")
    found = []
    for line in done.stdout.splitlines()[1:]:
        time, lat, lon, _ = line.split(",", 3)
        utc_ms = int(time) if time else None
        found.append(Stored(known_by(utc_ms, _e7(float(lat)), _e7(float(lon))), utc_ms))
    return found


def exported_utc_ms(city: City, unit: str, *, after_log_id: int | None = None) -> list[int]:
    """Times (Unix ms) of every dated fix that `pantau export` gives for a unit."""
    found = exported(city, unit, by_time, after_log_id=after_log_id)
    return [one.utc_ms for one in found if one.utc_ms is not None]


def _e7(deg: float) -> int:
    return round(deg * 10_000_000)

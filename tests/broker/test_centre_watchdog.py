"""The parts of the centre as systemd sees them: real processes, a real socket, a broker and a store that go away."""

from __future__ import annotations

import inspect
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from arrivals import arrival
from bridge_driver import UnitVoice, row
from mqtt_client import MqttClient
from service_manager import Manager

from broker.assets import Assignment
from broker.mosquitto import ThrowawayMosquitto
from broker.store import Store, open_store
from broker.store.sqlite import SqliteStore
from provisioning.throwaway import Authority

NAMES = {
    "bridge-1": "bridge", "bridge-1-receipts": "bridge", "bridge-publisher": "publisher", "bridge-work": "publisher",
    "bridge-answers": "publisher",
}  # fmt: skip
PARTS = (("bridge",), ("publisher",), ("work",), ("answers",), ("sink", "erp"))
HELD = Assignment(
    unit="ambulance-1", asset="engine-3", agency="fire", kind="fire_engine", from_utc_ms=0, to_utc_ms=None
)
WATCHDOG_S = 1.5
TURN_WITHIN_S = 3.0

# A part's own main, in which a loop has to turn every three seconds; at the point named first it hangs for ever.
PROGRAM = f"""
import sys, time
import running.turns
running.turns.TURN_WITHIN_S = {TURN_WITHIN_S}
from broker.__main__ import main
point, *words = sys.argv[1:]
sys.exit(main(words, at=lambda name: time.sleep(3600) if name == point else None))
"""


class Place:
    """One machine of a centre: its configuration, its service manager, its processes."""

    def __init__(self, folder: Path, authority: Authority, port: int) -> None:
        for name, role in NAMES.items():
            authority.ensure(name, role)
        self.manager = Manager(folder, watchdog_s=WATCHDOG_S)
        self.log_path = folder / "log"
        self.store_url = f"sqlite:///{folder}/store.db"
        self.config = folder / "centre.toml"
        (folder / "secret").write_text("0123456789abcdef0123456789abcdef")
        (folder / "secret").chmod(0o600)
        self.config.write_text(
            f'[broker]\nhost = "localhost"\nport = {port}\nrun = false\n'
            f'[credentials]\ndirectory = "{authority.directory}"\n'
            f'[store]\nurl = "{self.store_url}"\nstate_directory = "state"\n'
            "[metrics]\nbridge_port = 0\npublisher_port = 0\nwork_port = 0\n"
            '[[sinks.each]]\nname = "erp"\nkind = "webhook"\nurl = "https://localhost:9/in"\nmetrics_port = 0\n'
            f'secret_path = "{folder}/secret"\n',
            "utf-8",
        )
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *part: str, hangs_at: str = "") -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", PROGRAM, hangs_at, "--config", str(self.config), *part]
        with self.log_path.open("ab") as log:
            environment = {**os.environ, **self.manager.environment}
            self.started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
        return self.started[-1]

    def log(self) -> str:
        return self.log_path.read_text("utf-8", "replace")


@pytest.fixture
def place(tmp_path: Path, authority: Authority, mosquitto: ThrowawayMosquitto) -> Iterator[Place]:
    made = Place(tmp_path, authority, mosquitto.port)
    yield made
    for process in made.started:
        process.kill()
        process.wait()
    made.manager.close()


@pytest.fixture
def unit(authority: Authority, mosquitto: ThrowawayMosquitto) -> Iterator[UnitVoice]:
    voice = UnitVoice(MqttClient(authority.ensure("box-1", "unit"), mosquitto.host, mosquitto.port), "box-1")
    yield voice
    voice.client.close()


@pytest.mark.parametrize("part", PARTS, ids=" ".join)
def test_each_part_is_ready_fed_says_how_it_is_and_that_it_stops(place: Place, part: tuple[str, ...]) -> None:
    with open_store(place.store_url, writer=True):
        pass  # as a bridge has left it
    running = place.start(*part)
    place.manager.until("READY=1")
    place.manager.until("WATCHDOG=1")
    place.manager.until("WATCHDOG=1")
    assert any(each.startswith("STATUS=") for each in place.manager.told)
    running.send_signal(signal.SIGTERM)
    place.manager.until("STOPPING=1")
    assert running.wait(30.0) == 0, place.log()


def test_a_bridge_is_ready_when_the_broker_has_granted_what_it_reads(
    place: Place, mosquitto: ThrowawayMosquitto
) -> None:
    mosquitto.kill()
    place.start("bridge")
    assert "READY=1" not in place.manager.until("STATUS=waiting for the broker")
    mosquitto.start()
    place.manager.until("READY=1")
    place.manager.until("STATUS=0 units online; 0 rows stored since the start")
    mosquitto.kill()
    place.manager.until("STATUS=waiting for the broker")
    place.manager.until("WATCHDOG=1")
    place.manager.until("WATCHDOG=1")
    assert place.manager.told.count("READY=1") == 1
    mosquitto.start()
    place.manager.until("STATUS=0 units online; 0 rows stored since the start")


def test_a_store_that_hangs_for_ever_leaves_the_watchdog_fed_and_is_said(place: Place, unit: UnitVoice) -> None:
    place.start("bridge", hangs_at="commit:begun")
    place.manager.until("READY=1")
    unit.bridge_is_online()
    unit.send([row(1)])
    place.manager.until("STATUS=the store does not answer")
    for _ in range(4):  # said after 5 s: the commit hangs for longer than a loop may be busy
        place.manager.until("WATCHDOG=1")
    assert "has not turned" not in place.log()


def test_a_committer_that_hangs_by_itself_leaves_it_unfed(place: Place, unit: UnitVoice) -> None:
    place.start("bridge", hangs_at="group:read")
    place.manager.until("READY=1")
    unit.bridge_is_online()
    unit.send([row(1)])
    deaf = "committer has not turned for 3 s; the watchdog goes unfed"
    deadline = time.monotonic() + 60.0
    while deaf not in place.log():
        assert time.monotonic() < deadline, place.log()
        time.sleep(0.1)
    place.manager.heard()
    with pytest.raises(AssertionError, match="no WATCHDOG=1"):
        place.manager.until("WATCHDOG=1", within_s=2 * WATCHDOG_S)


def each_method(store: SqliteStore) -> list[Callable[[], object]]:
    """Everything that a part asks of the store."""
    return [
        lambda: store.commit([arrival(2)]), lambda: store.high_seq("ambulance-1", 0xCAFE),
        lambda: store.read_log(0, 10), lambda: store.earlier(store.read_log(0, 1)[0]), store.last_log_id,
        store.next_log_id, lambda: store.begin_at(100), lambda: store.wait(10_000, 0.01), lambda: store.unread(0),
        lambda: store.cursor("publisher"), store.cursors, lambda: store.set_cursor("publisher", 1),
        lambda: store.newest_track("fire", "engine-3"), lambda: store.newest_tracks(0), lambda: store.newest_looks(4),
        lambda: store.ended_names(0), store.assignments,
        lambda: store.set_assignments([HELD]),
        lambda: list(store.rows(unit="ambulance-1")), lambda: list(store.rows(asset="engine-3")),
        lambda: list(store.recorded("ambulance-1")), lambda: list(store.rows_after(0, unit="ambulance-1")),
        store.ledger, lambda: list(store.incomplete()), store.ledger_sums, store.units, lambda: store.purge(0),
        store.purged_before, store.size, store.rederive, store.close,
    ]  # fmt: skip


def test_that_is_everything_there_is_to_ask() -> None:
    asked = set(re.findall(r"store\.(\w+)", inspect.getsource(each_method)))
    assert asked == {name for name, each in vars(Store).items() if callable(each) and not name.startswith("_")}


def test_whoever_waits_for_the_store_is_away(tmp_path: Path) -> None:
    away, asked, wrong = 0, 0, list[str]()

    class Away:
        def __enter__(self) -> None:
            nonlocal away
            away += 1

        def __exit__(self, *_: object) -> None:
            nonlocal away
            away -= 1

    def statement(text: str) -> None:
        nonlocal asked
        asked += 1
        if not away:
            wrong.append(text)

    store = SqliteStore(str(tmp_path / "store.db"), writer=True, away=Away)
    store.commit([arrival(1)])
    store._db.set_trace_callback(statement)
    for ask in each_method(store):
        before = asked
        ask()
        assert asked > before or ask in (store.size, store.close)
    assert wrong == []
    assert away == 0

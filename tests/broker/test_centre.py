"""The centre's entry point as systemd starts it: real processes, real signals, one configuration file."""

from __future__ import annotations

import json
import os
import queue
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bridge_driver import UnitVoice, row
from mqtt_client import MqttClient

from broker.config import load_centre
from broker.mosquitto import ThrowawayMosquitto
from broker.store import open_store
from provisioning.throwaway import Authority
from settings import ConfigError
from wire.ranges import Ranges

REPOSITORY = Path(__file__).resolve().parents[2]
NAMES = {"bridge-1": "bridge", "bridge-1-receipts": "bridge", "bridge-publisher": "publisher", "localhost": "broker"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Centre:
    """Processes of `python -m broker` under one configuration; whatever still lives at the end is killed."""

    def __init__(self, authority: Authority, directory: Path, port: int, *, run: bool) -> None:
        for name, role in NAMES.items():
            authority.ensure(name, role)
        self.port = port
        self.directory = directory
        self.config = directory / "centre.toml"
        self.store_url = f"sqlite:///{directory}/store.db"
        self.config.write_text(
            f'[broker]\nhost = "localhost"\nport = {port}\nlisten = "127.0.0.1"\nrun = {str(run).lower()}\n'
            f'[credentials]\ndirectory = "{authority.directory}"\n'
            f'[store]\nurl = "{self.store_url}"\nstate_directory = "state"\n'
            "[metrics]\nbridge_port = 0\npublisher_port = 0\n",
            "utf-8",
        )
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, *part: str) -> subprocess.Popen[bytes]:
        with (self.directory / "log").open("ab") as log:
            command = [sys.executable, "-m", "broker", "--config", str(self.config), *part]
            self.started.append(subprocess.Popen(command, cwd=REPOSITORY, stderr=log, stdout=log))
        return self.started[-1]

    def log(self) -> str:
        return (self.directory / "log").read_text("utf-8", "replace")

    def stored(self) -> set[int]:
        with open_store(self.store_url) as store:
            return {entry.seq for entry in store.read_log(0, 100_000)}


@pytest.fixture
def centre(authority: Authority, tmp_path: Path) -> Iterator[Centre]:
    made = Centre(authority, tmp_path, free_port(), run=True)
    yield made
    for process in made.started:
        process.kill()
        process.wait()


def children_of(pid: int) -> dict[str, int]:
    """Name of the part → pid, of the living processes started by `pid`."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            command = stat.with_name("cmdline").read_bytes().split(b"\0")
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == pid and len(command) > 1:
            part = "mosquitto" if b"mosquitto" in command[0] else command[-2].decode()
            found[part] = int(stat.parent.name)
    return found


def eventually(claim: Callable[[], object], within_s: float = 15.0, what: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + within_s
    while not claim():
        assert time.monotonic() < deadline, what()
        time.sleep(0.05)


def is_up(centre: Centre) -> bool:
    presence = centre.directory / "state" / "presence.json"
    try:
        with socket.create_connection(("127.0.0.1", centre.port), timeout=1):
            return presence.exists()
    except OSError:
        return False


def test_one_command_runs_the_centre_and_sigterm_ends_all_of_it_in_five_seconds(
    centre: Centre, authority: Authority
) -> None:
    running = centre.start()
    eventually(lambda: is_up(centre), what=centre.log)
    children = children_of(running.pid)
    assert set(children) == {"mosquitto", "bridge", "publisher"}
    unit = UnitVoice(MqttClient(authority.ensure("ambulance-1", "unit"), "localhost", centre.port), "ambulance-1")
    unit.bridge_is_online()
    unit.send([row(1)], lane="bulk")
    assert unit.receipt().ranges == Ranges([(1, 1)])
    unit.send([row(2)])
    eventually(lambda: centre.stored() == {1, 2})
    running.send_signal(signal.SIGTERM)
    assert running.wait(5.0) == 0, centre.log()
    assert unit.receipt().ranges == Ranges([(2, 2)]), "the receipt it owed"
    unit.client.close()
    assert not [name for name, pid in children.items() if Path(f"/proc/{pid}").exists()]


def test_the_first_part_to_fail_stops_the_rest(centre: Centre) -> None:
    running = centre.start()
    eventually(lambda: is_up(centre), what=centre.log)
    children = children_of(running.pid)
    os.kill(children["bridge"], signal.SIGKILL)
    assert running.wait(6.0) == 1
    assert "bridge ended (SIGKILL); stopping the rest" in centre.log()
    assert not [name for name, pid in children.items() if Path(f"/proc/{pid}").exists()]


def test_killed_itself_it_leaves_nobody_behind(centre: Centre) -> None:
    running = centre.start()
    eventually(lambda: is_up(centre), what=centre.log)
    children = children_of(running.pid)
    running.kill()
    running.wait()
    eventually(lambda: not [pid for pid in children.values() if Path(f"/proc/{pid}").exists()], within_s=6.0)


def test_a_taken_port_is_one_clear_line(centre: Centre) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", centre.port))
        other.listen()
        assert centre.start("mosquitto").wait(10.0) == 1
    assert centre.log().strip().splitlines() == [
        f"ERROR mosquitto: cannot listen on 127.0.0.1 port {centre.port}: Address already in use"
    ]


def test_every_problem_of_the_file_is_named_and_the_exit_code_is_78(centre: Centre) -> None:
    centre.config.write_text(
        '[broker]\nhost = "localhost"\nport = 70000\nconsumers = [{ name = "city-x\\nuser y", agencies = ["*"] }]\n'
        '[credentials]\ndirectory = "nowhere"\nbridge = "unit-1"\n[store]\nurl = "mysql://x"\nspeed = 3\n',
        "utf-8",
    )
    assert centre.start().wait(10.0) == 78
    for key in ("broker.port", "broker.consumers", "credentials.bridge", "store.url", "store.speed"):
        assert key in centre.log()


def test_every_missing_certificate_is_named(centre: Centre) -> None:
    text = centre.config.read_text("utf-8")
    centre.config.write_text(text.replace("directory = ", 'directory = "nowhere"  # ', 1), "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_centre(centre.config)
    for name in ("ca.pem", "bridge-1.key", "bridge-1-receipts.pem", "bridge-publisher.pem", "localhost.key"):
        assert name in str(caught.value)


def test_whatever_is_killed_a_receipted_row_is_stored_and_the_rest_is_sent_again(
    authority: Authority, mosquitto: ThrowawayMosquitto, tmp_path: Path
) -> None:
    """A unit that deletes on receipt only, a bridge and a broker that are killed again and again: nothing is lost."""
    centre = Centre(authority, tmp_path, mosquitto.port, run=False)
    dice, pending, receipted = random.Random(7), set(range(1, 201)), Ranges()
    bridge = centre.start("bridge")
    unit = UnitVoice(MqttClient(authority.ensure("ambulance-1", "unit"), "localhost", mosquitto.port), "ambulance-1")
    try:
        for turn in range(60):
            if turn in (5, 12, 20):
                bridge.kill()
                bridge.wait()
                assert set(seqs_of(receipted)) <= centre.stored()
                bridge = centre.start("bridge")
            if turn in (9, 16):
                unit.client.close()
                mosquitto.kill()
                mosquitto.start()
                unit = UnitVoice(
                    MqttClient(authority.ensure("ambulance-1", "unit"), "localhost", mosquitto.port), "ambulance-1"
                )
            unit.send([row(seq) for seq in sorted(dice.sample(sorted(pending), min(10, len(pending))))], lane="bulk")
            try:
                for first, last in unit.receipt(patience_s=1.0).ranges:
                    receipted.add(first, last)
                    pending -= set(range(first, last + 1))
            except queue.Empty:
                continue  # killed, or not back yet: pending again
            if not pending:
                break
        bridge.send_signal(signal.SIGTERM)
        assert bridge.wait(5.0) == 0, centre.log()
    finally:
        unit.client.close()
        for process in centre.started:
            process.kill()
            process.wait()
    assert not pending
    assert centre.stored() == set(range(1, 201))


def seqs_of(ranges: Ranges) -> Iterator[int]:
    for first, last in ranges:
        yield from range(first, last + 1)


def test_the_bridge_says_in_its_file_what_it_counted(
    authority: Authority, mosquitto: ThrowawayMosquitto, tmp_path: Path
) -> None:
    centre = Centre(authority, tmp_path, mosquitto.port, run=False)
    bridge = centre.start("bridge")
    unit = UnitVoice(MqttClient(authority.ensure("ambulance-1", "unit"), "localhost", mosquitto.port), "ambulance-1")
    try:
        unit.bridge_is_online()
        unit.send_bytes(b"\xff")
        unit.send([row(1)], lane="bulk")
        unit.receipt()
        bridge.send_signal(signal.SIGTERM)
        assert bridge.wait(5.0) == 0
        counted = json.loads((tmp_path / "state" / "presence.json").read_text())["bridge"]
        assert counted["rows"] == 1
        assert [name for name in counted if name.startswith("malformed")]
    finally:
        unit.client.close()
        bridge.kill()
        bridge.wait()

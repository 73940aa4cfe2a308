"""What docs/consume.md tells a central system is true: its examples, and its program."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from broker.acl import Consumer, Roles
from broker.config import load_centre
from broker.mosquitto import ThrowawayMosquitto
from broker.mqtt import Endpoint
from broker.publisher import Publisher
from broker.store import Arrival, Store, open_store
from provisioning.throwaway import Authority, make_authority
from wire.columns import encode_track
from wire.kinds import KIND_TRACK

REPOSITORY = Path(__file__).resolve().parents[2]
TEXT = (REPOSITORY / "docs" / "consume.md").read_text("utf-8")
NOON_MS = 1_795_435_200_000
TOPIC = "city/v1/unassigned/unassigned-box-7/track"
PATIENCE_S = 20.0


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("stream", ["state", "track", "event", "health"])
def test_the_example_of_each_topic_is_whole_and_in_its_schema(stream: str) -> None:
    from jsonschema import Draft202012Validator

    schema = json.loads((REPOSITORY / "broker" / "schemas" / f"{stream}.json").read_text())
    example = re.search(rf"### `city/v1/\S+/{stream}`\n\n```json\n(.*?)```", TEXT, re.DOTALL)
    assert example is not None
    content = json.loads(example[1])
    Draft202012Validator(schema).validate(content)
    assert list(content) == list(schema["properties"])


def test_every_schema_and_name_of_an_event_is_mentioned() -> None:
    for path in (REPOSITORY / "broker" / "schemas").glob("*.json"):
        assert f"(../broker/schemas/{path.name})" in TEXT
    for name in re.findall(r'_named\(\s*"(\w+)"', (REPOSITORY / "broker" / "clean.py").read_text()):
        assert f"`{name}`" in TEXT


def test_the_configuration_it_shows_is_one(tmp_path: Path, authority: Authority) -> None:
    (shown,) = blocks("toml")
    authority.ensure("broker.city.example", "broker")
    for name in ("bridge-1", "bridge-1-receipts", "bridge-publisher"):
        authority.ensure(name, "bridge")
    file = tmp_path / "centre.toml"
    rest = f'[credentials]\ndirectory = "{authority.directory}"\n[store]\nurl = "sqlite:///{tmp_path}/store.db"\n'
    file.write_text(f"{shown}\n{rest}")
    assert load_centre(str(file)).roles.consumers == (
        Consumer(name="city-fire", agencies=("fire",)),
        Consumer(name="city-centre", agencies=("*",)),
    )


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return make_authority(tmp_path / "authority")


@pytest.fixture
def mosquitto(authority: Authority, tmp_path: Path) -> Iterator[ThrowawayMosquitto]:
    mine = authority.ensure("localhost", "broker")
    roles = Roles(consumers=(Consumer(name="city-centre", agencies=("*",)),))
    authority.ensure("city-centre", "consumer")
    with ThrowawayMosquitto(
        tmp_path / "mosquitto",
        ca_path=mine.ca_path,
        certificate_path=mine.certificate_path,
        key_path=mine.key_path,
        roles=roles,
    ) as running:
        yield running


class Program:
    """The program of consume.md, with verbs."""

    def __init__(self, folder: Path, authority: Authority, mosquitto: ThrowawayMosquitto) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "consume.py").write_text(blocks("python")[0])
        self._folder = folder
        self._command = [sys.executable, "consume.py", mosquitto.host, str(mosquitto.port)]
        self._command += [str(authority.directory), "city-centre", TOPIC]
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self.lines: list[str] = []

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, cwd=self._folder, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,))
        self._reader.start()

    def kill(self) -> None:
        if self._process is not None and self._reader is not None:
            self._process.kill()
            self._process.wait()
            self._reader.join()
            self._process = None

    def says(self, what: Callable[[str], bool]) -> None:
        """Return when a line says it; raises TimeoutError when none does."""
        until_s = time.monotonic() + PATIENCE_S
        while not any(what(line) for line in list(self.lines)):
            if time.monotonic() > until_s:
                raise TimeoutError(f"it said {self.lines[-5:]}")
            time.sleep(0.02)

    def seqs(self) -> list[int]:
        return [int(line.split()[2]) for line in self.lines if not line.startswith("gap")]

    def _read(self, output: IO[str]) -> None:
        self.lines.extend(line.strip() for line in output)


@pytest.fixture
def program(tmp_path: Path, authority: Authority, mosquitto: ThrowawayMosquitto) -> Iterator[Program]:
    made = Program(tmp_path / "program", authority, mosquitto)
    yield made
    made.kill()


def commit(store: Store, *seqs: int) -> None:
    def body(seq: int) -> bytes:
        return encode_track([(NOON_MS + seq * 1_000, -61_754_000, 1_068_272_000, None, None, None, None, None)])

    store.commit([Arrival("box-7", 7, seq, 0, KIND_TRACK, body(seq), NOON_MS) for seq in seqs])


def test_its_program_drops_duplicates_keeps_its_cursor_and_names_the_gap(
    tmp_path: Path, authority: Authority, mosquitto: ThrowawayMosquitto, program: Program
) -> None:
    url = f"sqlite:///{tmp_path}/central.db"
    mine = authority.ensure("bridge-publisher", "publisher")
    endpoint = Endpoint(
        host=mosquitto.host,
        port=mosquitto.port,
        ca_path=mine.ca_path,
        certificate_path=mine.certificate_path,
        key_path=mine.key_path,
    )
    stop = threading.Event()

    def publish() -> None:
        with open_store(url) as store:
            Publisher(store, endpoint).run(stop)

    with open_store(url, writer=True) as store:
        publisher = threading.Thread(target=publish)
        publisher.start()
        try:
            program.start()
            commit(store, 1)
            time.sleep(1.0)
            seq = 2
            while not program.lines:  # until its subscription stands, nothing is delivered
                commit(store, seq)
                seq += 1
                time.sleep(0.1)
            program.says(lambda line: line.endswith(f" {seq - 1}"))
            program.kill()
            commit(store, seq)  # missed
            time.sleep(1.5)
            before, later = len(program.lines), seq
            program.start()
            while len(program.lines) == before:
                later += 1
                commit(store, later)
                time.sleep(0.1)
            for _ in range(4):
                later += 1
                commit(store, later)
            program.says(lambda line: line.endswith(f" {later}"))
            mosquitto.kill()  # what is not proven by now comes twice
            mosquitto.start()
            commit(store, later + 1)
            program.says(lambda line: line.endswith(f" {later + 1}") or line.startswith("gap"))
        finally:
            stop.set()
            publisher.join()
    gap = next(line for line in program.lines if line.startswith("gap"))
    assert re.fullmatch(rf"gap: pantau export --asset unassigned-box-7 --after {seq - 1}", gap)
    heard = program.seqs()
    assert len(heard) == len(set(heard))
    assert heard == sorted(heard)
    assert seq not in heard

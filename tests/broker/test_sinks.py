"""Sinks get every record in the order of the log, whatever their consumer does and whoever is killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from entries import NOON_MS, fix
from mqtt_client import MqttClient

from broker.assets import Assignment
from broker.mosquitto import ThrowawayMosquitto
from broker.sink import POINTS, Aside, Given, Pump, cursor_name, options_of
from broker.sinks import Item, NotNow, Options, Refused
from broker.sinks.webhook import signature
from broker.store import Arrival, Store, open_store
from provisioning.throwaway import Authority
from settings import ConfigError
from wire import encode
from wire.columns import encode_track
from wire.kinds import KIND_EVENT, KIND_HEALTH, KIND_TRACK

SECRET = b"0123456789abcdef0123456789abcdef"
HELD = Assignment(unit="box-7", asset="engine-3", agency="fire", kind="fire-engine", from_utc_ms=0, to_utc_ms=None)
PATIENCE_S = 30.0


def track(seq: int) -> Arrival:
    body = encode_track([fix(NOON_MS + seq * 1000), fix(NOON_MS + seq * 1000 + 500)])
    return Arrival("box-7", 7, seq, 0, KIND_TRACK, body, NOON_MS + seq * 1000)


def event(seq: int, name: str) -> Arrival:
    body = encode.event(at=(NOON_MS + seq * 1000, 0, 0), name=name)
    return Arrival("box-7", 7, seq, 0, KIND_EVENT, body, NOON_MS + seq * 1000)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url, writer=True) as writer:
        writer.set_assignments([HELD])
        yield writer


def until(true: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


class Shop:
    """A consumer over HTTP with a will of its own: what it answers next is in `mood`."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.taken: list[int] = []  # log_ids, as they came in posts that it answered with 200
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.mood: Callable[[list[int]], int | None] = lambda _ids: 200
        shop = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                shop.posts.append((dict(self.headers), body))
                said = json.loads(body)
                ids = [one["message"]["log_id"] for one in said["records"]] if "records" in said else [said["log_id"]]
                answer = shop.mood(ids)
                if answer is None:  # it dies in the middle of it
                    self.close_connection = True
                    return
                if answer == 200:
                    shop.taken += ids
                self.send_response(answer)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.block_on_close = False
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def shop() -> Iterator[Shop]:
    made = Shop()
    yield made
    made.close()


def written(tmp_path: Path, **keys: Any) -> dict[str, Any]:
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET + b"\n")
    return {"name": "erp", "kind": "webhook", "secret_path": str(secret), "timeout_s": 0.5, **keys}


@contextmanager
def pumping(url: str, tmp_path: Path, keys: dict[str, Any]) -> Iterator[Given]:
    """A sink at work in a thread, with back-off as short as can be; what it counts."""
    options, open_sink = options_of(keys, tmp_path)
    stop, given, sink = threading.Event(), Given(), open_sink(options)

    def work() -> None:
        with open_store(url) as mine:
            Pump(
                mine, sink, options, Aside(tmp_path / "aside.jsonl"), given=given, uniform=lambda _low, high: high / 50
            ).run(stop)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield given
    finally:
        stop.set()
        thread.join()
        sink.close()


def once_in_order(taken: Sequence[int]) -> list[int]:
    """The order in which each came first."""
    return list(dict.fromkeys(taken))


# ------------------------------------------------------------------ a webhook


def test_a_post_is_signed_and_names_its_records(url: str, store: Store, tmp_path: Path, shop: Shop) -> None:
    store.commit([track(1), event(2, "panic")])
    with pumping(url, tmp_path, written(tmp_path, url=f"http://127.0.0.1:{shop.port}/in?x=1")):
        until(lambda: len(shop.taken) == 2)
    headers, body = shop.posts[0]
    at, _, mac = headers["Pantau-Signature"].removeprefix("t=").partition(",v1=")
    assert mac == signature(SECRET, at, body)
    assert headers["Idempotency-Key"] == "1-2"
    first, second = json.loads(body)["records"]
    assert first["topic"] == "city/v1/fire/engine-3/track"
    assert second["message"]["name"] == "panic"
    assert store.cursors() == {cursor_name("erp"): 2}


@pytest.mark.parametrize(
    ("trouble", "answers"),
    [("dead", None), ("500", 500), ("503", 503), ("401", 401), ("429", 429)],
)
def test_what_a_consumer_does_not_take_now_it_gets_later(
    url: str, store: Store, tmp_path: Path, shop: Shop, trouble: str, answers: int | None
) -> None:
    asked = []

    def mood(ids: list[int]) -> int | None:
        asked.append(ids)
        return answers if len(asked) <= 3 else 200

    shop.mood = mood
    store.commit([track(seq) for seq in range(1, 21)])
    with pumping(url, tmp_path, written(tmp_path, url=f"http://127.0.0.1:{shop.port}/", batch=7)) as given:
        until(lambda: len(set(shop.taken)) == 20)
        store.commit([track(21)])
        until(lambda: 21 in shop.taken)
    assert once_in_order(shop.taken) == list(range(1, 22))
    assert given.failures["not_now"] >= 3
    assert given.set_aside == 0


def test_a_consumer_that_hangs_or_is_slow_holds_up_nothing_but_itself(
    url: str, store: Store, tmp_path: Path, shop: Shop
) -> None:
    hangs, other = threading.Event(), Shop()

    def mood(_ids: list[int]) -> int:
        if not hangs.is_set():
            hangs.wait(PATIENCE_S)
        time.sleep(0.1)  # slow, and within what it may take
        return 200

    shop.mood = mood
    store.commit([track(seq) for seq in range(1, 11)])
    keys = written(tmp_path, url=f"http://127.0.0.1:{shop.port}/", batch=5)
    beside = {**keys, "name": "map", "url": f"http://127.0.0.1:{other.port}/"}
    with pumping(url, tmp_path, keys) as hung, pumping(url, tmp_path, beside):
        until(lambda: len(other.taken) == 10)
        until(lambda: hung.failures["not_now"] >= 2)
        assert shop.taken == []
        hangs.set()
        until(lambda: len(set(shop.taken)) == 10)
    assert once_in_order(shop.taken) == list(range(1, 11))
    other.close()


def test_a_consumer_that_is_not_there_for_a_while_misses_nothing(url: str, store: Store, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    store.commit([track(seq) for seq in range(1, 6)])
    with pumping(url, tmp_path, written(tmp_path, url=f"http://127.0.0.1:{port}/")) as given:
        until(lambda: given.failures["not_now"] >= 3)
        assert store.cursor(cursor_name("erp")) == 0
    shop = Shop()
    store.commit([track(6)])
    with pumping(url, tmp_path, written(tmp_path, url=f"http://127.0.0.1:{shop.port}/")):
        until(lambda: len(shop.taken) == 6)
    assert shop.taken == [1, 2, 3, 4, 5, 6]
    shop.close()


def test_what_is_refused_for_good_is_set_aside_and_the_rest_goes_on(
    url: str, store: Store, tmp_path: Path, shop: Shop
) -> None:
    shop.mood = lambda ids: 422 if {5, 11} & set(ids) else 200
    store.commit([track(seq) for seq in range(1, 16)])
    with pumping(url, tmp_path, written(tmp_path, url=f"http://127.0.0.1:{shop.port}/")) as given:
        until(lambda: store.cursor(cursor_name("erp")) == 15)
    assert shop.taken == [seq for seq in range(1, 16) if seq not in (5, 11)]
    assert given.set_aside == 2
    aside = [json.loads(line) for line in (tmp_path / "aside.jsonl").read_text().splitlines()]
    assert [(one["log_id"], one["why"]) for one in aside] == [(5, "422 ok"), (11, "422 ok")]
    assert aside[0]["message"]["asset"] == "engine-3"


def test_only_what_it_may_see_and_wants_is_given_and_the_cursor_passes_the_rest(
    url: str, store: Store, tmp_path: Path, shop: Shop
) -> None:
    other = track(1)._replace(unit="box-8")  # of nobody
    store.commit([track(1), other, event(2, "panic")])
    keys = written(tmp_path, url=f"http://127.0.0.1:{shop.port}/", agencies=["fire"], streams=["event"])
    with pumping(url, tmp_path, keys):
        until(lambda: shop.taken == [3])
        store.commit([track(3)])
        until(lambda: store.cursor(cursor_name("erp")) == 4)
    assert shop.taken == [3]


def test_a_record_longer_than_a_message_may_be_comes_among_the_events(
    url: str, store: Store, tmp_path: Path, shop: Shop
) -> None:
    long = encode.health(at=(NOON_MS, 0, 0), firmware="\x01" * 60_000)
    store.commit([event(1, "panic"), track(2)._replace(seq=2, kind=KIND_HEALTH, body=long), event(3, "boot")])
    with pumping(url, tmp_path, written(tmp_path, url=f"http://127.0.0.1:{shop.port}/", streams=["event"])):
        until(lambda: shop.taken == [1, 2, 3])
    said = [one["message"] for _, body in shop.posts for one in json.loads(body)["records"]]
    assert [one["name"] for one in said] == ["panic", "too_large", "boot"]
    assert [one["prev_log_id"] for one in said][-2:] == [1, 2]


def test_over_tls_only_its_own_authority_is_believed(
    url: str, store: Store, tmp_path: Path, authority: Authority
) -> None:
    mine = authority.ensure("localhost", "broker")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(mine.certificate_path, mine.key_path)
    shop = Shop(context)
    store.commit([track(1)])
    keys = written(tmp_path, url=f"https://localhost:{shop.port}/")
    with pumping(url, tmp_path, keys) as given:
        until(lambda: given.failures["not_now"] >= 1)
    assert shop.taken == []
    with pumping(url, tmp_path, {**keys, "ca_path": str(mine.ca_path)}):
        until(lambda: shop.taken == [1])
    shop.close()


# ------------------------------------------------------------------ killed


def test_killed_between_delivery_and_cursor_it_repeats_and_misses_nothing(
    url: str, store: Store, tmp_path: Path, shop: Shop, authority: Authority
) -> None:
    for name, role in {"bridge-1": "bridge", "bridge-1-receipts": "bridge", "bridge-publisher": "publisher"}.items():
        authority.ensure(name, role)
    keys = written(tmp_path, url=f"http://127.0.0.1:{shop.port}/", batch=3)
    config = tmp_path / "centre.toml"
    config.write_text(
        f'[broker]\nhost = "localhost"\nrun = false\n[credentials]\ndirectory = "{authority.directory}"\n'
        f'[store]\nurl = "{url}"\nstate_directory = "{tmp_path}"\n[[sinks.each]]\n'
        + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
    )
    store.commit([track(seq) for seq in range(1, 31)])
    command = [sys.executable, "-m", "broker", "--config", str(config), "sink", "erp"]
    for _ in range(3):
        _killed_while_it_delivers(command, shop)
    shop.mood = lambda _ids: 200
    process = subprocess.Popen(command)
    until(lambda: 30 in shop.taken)
    process.terminate()
    assert process.wait(PATIENCE_S) == 0
    assert once_in_order(shop.taken) == list(range(1, 31))
    assert len(shop.taken) > 30


def _killed_while_it_delivers(command: Sequence[str], shop: Shop) -> None:
    """Its second post from now on arrives, and it never hears that it did."""
    first, killed, processes = len(shop.posts), threading.Event(), []

    def mood(_ids: list[int]) -> int:
        if len(shop.posts) >= first + 2 and not killed.is_set():
            os.kill(processes[0].pid, signal.SIGKILL)
            killed.set()
        return 200

    shop.mood = mood
    processes.append(subprocess.Popen(command))
    until(killed.is_set)
    assert processes[0].wait(PATIENCE_S) == -signal.SIGKILL


class Killed(Exception):
    pass


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_point_it_repeats_and_loses_nothing(url: str, store: Store, tmp_path: Path, point: str) -> None:
    store.commit([track(seq) for seq in range(1, 11)])
    lines, deaths = Fussy(moods=False), 0

    def at(reached: str) -> None:
        nonlocal deaths
        if reached == point and deaths < 3:
            deaths += 1
            raise Killed

    stop = threading.Event()
    lines.until = (10, stop)
    for _ in range(4):
        with open_store(url) as mine, suppress(Killed):
            Pump(mine, lines, Options(name="k", kind="k", batch=2), Aside(tmp_path / "a"), at=at).run(stop)
    assert deaths == 3
    assert once_in_order(lines.taken) == list(range(1, 11))
    assert store.cursor(cursor_name("k")) == 10


# ------------------------------------------------------------------ OwnTracks


def test_owntracks_gets_each_fix_as_a_location(url: str, store: Store, tmp_path: Path, shop: Shop) -> None:
    store.commit([track(1), event(2, "panic"), track(3)])
    keys = {"name": "ot", "kind": "owntracks", "url": f"http://127.0.0.1:{shop.port}/pub", "timeout_s": 1}
    with pumping(url, tmp_path, keys):
        until(lambda: store.cursor(cursor_name("ot")) == 3)
    said = [json.loads(body) for _, body in shop.posts]
    assert [one["log_id"] for one in said] == [1, 1, 3, 3]
    assert said[0] == {
        "_type": "location", "lat": -6.1754, "lon": 106.8272, "tst": NOON_MS // 1000 + 1,
        "created_at": NOON_MS // 1000 + 1, "tid": "-3", "alt": 15, "vel": 45, "cog": 90, "acc": 4,
        "topic": "owntracks/fire/engine-3", "log_id": 1,
    }  # fmt: skip


def test_a_location_has_the_fields_and_types_of_real_ones(url: str, store: Store, tmp_path: Path, shop: Shop) -> None:
    data = os.environ.get("PANTAU_DATA")
    if data is None:
        pytest.skip("PANTAU_DATA names no folder of recordings")
    lines = (Path(data) / "formats" / "owntracks_examples.jsonl").read_text().splitlines()
    real = [one for one in map(json.loads, lines) if one["_type"] == "location"]
    store.commit([track(1)])
    keys = {"name": "ot", "kind": "owntracks", "url": f"http://127.0.0.1:{shop.port}/pub"}
    with pumping(url, tmp_path, keys):
        until(lambda: len(shop.posts) == 2)
    ours = json.loads(shop.posts[0][1])
    for name in set(ours) - {"log_id"}:
        kinds = {int if isinstance(one[name], int) else type(one[name]) for one in real if name in one}
        assert type(ours[name]) in kinds | ({float} if int in kinds else set()), name
    assert set(ours) - {"log_id"} <= {name for one in real for name in one}


def test_owntracks_over_mqtt_misses_nothing_when_the_broker_goes(
    url: str, store: Store, tmp_path: Path, mosquitto: ThrowawayMosquitto, authority: Authority,
    client: Callable[..., MqttClient],
) -> None:  # fmt: skip
    mine = authority.ensure("bridge-publisher", "publisher")
    keys = {
        "name": "ot", "kind": "owntracks", "url": f"mqtts://localhost:{mosquitto.port}", "timeout_s": 2,
        "topic": "city/v1/{agency}/{asset}/track", "ca_path": str(mine.ca_path),
        "certificate_path": str(mine.certificate_path), "key_path": str(mine.key_path),
    }  # fmt: skip
    reader = client("city-fire")
    reader.subscribe("city/v1/fire/engine-3/track")
    store.commit([track(1)])
    with pumping(url, tmp_path, keys) as given:
        assert json.loads(reader.next().payload)["log_id"] == 1
        until(lambda: store.cursor(cursor_name("ot")) == 1)
        mosquitto.kill()
        store.commit([track(2)])
        until(lambda: given.failures["not_now"] >= 1)
        assert store.cursor(cursor_name("ot")) == 1
        mosquitto.start()
        until(lambda: store.cursor(cursor_name("ot")) == 2)


# ------------------------------------------------------------------ what they can be told


def test_a_wrong_sink_is_told_all_that_is_wrong_at_once(tmp_path: Path) -> None:
    keys = {"name": "erp", "kind": "webhook", "url": "http://erp.example/", "batch": 0, "urll": 1}
    with pytest.raises(ConfigError) as caught:
        options_of(keys, tmp_path)
    assert {problem.key for problem in caught.value.problems} == {
        "sink.url", "sink.batch", "sink.urll", "sink.secret_path",
    }  # fmt: skip
    with pytest.raises(ConfigError, match="one of owntracks, webhook"):
        options_of({"name": "k", "kind": "kafka"}, tmp_path)


def test_the_next_sink_is_one_small_file(
    url: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written here as somebody would, put beside the others, and named in the configuration: that is all."""
    source = '''"""A line a record, into a file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from broker import sinks
from settings import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(sinks.Options):
    """Where the lines go."""

    path: Path = setting("the file")


class Lines:
    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def deliver(self, items: Sequence[sinks.Item]) -> None:
        for item in items:
            self._file.write(item.message.payload + b"\\n")

    def close(self) -> None:
        self._file.close()


def open_sink(options: Options) -> sinks.Sink:
    return Lines(options.path)
'''
    assert len(source.splitlines()) <= 40
    (tmp_path / "lines.py").write_text(source)
    import broker.sinks

    monkeypatch.setattr(broker.sinks, "__path__", [*broker.sinks.__path__, str(tmp_path)])
    store.commit([track(1), track(2)])
    with pumping(url, tmp_path, {"name": "l", "kind": "lines", "path": str(tmp_path / "out")}):
        until(lambda: store.cursor(cursor_name("l")) == 2)
    assert [json.loads(line)["log_id"] for line in (tmp_path / "out").read_text().splitlines()] == [1, 2]


def test_the_sinks_of_this_repository_are_small(tmp_path: Path) -> None:
    import broker.sinks

    for path in Path(broker.sinks.__file__).parent.glob("[a-z]*.py"):
        assert len(path.read_text().splitlines()) <= 130, path


class Fussy:
    """Takes at most so many at once, refuses some, and now and then is not there."""

    def __init__(self, *, moods: bool = True) -> None:
        self.taken: list[int] = []
        self.until: tuple[int, threading.Event] | None = None  # a record, and what to set when it has that one
        self._moods = moods
        self._turns = 0

    def deliver(self, items: Sequence[Item]) -> None:
        self._turns += 1
        ids = [item.entry.log_id for item in items]
        if self._moods and self._turns % 3 == 0:
            raise NotNow("later")
        if self._moods and (len(ids) > 4 or 7 in ids):
            raise Refused("no")
        self.taken += ids
        if self.until is not None and self.until[0] in ids:
            self.until[1].set()

    def close(self) -> None:
        pass


def test_refusals_and_absences_together_keep_the_order(url: str, store: Store, tmp_path: Path) -> None:
    store.commit([track(seq) for seq in range(1, 41)])
    fussy, stop, given = Fussy(), threading.Event(), Given()
    options = Options(name="f", kind="fussy", batch=16)
    with open_store(url) as mine:
        pump = Pump(mine, fussy, options, Aside(tmp_path / "a"), given=given, uniform=lambda _low, _high: 0.0)
        thread = threading.Thread(target=lambda: (until(lambda: given.cursor == 40), stop.set()))
        thread.start()
        pump.run(stop)
        thread.join()
    assert once_in_order(fussy.taken) == [seq for seq in range(1, 41) if seq != 7]
    assert given.set_aside == 1

"""alternatives: a stock Mosquitto on the box that bridges to the centre with its persistence on, QoS 1, fix by fix.

It is what a user could install instead of an outbox and an uplink. Both brokers are real, the one of the box behind an
IP link of its own, its settings the most careful it has: every change saved at once. Measured: what the link carries,
what the card gets, and what a SIGKILL of the box's broker loses of the fixes that it had acknowledged.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from bench.drives import Fix8, NoRealData, full_drives
from bench.driving import from_now
from bench.owntracks import say
from bench.report import Figure, progress, show, skipped
from broker.mosquitto import executable
from running.paho_loop import stop_loop
from stage.city import City
from stage.clients import Client, tls
from stage.namespace import CENTRE_ADDRESS, MTU, Link, NamespaceRefused, link
from stage.process import Child

BOX: Final = "box-m"
LOCAL_PORT: Final = 1883  # in the box's own network
OFFLINE_FIXES: Final = 1_000
ONLINE_S: Final = 60.0
SETTLED_S: Final = 6.0
DEADLINE_S: Final = 60.0
FIXES_A_DAY: Final = 86_400
KEPT: Final = "autosave_on_changes true\nautosave_interval 1"  # after each single change
DELIVERED: Final = "autosave_interval 1800"  # Mosquitto's own default, seconds


def main(argv: Sequence[str]) -> int:
    """Run it and print its figures."""
    as_json = "--json" in argv
    try:
        drives = list(full_drives().values())
        with tempfile.TemporaryDirectory(prefix="pantau-alternatives-") as directory, link() as on:
            figures = _measure(Path(directory), on, drives)
    except (NamespaceRefused, NoRealData) as error:
        return skipped("alternatives", str(error), as_json=as_json)
    conditions = f"Mosquitto's bridge, QoS 1, OwnTracks JSON at 1 Hz, TLS, MTU {MTU}"
    show("alternatives", figures, as_json=as_json, conditions=conditions)
    return 0


def _measure(directory: Path, on: Link, drives: Sequence[Sequence[Fix8]]) -> list[Figure]:
    city = City(directory, [], broker_host=CENTRE_ADDRESS)
    city.prepare()
    city.authority.ensure(BOX, "unit")
    figures: list[Figure] = []
    for name, saving in (("each change saved", KEPT), ("as delivered", DELIVERED)):
        with _Box(city, on, saving) as box:
            figures += _killed(name, city, box, drives)
            if saving is KEPT:
                figures += _online(name, city, box, on, drives)
        progress(f"alternatives: Mosquitto's bridge, {name}")
    return figures


def _killed(name: str, city: City, box: _Box, drives: Sequence[Sequence[Fix8]]) -> Iterator[Figure]:
    """The centre away: fixes are acknowledged by the box's broker, which is then killed; who arrives?"""
    before = box.written_bytes()
    box.publish(islice(from_now(drives), OFFLINE_FIXES))
    written_mb = (box.written_bytes() - before) / 1e6
    box.child.kill()
    with _centre(city) as heard:
        box.start()
        _settled(lambda: len(heard))
    lost = OFFLINE_FIXES - len(heard)
    note = f"of {OFFLINE_FIXES:,} that it had acknowledged while the centre was away"
    yield Figure(f"{name}: lost by SIGKILL", lost, "fixes", None, note)
    yield Figure(
        f"{name}: written without a link", written_mb, "MB", None, f"{OFFLINE_FIXES:,} fixes, 17 minutes' worth"
    )


def _online(name: str, city: City, box: _Box, on: Link, drives: Sequence[Sequence[Fix8]]) -> Iterator[Figure]:
    with _centre(city) as heard:
        _settled(lambda: len(heard))
        link_before, card_before, fixes = on.counted(), box.written_bytes(), round(ONLINE_S)
        box.publish(islice(from_now(drives), fixes), each_s=1.0)
        _settled(lambda: len(heard))
        link_bytes, card_bytes = on.counted().since(link_before).bytes, box.written_bytes() - card_before
    yield Figure(f"{name}: on the air", link_bytes / fixes, "B/fix", None, f"{fixes} fixes, both ways")
    yield Figure(
        f"{name}: written a day", card_bytes / fixes * FIXES_A_DAY / 1e6, "MB", None, "from one minute, link up"
    )


# ---------------------------------------------------------------- the box's broker


class _Box:
    """A Mosquitto on the box's side of the link, and a client beside it."""

    def __init__(self, city: City, on: Link, saving: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="box-", dir=city.directory))
        self._on = on
        path = self._folder / "mosquitto.conf"
        path.write_text(_configuration(city, self._folder, saving), "utf-8")
        command = [*on.inside, executable(), "-c", str(path)]
        self.child = Child("box's mosquitto", command, self._folder / "log")

    def __enter__(self) -> _Box:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.child.terminate()
        self.child.join()

    def start(self) -> None:
        self.child.start()

    def written_bytes(self) -> int:
        """What it has sent towards the disk so far (proc(5), io); the file system's journal is not in it."""
        lines = Path(f"/proc/{self.child.pid}/io").read_text().splitlines()
        return int(dict(line.split(": ") for line in lines)["write_bytes"])

    def publish(self, fixes: Iterator[Fix8], each_s: float = 0.0) -> None:
        """Publish on the box and wait until each is acknowledged there; raises TimeoutError."""
        client, connected = paho.Client(CallbackAPIVersion.VERSION2, "gps"), threading.Event()
        client.on_connect = lambda *_: connected.set()
        with self._on.entered():
            _until(lambda: _connects(client))
        client.loop_start()
        if not connected.wait(DEADLINE_S):
            raise TimeoutError(f"the box's broker lets nobody in: {self.child.tail()}")
        for number, fix in zip(count(), fixes, strict=False):
            payload = json.dumps({**json.loads(say(fix)), "n": number})
            client.publish("fixes/up", payload, qos=1).wait_for_publish(DEADLINE_S)
            time.sleep(each_s)
        client.disconnect()
        stop_loop(client)


def _connects(client: paho.Client) -> bool:
    try:
        client.connect("127.0.0.1", LOCAL_PORT)
    except OSError:
        return False
    return True


def _configuration(city: City, folder: Path, saving: str) -> str:
    who = city.credentials(BOX)
    return f"""listener {LOCAL_PORT} 127.0.0.1
allow_anonymous true
user root
persistence true
persistence_location {folder}/
{saving}
max_queued_messages 0
connection centre
address {CENTRE_ADDRESS}:{city.port}
bridge_cafile {who.ca_path}
bridge_certfile {who.certificate_path}
bridge_keyfile {who.key_path}
bridge_protocol_version mqttv311
remote_clientid {BOX}
cleansession false
notifications false
try_private false
keepalive_interval 200
restart_timeout 1
topic up out 1 fixes/ pantau/v1/{BOX}/
"""


# ---------------------------------------------------------------- the centre's broker


@contextlib.contextmanager
def _centre(city: City) -> Iterator[set[int]]:
    """The centre's broker, and a reader of its own; the numbers of the fixes that arrived."""
    heard: set[int] = set()
    city.children["mosquitto"].start()
    who = city.credentials("bridge-1")
    context = tls(who.ca_path, who.certificate_path, who.key_path)
    made: list[Client] = []

    def connects() -> bool:
        with contextlib.suppress(OSError):
            made.append(
                Client(CENTRE_ADDRESS, city.port, context, "bridge-1", lambda _, said: heard.add(_number(said)))
            )
        return bool(made)

    stop = threading.Event()
    try:
        _until(connects)
        made[0].subscribe(f"pantau/v1/{BOX}/up")
        reader = threading.Thread(target=_read, args=(made[0], stop))
        reader.start()
        yield heard
    finally:
        stop.set()
        if made:
            reader.join()
            made[0].close()
        city.children["mosquitto"].terminate()
        city.children["mosquitto"].join()


def _number(payload: bytes) -> int:
    said: Any = json.loads(payload)
    return int(said["n"])


def _read(client: Client, stop: threading.Event) -> None:
    while not stop.wait(0.02):
        client.turn()


def _settled(value: Callable[[], int]) -> None:
    """Wait until nothing has changed for SETTLED_S; a bridge tries again each second."""
    seen, since_s = value(), time.monotonic()
    while time.monotonic() - since_s < SETTLED_S:
        time.sleep(0.2)
        if value() != seen:
            seen, since_s = value(), time.monotonic()


def _until(true: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not true():
        if time.monotonic() > deadline_s:
            raise TimeoutError("no broker")
        time.sleep(0.1)

"""What is wired to a real gps_unit, on simulated pins: events at once, counters across a kill, power-off in order."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from system_bus import GOOD, bus_with

from edge.errors import OutboxCorrupt, OutboxFull
from edge.memory import Memory
from edge.outbox import OutboxReader
from edge.sim.pins import SimulatedBoard
from edge.sim.receiver import SimulatedReceiver, synthetic
from provisioning.throwaway import make_authority
from wire import records_pb2
from wire.kinds import CLASS_ALARM, KIND_EVENT

REPOSITORY = Path(__file__).resolve().parents[2]
KEY, PUMP, ARM, DOOR, LID = 17, 27, 5, 6, 13
WIRES = """
[[inputs]]
name = "key"
pin = 17
kind = "ignition"
[[inputs]]
name = "pump"
pin = 27
kind = "pto"
[[inputs]]
name = "arm"
pin = 5
kind = "boom"
active_low = false
[[inputs]]
name = "left"
pin = 6
kind = "door"
[[inputs]]
name = "lid"
pin = 13
kind = "tamper"
"""

Said = tuple[str, dict[str, str]]


@dataclass
class Box:
    """A box on a bench of pins, with a receiver that says five epochs a second, and no broker."""

    folder: Path
    board: SimulatedBoard
    process: subprocess.Popen[str] | None = field(default=None)

    def start(self, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "edge.gps_unit", "--config", str(self.folder / "unit.toml")],
            cwd=REPOSITORY, env={**os.environ, **self.board.environment, **environment},
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def end(self, number: int = signal.SIGTERM) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        _, logged = self.process.communicate(timeout=20)
        assert self.process.returncode == (0 if number == signal.SIGTERM else -number), logged

    def rows(self) -> list[tuple[int, records_pb2.Event]]:
        """(class, event) of every event so far."""
        reader = OutboxReader(self.folder / "outbox.db")
        try:
            found = [row for row in reader.above(0, 10_000) if row.kind == KIND_EVENT]
        except (OutboxFull, OutboxCorrupt):  # the process is just making the file
            return []
        finally:
            reader.close()
        return [(row.cls, records_pb2.Event.FromString(row.body)) for row in found]

    def said(self, *names: str) -> list[Said]:
        return [(body.name, dict(body.detail)) for _, body in self.rows() if not names or body.name in names]

    def until(self, claim: Callable[[], object], within_s: float = 20.0) -> None:
        deadline = time.monotonic() + within_s
        while not claim():
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.02)

    def pull(self, pin: int, on: bool, event: str) -> dict[str, str]:
        """Pull a wire to ground, or let go of it; the detail of the event that says so."""
        before = len(self.said(event))
        self.board.drive(pin, high=not on)
        self.until(lambda: len(self.said(event)) > before)
        return self.said(event)[-1][1]


@pytest.fixture
def make_box(tmp_path: Path) -> Iterator[Callable[[str], Box]]:
    made: list[Box] = []
    board = SimulatedBoard(tmp_path / "board")
    epochs = synthetic(time.time_ns() // 1_000_000, speed=5, cold_start=False)
    receiver, quiet = SimulatedReceiver(epochs, link=tmp_path / "ttyGNSS"), threading.Event()
    player = threading.Thread(target=receiver.play, args=(quiet,), name="receiver")
    player.start()

    def make(more: str) -> Box:
        mine = make_authority(tmp_path / "ca").issue("amb-017", "unit")
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            port = nobody.getsockname()[1]  # nobody listens: the broker is away
        (tmp_path / "unit.toml").write_text(
            f'[unit]\nid = "amb-017"\n[broker]\nhost = "127.0.0.1"\nport = {port}\n'
            f'ca_path = "{mine.ca_path}"\ncertificate_path = "{mine.certificate_path}"\nkey_path = "{mine.key_path}"\n'
            f'[outbox]\npath = "outbox.db"\n[documents]\npath = "documents.db"\n[run]\ndirectory = "run"\n'
            f'[receiver]\ntty = "ttyGNSS"\nnot_before = "none"\n{more}\n'
        )
        box = Box(tmp_path, board)
        made.append(box)
        return box

    yield make
    for box in made:
        if box.process is not None and box.process.poll() is None:
            box.process.kill()
            box.process.communicate(timeout=20)
    quiet.set()
    player.join()
    receiver.close()
    board.close()


def test_wires_are_said_at_once_and_counted_across_a_kill(make_box: Callable[[str], Box]) -> None:
    box = make_box(WIRES)
    for pin in (KEY, PUMP, DOOR, LID):
        box.board.drive(pin, high=True)
    box.start()
    box.until(lambda: box.said("lid_off", "tamper_off"))
    levels = [(name, detail["input"]) for name, detail in box.said() if detail.get("why") == "level"]
    assert levels == [("ignition_off", "key"), ("pto_off", "pump"), ("door_off", "left"), ("tamper_off", "lid")]
    box.until(lambda: box.said("parked"))

    on = box.pull(KEY, True, "ignition_on")
    assert (on["why"], on["input"], on["count"], on["engine_s"]) == ("edge", "key", "1", "0")
    assert box.pull(PUMP, True, "pto_on")["input"] == "pump"
    box.board.drive(ARM, high=True)  # active high: it works already, and nothing new is said
    assert box.pull(DOOR, True, "door_on")["count"] == "1"
    box.board.drive(PUMP, high=True)
    assert box.pull(DOOR, False, "door_off")["count"] == "2"
    box.board.drive(ARM, high=False)
    box.until(lambda: len(box.said("pto_off")) == 2)
    assert [name for name, _ in box.said("pto_on", "pto_off")] == ["pto_off", "pto_on", "pto_off"]
    box.pull(LID, True, "tamper_on")
    time.sleep(1.0)  # the engine runs at least so long
    off = box.pull(KEY, False, "ignition_off")
    assert int(off["engine_s"]) >= 1
    box.until(lambda: len(box.said("parked")) == 2)
    assert [body.name for cls, body in box.rows() if cls == CLASS_ALARM] == ["tamper_on"]
    last = box.rows()[-1][1]
    assert last.HasField("lat_e7") and last.fix_age_s <= 5, "where, and how old that is"

    box.end(signal.SIGKILL)
    box.start()
    box.until(lambda: len(box.said("boot")) == 2)
    assert box.said("boot")[-1][1]["ended"] == "crash"
    box.until(lambda: len([1 for _, detail in box.said("ignition_off") if detail["why"] == "level"]) == 2)
    on = box.pull(KEY, True, "ignition_on")
    assert (on["count"], on["engine_s"]) == ("3", off["engine_s"])
    box.end()


def test_ignition_off_powers_off_in_order_and_a_refusal_is_told(make_box: Callable[[str], Box], tmp_path: Path) -> None:
    refuses = tmp_path / "refuses.sh"
    refuses.write_text("echo not now >&2\nexit 1\n")
    box = make_box(f'[power]\noff_after_s = 0.5\ncommand = ["sh", "{refuses}"]\n{WIRES}')
    box.board.drive(KEY, high=False)
    box.start()
    box.until(lambda: box.said("ignition_on"))
    box.pull(KEY, False, "ignition_off")
    box.until(lambda: box.said("power_off_refused"))
    names = [name for name, _ in box.said("ignition_off", "parked", "power_off", "power_off_refused")]
    assert names == ["ignition_off", "parked", "power_off", "power_off_refused"]
    assert box.said("power_off")[0][1] == {"reason": "parked"}
    assert box.said("power_off_refused")[0][1] == {"reason": "not now"}
    box.end()


def test_a_low_battery_warns_and_asks_for_the_power_off(make_box: Callable[[str], Box], tmp_path: Path) -> None:
    marker = tmp_path / "went off"
    power = f'[power]\nlow_v = 11.8\nlow_wait_s = 0\ncommand = ["touch", "{marker}"]\n'
    box = make_box(f"[supply]\nchannel = 3\nfull_scale_v = 36.3\n{power}")
    box.board.turn(3, 12.6 / 36.3)
    box.start()
    box.until(lambda: box.said("supply"))
    assert box.said("supply")[0][1] == {"volts": "12.6"}
    assert not marker.exists()
    box.board.turn(3, 11.0 / 36.3)
    box.until(marker.exists, within_s=40)
    box.until(lambda: box.said("power_off"))
    assert box.said("battery_low")[0][1] == {"volts": "11.0"}
    assert box.said("power_off")[0][1] == {"reason": "battery", "volts": "11.0"}
    box.end()
    assert Memory(tmp_path / "documents.db").recall("last_boot", [])[1:] == ["clean", "battery"]


def test_a_box_whose_pins_are_refused_says_so_and_goes_on(make_box: Callable[[str], Box]) -> None:
    box = make_box("[lamps]\nfault_pin = 5\n")
    box.start(GPIOZERO_PIN_FACTORY="nothing")
    box.until(lambda: box.said("pins_refused"))
    assert "nothing" in box.said("pins_refused")[0][1]["reason"]
    box.end()


def test_a_box_without_wires_has_none_of_it_in_memory(make_box: Callable[[str], Box]) -> None:
    box = make_box("")
    box.start()
    box.until(lambda: box.said("boot"))
    assert box.process is not None
    mapped = Path(f"/proc/{box.process.pid}/task").iterdir()
    assert sum(1 for _ in mapped) <= 3, "main, uplink and paho: no thread for wires"
    box.end()
    code = (
        "import sys; from edge.config import load_unit; from edge.gps_unit import __main__, wiring;"
        "print(wiring.wired(load_unit(sys.argv[1])), 'gpiozero' in sys.modules, 'edge.gps_unit.cab' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(box.folder / "unit.toml")], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.stdout.split() == ["False", "False", "False"], done.stderr


HELP = 26
CALLS = f"""
[[inputs]]
name = "help"
pin = {HELP}
kind = "panic"
[sos]
sms_to = "+62811123456"
sms_after_s = 10.0
sms_an_hour = 1
"""


def test_a_call_without_a_link_goes_out_as_a_short_message_once(make_box: Callable[[str], Box], tmp_path: Path) -> None:
    there = tmp_path / "bus"
    there.mkdir()
    with bus_with(GOOD, there) as address:
        box = make_box(CALLS)
        box.board.drive(HELP, high=True)
        box.start(DBUS_SYSTEM_BUS_ADDRESS=address)
        box.until(lambda: box.said("panic_off"))
        box.board.drive(HELP, high=False)
        box.until(lambda: box.said("sos"))
        call = box.said("sos")[0][1]["call"]
        assert not box.said("sos_sms_sent"), "a link may come back"
        box.until(lambda: box.said("sos_sms_sent"), within_s=60.0)
        assert len(box.said("sos")) >= 2, "it goes on by itself"
        box.end()
    (sent,) = (there / "sms").read_text().splitlines()
    assert sent.startswith(f"+62811123456 SOS amb-017, call {call}, at -6.")
    assert box.said("sos_sms_sent") == [("sos_sms_sent", {"call": call})]

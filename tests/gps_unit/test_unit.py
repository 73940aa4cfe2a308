"""The whole gps_unit as systemd starts it, on a real pty: what is due survives, once, whatever ends the process."""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pytest

from edge.budget import Spent
from edge.errors import OutboxCorrupt, OutboxFull
from edge.gps_unit.fix import EpochAssembler, to_columns
from edge.gps_unit.nmea import Framer
from edge.memory import Memory
from edge.outbox import OutboxReader, StoredRow
from edge.sim.nmea import Epoch
from edge.sim.receiver import SimulatedReceiver, Written, recorded, synthetic
from provisioning.throwaway import make_authority
from tests.cards import mounted_card
from wire import records_pb2
from wire.decode import decode_track
from wire.kinds import KIND_ANCHOR, KIND_EVENT, KIND_HEALTH, KIND_TRACK

REPOSITORY = Path(__file__).resolve().parents[2]
DUE_S = 0.2


@dataclass
class Box:
    """One box: its files, its receiver on a pty, and the process when it runs. There is no broker."""

    folder: Path
    receiver: SimulatedReceiver
    written: list[Written]
    process: subprocess.Popen[str] | None = None

    def start(self, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "edge.gps_unit", "--config", str(self.folder / "unit.toml")],
            cwd=REPOSITORY, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send the signal; exit code and what was logged."""
        assert self.process is not None
        self.process.send_signal(number)
        _, logged = self.process.communicate(timeout=10)
        return self.process.returncode, logged

    def rows(self, kind: int) -> list[StoredRow]:
        reader = OutboxReader(self.folder / "outbox.db")
        try:
            return [row for row in reader.above(0, 100_000) if row.kind == kind]
        finally:
            reader.close()

    def fixes(self) -> list[tuple[int | None, ...]]:
        found: list[tuple[int | None, ...]] = []
        for row in self.rows(KIND_TRACK):
            track = decode_track(row.body)
            columns = (track.times_ms, track.lat_e7, track.lon_e7, track.alt_cm, track.speed_cmps, track.course_cdeg)
            found += zip(*columns, track.hdop_c, track.sats, strict=True)
        return found

    def events(self) -> list[tuple[str, dict[str, str]]]:
        bodies = [records_pb2.Event.FromString(row.body) for row in self.rows(KIND_EVENT)]
        return [(body.name, dict(body.detail)) for body in bodies]

    def heard_of(self, what: str) -> int:
        """How many events of that name are in the outbox."""
        try:
            return sum(name == what for name, _ in self.events())
        except (OutboxFull, OutboxCorrupt):  # the process is just making the file
            return 0

    def wait_for(self, what: str, times: int = 1, within_s: float = 15.0) -> None:
        """Wait until so many events of that name are in the outbox."""
        deadline = time.monotonic() + within_s
        while self.heard_of(what) < times:
            assert time.monotonic() < deadline, f"no {what} within {within_s} s"
            time.sleep(0.02)

    def wait_for_rows(self, kind: int, count: int, within_s: float = 15.0) -> None:
        """Wait until so many rows of that kind are in the outbox."""
        deadline = time.monotonic() + within_s
        while len(self.rows(kind)) < count:
            assert time.monotonic() < deadline, f"not {count} rows within {within_s} s"
            time.sleep(0.02)


@pytest.fixture
def make_box(tmp_path: Path) -> Iterator[object]:
    made: list[Box] = []

    def make(epochs: Iterator[Epoch], report: str = "") -> Box:
        authority = make_authority(tmp_path / "ca")
        mine = authority.issue("amb-017", "unit")
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            port = nobody.getsockname()[1]  # nobody listens: the broker is away
        (tmp_path / "unit.toml").write_text(
            f'[unit]\nid = "amb-017"\n[broker]\nhost = "127.0.0.1"\nport = {port}\n'
            f'ca_path = "{mine.ca_path}"\ncertificate_path = "{mine.certificate_path}"\nkey_path = "{mine.key_path}"\n'
            f'[outbox]\npath = "outbox.db"\n[documents]\npath = "documents.db"\n[run]\ndirectory = "run"\n'
            f'[receiver]\ntty = "ttyGNSS"\nnot_before = "none"\n'
            f'[report]\nquantum = "lossless"\ntolerance_m = 0\npolicy = false\n{report}\n'
        )
        written: list[Written] = []
        box = Box(tmp_path, SimulatedReceiver(epochs, link=tmp_path / "ttyGNSS", on_written=written.append), written)
        made.append(box)
        return box

    yield make
    for box in made:
        if box.process is not None and box.process.poll() is None:
            box.process.kill()
            box.process.communicate(timeout=10)
        box.receiver.close()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def decoded(data: bytes) -> list[tuple[int | None, ...]]:
    """What the receiver path alone makes of these bytes."""
    framer, epochs = Framer(), EpochAssembler()
    fixes = [fix for sentence in framer.feed(data) if (fix := epochs.feed(sentence, 0))]
    last = epochs.flush()
    return [to_columns(fix) for fix in [*fixes, *([last] if last else [])]]


def play(box: Box) -> None:
    box.receiver.play(threading.Event())


def test_a_units_plan_is_in_its_health_and_what_its_sim_carried_outlives_a_restart(make_box) -> None:  # type: ignore[no-untyped-def]
    box = make_box(islice(synthetic(now_ms(), speed=20, cold_start=False), 20), "[sim]\nplan_mb = 500\nreset_day = 7")
    carried = Spent(live=3_000, housekeeping=2_000)
    Memory(box.folder / "documents.db").remember("budget", [[], list(carried), [], None, None, False])
    for starts in (1, 2):
        box.start()
        box.wait_for("boot", starts)
        box.wait_for_rows(KIND_HEALTH, starts)
        assert box.end()[0] == 0
    said = [records_pb2.Health.FromString(row.body).sim for row in box.rows(KIND_HEALTH)]
    assert {sim.plan_bytes for sim in said} == {500_000_000}
    assert all(sim.live_bytes == 3_000 and sim.housekeeping_bytes >= 2_000 for sim in said)
    assert all(sim.degree == 0 and not sim.HasField("exhausted_utc_ms") for sim in said)


def test_everything_a_drive_says_is_in_the_outbox_after_a_clean_stop(make_box) -> None:  # type: ignore[no-untyped-def]
    said = list(islice(synthetic(now_ms(), speed=20, cold_start=False), 100))
    box = make_box(iter(said), "interval_s = 1")
    box.start()
    box.wait_for("boot")
    play(box)
    time.sleep(0.5)
    stopped = time.monotonic()
    assert box.end()[0] == 0
    assert time.monotonic() - stopped < 5.0
    assert box.fixes() == decoded(b"".join(epoch.data for epoch in said))
    assert len(box.rows(KIND_TRACK)) >= 4
    assert len(box.rows(KIND_HEALTH)) >= 1
    assert len(box.rows(KIND_ANCHOR)) >= 1
    assert [name for name, _ in box.events()][:2] == ["boot", "receiver_found"]
    assert not (box.folder / "run/amb-017/interval").read_bytes()


def test_no_due_epoch_is_lost_by_sigkill_and_none_is_there_twice(make_box) -> None:  # type: ignore[no-untyped-def]
    box = make_box(synthetic(now_ms(), speed=10, cold_start=False), "interval_s = 1")
    stop = threading.Event()
    player = threading.Thread(target=box.receiver.play, args=(stop,))
    up: list[tuple[float, float]] = []
    player.start()
    box.start()
    box.wait_for("receiver_found")
    for wait_s in (1.27, 0.6, 1.9, 0.05):
        begin = time.monotonic()
        time.sleep(wait_s)
        up.append((begin, time.monotonic()))
        box.end(signal.SIGKILL)
        found = box.heard_of("receiver_found")
        box.start()
        box.wait_for("receiver_found", found + 1)
    stop.set()
    player.join()
    time.sleep(0.4)
    box.end()
    times = [fix[0] for fix in box.fixes()]
    assert len(times) == len(set(times)), "twice"
    nexts = [each.first_mono_s for each in box.written[1:]] + [float("inf")]
    due = [
        each.utc_ms
        for each, next_s in zip(box.written, nexts, strict=True)
        if any(begin <= each.first_mono_s and max(each.last_mono_s, next_s) <= end - DUE_S for begin, end in up)
    ]
    assert len(due) > 20
    assert set(due) <= set(times)


def test_a_power_cut_takes_the_open_interval_and_nothing_before_it(make_box, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    luck = random.Random(3)
    box = make_box(synthetic(now_ms(), speed=10, cold_start=False), "interval_s = 1")
    with mounted_card(tmp_path) as card:
        stop = threading.Event()
        player = threading.Thread(target=box.receiver.play, args=(stop,))
        player.start()
        held: dict[int, bytes] = {}
        for life in range(4):
            box.start()
            box.wait_for("boot", life + 1)
            box.wait_for_rows(KIND_TRACK, len(box.rows(KIND_TRACK)) + 2)
            time.sleep(luck.random())
            held |= {row.id: row.body for row in box.rows(KIND_TRACK)}
            card.power_cut(luck, [box.process.pid])
            assert box.end(signal.SIGKILL)[0] == -signal.SIGKILL
            assert held.items() <= {row.id: row.body for row in box.rows(KIND_TRACK)}.items(), "committed is kept"
            assert list((tmp_path / "run").iterdir()) == [], "memory is gone"
        stop.set()
        player.join()
    said = [each.utc_ms for each in box.written]
    for row in box.rows(KIND_TRACK):
        times = decode_track(row.body).times_ms
        first, last = said.index(times[0]), said.index(times[-1])
        assert times == said[first : last + 1], "an interval is there whole or not at all"
    times = [fix[0] for fix in box.fixes()]
    assert len(times) == len(set(times)), "twice"


def test_a_receiver_that_is_unplugged_and_comes_back_goes_on_and_both_are_told(make_box) -> None:  # type: ignore[no-untyped-def]
    box = make_box(synthetic(now_ms(), speed=10, cold_start=False), "interval_s = 1")
    stop = threading.Event()
    player = threading.Thread(target=box.receiver.play, args=(stop,))
    player.start()
    box.start()
    for times in (1, 2):
        box.wait_for("receiver_found", times)
        box.receiver.unplug()
        box.wait_for("receiver_lost", times)
        box.receiver.replug()
    box.wait_for("receiver_found", 3)
    stop.set()
    player.join()
    code, logged = box.end()
    assert code == 0
    assert logged.count("receiver lost") == 2, "an outage is one warning"
    times_ms = [fix[0] for fix in box.fixes()]
    assert times_ms == sorted(set(times_ms))


def test_a_recorded_log_keeps_its_own_dates_and_midnight(make_box, real_data: Path) -> None:  # type: ignore[no-untyped-def]
    log = (real_data / "nmea/drives/genivi_geko_regensburg.nmea").read_bytes()[:60_000]
    box = make_box(recorded(log, 0, speed=200, as_recorded=True), "interval_s = 1")
    box.start()
    box.wait_for("boot")
    play(box)
    time.sleep(2.0)
    box.end()
    assert box.fixes() == decoded(log)


def test_the_reason_of_a_start_is_told(make_box) -> None:  # type: ignore[no-untyped-def]
    box = make_box(iter(()))
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
        boots = box.heard_of("boot")
        box.start()
        box.wait_for("boot", boots + 1)
        box.end(number)
    assert [detail["reason"] for name, detail in box.events() if name == "boot"] == ["power_on", "restart", "killed"]


def test_a_wrong_configuration_exits_78_and_says_everything(tmp_path: Path) -> None:
    (tmp_path / "unit.toml").write_text('[unit]\nid = "Amb 17"\n[report]\ninterval_s = 0\n')
    done = subprocess.run(
        [sys.executable, "-m", "edge.gps_unit", "--config", str(tmp_path / "unit.toml")],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 78
    for part in ("unit.id", "broker.host missing", "receiver.tty missing", "report.interval_s is 0", "3600 s"):
        assert part in done.stderr


def test_what_is_not_needed_on_a_box_is_not_imported() -> None:
    program = "import sys; sys.argv = ['x']\nimport edge.gps_unit.wiring\nprint(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, timeout=30)
    modules = set(done.stdout.split())
    assert "serial" in modules
    assert not modules & {"google.protobuf", "typer", "rich", "numpy", "asyncio", "multiprocessing", "cryptography"}

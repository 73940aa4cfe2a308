"""profile: where the three hottest paths spend their CPU: bridge and publisher while a fleet drains, and gps_unit.

Real processes, sampled from outside by py-spy while they work; a function's own share is of the samples in which a
thread of the process was running, time in C counts for the function that called it. What has been done about what such
tables said is on the page: bench/page.py.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Final

from bench.centre import publisher_is_done
from bench.drives import Fix8, NoRealData, full_drives
from bench.fleet import Fleet, parcels
from bench.report import Figure, show, skipped
from edge.sim.receiver import SimulatedReceiver, synthetic
from stage.city import City, UnitPlan

ROOT: Final = Path(__file__).resolve().parents[1]
LOAD_UNITS: Final = 100
PARCELS_A_UNIT: Final = 6
DEADLINE_S: Final = 300.0
SPEED: Final = 50.0  # epochs a second: the same path as at 1 Hz, with enough samples within a minute
DRIVEN_S: Final = 120.0
PER_S: Final = 500  # samples
SHOWN: Final = 8  # functions a path
LEAST_SAMPLES: Final = 200
# Their own lines do nothing but wait (select, sleep, a lock); from outside a thread that is about to sleep looks busy.
WAITS: Final = {"Client._loop", "Condition.wait", "Desk._take", "SerialPort.wait", "Uplink._take_events", "_pause"}


def main(argv: Sequence[str]) -> int:
    """Run it and print its figures."""
    as_json = "--json" in argv
    if shutil.which("py-spy") is None:
        return skipped("profile", "py-spy is not here: pip install py-spy", as_json=as_json)
    try:
        drives = list(full_drives().values())
    except NoRealData as error:
        return skipped("profile", str(error), as_json=as_json)
    with tempfile.TemporaryDirectory(prefix="pantau-profile-") as directory:
        figures = [*_centre(Path(directory) / "centre", drives), *_unit(Path(directory) / "unit")]
    conditions = (
        f"own time by function, {PER_S} samples a second; {LOAD_UNITS} draining units, and one unit at {SPEED:g} Hz"
    )
    show("profile", figures, as_json=as_json, conditions=conditions)
    return 0


def _centre(directory: Path, drives: Sequence[Sequence[Fix8]]) -> Iterator[Figure]:
    """Bridge and publisher while a fleet drains its backlog."""
    city = City(directory, [])
    city.prepare()
    names = [f"load-{i:03}" for i in range(LOAD_UNITS)]
    for name in names:
        city.authority.ensure(name, "unit")
    made = {
        name: parcels(name, drive, PARCELS_A_UNIT, outbox_id=i + 1)
        for i, (name, drive) in enumerate(zip(names, cycle(drives), strict=False))
    }
    parts = ("bridge", "publisher")
    try:
        city.start_centre()
        fleet = Fleet(city, made)
        with _sampled({part: city.children[part].pid for part in parts}, directory) as seen:
            fleet.ask()
            fleet.drain(DEADLINE_S)
            publisher_is_done(city, DEADLINE_S)
        fleet.close()
    finally:
        city.stop()
    for part in parts:
        yield from _figures(part, seen()[part])


def _unit(directory: Path) -> Iterator[Figure]:
    """gps_unit from the tty to the link, with nothing waiting."""
    city = City(directory, [UnitPlan(name="box", asset="car", agency="health", kind="ambulance", settings={})])
    city.prepare()
    epochs = synthetic(time.time_ns() // 1_000_000, seed=1, cold_start=False, speed=SPEED)
    receiver, stop = SimulatedReceiver(epochs, link=city.tty("box")), threading.Event()
    player = threading.Thread(target=receiver.play, args=(stop,))
    try:
        city.start_centre()
        city.start_units()
        player.start()
        time.sleep(10.0)  # imports are done, it is connected
        with _sampled({"gps_unit": city.children["box"].pid}, directory) as seen:
            time.sleep(DRIVEN_S)
    finally:
        stop.set()
        player.join()
        city.stop()
        receiver.close()
    yield from _figures("gps_unit", seen()["gps_unit"])


@contextmanager
def _sampled(pids: dict[str, int | None], directory: Path) -> Iterator[Callable[[], dict[str, Counter[str]]]]:
    """Sample these processes meanwhile; afterwards samples by name of the process and function are there."""
    spies: dict[str, subprocess.Popen[bytes]] = {}
    for name, pid in pids.items():
        command = [
            "py-spy",
            "record",
            "--pid",
            str(pid),
            "--rate",
            str(PER_S),
            "--format",
            "raw",
            "--function",
            "--full-filenames",
        ]
        command += ["--duration", "unlimited", "--nonblocking", "--output", str(directory / f"{name}.samples")]
        spies[name] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1.0)
    try:
        yield lambda: {name: _own(directory / f"{name}.samples") for name in pids}
    finally:
        for spy in spies.values():
            spy.send_signal(signal.SIGINT)
            spy.wait(30)


def _own(samples: Path) -> Counter[str]:
    """Samples by the function on top; a line of py-spy's raw format is `outer;…;inner count`."""
    found: Counter[str] = Counter()
    for line in samples.read_text("utf-8").splitlines():
        stack, _, count = line.rpartition(" ")
        inner = stack.rpartition(";")[2]
        if inner.partition(" (")[0] not in WAITS:
            found[_short(inner)] += int(count)
    return found


def _short(frame: str) -> str:
    """`function (file)` with the file as a reader of this repository knows it."""
    function, _, where = frame.rstrip(")").partition(" (")
    path = Path(where.partition(":")[0])
    return (
        f"{function} ({os.fspath(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else '/'.join(path.parts[-2:])})"
    )


def _figures(path: str, samples: Counter[str]) -> Iterator[Figure]:
    total = sum(samples.values())
    if total < LEAST_SAMPLES:
        raise RuntimeError(
            f"{path}: {total} samples only: was py-spy allowed to look (root, or kernel.yama.ptrace_scope=0)?"
        )
    for function, count in samples.most_common(SHOWN):
        yield Figure(f"{path}: {function}", 100 * count / total, "%")
    rest = total - sum(count for _, count in samples.most_common(SHOWN))
    yield Figure(f"{path}: all others", 100 * rest / total, "%", None, f"{len(samples)} functions, {total} samples")

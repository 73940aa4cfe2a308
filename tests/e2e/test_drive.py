"""The main job end to end: real drives through ptys at 20 times speed, over mutual TLS, come out row for row."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from edge.outbox_reader import OutboxReader
from edge.sim.receiver import SimulatedReceiver, recorded
from stage.city import City, UnitPlan
from torture.consumer import pantau

SPEED = 20.0
DRAIN_DEADLINE_S = 60.0
EVERY_FIX = {"interval_s": 2.0, "quantum": "lossless", "tolerance_m": 0.0}
DRIVES = {
    # unit: (log, policy)
    "munich": ("genivi_munich.nmea", False),
    "munich-policy": ("genivi_munich.nmea", True),
    "geko": ("genivi_geko_regensburg.nmea", False),
}


def plan(unit: str, policy: bool) -> UnitPlan:
    settings: dict[str, dict[str, object]] = {
        "report": {**EVERY_FIX, "policy": policy},
        "receiver": {"not_before": "none"},
    }
    return UnitPlan(name=unit, asset=f"car-{unit}", agency="health", kind="ambulance", settings=settings)


def play(city: City, logs: Path) -> None:
    """Each unit's log into its own pty, all at once, until the last is at its end."""
    stop = threading.Event()
    receivers = [
        SimulatedReceiver(
            recorded((logs / DRIVES[p.name][0]).read_bytes(), 0, speed=SPEED, as_recorded=True), link=city.tty(p.name)
        )
        for p in city.units
    ]
    players = [threading.Thread(target=r.play, args=(stop,)) for r in receivers]
    try:
        city.start_units()
        await_open(city)
        for player in players:
            player.start()
        for player in players:
            player.join()
        time.sleep(2.0)  # longer than a receiver is silent inside an epoch: the last one is complete
    finally:
        stop.set()
        for unit in city.units:
            city.children[unit.name].terminate()
        for unit in city.units:
            assert city.children[unit.name].join(), city.children[unit.name].tail()
        for receiver in receivers:
            receiver.close()


def await_open(city: City) -> None:
    """Every unit listens: what is said before somebody listens is nobody's."""
    deadline = time.monotonic() + 20
    for unit in city.units:
        child, tty = city.children[unit.name], city.tty(unit.name).resolve()
        while not any(fd.resolve() == tty for fd in Path(f"/proc/{child.pid}/fd").iterdir()):
            assert child.running and time.monotonic() < deadline, child.tail()
            time.sleep(0.05)
    time.sleep(0.2)


def drain(city: City) -> None:
    city.start_units()
    deadline = time.monotonic() + DRAIN_DEADLINE_S
    for unit in city.units:
        reader = OutboxReader(city.outbox_path(unit.name))
        while reader.waiting()[0]:
            assert time.monotonic() < deadline, (
                f"{unit.name} holds {reader.waiting()}: {city.children[unit.name].tail()}"
            )
            time.sleep(0.2)
        reader.close()


@pytest.mark.timeout(300)
@pytest.mark.slow
def test_a_real_drive_comes_out_at_the_centre_row_for_row(tmp_path: Path, real_data: Path) -> None:
    logs = real_data / "nmea" / "drives"
    city = City(tmp_path, [plan(unit, policy) for unit, (_, policy) in DRIVES.items()])
    city.prepare()
    try:
        city.start_centre()
        play(city, logs)
        drain(city)
    finally:
        late = city.stop()
    assert late == [], "every process stops within five seconds"
    for unit, (log, policy) in DRIVES.items():
        exported = pantau("export", "--store", city.store_url, "--unit", unit)
        decoded = pantau("decode", str(logs / log), *(["--policy"] if policy else []))
        assert exported.stdout.splitlines() == decoded.stdout.splitlines(), unit
        assert len(decoded.stdout.splitlines()) > 500
    ledger = pantau("ledger", "--store", city.store_url, "--json")
    assert ledger.returncode == 0, ledger.stdout
    accounts = json.loads(ledger.stdout)
    assert sorted(account["unit"] for account in accounts) == sorted(DRIVES)
    assert all(account["missing"] == 0 and account["produced"] > account["unjudged"] for account in accounts)

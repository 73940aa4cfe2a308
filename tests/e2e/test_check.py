"""The whole acceptance check, unattended, on a simulated box beside its running gps_unit: to a verified sheet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography import x509
from office import CHECK
from outing import eventually
from system_bus import GOOD, bus_with

from broker.store import open_store
from edge.sim.receiver import SimulatedReceiver, synthetic
from provisioning.registry import Registry
from provisioning.values import Enrolment, Unit
from provisioning.x509 import key_fingerprint
from stage.city import City, UnitPlan
from torture.consumer import pantau

NAME = "box-1"


class Box:
    """One city with one vehicle that drives, and `pantau-provision` beside it."""

    def __init__(self, city: City, bus: str) -> None:
        self.city, self.bus = city, bus
        self.home = city.directory / NAME
        (self.home / "check.toml").write_text(CHECK)
        self.registry = city.directory / "registry.db"
        issued = city.credentials(NAME)
        certificate = x509.load_pem_x509_certificate(issued.certificate_path.read_bytes())
        with Registry(self.registry, who="office") as registry:
            registry.put_unit(Unit(unit=NAME))
            registry.add_enrolment(
                Enrolment(
                    serial=f"{certificate.serial_number:x}",
                    name=NAME,
                    role="unit",
                    key=key_fingerprint(certificate.public_key()),  # type: ignore[arg-type]
                    how="code",
                    at_utc_ms=0,
                    ends_utc_ms=int(certificate.not_valid_after_utc.timestamp() * 1000),
                )
            )

    def provision(self, *words: str, code: int | None = 0) -> str:
        environment = {
            **os.environ,
            "DBUS_SYSTEM_BUS_ADDRESS": self.bus,
            "PANTAU_REGISTRY": str(self.registry),
            "PANTAU_LANGUAGE": "en",
        }
        done = subprocess.run(
            [sys.executable, "-m", "pantau.provision", *words],
            capture_output=True, text=True, timeout=120, check=False, env=environment, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert code in (None, done.returncode), done.stdout + done.stderr
        return done.stdout

    def check(self, *words: str, code: int | None = 0) -> str:
        """An unattended check; with code None it may end as it likes."""
        files = ("--config", str(self.home / "check.toml"), "--unit", str(self.city.unit_config(NAME)))
        return self.provision("check", "--unattended", *files, *words, code=code)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    plan = UnitPlan(name=NAME, asset="ambulance-7", agency="health", kind="ambulance", settings={})
    city = City(tmp_path / "city", [plan])
    city.prepare()
    stop = threading.Event()
    with ExitStack() as stack:
        receiver = SimulatedReceiver(synthetic(time.time_ns() // 1_000_000, cold_start=False), link=city.tty(NAME))
        stack.callback(receiver.close)
        player = threading.Thread(target=receiver.play, args=(stop,))
        bus = stack.enter_context(bus_with(GOOD, tmp_path))
        stack.callback(player.join)
        stack.callback(stop.set)
        player.start()
        stack.callback(city.stop)
        city.start_centre()
        yield Box(city, bus)


@pytest.mark.slow
def test_a_check_beside_the_running_box_ends_with_a_verified_sheet_and_a_balanced_ledger(box: Box) -> None:
    box.city.start_units()
    eventually(lambda: stored_of(box, NAME), 20, box.city.children[NAME].tail)
    begun = time.monotonic()
    sheet = json.loads(box.check("--json"))
    took_s = time.monotonic() - begun
    assert sheet["verdict"] == "passed", sheet
    lines = {line["name"]: line for line in sheet["lines"]}
    assert took_s < 60, "the ten minutes are for what a technician does"
    assert lines["gnss_receiver"]["measured"] == "gps_unit"
    assert {lines[n]["verdict"] for n in ("centre_receipt", "clock", "modem_rsrp", "gnss_fix", "card_write")} == {
        "passed"
    }
    assert lines["input_panic"]["verdict"] == "skipped"
    assert "1 sheets taken" in box.provision("sheet", "import", "--store", box.city.store_url)
    assert "0 sheets taken" in box.provision("sheet", "import", "--store", box.city.store_url)
    assert "0 sheets taken" in box.provision("sheet", "import", "--store", box.city.store_url, "--again")
    (row,) = box.provision("sheet", "list").splitlines()
    assert f"{NAME}  " in row and "passed" in row
    assert json.loads(box.provision("sheet", "show", NAME, "--json")) == sheet
    assert "time to a position" in box.provision("sheet", "show", NAME)
    copied = box.provision("sheet", "show", NAME, "--out", str(box.home / "copy")).strip()
    assert "the signature holds" in box.provision("sheet", "verify", copied)
    box.city.stop()  # so that the box's last words are in the store
    ledger = pantau("ledger", "--store", box.city.store_url)
    assert ledger.returncode == 0, ledger.stdout


@pytest.mark.slow
def test_a_sheet_that_finds_no_bridge_waits_on_the_box_and_goes_with_the_next(box: Box) -> None:
    box.city.children["bridge"].kill()
    (box.home / "check.toml").write_text(CHECK + "[centre]\nwithin_s = 2\n")
    said = box.check(code=1)
    assert "no receipt from the bridge" in said
    assert "goes with the next check" in said
    box.city.children["bridge"].start()
    eventually(lambda: "the sheet is at the centre" in box.check(code=None), 60, box.city.children["bridge"].tail)
    taken = box.provision("sheet", "import", "--store", box.city.store_url)
    assert int(taken.split()[0]) >= 2, "the one that failed, too"
    assert "FAILED" in box.provision("sheet", "list")
    ledger = pantau("ledger", "--store", box.city.store_url)
    assert ledger.returncode == 0, ledger.stdout


def stored_of(box: Box, unit: str) -> bool:
    with open_store(box.city.store_url) as store:
        return any(account.unit == unit and account.stored for account in store.ledger())

"""The unit files of enrolment, renewal and the list of revoked certificates, as the code and systemd take them."""

from __future__ import annotations

import configparser
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from pantau.provision.app import app
from pantau.provision.box import EXIT_REFUSED, EXIT_TRY_AGAIN
from provisioning.authority import CRL_LASTS
from provisioning.config import EnrolmentServer, IdentityFolder
from provisioning.est import PORT
from running.turns import TURN_WITHIN_S
from running.watched import READY_WITHIN_S
from settings import EXIT_CONFIG
from settings.schema import keys_of

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
PYTHON = "/usr/lib/pantau-provision/bin/python"
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")


def read(name: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    assert parser.read(PACKAGING / name)
    return parser


def default(schema: type, name: str) -> str:
    return str(next(key.default for key in keys_of("", schema) if key.name == name))


@pytest.mark.parametrize("name", ["enrol", "renew", "crl", "certificates"])
def test_what_is_started_is_a_verb_that_there_is(name: str) -> None:
    words = shlex.split(read(f"pantau-{name}.service")["Service"]["ExecStart"])
    assert words[:3] == [PYTHON, "-m", "pantau.provision"]
    command = get_command(app).commands[words[3]]  # type: ignore[attr-defined]
    assert command.make_context(words[3], words[4:]).command is command


def test_a_box_without_a_network_tries_for_ever_and_one_that_is_refused_does_not() -> None:
    enrol = read("pantau-enrol.service")
    assert enrol["Unit"]["StartLimitIntervalSec"] == "0" and enrol["Service"]["Restart"] == "on-failure"
    prevented = enrol["Service"]["RestartPreventExitStatus"].split()
    assert prevented == [str(EXIT_REFUSED), str(EXIT_CONFIG)] and str(EXIT_TRY_AGAIN) not in prevented


def test_what_the_box_writes_lies_in_its_state_directory() -> None:
    current = default(IdentityFolder, "directory") + "/current"
    assert read("pantau-enrol.service")["Unit"]["ConditionPathExists"] == f"!{current}"
    assert read("pantau-renew.service")["Unit"]["ConditionPathExists"] == current
    for path in (current, default(EnrolmentServer, "code_path")):
        assert path.startswith(f"/var/lib/{read('pantau-enrol.service')['Service']['StateDirectory']}/")


def test_timers_come_daily_also_for_who_was_off() -> None:
    for name in ("renew", "crl", "certificates"):
        timer = read(f"pantau-{name}.timer")["Timer"]
        assert timer["OnCalendar"] == "daily" and timer["Persistent"] == "true"
    assert CRL_LASTS.days > 7, "some missed days are no outage"


def test_the_broker_is_told_of_the_daily_list_and_a_reload_is_no_restart() -> None:
    told = read("pantau-crl.service")["Service"]["ExecStartPost"]
    assert told.endswith(" try-reload-or-restart pantau-mosquitto.service")
    assert told.startswith("+"), "the service's own user may not"
    assert "-HUP" in read("pantau-mosquitto.service")["Service"]["ExecReload"]


def test_certificates_are_renewed_where_the_broker_reads_them_and_every_server_of_them_is_told() -> None:
    service = read("pantau-certificates.service")
    words = shlex.split(service["Service"]["ExecStart"])
    (folder, centre) = words[4], words[words.index("--centre") + 1]
    assert service["Service"]["ReadWritePaths"] == folder
    assert read("pantau-mosquitto.service")["Unit"]["ConditionPathExists"] == centre
    assert service["Service"]["ExecStartPost"].endswith(" try-reload-or-restart pantau-enrolment.service")
    assert "-HUP" in read("pantau-enrolment.service")["Service"]["ExecReload"], "a reload is no restart"
    for name in ("crl", "mosquitto", "enrolment"):  # what it writes and signals is of one user
        assert read(f"pantau-{name}.service")["Service"]["User"] == service["Service"]["User"]


def test_the_server_tells_systemd_that_it_turns() -> None:
    service = read("pantau-enrolment.service")["Service"]
    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) > TURN_WITHIN_S
    assert int(service["TimeoutStartSec"]) > READY_WITHIN_S


def test_behind_the_packet_filter_one_address_cannot_take_all_the_servers_connections() -> None:
    limits = (PACKAGING / "pantau-broker.nft").read_text("utf-8")
    assert f"tcp dport != {{ 8883, {PORT} }} accept" in limits
    assert int(read("pantau-enrolment.service")["Service"]["LimitNOFILE"]) > 60 * 1000


@needs_systemd
@pytest.mark.parametrize("name", ["enrol.service", "renew.timer", "crl.timer", "certificates.timer"])
def test_systemd_finds_nothing_wrong(tmp_path: Path, name: str) -> None:
    for each in PACKAGING.glob("pantau-*"):
        (tmp_path / each.name).write_text(each.read_text("utf-8").replace(PYTHON, sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / f"pantau-{name}")],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("name", ["enrol", "enrolment", "renew", "crl", "certificates"])
def test_the_service_is_hardened(name: str) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(PACKAGING / f"pantau-{name}.service")],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout.splitlines()[-1]

"""Cards: a boot partition is told from anything else, a card has all that a box needs, and twice is once."""

from __future__ import annotations

import configparser
import json
import shutil
import stat
import tomllib
from pathlib import Path

import pytest
import yaml
from boot_partition import CMDLINE, CONFIG, flashed
from typer.testing import CliRunner, Result

from pantau.provision.app import app
from provisioning import codes
from provisioning.authority import found_authority, open_authority
from provisioning.card.boot import FOLDER, RUN, SCRIPT, NoBootPartition, read_boot
from provisioning.card.site import load_site
from provisioning.config import load_enrolment
from provisioning.registry import Registry
from provisioning.values import Sim, Unit
from settings import ConfigError

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqv5v0H1oPQmQ2oXCzZ1dZ6QbGQm5C1m7x6xjXkq0aB rini@workshop"
ICCID = "8962100012345678901"
SITE = """
[enrolment]
host = "enrol.city.example"

[broker]
host = "broker.city.example"

[login]
keys_path = "keys"

[modem]
apn = "m2m.operator.example"
password = 'a\\b'

[receiver]
tty = "/dev/serial0"

[cameras]
interface = "eth0"
"""


class Office:
    """Registry, authority and card.toml in a folder, and the command."""

    def __init__(self, home: Path) -> None:
        self.home = home
        found_authority(home / "authority", "jakarta")
        (home / "keys").write_text(f"# who may repair boxes\n{KEY}\n")
        (home / "card.toml").write_text(SITE)
        with self.registry() as registry:
            registry.put_sim(Sim(iccid=ICCID, apn="internet"))
            registry.put_unit(Unit(unit="box-1", iccid=ICCID))
            registry.put_unit(Unit(unit="box-2"))
            registry.put_unit(Unit(unit="pole-1", kind="camera_node"))

    def registry(self) -> Registry:
        return Registry(self.home / "registry.db", who="office")

    def run(self, *words: str) -> Result:
        names = {"PANTAU_REGISTRY": "registry.db", "PANTAU_AUTHORITY": "authority", "PANTAU_SITE": "card.toml"}
        return CliRunner().invoke(app, words, env={key: str(self.home / name) for key, name in names.items()})

    def good(self, unit: str, code: str) -> bool:
        with self.registry() as registry:
            kept = registry.code(unit)
        return kept is not None and codes.holds(kept, code)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / "office")


def contents(directory: Path) -> dict[str, bytes]:
    files = [path for path in sorted(directory.rglob("*")) if path.is_file()]
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("trixie", [False, True])
def test_a_card_has_what_a_box_needs_and_twice_is_once(office: Office, tmp_path: Path, trixie: bool) -> None:
    card = flashed(tmp_path / "bootfs", trixie=trixie)
    done = office.run("card", str(card), "--unit", "box-1")
    assert done.exit_code == 0, done.output
    ours = card / FOLDER
    assert (ours / "hostname").read_text() == "box-1\n"
    assert (ours / "authorized_keys").read_text() == f"{KEY}\n"
    assert (ours / "etc/ca.pem").read_bytes() == (office.home / "authority/ca.pem").read_bytes()
    assert load_enrolment(ours / "etc/enrolment.toml").unit.id == "box-1"
    unit = tomllib.loads((ours / "etc/unit.toml").read_text())
    assert unit["broker"]["key_path"] == "/var/lib/pantau/identity/current/key.pem"
    assert office.good("box-1", (ours / "code").read_text())
    keyfile = configparser.RawConfigParser()
    keyfile.read(ours / "pantau-mobile.nmconnection")
    assert dict(keyfile["gsm"]) == {"apn": "internet", "password": "a\\\\b"}, "the SIM's own access point goes first"
    before = contents(card)
    done = office.run("card", str(card), "--unit", "box-1")
    assert done.exit_code == 0 and "already" in done.output
    assert contents(card) == before


def test_bookworm_is_told_by_the_kernels_command_line(office: Office, tmp_path: Path) -> None:
    card = flashed(tmp_path / "bootfs", trixie=False)
    assert office.run("card", str(card), "--unit", "box-1").exit_code == 0
    line = (card / "cmdline.txt").read_text()
    without_console = [word for word in CMDLINE.split() if not word.startswith("console=serial0")]
    assert line.count("\n") == 1 and line.split() == [*without_console, *RUN], "the receiver is on the board's own pins"
    assert (card / "config.txt").read_text() == f"{CONFIG}\n[all]\nenable_uart=1\n"
    assert not (card / "user-data").exists()


def test_a_pole_gets_the_port_towards_its_cameras_and_no_receiver(office: Office, tmp_path: Path) -> None:
    boot = flashed(tmp_path / "bootfs", trixie=False)
    done = office.run("card", str(boot), "--unit", "pole-1")
    assert done.exit_code == 0, done.output
    unit = tomllib.loads((boot / FOLDER / "etc/unit.toml").read_text())
    assert unit["pole"] == {"interface": "eth0", "passwords_path": "/etc/pantau/passwords.toml"}
    assert "receiver" not in unit and unit["unit"] == {"id": "pole-1"}
    assert (boot / "config.txt").read_text() == CONFIG, "no pins are for a receiver"
    assert "console=" in (boot / "cmdline.txt").read_text()


def test_trixie_is_told_by_cloud_init_and_another_content_is_another_instance(office: Office, tmp_path: Path) -> None:
    card = flashed(tmp_path / "bootfs", trixie=True)
    seen = set()
    for unit in ("box-1", "box-2"):
        assert office.run("card", str(card), "--unit", unit).exit_code == 0
        text = (card / "user-data").read_text()
        assert text.startswith("#cloud-config\n")
        told = yaml.safe_load(text)
        assert told["hostname"] == unit and told["runcmd"][0] == ["sh", SCRIPT]
        (user,) = told["users"]
        assert (user["name"], user["ssh_authorized_keys"], user["lock_passwd"]) == ("technician", [KEY], True)
        instance = yaml.safe_load((card / "meta-data").read_text())["instance-id"]
        assert f"ds=nocloud;i={instance}" in (card / "cmdline.txt").read_text().split()
        assert "systemd.run" not in (card / "cmdline.txt").read_text()
        seen.add(instance)
    assert len(seen) == 2
    assert (card / "cmdline.txt").read_text().count("ds=nocloud") == 1
    assert (card / FOLDER / "code").read_text() not in text, "codes are not in what stays on the card"
    assert office.good("box-2", (card / FOLDER / "code").read_text()), "the other box's code is not left"


def test_a_code_that_was_used_is_replaced_and_one_that_was_drawn_already_is_taken(
    office: Office, tmp_path: Path
) -> None:
    card = flashed(tmp_path / "bootfs", trixie=True)
    drawn = json.loads(office.run("code", "box-1", "--json").stdout)["box-1"]
    (tmp_path / "code").write_text(f"{drawn}\n")
    words = ("card", str(card), "--unit", "box-1", "--code-file", str(tmp_path / "code"))
    assert office.run(*words).exit_code == 0
    assert (card / FOLDER / "code").read_text() == f"{drawn}\n"
    (tmp_path / "code").write_text("what is no code\n")
    assert "wanted a code such as" in str(office.run(*words).exception)
    office.run("code", "box-1")  # makes the one on the card worth nothing
    assert office.run("card", str(card), "--unit", "box-1").exit_code == 0
    assert (card / FOLDER / "code").read_text() != f"{drawn}\n"
    assert office.good("box-1", (card / FOLDER / "code").read_text())


def test_many_cards_are_a_folder_each_and_the_pattern_is_left_alone(office: Office, tmp_path: Path) -> None:
    pattern = flashed(tmp_path / "bootfs", trixie=False)
    before = contents(pattern)
    debs = office.home / "debs"
    debs.mkdir()
    (debs / "pantau-gps-unit.deb").write_bytes(b"!<arch>\n" * 100)
    with (office.home / "card.toml").open("a") as site:
        site.write('\n[packages]\ndirectory = "debs"\n')
    (tmp_path / "units.csv").write_text("unit,kind,iccid,note\nbox-1,gps_unit,,\nbox-2,gps_unit,,\n")
    words = ("card", str(pattern), "--units", str(tmp_path / "units.csv"), "--out", str(tmp_path / "cards"), "--json")
    told = json.loads(office.run(*words).stdout)
    assert {unit: one["changed"] for unit, one in told.items()} == {"box-1": True, "box-2": True}
    assert contents(pattern) == before
    for unit in ("box-1", "box-2"):
        folder = tmp_path / "cards" / unit
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, "there are codes in it"
        assert (folder / "cmdline.txt").read_text().endswith(f"{' '.join(RUN)}\n")
        assert (folder / FOLDER / "packages/pantau-gps-unit.deb").stat().st_size == 800
        assert office.good(unit, (folder / FOLDER / "code").read_text())
    assert {one["changed"] for one in json.loads(office.run(*words).stdout).values()} == {False}


def test_what_is_no_boot_partition_is_refused_and_left_alone(office: Office, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"1")
    done = office.run("card", str(tmp_path / "photos"), "--unit", "box-1")
    assert done.exit_code != 0 and "is not the boot partition" in str(done.exception)
    assert list(contents(tmp_path / "photos")) == ["a.jpg"]
    bare = flashed(tmp_path / "bare", trixie=False)
    for name in ("kernel8.img", "start4.elf", "bcm2711-rpi-4-b.dtb"):
        (bare / name).unlink()
    with pytest.raises(NoBootPartition, match="no firmware"):
        read_boot(bare)


def test_this_machines_own_partition_and_another_ones_settings_are_refused(tmp_path: Path) -> None:
    card = flashed(tmp_path / "bootfs", trixie=False)
    (tmp_path / "running").write_text("coherent_pool=1M " + CMDLINE)
    with pytest.raises(NoBootPartition, match="itself was started from"):
        read_boot(card, running=tmp_path / "running")
    (card / "cmdline.txt").write_text(CMDLINE.strip() + " systemd.run=/boot/firstrun.sh\n")
    with pytest.raises(NoBootPartition, match="flash the card anew"):
        read_boot(card)


def test_a_unit_that_is_not_in_the_registry_and_a_full_card_change_nothing(office: Office, tmp_path: Path) -> None:
    card = flashed(tmp_path / "bootfs", trixie=True)
    before = contents(card)
    done = office.run("card", str(card), "--unit", "box-9")
    assert done.exit_code != 0 and "no unit box-9" in str(done.exception)
    debs = office.home / "debs"
    debs.mkdir()
    with (debs / "huge.deb").open("wb") as file:
        file.truncate(shutil.disk_usage(card).free + (1 << 30))
    with (office.home / "card.toml").open("a") as site:
        site.write('\n[packages]\ndirectory = "debs"\n')
    done = office.run("card", str(card), "--unit", "box-1")
    assert done.exit_code != 0 and "has room for" in str(done.exception)
    assert contents(card) == before


@pytest.mark.parametrize(
    ("key", "wrong", "told"),
    [
        ("apn", '"a\\npassword=b"', "modem.apn"),
        ("keys_path", '"card.toml"', "public"),
        ("tty", '"serial0"', "/dev/"),
        ("host", '"a b"', "enrolment.host"),
    ],
)
def test_a_wrong_card_toml_is_refused_whole(office: Office, key: str, wrong: str, told: str) -> None:
    lines = [f"{key} = {wrong}" if line.startswith(f"{key} =") else line for line in SITE.splitlines()]
    (office.home / "card.toml").write_text("\n".join(lines))
    with pytest.raises(ConfigError, match=told):
        load_site(office.home / "card.toml")


def test_a_private_key_is_never_put_onto_a_card(office: Office) -> None:
    (office.home / "keys").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n")
    with pytest.raises(ConfigError, match=r"SSH \*public\* keys"):
        load_site(office.home / "card.toml")


def test_the_card_trusts_what_the_authority_is_now(office: Office) -> None:
    assert open_authority(office.home / "authority").trusted() == (office.home / "authority/ca.pem").read_bytes()


def test_one_card_or_many_and_many_need_a_spreadsheet_of_units(office: Office, tmp_path: Path) -> None:
    card = flashed(tmp_path / "bootfs", trixie=True)
    sheet = tmp_path / "sims.csv"
    sheet.write_text(f"iccid,operator,plan_mb,apn\n{ICCID},,,\n")
    assert office.run("card", str(card)).exit_code == 2
    assert office.run("card", str(card), "--unit", "box-1", "--units", str(sheet)).exit_code == 2
    assert office.run("card", str(card), "--units", str(sheet)).exit_code == 2
    done = office.run("card", str(card), "--units", str(sheet), "--out", str(tmp_path / "cards"))
    assert "wanted a spreadsheet of units, not of sims" in str(done.exception)


def test_a_code_of_another_box_or_of_a_retired_one_is_on_no_card(office: Office, tmp_path: Path) -> None:
    card = flashed(tmp_path / "bootfs", trixie=True)
    drawn = json.loads(office.run("code", "box-2", "--json").stdout)["box-2"]
    (tmp_path / "code").write_text(f"{drawn}\n")
    words = ("card", str(card), "--code-file", str(tmp_path / "code"), "--unit")
    before = contents(card)
    assert "not box-1's" in str(office.run(*words, "box-1").exception)
    assert office.run("retire", "box-2", "--yes").exit_code == 0
    assert "box-2" in str(office.run(*words, "box-2").exception)
    assert contents(card) == before


def test_no_folder_is_called_like_a_box_that_is_not_known(office: Office, tmp_path: Path) -> None:
    (tmp_path / "units.csv").write_text("unit\n../../esc\n")
    words = ("card", str(flashed(tmp_path / "bootfs", trixie=True)), "--units", str(tmp_path / "units.csv"))
    out = tmp_path / "a" / "b"
    assert office.run(*words, "--out", str(out)).exception is not None
    assert not (tmp_path / "esc").exists() and not out.exists()


def test_the_roots_key_is_not_left_here_because_its_stick_is_not_mounted(tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    words = ["authority", "jakarta", "--root", str(stick), "--authority", str(tmp_path / "authority")]
    done = CliRunner().invoke(app, words)
    assert "is not there" in str(done.exception) and not stick.exists() and not (tmp_path / "authority").exists()
    stick.mkdir()
    assert CliRunner().invoke(app, words).exit_code == 0
    assert (stick / "root.key").exists()

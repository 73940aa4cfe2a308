"""The first boot of a card, really done: users, packages, files with their owners, no secret left on the card."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import pytest
from boot_partition import CMDLINE, flashed
from box_root import BoxRoot
from test_card import KEY, Office

SCRIPT = "sh /boot/firmware/pantau/first-boot.sh"


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / "office")


def package(folder: Path) -> None:
    """A .deb that brings the services, as the real ones do."""
    tree = folder / "tree"
    units = tree / "lib/systemd/system"
    units.mkdir(parents=True)
    for each in (Path(__file__).resolve().parents[2] / "packaging").glob("pantau-*"):
        (units / each.name).write_bytes(each.read_bytes())
    (tree / "DEBIAN").mkdir()
    (tree / "DEBIAN/control").write_text(
        "Package: pantau-test\nVersion: 1\nArchitecture: all\nMaintainer: test <t@city.example>\nDescription: test\n"
    )
    done = subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, folder / "debs/pantau-test.deb"],
                          capture_output=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr


def carded(office: Office, tmp_path: Path, *, trixie: bool) -> Path:
    (office.home / "debs").mkdir()
    package(office.home)
    with (office.home / "card.toml").open("a") as site:
        site.write('\n[packages]\ndirectory = "debs"\n')
    card = flashed(tmp_path / "bootfs", trixie=trixie)
    assert office.run("card", str(card), "--unit", "box-1").exit_code == 0
    return card


@pytest.mark.parametrize("trixie", [False, True])
def test_the_box_becomes_what_the_card_says_and_twice_is_once(office: Office, tmp_path: Path, trixie: bool) -> None:
    card = carded(office, tmp_path, trixie=trixie)
    code = (card / "pantau/code").read_text()
    with BoxRoot(tmp_path / "box", boot=card) as box:
        for _again in range(2):  # a power cut starts it over
            box.run(SCRIPT)
            log = (card / "pantau/first-boot.log").read_text()
            assert "FAILED" not in log and log.count(": done") == 9, log
            assert code.strip() not in log
            assert box.run("cat /etc/hostname") == "box-1\n"
            assert box.run("grep -c '^127.0.1.1.*box-1$' /etc/hosts") == "1\n"
            assert box.run("stat -c '%U %a' ~technician/.ssh/authorized_keys") == "technician 600\n"
            assert box.run("cat ~technician/.ssh/authorized_keys") == f"{KEY}\n"
            assert "dialout" in box.run("id -nG technician")
            assert box.run("stat -c %a /etc/sudoers.d/011_pantau") == "440\n"
            assert box.run("dpkg-query -W -f '${Status}' pantau-test") == "install ok installed"
            connection = "/etc/NetworkManager/system-connections/pantau-mobile.nmconnection"
            assert box.run(f"stat -c '%U %a' {connection}") == "root 600\n", "NetworkManager takes no other"
            assert box.run("stat -c '%U %a' /var/lib/pantau/code") == "pantau 600\n"
            assert box.run("cat /var/lib/pantau/code") == code
            assert box.run("stat -c '%U %a' /etc/pantau/enrolment.toml") == "root 644\n"
            assert (
                box.run("systemctl is-enabled pantau-enrol.service pantau-renew.timer ssh.service").split()
                == ["enabled"] * 3
            )
        assert not (card / "pantau/code").exists(), "everybody can read the boot partition"
        assert not list((card / "pantau").glob("*.nmconnection"))
        line = (card / "cmdline.txt").read_text()
        assert "systemd." not in line
        if not trixie:
            assert line.split() == [word for word in CMDLINE.split() if not word.startswith("console=serial0")]


def test_a_step_that_fails_does_not_stop_the_others_and_is_told(office: Office, tmp_path: Path) -> None:
    card = carded(office, tmp_path, trixie=False)
    (card / "pantau/packages/pantau-test.deb").write_bytes(b"worn")
    with BoxRoot(tmp_path / "box", boot=card) as box:
        box.run(SCRIPT, code=2)  # no package, so no services to enable either
        log = (card / "pantau/first-boot.log").read_text()
        assert "packages: FAILED" in log and "services: FAILED" in log
        assert log.count("FAILED") == 2
        assert box.run("cat /etc/hostname") == "box-1\n"
        assert box.run("stat -c %U /var/lib/pantau/code") == "pantau\n"
        assert "systemd.run" not in (card / "cmdline.txt").read_text(), "it does not start over for ever"


def test_a_user_of_the_image_is_renamed_as_raspberry_pi_os_12_does_it(office: Office, tmp_path: Path) -> None:
    card = carded(office, tmp_path, trixie=False)
    with BoxRoot(tmp_path / "box", boot=card) as box:
        box.run("getent passwd 1000 || useradd --create-home --uid 1000 --user-group pi")
        first = box.run("getent passwd 1000 | cut -d: -f1").strip()
        box.run("mkdir -p /usr/lib/userconf-pi")
        rename = (
            f'#!/bin/sh -e\nusermod -l "$1" -d "/home/$1" -m {first}\ngroupmod -n "$1" {first}\necho "$2" >/given\n'
        )
        box.run(f"printf '%s' '{rename}' >/usr/lib/userconf-pi/userconf && chmod 755 /usr/lib/userconf-pi/userconf")
        box.run(SCRIPT)
        assert box.run("getent passwd 1000 | cut -d: -f1,6") == "technician:/home/technician\n"
        assert box.run("cat /given") == "!\n", "no password, so none can be guessed"


def test_a_power_cut_after_any_step_starts_it_over_and_nothing_is_lost(office: Office, tmp_path: Path) -> None:
    card = carded(office, tmp_path, trixie=False)
    code, script = (card / "pantau/code").read_text(), card / "pantau/first-boot.sh"
    whole = script.read_text()
    (steps,) = re.findall(r"for each in (.*); do\n    step", whole)
    with BoxRoot(tmp_path / "box", boot=card) as box:
        for count in range(1, len(steps.split())):
            cut = whole.replace(steps, " ".join(steps.split()[:count])).partition("\nmv ")[0]
            script.write_text(f"{cut}\nkill -9 $$\n")
            box.run(SCRIPT, code=128 + signal.SIGKILL)
            assert "systemd.run=" in (card / "cmdline.txt").read_text(), "the next start goes on with it"
            assert not (card / "pantau/first-boot.log").exists()
        script.write_text(whole)
        box.run(SCRIPT)
        assert "FAILED" not in (card / "pantau/first-boot.log").read_text()
        assert box.run("cat /var/lib/pantau/code") == code
        assert "systemd.run=" not in (card / "cmdline.txt").read_text()

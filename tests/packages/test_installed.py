"""The packages in a Debian root file system, without a network: installed, started, upgraded, removed, purged.

They are those that `make packages` has built; `make packages-test` does both.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rootfs import Root, fresh, make_base, native, why_not

from provisioning.identity import Folder, Identities
from provisioning.throwaway import make_authority

REPOSITORY = Path(__file__).resolve().parents[2]
BUILT = REPOSITORY / "build" / "packages"
ARCHITECTURE = os.environ.get("PANTAU_DEB_ARCH") or native()
SUITES = ("bookworm", "trixie")  # Debian 12 and 13, and the Raspberry Pi OS made from each
BOX, NODE, CENTRE, PROVISION = "pantau-gps-unit", "pantau-camera-node", "pantau-broker", "pantau-provision"
OUTBOX = "/var/lib/pantau/outbox.db"
DOCUMENTS = "/var/lib/pantau/documents.db"
# What a camera node keeps of a camera over its stop and start: read, and written again.
LEARNED = {"north": {"judge": {"format": 1, "lights": {}, "usual_change": 12.345, "longest_still_s": 7.5}}}
PASSWORDS = "etc/pantau/passwords.toml"
LISTENS = f":{8883:04X} 00000000:0000 0A"  # as /proc/net/tcp says it

# What dpkg, apt, ldconfig, useradd and systemd's user database keep about the past, whoever was installed.
NOT_OURS = ("var/lib/dpkg", "var/lib/apt", "var/log", "var/cache", "etc/.pwd.lock", "tmp", "var/tmp", "proc", "dev")
BACKUPS = {"etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-", "etc/subuid-", "etc/subgid-"}

OF_EVERY_BOX = """
[unit]
id = "box-1"

[broker]
host = "broker.invalid"
ca_path = "ca.pem"
certificate_path = "/var/lib/pantau/identity/current/certificate.pem"
key_path = "/var/lib/pantau/identity/current/key.pem"
"""
OF_A_POLE = """
[pole]
passwords_path = "/etc/pantau/passwords.toml"

[[cameras]]
name = "north"
url = "rtsp://192.168.10.11/Streaming/Channels/101"
onvif_port = 80
"""
UNIT_TOML = {BOX: OF_EVERY_BOX + '[receiver]\ntty = "/dev/ttyUSB9"\n', NODE: OF_EVERY_BOX + OF_A_POLE}
IMPORTED = {  # what only a part of a box imports, when it is configured
    BOX: "import dbus_fast.aio, gpiozero, edge.gps_unit.modem_fitting, serial",
    NODE: "import av, gpiozero, numpy, onveef, edge.camera_node.look",
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def package(name: str) -> Path:
    """The newest one that was built; skips when there is none."""
    built = [*BUILT.glob(f"{name}_*_{ARCHITECTURE}.deb"), *BUILT.glob(f"{name}_*_all.deb")]
    if not built:
        pytest.skip(f"no {name} for {ARCHITECTURE} in build/packages: make packages-test")
    return max(built, key=lambda file: file.stat().st_mtime)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], Path]]:
    """Unpacks a root file system once for all tests."""
    folder = tmp_path_factory.mktemp("roots")

    def once(tar: Path) -> Path:
        into = folder / tar.stem
        if not into.exists():
            into.mkdir()
            subprocess.run(["tar", "-xf", tar, "-C", into, "--exclude=./dev/*"], check=True)
        return into

    yield once
    subprocess.run(["rm", "-rf", folder], check=True)


@pytest.fixture(params=SUITES)
def root(request: pytest.FixtureRequest, unpacked: Callable[[Path], Path], tmp_path: Path) -> Iterator[Root]:
    """A machine of that Debian as it comes, before pantau."""
    package(PROVISION)
    if reason := why_not(ARCHITECTURE):
        pytest.skip(reason)
    tar = BUILT / "roots" / f"{request.param}-{ARCHITECTURE}.tar"
    if reason := make_base(request.param, ARCHITECTURE, tar):
        pytest.skip(reason)
    with fresh(unpacked(tar), tmp_path) as path:
        yield Root(path)


@pytest.fixture
def install(root: Root) -> Callable[..., float]:
    """Installs package files as an operator does, and gives the seconds it took."""

    def with_apt(*packages: Path) -> float:
        for each in packages:
            shutil.copy(each, root.path / "var/tmp")
        began = time.monotonic()
        root.demand("apt-get", "install", "--yes", *(f"/var/tmp/{each.name}" for each in packages))
        return time.monotonic() - began

    return with_apt


def one_version_later(built: Path, folder: Path) -> Path:
    """The same package under the next version, and without one of its modules."""
    subprocess.run(["dpkg-deb", "--raw-extract", built, folder / "raw"], check=True)
    control = folder / "raw" / "DEBIAN" / "control"
    lines = [line + ".1" if line.startswith("Version: ") else line for line in control.read_text().splitlines()]
    control.write_text("\n".join(lines) + "\n")
    for module in (folder / "raw").rglob("pantau/decode.py"):
        module.unlink()
    name, _, architecture = built.stem.rpartition("_")
    later = folder / f"{name}.1_{architecture}.deb"
    subprocess.run(["dpkg-deb", "--build", "-Znone", folder / "raw", later], check=True, stdout=subprocess.DEVNULL)
    return later


def enrolled(root: Root, tmp_path: Path, box: str) -> Folder:
    """A box with an identity and a configuration, as enrolling and its card leave them; the passwords are root's."""
    authority = make_authority(tmp_path / "authority")
    issued = authority.issue("box-1", "unit")
    identities = Identities(root.path / "var/lib/pantau/identity")
    folder = identities.next()
    shutil.copy(issued.key_path, folder.key_path)
    folder.keep(issued.certificate_path.read_bytes())
    identities.become(folder)
    root.demand("chown", "--recursive", "pantau:pantau", "/var/lib/pantau/identity")
    shutil.copy(authority.ca_path, root.path / "etc/pantau/ca.pem")
    (root.path / "etc/pantau/unit.toml").write_text(UNIT_TOML[box])
    (root.path / PASSWORDS).touch(0o600)
    (root.path / PASSWORDS).write_text('[north]\nuser = "viewer"\npassword = "hunter2"\n')
    return folder


def remembers(root: Root, box: str, statement: str) -> str:
    """What the box's own code says of what it remembers besides records, as `memory`."""
    opened = f'from pathlib import Path; from edge.memory import Memory; memory = Memory(Path("{DOCUMENTS}"))'
    return root.demand(f"/usr/lib/{box}/bin/python", "-c", f"{opened}; {statement}", user="pantau")


def held(root: Root) -> dict[str, int]:
    """How many rows wait in the box's outbox, by outbox_id."""
    said = json.loads(root.demand("pantau", "outbox", OUTBOX, "--json", user="pantau"))
    return {each["outbox_id"]: each["rows"] for each in said["outboxes"]}


def comes_true(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("box", UNIT_TOML)
def test_a_box_installs_without_a_network_and_starts(
    root: Root, install: Callable[..., float], box: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    took_s = install(package(box), package(PROVISION))
    assert root.demand("id", "--user", "--name", "pantau") == "pantau\n"
    assert root.demand("stat", "--format=%U %a", "/var/lib/pantau") == "pantau 750\n"
    for unit in (f"{box}.service", "pantau-renew.timer", "pantau-certificates.timer", "pantau-check.timer"):
        assert root.demand("systemctl", "is-enabled", unit) == "enabled\n"
    assert root.run("systemctl", "is-enabled", "pantau-renew.service").stdout.strip() == "static"
    assert "Traceback" not in root.demand("pantau", "--help")
    root.demand(f"/usr/lib/{PROVISION}/bin/python", "-c", "import dbus_fast.aio, gpiozero, segno, cryptography")
    root.demand(f"/usr/lib/{box}/bin/python", "-c", IMPORTED[box])
    enrolled(root, tmp_path, box)
    if box == NODE:
        asked = root.run("pantau-provision", "adopt", "--interface", "lo")
        assert (asked.returncode, asked.stdout) == (1, "pantau-provision: no camera answers on lo\n")
    with root.started(f"{box}.service"):
        pass
    assert sum(held(root).values()) >= 1, "it has recorded that it started"
    with capsys.disabled():
        sys.stdout.write(f"\n{root.demand('python3', '--version').strip()}: installed in {took_s:.1f} s\n")


@pytest.mark.parametrize("box", UNIT_TOML)
def test_an_upgrade_keeps_outbox_identity_what_was_learned_and_what_was_written(
    root: Root, install: Callable[..., float], box: str, tmp_path: Path
) -> None:
    install(package(box))
    identity = enrolled(root, tmp_path, box)
    key = identity.key_path.read_bytes()
    remembers(root, box, f'memory.remember("learned", {LEARNED})')
    with root.started(f"{box}.service"):
        pass
    before = held(root)
    install(one_version_later(package(box), tmp_path))
    assert root.demand("dpkg-query", "--show", "--showformat=${Version}", box).endswith(".1")
    modules = root.path / f"usr/lib/{box}/lib/python3/site-packages/pantau"
    assert not [*modules.rglob("decode*")], "neither its source nor its bytecode is left"
    with root.started(f"{box}.service"):
        pass
    after = held(root)
    assert after.keys() == before.keys(), "the same outbox"
    assert sum(after.values()) > sum(before.values())
    assert identity.key_path.read_bytes() == key
    assert identity.key_path.stat().st_mode & 0o777 == 0o600
    judge = remembers(root, box, 'print(memory.recall("learned", None)["north"]["judge"])')
    assert judge == f"{LEARNED['north']['judge']}\n"
    assert (root.path / "etc/pantau/unit.toml").read_text() == UNIT_TOML[box]
    assert (root.path / PASSWORDS).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("box", UNIT_TOML)
def test_removing_keeps_what_is_the_box_own_and_purging_leaves_nothing(
    root: Root, install: Callable[..., float], box: str, tmp_path: Path
) -> None:
    before, people = root.files(), (root.path / "etc/passwd").read_text()
    install(package(box), package(PROVISION))
    enrolled(root, tmp_path, box)
    with root.started(f"{box}.service"):
        pass
    root.demand("apt-get", "remove", "--yes", box)
    assert not (root.path / f"usr/lib/{box}").exists()
    assert (root.path / OUTBOX[1:]).exists()
    root.demand("apt-get", "purge", "--yes", box)
    assert not (root.path / OUTBOX[1:]).exists()
    assert (root.path / PASSWORDS).exists() == (box != NODE), "a vehicle's box has none, and takes none away"
    assert (root.path / "var/lib/pantau/identity/current").exists(), "that is pantau-provision's"
    root.demand("apt-get", "purge", "--yes", PROVISION)
    left = {path for path in root.files() - before - BACKUPS if not path.startswith(NOT_OURS)}
    assert left == set()
    assert (root.path / "etc/passwd").read_text() == people


def test_both_kinds_of_box_lie_beside_each_other(root: Root, install: Callable[..., float], tmp_path: Path) -> None:
    install(package(BOX), package(NODE))
    enrolled(root, tmp_path, NODE)
    with root.started(f"{NODE}.service"):
        pass
    root.demand("apt-get", "purge", "--yes", BOX)
    assert sum(held(root).values()) >= 1, "they are the pole's"
    assert (root.path / "etc/pantau/unit.toml").exists()
    root.demand("apt-get", "purge", "--yes", NODE)
    assert not (root.path / "etc/pantau").exists()
    assert not (root.path / "var/lib/pantau").exists()


def test_a_centre_installs_without_a_network_beside_a_box(
    root: Root, install: Callable[..., float], tmp_path: Path
) -> None:
    install(package(CENTRE), package(PROVISION), package(BOX))
    root.demand("chown", "pantau:pantau", "/etc/pantau")
    for words in (
        "authority jakarta",
        "certificate localhost --role broker --out /etc/pantau/credentials",
        "certificate bridge-1 --role bridge --out /etc/pantau/credentials",
        "certificate bridge-1-receipts --role bridge --out /etc/pantau/credentials",
        "certificate bridge-publisher --role publisher --out /etc/pantau/credentials",
    ):
        root.demand("pantau-provision", *words.split(), user="pantau")
    assert "Traceback" not in root.demand("pantau-provision", "serve", "--help")
    root.demand(f"/usr/lib/{PROVISION}/bin/python", "-c", "import provisioning.serve, aiohttp, cryptography, orjson")
    (root.path / "etc/pantau/centre.toml").write_text(
        '[broker]\nhost = "localhost"\n[credentials]\ndirectory = "/etc/pantau/credentials"\n'
        '[store]\nurl = "sqlite:////var/lib/pantau/store.db"\n'
    )
    with root.started("pantau-mosquitto.service") as mosquitto:
        comes_true(lambda: LISTENS in Path(f"/proc/{mosquitto.pid}/net/tcp").read_text())
    with root.started("pantau-bridge.service"):
        comes_true((root.path / "var/lib/pantau/store.db").exists)
    assert root.demand("readlink", "--canonicalize", "/usr/bin/pantau") == f"/usr/lib/{CENTRE}/bin/pantau\n"
    root.demand("apt-get", "purge", "--yes", CENTRE)
    assert not (root.path / "var/lib/pantau/store.db").exists()
    assert root.demand("readlink", "--canonicalize", "/usr/bin/pantau") == f"/usr/lib/{BOX}/bin/pantau\n"

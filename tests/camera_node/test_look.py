"""The command that looks once at every camera: what it says of good, blind, covered and locked ones."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edge.camera_node.camera import Stream, picture
from edge.camera_node.config import Camera
from edge.camera_node.look import look
from edge.camera_node.probing import Credentials
from edge.camera_node.verdict import Judge
from edge.looked import Look, from_json
from edge.memory import Memory
from edge.sim.cameras import PASSWORD, CameraHost, SimCamera
from edge.sim.onvif_device import OnvifDevice
from edge.sim.rtsp_liar import RtspLiar
from provisioning.throwaway import make_authority

WRONG = "not-it-5417"


def looked(
    folder: Path, cameras: list[SimCamera], *, onvif: dict[str, OnvifDevice] | None = None, wrong: tuple[str, ...] = ()
) -> tuple[dict[str, Look], int]:
    """What is said of each, and the exit code."""
    who = make_authority(folder / "ca").ensure("pole-1", "unit")
    passwords = folder / "passwords.toml"
    passwords.touch(mode=0o600)
    passwords.write_text(  # JSON's strings are TOML's
        "".join(
            f"[{each.name}]\nuser = {json.dumps(each.user)}\n"
            f"password = {json.dumps(WRONG if each.name in wrong else each.password)}\n"
            for each in cameras
        ),
        "utf-8",
    )
    ports = {name: f"onvif_port = {device.port}\n" for name, device in (onvif or {}).items()}
    file = folder / "unit.toml"
    file.write_text(
        f'[unit]\nid = "pole-1"\n[broker]\nhost = "localhost"\nca_path = "{who.ca_path}"\n'
        f'certificate_path = "{who.certificate_path}"\nkey_path = "{who.key_path}"\n'
        f'[documents]\npath = "{folder / "documents.db"}"\n[pole]\npasswords_path = "{passwords}"\n'
        + "".join(
            f'[[cameras]]\nname = "{each.name}"\nurl = "{each.url}"\n{ports.get(each.name, "")}' for each in cameras
        )
    )
    command = [sys.executable, "-m", "edge.camera_node.look", "--config", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert PASSWORD not in done.stdout + done.stderr and WRONG not in done.stdout + done.stderr
    assert "HTTP Request" not in done.stderr, "nobody reads a line for each question"
    looks = [from_json(line) for line in done.stdout.splitlines()]
    assert sorted(each.camera for each in looks) == sorted(each.name for each in cameras), done.stderr
    return {each.camera: each for each in looks}, done.returncode


@dataclass(frozen=True, slots=True)
class Pole:
    """What one look at six cameras brought."""

    looks: dict[str, Look]
    code: int
    locked: OnvifDevice
    left: frozenset[str]


@pytest.fixture(scope="module")
def pole(host: CameraHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pole]:
    folder = tmp_path_factory.mktemp("pole")
    names = ("gate", "yard", "mill", "hill", "lake", "dock")
    gate, yard, mill, hill, lake, dock = cameras = [
        host.camera(name, frames_per_s=5, keyframe_every_s=0.2 if name == "hill" else 1.0) for name in names
    ]
    learned = taught(hill)
    mill.darken(1.0)
    hill.cover()
    lake.cover()
    dock.vanish()
    Memory(folder / "documents.db").remember("learned", {"hill": {"judge": learned, "rhythm": {}}})
    before = {path.name for path in folder.iterdir()}
    with gate.onvif() as asked, yard.onvif() as locked:
        asked.skew_s = -120.0
        looks, code = looked(folder, cameras, onvif={"gate": asked, "yard": locked}, wrong=("yard",))
    left = {path.name for path in folder.iterdir()} - before - {"ca", "passwords.toml", "unit.toml"}
    yield Pole(looks, code, locked, frozenset(left))
    for each in cameras:
        each.close()


def taught(camera: SimCamera) -> dict[str, Any]:
    """What a judge keeps of it, as if there were five seconds between two pictures."""
    judge = Judge()
    with Stream(camera.url, Credentials(camera.user, camera.password)) as stream:
        for number in range(16):
            judge.see(picture(stream.keyframe()), 5.0 * number)
    return judge.learned()


def test_a_good_camera_sees_and_says_who_it_is(pole: Pole) -> None:
    gate = pole.looks["gate"]
    assert gate.good and (gate.codec, gate.width_px, gate.height_px) == ("h264", 640, 360)
    assert gate.first_picture_s and gate.frames_per_s and gate.bitrate_kbps
    assert (gate.onvif, gate.serial_number) == ("", "SIM0001")
    assert gate.clock_ahead_s is not None and abs(gate.clock_ahead_s + 120) < 30
    assert pole.code == 1, "others do not see"


def test_a_refused_password_is_shown_once_and_not_again_by_onvif(pole: Pole) -> None:
    yard = pole.looks["yard"]
    assert (yard.failure, yard.verdict, yard.onvif) == ("authentication", None, None)
    assert pole.locked.asked == []


def test_a_password_is_in_one_request_however_the_camera_refuses_it(credentials: Credentials) -> None:
    with RtspLiar("locked") as liar:
        seen = look(Camera(name="gate", url=liar.url, onvif_port=1), credentials, interface=None)
    assert (seen.failure, seen.onvif, liar.shown) == ("authentication", None, 1)


def test_a_camera_that_is_not_there_is_not_awaited(pole: Pole) -> None:
    assert (pole.looks["dock"].failure, pole.looks["dock"].verdict) == ("port", None)


def test_a_black_picture_is_known_at_once_and_a_cover_by_what_the_node_has_learned(pole: Pole) -> None:
    assert (pole.looks["mill"].failure, pole.looks["mill"].verdict) == (None, "black")
    assert pole.looks["hill"].verdict == "covered"
    assert pole.looks["lake"].verdict != "covered", "of a new camera nobody can know how it should look"


def test_a_look_leaves_nothing_behind(pole: Pole) -> None:
    assert pole.left <= {"documents.db-wal", "documents.db-shm"}

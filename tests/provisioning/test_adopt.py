"""`pantau-provision adopt`: cameras are offered, one is taken by a person, and its password stands in one file only."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.camera_node.config import MOST_CAMERAS, load_node
from edge.camera_node.passwords import read_passwords
from edge.camera_node.probing import Credentials
from edge.sim.onvif_device import OnvifDevice
from pantau.provision.offers import NoOffer, Offers, Stream, Told
from provisioning.throwaway import make_authority
from provisioning.written import with_camera, with_password
from settings import EXIT_CONFIG
from stage.namespace import CENTRE_ADDRESS, NamespaceRefused, link

STREAM = "rtsp://192.0.2.9:8554/main"  # by its own word; where it was asked counts
USER, PASSWORD = "viewer", 's3cret:"p@ss\\ü %'
COMMENT = "# the pole at the bridge"


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    who = make_authority(tmp_path / "ca").ensure("pole-1", "unit")
    file = tmp_path / "unit.toml"
    file.write_text(
        f'{COMMENT}\n[unit]\nid = "pole-1"\n[broker]\nhost = "localhost"\nca_path = "{who.ca_path}"\n'
        f'certificate_path = "{who.certificate_path}"\nkey_path = "{who.key_path}"\n'
        f'[documents]\npath = "{tmp_path / "documents.db"}"\n'
    )
    file.chmod(0o640)
    return file


@pytest.fixture
def device() -> Iterator[OnvifDevice]:
    with OnvifDevice(STREAM, USER, PASSWORD, serial_number="SN-7") as camera:
        yield camera


def adopt(
    unit: Path, *words: str, typed: str = PASSWORD, inside: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    command = [*inside, sys.executable, "-m", "pantau.provision", "adopt", "--unit", str(unit), *words]
    done = subprocess.run(command, input=typed + "\n", capture_output=True, text=True, check=False, timeout=100)
    assert typed not in done.stdout + done.stderr and "Traceback" not in done.stderr, done.stderr
    return done


def of(device: OnvifDevice, name: str = "gate") -> tuple[str, ...]:
    return (device.address, "--port", str(device.port), "--name", name, "--user", USER)


def test_a_camera_is_adopted_with_what_it_says_of_itself(unit: Path, device: OnvifDevice) -> None:
    assert load_node(unit).cameras == (), "a pole without a camera yet is a pole"
    done = adopt(unit, *of(device))
    assert done.returncode == 0, done.stderr
    assert "SN-7" in done.stdout and "pantau-provision check" in done.stdout
    node = load_node(unit)
    (camera,) = node.cameras
    assert (camera.name, camera.serial_number, camera.onvif_port) == ("gate", "SN-7", device.port)
    assert camera.url == f"rtsp://{device.address}:8554/main", "a password goes where the person has pointed"
    assert node.pole.passwords_path == unit.with_name("passwords.toml")
    assert read_passwords(unit.with_name("passwords.toml")) == {"gate": Credentials(USER, PASSWORD)}
    assert stat.S_IMODE(unit.stat().st_mode) == 0o640
    assert unit.read_text().startswith(COMMENT), "what a person wrote stays"


def test_one_after_the_other_and_none_twice(unit: Path, device: OnvifDevice) -> None:
    adopt(unit, *of(device))
    again = adopt(unit, *of(device, "yard"))
    assert again.returncode == 1 and "adopted already, as gate" in again.stderr
    with OnvifDevice(STREAM, "", "", address="127.0.0.2") as other:
        taken = adopt(unit, "127.0.0.2", "--port", str(other.port), "--name", "gate")
        assert taken.returncode == 1 and "--again" in taken.stderr
        done = adopt(unit, "127.0.0.2", "--port", str(other.port), "--name", "yard", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == "yard"
    assert [camera.name for camera in load_node(unit).cameras] == ["gate", "yard"]
    assert set(read_passwords(unit.with_name("passwords.toml"))) == {"gate"}, "one without a password has none"


def test_a_camera_that_was_changed_takes_the_place_of_the_old_one(unit: Path, device: OnvifDevice) -> None:
    adopt(unit, *of(device))
    unit.write_text(f"{unit.read_text()}relay_pin = 17\n")
    with OnvifDevice(STREAM, USER, "another", address="127.0.0.2", serial_number="SN-8") as newer:
        done = adopt(unit, *of(newer), "--again", typed="another")
        assert done.returncode == 0, done.stderr
    (camera,) = load_node(unit).cameras
    assert (camera.serial_number, camera.onvif_port, camera.relay_pin) == ("SN-8", newer.port, 17)
    assert read_passwords(unit.with_name("passwords.toml")) == {"gate": Credentials(USER, "another")}


def test_a_refused_password_changes_no_file_and_locks_no_camera(unit: Path, device: OnvifDevice) -> None:
    before = unit.read_bytes()
    done = adopt(unit, *of(device), typed="not-it-5417")
    assert done.returncode == 1 and "user or password refused" in done.stderr
    assert device.refused <= 3
    assert unit.read_bytes() == before and not unit.with_name("passwords.toml").exists()


def test_a_file_that_nothing_can_be_added_to_is_said(unit: Path, device: OnvifDevice) -> None:
    unit.write_text(f'cameras = [{{name = "a", url = "rtsp://10.0.0.1/1"}}]\n{unit.read_text()}')
    before = unit.read_bytes()
    done = adopt(unit, *of(device))
    assert done.returncode == EXIT_CONFIG and "[[cameras]]" in done.stderr
    assert unit.read_bytes() == before and device.asked == []


@pytest.mark.parametrize("secret", [b"[gate\npassword = hunter2", b"\xff hunter2"])
def test_a_file_of_passwords_that_is_none_is_not_replaced_and_not_quoted(
    unit: Path, device: OnvifDevice, secret: bytes
) -> None:
    unit.with_name("passwords.toml").write_bytes(secret)
    before = unit.read_bytes()
    done = adopt(unit, *of(device))
    assert done.returncode == EXIT_CONFIG and "correct it first" in done.stderr and "hunter2" not in done.stderr
    assert unit.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "--interface"),
        (("127.0.0.1",), 2, "--name"),
        (("127.0.0.1", "--port", "9", "--name", "gate"), 1, "does not answer"),
        (("--interface", "nothere"), 1, "nothere"),
        (("--interface", "lo"), 1, "no camera answers on lo"),
    ],
)
def test_what_cannot_be_is_said(words: tuple[str, ...], code: int, said: str, unit: Path) -> None:
    done = adopt(unit, *words)
    assert done.returncode == code and said in done.stderr


def test_a_name_that_records_cannot_have_is_refused_before_a_password_is_shown(unit: Path, device: OnvifDevice) -> None:
    done = adopt(unit, *of(device, "Gate North"))
    assert device.asked == []
    assert done.returncode == EXIT_CONFIG and "lower case letters" in done.stderr
    assert load_node(unit).cameras == () and not unit.with_name("passwords.toml").exists()


def test_what_answers_is_offered_and_marked_when_it_is_adopted(unit: Path) -> None:
    try:
        with link() as cameras, OnvifDevice(STREAM, "", "", address=CENTRE_ADDRESS) as device:
            device.answer_discovery()
            port = cameras.box_device
            unit.write_text(f'{unit.read_text()}[pole]\ninterface = "{port}"\n')
            offered = adopt(unit, inside=cameras.inside)
            assert offered.returncode == 0, offered.stderr
            assert f"{device.port}" in offered.stdout and "SimCamera sim  not adopted" in offered.stdout
            taken = adopt(unit, CENTRE_ADDRESS, "--name", "gate", inside=cameras.inside)
            assert taken.returncode == 0, taken.stderr
            (known,) = json.loads(adopt(unit, "--json", inside=cameras.inside).stdout)
    except NamespaceRefused as refused:
        pytest.skip(str(refused))
    assert (known["address"], known["adopted"]) == (CENTRE_ADDRESS, "gate")
    assert load_node(unit).cameras[0].onvif_port == device.port, "as it has said itself"


def test_the_smaller_stream_is_one_that_is_smaller() -> None:
    main, small, middle = (Stream(f"rtsp://h/{w}", "H264", w, w) for w in (1920, 320, 640))
    assert Told("", "", "", (main, middle, small)).small == small
    assert Told("", "", "", (main, main)).small is Told("", "", "", (main,)).small is None


def test_nonsense_from_the_other_process_is_no_answer(tmp_path: Path) -> None:
    for said in ("[]", "{", '{"address": 1}', "null"):
        with pytest.raises(NoOffer):
            Offers(["sh", "-c", f"echo '{said}'", "sh"], tmp_path).found("lo")
    with pytest.raises(NoOffer, match="exit code 3"):
        Offers(["sh", "-c", "exit 3", "sh"], tmp_path).found("lo")


def test_more_cameras_than_a_pole_has_are_refused_by_the_file() -> None:
    text = ""
    for number in range(MOST_CAMERAS + 1):
        text = with_camera(text, {"name": f"camera-{number}", "url": "rtsp://h/1"}, "p.toml")
    assert text.count("[[cameras]]") == MOST_CAMERAS + 1 and text.count("passwords_path") == 1


def test_a_key_that_the_new_camera_does_not_have_goes() -> None:
    text = with_camera("", {"name": "gate", "url": "rtsp://h/1", "small_url": "rtsp://h/2"}, None)
    assert tomllib.loads(with_camera(text, {"name": "gate", "url": "rtsp://i/1", "small_url": None}, None)) == {
        "cameras": [{"name": "gate", "url": "rtsp://i/1"}]
    }


def test_a_password_is_replaced_where_its_camera_has_one() -> None:
    text = with_password(with_password("# root's\n", "gate", "a", "1"), "gate", "b", "2")
    assert text.startswith("# root's") and text.count("[gate]") == 1 and 'password = "2"' in text

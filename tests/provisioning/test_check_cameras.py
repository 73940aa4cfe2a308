"""The lines of a pole's cameras: what was seen is judged, and whatever ends a look is a line that says what to do."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edge.camera_node.config import NodeConfig, load_node
from edge.camera_node.probing import Failure
from edge.camera_node.verdict import KINDS
from edge.looked import Look, from_json
from pantau.provision.cameras import cameras, relays_of
from pantau.provision.kinds import CameraNode, load_box
from provisioning.acceptance import words
from provisioning.acceptance.cameras import Adopted, lines_of
from provisioning.acceptance.config import Cameras
from provisioning.acceptance.page import title
from provisioning.acceptance.sheet import Line, Sheet, from_bytes, to_bytes
from provisioning.throwaway import make_authority
from settings import ConfigError
from wire.errors import PeerViolation

GATE = Adopted(name="gate", place="10.0.0.11:554", serial_number="SN1", onvif=True)
GOOD = Look(
    camera="gate", verdict="seeing", codec="h264", width_px=1920, height_px=1080, first_picture_s=1.5,
    frames_per_s=12.0, bitrate_kbps=3000.0, onvif="", clock_ahead_s=-2.0, serial_number="SN1",
)  # fmt: skip


def judged(look: Look, adopted: Adopted = GATE) -> dict[str, Line]:
    lines = lines_of(look, adopted, Cameras())
    assert {line.of for line in lines} == {adopted.name}
    return {line.name: line for line in lines}


def failed(lines: dict[str, Line]) -> dict[str, str]:
    return {name: line.todo for name, line in lines.items() if line.verdict == "failed"}


def test_a_good_camera_passes_every_line() -> None:
    lines = judged(GOOD)
    assert {line.verdict for line in lines.values()} == {"passed"}
    assert lines["camera_stream"].measured == "h264 1920x1080"
    assert (lines["camera_clock"].measured, lines["camera_clock"].unit) == (2.0, "s"), "early or late is as bad"
    assert title(lines["camera_rate"]) == "gate, frames a second"


@pytest.mark.parametrize(
    ("worse", "line", "todo"),
    [
        ({"first_picture_s": 11.0}, "camera_first", words.CAMERA_LATE),
        ({"frames_per_s": 4.9}, "camera_rate", words.CAMERA_SLOW),
        ({"frames_per_s": None}, "camera_rate", words.CAMERA_SLOW),
        ({"bitrate_kbps": 8001.0}, "camera_bitrate", words.CAMERA_HEAVY),
        ({"clock_ahead_s": -31.0}, "camera_clock", words.CAMERA_CLOCK),
        ({"serial_number": "SN2"}, "camera_serial", words.OTHER_CAMERA),
        ({"onvif": "user or password refused (ONVIF)"}, "camera_onvif", words.CAMERA_ONVIF),
        ({"verdict": "black"}, "camera_picture", words.PICTURE_BLACK),
    ],
)
def test_what_is_worse_than_its_limit_fails_alone(worse: dict[str, object], line: str, todo: str) -> None:
    assert failed(judged(replace(GOOD, **worse))) == {line: todo}  # type: ignore[arg-type]


def test_the_frames_that_unit_toml_declares_are_the_measure_where_it_does() -> None:
    slow = replace(GOOD, frames_per_s=9.0, failure=Failure.SLOW_FRAMES.value)
    declared = judged(slow, replace(GATE, frames_per_s=20.0))["camera_rate"]
    assert (declared.verdict, declared.limit) == ("failed", 10.0)
    assert judged(replace(GOOD, frames_per_s=1.2), replace(GATE, frames_per_s=2.0))["camera_rate"].verdict == "passed"


def test_what_the_camera_does_not_tell_is_skipped_with_the_reason() -> None:
    silent = judged(replace(GOOD, clock_ahead_s=None, serial_number=None))
    assert {silent[name].todo for name in ("camera_clock", "camera_serial")} == {words.NOT_TOLD_BY_CAMERA}
    unasked = judged(replace(GOOD, onvif=None), replace(GATE, onvif=False))
    assert {unasked[name].todo for name in ("camera_clock", "camera_serial")} == {words.NO_ONVIF}
    assert failed(silent) == failed(unasked) == {}


@pytest.mark.parametrize("failure", [each for each in Failure if each is not Failure.SLOW_FRAMES])
def test_every_failure_of_a_stream_is_the_last_line_and_has_advice_of_its_own(failure: Failure) -> None:
    lines = lines_of(Look(camera="gate", failure=failure.value, reason="because"), GATE, Cameras())
    assert [line.verdict for line in lines] == ["passed"] * (len(lines) - 1) + ["failed"]
    assert lines[-1].measured == "because"
    assert lines[-1].todo not in ("", words.LOOK_BROKEN)


@pytest.mark.parametrize("kind", [each for each in KINDS if each != "seeing"])
def test_every_verdict_has_advice_of_its_own(kind: str) -> None:
    lines = judged(replace(GOOD, verdict=kind, reason="because"))
    assert failed(lines) == {"camera_picture": words.BLIND[kind]}
    assert lines["camera_picture"].measured == f"{kind}: because"


def test_advice_is_said_once_for_each_thing() -> None:
    advice = [*words.UNREACHED.values(), *words.REFUSED.values(), *words.UNREAD.values(), *words.BLIND.values()]
    assert len(set(advice)) == len(advice)


def test_a_look_is_one_line_and_comes_back() -> None:
    assert from_json(GOOD.to_json()) == GOOD and "\n" not in GOOD.to_json()
    assert from_json('{"camera": "gate", "of_a_newer_version": 1}') == Look(camera="gate")
    for line in ("", "[]", "{}", '{"camera": 1}', '{"camera": "gate", "frames_per_s": "many"}', "[" * 5000, "x" * 5000):
        with pytest.raises(PeerViolation):
            from_json(line)


def test_a_sheet_of_before_cameras_is_read_and_one_of_eight_cameras_fits() -> None:
    covered = replace(GOOD, verdict="covered", reason="r" * 80)
    eight = [replace(GATE, name=f"camera-{number}") for number in range(8)]
    lines = [line for each in eight for line in lines_of(covered, each, Cameras())]
    sheet = Sheet(unit="pole-1", at_utc_ms=0, took_s=1.0, firmware="0", attended=False, by="", lines=tuple(lines))
    assert from_bytes(to_bytes(sheet)) == sheet
    assert len(to_bytes(sheet)) < 24_000
    old = to_bytes(replace(sheet, lines=(replace(lines[0], of=""),))).replace(b'"of":"",', b"")
    assert b'"of"' not in old and from_bytes(old).lines[0].of == ""


# ---------------------------------------------------------------- what box it is


def unit_toml(folder: Path, *, tables: str = "", cameras: str = "") -> Path:
    who = make_authority(folder / "ca").ensure("pole-1", "unit")
    file = folder / "unit.toml"
    file.write_text(
        f'[unit]\nid = "pole-1"\n[broker]\nhost = "localhost"\nca_path = "{who.ca_path}"\n'
        f'certificate_path = "{who.certificate_path}"\nkey_path = "{who.key_path}"\n{tables}\n{cameras}'
    )
    return file


TWO = (
    '[[cameras]]\nname = "gate"\nurl = "rtsp://10.0.0.11/secret-path"\nrelay_pin = 5\n'
    '[[cameras]]\nname = "yard"\nurl = "rtsp://10.0.0.12:8554/1"\nrelay_pin = 5\n'
)


def test_a_file_with_any_table_of_a_node_is_a_nodes_and_is_told_what_it_lacks(tmp_path: Path) -> None:
    assert isinstance(load_box(unit_toml(tmp_path, tables="[pole]\n")), CameraNode)
    with pytest.raises(ConfigError, match=r"at most 8 tables \[\[cameras\]\]"):
        load_box(unit_toml(tmp_path, cameras=TWO * 5))
    with pytest.raises(ConfigError, match=r"receiver\.tty"):
        load_box(unit_toml(tmp_path))
    assert load_box(unit_toml(tmp_path, cameras=TWO)).unit.id == "pole-1"


def test_cameras_on_one_relay_are_one_click(tmp_path: Path) -> None:
    (relay,) = relays_of(load_node(unit_toml(tmp_path, cameras=TWO)))
    assert (relay.gpio, relay.cameras) == (5, ("gate", "yard"))


# ---------------------------------------------------------------- whatever ends a look


@pytest.fixture
def node(tmp_path: Path) -> tuple[Path, NodeConfig]:
    file = unit_toml(tmp_path, cameras=TWO)
    return file, load_node(file)


def looked(node: tuple[Path, NodeConfig], python: list[str] | None, within_s: float = 30.0) -> list[Line]:
    return cameras(*node, Cameras(), within_s, python=python)


def script(folder: Path, text: str) -> list[str]:
    """A program in the node's place."""
    (folder / "node").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "node").chmod(0o755)
    return [str(folder / "node")]


def test_a_pole_on_which_nobody_has_adopted_a_camera_does_not_pass(tmp_path: Path) -> None:
    file = unit_toml(tmp_path, tables="[pole]\n")
    (line,) = looked((file, load_node(file)), [sys.executable])
    assert (line.verdict, line.todo) == ("failed", words.NONE_ADOPTED)


def test_a_box_without_the_camera_node_is_told_what_to_install(node: tuple[Path, NodeConfig]) -> None:
    (line,) = looked(node, None)
    assert (line.verdict, line.todo) == ("failed", words.NO_CAMERA_NODE)


def test_an_interpreter_that_cannot_be_started_or_dies_leaves_a_line_for_each_camera(
    node: tuple[Path, NodeConfig], tmp_path: Path
) -> None:
    absent = looked(node, [str(tmp_path / "absent")])
    killed = looked(node, script(tmp_path, f"echo '{replace(GOOD, camera='yard').to_json()}'; echo half; kill -9 $$"))
    assert [(line.of, line.todo) for line in absent] == [("gate", words.LOOK_BROKEN), ("yard", words.LOOK_BROKEN)]
    assert "No such file" in str(absent[0].measured)
    assert (killed[0].of, killed[0].todo, killed[0].measured) == ("gate", words.LOOK_BROKEN, "exit code -9")
    assert {line.of for line in killed[1:]} == {"yard"}, "what was said before it died counts"
    assert {line.name: line.measured for line in killed[1:]}["camera_reach"] == "10.0.0.12:8554"


def test_a_look_that_does_not_end_is_ended_and_keeps_what_it_said(
    node: tuple[Path, NodeConfig], tmp_path: Path
) -> None:
    hangs = script(tmp_path, f"echo '{GOOD.to_json()}'; exec sleep 60")
    lines = looked(node, hangs, within_s=2.0)
    assert [line.todo for line in lines if line.of == "yard"] == [words.LOOK_LATE]
    assert "camera_picture" in {line.name for line in lines if line.of == "gate"}


def test_a_file_of_passwords_that_others_can_read_is_one_line_with_what_to_type(
    node: tuple[Path, NodeConfig], tmp_path: Path
) -> None:
    (tmp_path / "passwords.toml").write_text('[gate]\nuser = "u"\npassword = "a-planted-password"\n')
    (tmp_path / "passwords.toml").chmod(0o644)
    file = unit_toml(tmp_path, tables='[pole]\npasswords_path = "passwords.toml"\n', cameras=TWO)
    (line,) = looked((file, load_node(file)), [sys.executable])
    assert line.todo == words.LOOK_REFUSED
    assert "chmod 600" in str(line.measured) and "a-planted-password" not in str(line.measured)


def test_a_check_brings_nothing_that_decodes_a_picture() -> None:
    """pantau-provision is installed without the libraries of a camera node."""
    code = (
        "import sys, pantau.provision.checking;"
        "print(*{'av', 'numpy', 'onveef', 'httpx', 'gpiozero'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "\n"

"""The cameras' lines of a check: the camera node's own look at them, in its own process, judged line by line.

It runs under the node's own interpreter: this package brings nothing that decodes a picture, and a crash in a decoder
is a line of the sheet, not the end of the check.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from edge.camera_node.config import Camera, NodeConfig
from edge.looked import Look, from_json
from provisioning.acceptance import words
from provisioning.acceptance.cameras import Adopted, lines_of, not_looked_at
from provisioning.acceptance.config import Cameras
from provisioning.acceptance.pins import CameraRelay
from provisioning.acceptance.sheet import Line, demanded
from settings import EXIT_CONFIG
from wire.errors import PeerViolation

PACKAGED: Final = Path("/usr/lib/pantau-camera-node/bin/python")
LIBRARIES: Final = ("av", "numpy", "onveef")  # what a look imports
LOOK: Final = "edge.camera_node.look"
DEFAULT_PORT: Final = {"rtsp": 554, "rtsps": 322}


def interpreter() -> list[str] | None:
    """The command that runs the node's Python: its package's, else this one where it can; None: it is not here."""
    if PACKAGED.exists():
        return [str(PACKAGED), "-I"]
    return [sys.executable] if all(find_spec(name) for name in LIBRARIES) else None


def cameras(
    file: Path, node: NodeConfig, limits: Cameras, within_s: float, *, python: Sequence[str] | None
) -> list[Line]:
    """The lines of every camera in `file`, in its order, after up to `within_s`; `python` None: no camera node here."""
    if python is None:
        return [demanded("camera_look", "", False, words.NO_CAMERA_NODE)]
    if not node.cameras:
        return [demanded("camera_look", "", False, words.NONE_ADOPTED)]
    adopted = [_adopted(each) for each in node.cameras]
    ended = _run([*python, "-m", LOOK, "--config", str(file)], within_s)
    if ended.code == EXIT_CONFIG:
        return [demanded("camera_look", ended.complaint, False, words.LOOK_REFUSED)]
    lines: list[Line] = []
    for each in adopted:
        if each.name in ended.looks:
            lines += lines_of(ended.looks[each.name], each, limits)
        else:
            lines += not_looked_at([each], ended.complaint, words.LOOK_LATE if ended.late else words.LOOK_BROKEN)
    return lines


def relays_of(node: NodeConfig) -> list[CameraRelay]:
    """One for each pin, with every camera it feeds."""
    pins = {each.relay_pin: each.relay_active_low for each in node.cameras if each.relay_pin is not None}
    return [
        CameraRelay(pin, active_low, tuple(each.name for each in node.cameras if each.relay_pin == pin))
        for pin, active_low in pins.items()
    ]


def _adopted(camera: Camera) -> Adopted:
    """Of its URL only host and port: with some makers the path holds a password."""
    parts = urlsplit(camera.url)
    return Adopted(
        name=camera.name,
        place=f"{parts.hostname}:{parts.port or DEFAULT_PORT[parts.scheme]}",
        frames_per_s=camera.frames_per_s,
        serial_number=camera.serial_number,
        onvif=camera.onvif_port is not None,
    )


@dataclass(frozen=True, slots=True)
class _Ended:
    """What a look said before it ended; `complaint` is its last word on stderr, `late`: it was ended."""

    looks: Mapping[str, Look]
    code: int | None
    complaint: str
    late: bool


def _run(command: Sequence[str], within_s: float) -> _Ended:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=within_s, check=False)
    except subprocess.TimeoutExpired as error:
        return _Ended(_looks(error.stdout or b""), None, f"> {within_s:.0f} s", late=True)
    except OSError as error:
        return _Ended({}, None, str(error), late=False)
    said = done.stderr.decode(errors="replace").split("\n")
    complaint = next((line.strip() for line in reversed(said) if line.strip()), f"exit code {done.returncode}")
    return _Ended(_looks(done.stdout), done.returncode, complaint, late=False)


def _looks(said: bytes) -> dict[str, Look]:
    """By camera; half a line, of a process that was ended, is none."""
    looks = {}
    for line in said.decode(errors="replace").splitlines():
        try:
            look = from_json(line)
        except PeerViolation:
            continue
        looks[look.camera] = look
    return looks

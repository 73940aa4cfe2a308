"""What a camera node saw of one camera, judged: from the ground up, and no further than where it failed. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from edge.looked import SEEING, Look
from provisioning.acceptance import words
from provisioning.acceptance.config import Cameras
from provisioning.acceptance.sheet import Line, at_least, at_most, demanded, skipped, told

SLOW: Final = "slow_frames"  # there is a stream and a picture, and the rate is a line of its own
SLOW_SHARE: Final = 0.5  # of what unit.toml says: the same half from which on the node calls it slow


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """A camera as unit.toml has it; `place` is host and port of its stream. None = not told there."""

    name: str
    place: str
    frames_per_s: float | None = None
    serial_number: str | None = None
    onvif: bool = False


def lines_of(look: Look, adopted: Adopted, limits: Cameras) -> list[Line]:
    """The sheet's lines of one camera."""
    return [replace(line, of=adopted.name) for line in _lines(look, adopted, limits)]


def not_looked_at(adopted: Iterable[Adopted], measured: str, todo: str) -> list[Line]:
    """A failed line for each camera of which nothing is known, all for one reason."""
    return [replace(demanded("camera_look", measured, False, todo), of=each.name) for each in adopted]


def _lines(look: Look, adopted: Adopted, limits: Cameras) -> list[Line]:
    failure, reason = look.failure, look.reason
    if failure in words.UNREACHED:
        return [demanded("camera_reach", reason, False, words.UNREACHED[failure])]
    lines = [demanded("camera_reach", adopted.place, True, "")]
    if failure in words.REFUSED:
        return [*lines, demanded("camera_login", reason, False, words.REFUSED[failure])]
    lines.append(demanded("camera_login", "accepted", True, ""))
    if failure not in (None, SLOW):
        return [*lines, demanded("camera_stream", reason, False, words.UNREAD.get(failure or "", words.LOOK_BROKEN))]
    return [*lines, *_stream(look, adopted, limits), _picture(look), *_onvif(look, adopted, limits)]


def _stream(look: Look, adopted: Adopted, limits: Cameras) -> list[Line]:
    declared = adopted.frames_per_s
    least = limits.frames_per_s if declared is None else SLOW_SHARE * declared
    unknown = words.NOT_TOLD_BY_CAMERA
    late, slow, heavy = words.CAMERA_LATE, words.CAMERA_SLOW, words.CAMERA_HEAVY
    return [
        told("camera_stream", f"{look.codec} {look.width_px}x{look.height_px}"),
        at_most("camera_first", look.first_picture_s, limits.first_picture_s, "s", todo=late, unknown=unknown),
        # Without two frames there is no rate: that is as slow as a stream can be.
        at_least("camera_rate", look.frames_per_s or 0.0, least, "", todo=slow, unknown=unknown),
        at_most("camera_bitrate", look.bitrate_kbps, limits.bitrate_kbps, "kbit/s", todo=heavy, unknown=unknown),
    ]


def _picture(look: Look) -> Line:
    measured = SEEING if look.verdict == SEEING else f"{look.verdict}: {look.reason}"
    todo = words.BLIND.get(look.verdict or "", words.LOOK_BROKEN)
    return demanded("camera_picture", measured, look.verdict == SEEING, todo, limit=SEEING)


def _onvif(look: Look, adopted: Adopted, limits: Cameras) -> list[Line]:
    if not adopted.onvif:
        return [skipped(name, words.NO_ONVIF) for name in ("camera_clock", "camera_serial")]
    if look.onvif:
        return [demanded("camera_onvif", look.onvif, False, words.CAMERA_ONVIF)]
    unknown, wrong = words.NOT_TOLD_BY_CAMERA, words.CAMERA_CLOCK
    apart_s = None if look.clock_ahead_s is None else abs(look.clock_ahead_s)
    return [at_most("camera_clock", apart_s, limits.clock_s, "s", todo=wrong, unknown=unknown), _serial(look, adopted)]


def _serial(look: Look, adopted: Adopted) -> Line:
    if look.serial_number is None:
        return skipped("camera_serial", words.NOT_TOLD_BY_CAMERA)
    wanted = adopted.serial_number
    right = wanted in (None, look.serial_number)
    return demanded("camera_serial", look.serial_number, right, words.OTHER_CAMERA, limit=wanted)

"""What came of one look at one camera, as the line of JSON between who looked (a camera node) and who judges it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from wire.errors import PeerViolation

SEEING: Final = "seeing"
_MOST_CHARACTERS: Final = 4_000  # the longest reason is a line
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "str": (str,),
    "str | None": (str, type(None)),
    "int | None": (int, type(None)),
    "float | None": (float, int, type(None)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One camera; None = not known. Nothing in it is secret.

    `failure` is a word of the camera node's `Failure`, None: none. `verdict` is a kind of its judge's, None: there was
    no picture. `first_picture_s` counts from before the stream was opened; rates are those of the stream after it.
    `onvif` None: it was not asked, "": it answered, else why it did not; `clock_ahead_s` is its clock against ours.
    """

    camera: str
    failure: str | None = None
    verdict: str | None = None
    reason: str = ""
    codec: str | None = None
    width_px: int | None = None
    height_px: int | None = None
    first_picture_s: float | None = None
    frames_per_s: float | None = None
    bitrate_kbps: float | None = None
    onvif: str | None = None
    clock_ahead_s: float | None = None
    serial_number: str | None = None

    @property
    def good(self) -> bool:
        """Whether nothing failed and the picture is one."""
        return self.failure is None and self.verdict == SEEING

    def to_json(self) -> str:
        """One line, without its end."""
        return json.dumps(asdict(self), ensure_ascii=False, allow_nan=False)


def from_json(line: str) -> Look:
    """The look in a line; what another version says beside is passed over. Raises PeerViolation."""
    if len(line) > _MOST_CHARACTERS:
        raise PeerViolation(f"a look of {len(line)} characters")
    try:
        said: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise PeerViolation(f"no look: {error}") from error
    if not isinstance(said, dict) or "camera" not in said:
        raise PeerViolation("no look: it names no camera")
    known = {place.name: place.type for place in fields(Look) if place.name in said}
    for name, kind in known.items():
        if type(said[name]) not in _TYPES[str(kind)]:
            raise PeerViolation(f"no look: {name} is {said[name]!r}")
    return Look(**{name: said[name] for name in known})

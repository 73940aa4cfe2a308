"""Passwords that a camera refused, over restarts: a box that starts again and again locks no account either.

A file that is another one since may hold another password, which is tried at once. It is known by 16 bits of its digest
(its date is new at each start, as systemd hands out a copy): nobody finds a password by them.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from edge.camera_node.passwords import readable
from edge.camera_node.tries import NONE_REFUSED, Kept, Tries


class Notes(Protocol):
    """What survives the process (edge/memory.py); any thread may call."""

    def recall(self, name: str, default: Any) -> Any: ...
    def remember(self, name: str, value: Any) -> None: ...


def tries_of(
    cameras: Iterable[str],
    passwords_path: Path | None,
    notes: Notes,
    now_s: Callable[[], float] = time.monotonic,
) -> dict[str, Tries]:
    """Each camera's tries, as far as a former process had got; a wait begins anew, as nobody knows how long it was."""
    said = b"" if passwords_path is None else readable(passwords_path).read_bytes()
    file = int.from_bytes(hashlib.sha256(said).digest()[:2])
    return {camera: _tries(camera, file, notes, now_s) for camera in cameras}


def _tries(camera: str, file: int, notes: Notes, now_s: Callable[[], float]) -> Tries:
    name = f"refused {camera}"
    kept = NONE_REFUSED
    match notes.recall(name, []):
        case [kept_file, int() | float() as left_s, *good] if kept_file == file:
            kept = Kept(float(left_s), good == [True])
    return Tries(now_s, kept=kept, keep=lambda kept: notes.remember(name, [file, *kept]))

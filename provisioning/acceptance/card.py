"""The card that the outbox is on: room, speed, and how worn it is where it tells (eMMC does, SD cards do not)."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from provisioning.acceptance import words
from provisioning.acceptance.config import Card
from provisioning.acceptance.sheet import Line, at_least, at_most, demanded, skipped

TRIAL_BYTES: Final = 8 * 1024 * 1024  # about what a box writes an hour; wears a card by one part in a million
BLOCK_BYTES: Final = 256 * 1024
APPENDS: Final = 20
APPEND_BYTES: Final = 1024  # the outbox's page
# EXT_CSD DEVICE_LIFE_TIME_EST_TYP_A/B (JEDEC 84-B51): 1 = 0-10 % used … 10 = 90-100 %, 11 = beyond its life.
PERCENT_A_STEP: Final = 10


def card(folder: Path, limits: Card, *, sys: Path = Path("/sys")) -> list[Line]:
    """The lines of the card that `folder` is on; a trial file is written there and removed."""
    try:
        free_mb = _free_mb(folder)
        write_mb_per_s, append_ms = _try_writing(folder / "card-trial")
        used = _used_percent(folder, sys)
    except OSError as error:
        return [demanded("card_write", f"{error.strerror or error}", False, words.CARD_BROKEN)]
    full, slow, worn = words.CARD_FULL, words.CARD_SLOW, words.CARD_WORN
    unknown = words.NOT_TOLD_BY_CARD
    lines = [
        at_least("card_free", round(free_mb), limits.free_mb, "MB", todo=full, unknown=unknown),
        at_least("card_write", round(write_mb_per_s, 1), limits.write_mb_per_s, "MB/s", todo=slow, unknown=unknown),
        at_most("card_append", round(append_ms, 1), limits.append_ms, "ms", todo=slow, unknown=unknown),
    ]
    if used is None:
        return [*lines, skipped("card_used", unknown)]
    return [*lines, at_most("card_used", used, limits.used_percent, "%", todo=worn, unknown=unknown)]


def _free_mb(folder: Path) -> float:
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize / 1e6


def _try_writing(trial: Path) -> tuple[float, float]:
    """(MB/s of a large write, ms of the slowest of 20 small ones), each until the kernel says it is on the card."""
    block = os.urandom(BLOCK_BYTES)  # a card's controller must not find a pattern in it
    handle = os.open(trial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        begun_s = time.monotonic()
        for _ in range(TRIAL_BYTES // BLOCK_BYTES):
            os.write(handle, block)
        os.fsync(handle)
        took_s = time.monotonic() - begun_s
        slowest_s = 0.0
        for _ in range(APPENDS):
            begun_s = time.monotonic()
            os.write(handle, block[:APPEND_BYTES])
            os.fdatasync(handle)
            slowest_s = max(slowest_s, time.monotonic() - begun_s)
    finally:
        os.close(handle)
        trial.unlink()
    return TRIAL_BYTES / 1e6 / took_s, slowest_s * 1000


def _used_percent(folder: Path, sys: Path) -> int | None:
    """Upper bound of the life used up; None when the device under the file system does not say."""
    device = folder.stat().st_dev
    place = sys / "dev" / "block" / f"{os.major(device)}:{os.minor(device)}"
    if not place.exists():
        return None
    disk = place.resolve()
    for each in (disk, disk.parent):  # a partition's folder is inside of its disk's
        told = each / "device" / "life_time"
        if told.exists():
            steps = [int(step, 16) for step in told.read_text("ascii").split()]
            return max(steps, default=0) * PERCENT_A_STEP or None  # 0: not defined
    return None

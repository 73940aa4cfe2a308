"""The open interval: fixes that wait in memory (tmpfs) for their record, so that a killed process loses none.

The file is a head with the interval's number, then one frame a fix. `outbox.append(interval=number)` commits the
number with the record, so a leftover whose number the outbox knows is in it already, and is dropped. Before an append
a frame says how many fixes it is given: should it be committed and nobody live to know, those that came later are kept.
"""

import json
import logging
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from errno import ENOSPC
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Final, NamedTuple

from edge.gps_unit.fix import Fix, backfill_dates, within_limits

log = logging.getLogger(__name__)

# One record's fixes: about 6 kB lossless, well below a bulk parcel (16 kB); ten minutes at 1 Hz.
MOST_IN_A_RECORD = 600
# What may wait while the outbox takes nothing (a dying card): two hours at 1 Hz, about 3 MB of memory.
MOST_WAITING = 7200

# Where a test may kill the process: the names that `at` is called with. `begun`: the file is as before; `beside`: the
# new one is complete and has no name yet.
POINTS: Final = ("fix:heard", "fix:written", "cut:begun", "cut:beside", "cut:done")

_FRAME = struct.Struct("<HI")  # length and CRC-32 of the payload
_values = attrgetter(*(field.name for field in fields(Fix)))
_names = tuple(field.name for field in fields(Fix))
_NUMBER, _WHOLE, _CLAIM = (int, float), (int,), (bool,)
_MAYBE = (type(None),)
_KINDS = (
    *(_WHOLE + _MAYBE,) * 3,  # utc_ms, time_of_day_ms, boottime_ms
    *(_NUMBER,) * 2,  # lat_deg, lon_deg
    *(_NUMBER + _MAYBE,) * 4,  # alt_msl_m, speed_mps, course_deg, hdop
    _WHOLE + _MAYBE,  # satellites
    *(_CLAIM,) * 3,  # estimated, synthetic, parked
)
_written = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class Waiting(NamedTuple):
    """A fix that waits for its record; `boot_id` names the boot its boottime counts from."""

    fix: Fix
    boot_id: int


class OpenInterval:
    """The fixes of the present report interval, in memory and in the file at `path`.

    `number` is what the next record carries; 0 until `reconcile` was told what the outbox has. A file that cannot be
    written is said once; the interval goes on in memory alone.
    """

    def __init__(self, path: Path, *, at: Callable[[str], None] = lambda _point: None) -> None:
        self._path = path
        self._at = at
        self._file: int | None = None
        self._told = False
        self.number, self.waiting, self._offered = _leftover(path)
        self._left_over = len(self.waiting)
        self.dropped = 0
        self._rewrite()

    def reconcile(self, last_committed: int) -> None:
        """Learn the last number the outbox has; fixes that were left over and are in it already go."""
        if self.number > last_committed:
            return
        if self.number:
            taken = (
                self._offered
            )  # that append was refused, or never answered, and its COMMIT reached the disk after all
            # A record each number: those up to the last one took the next runs of the file.
            runs = rows(self.waiting[taken : self._left_over])[: last_committed - self.number + (not taken)]
            del self.waiting[: taken + sum(len(run) for run in runs)]
        self.number = last_committed + 1
        self._left_over = self._offered = 0
        self._rewrite()

    @property
    def crowded(self) -> bool:
        """Half of what may wait does; true again at each record's worth more, while the outbox takes nothing."""
        count = len(self.waiting)
        return count >= MOST_WAITING // 2 and count % MOST_IN_A_RECORD == 0

    def add(self, waiting: Waiting) -> None:
        """Take one more fix; it survives a kill when this returns."""
        self._at("fix:heard")
        head = b"" if self.waiting else _frame(_written(self.number))
        self.waiting.append(waiting)
        if len(self.waiting) > MOST_WAITING:
            self._drop_oldest()
        else:
            self._write(head + _frame(_packed(waiting)))
            self._at("fix:written")

    def offered(self, count: int) -> None:
        """The first `count` fixes are given to the outbox now; should it refuse, it may turn out to have them."""
        self._offered = count
        self._write(_frame(_written(count)))

    def committed(self, count: int) -> None:
        """The first `count` fixes are in the outbox, with this interval's number: the rest gets the next one."""
        self.number += 1
        self._offered = 0
        del self.waiting[:count]
        self._left_over = max(0, self._left_over - count)
        self._rewrite()

    def close(self) -> None:
        """Give the file back; what is in it waits for the next start."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _drop_oldest(self) -> None:
        # A tenth at a time: the file is rewritten for it.
        count = MOST_WAITING // 10
        self.dropped += count
        self._offered = max(0, self._offered - count)
        del self.waiting[:count]
        self._left_over = max(0, self._left_over - count)
        self._rewrite()

    def _rewrite(self) -> None:
        """Make the file hold exactly what waits."""
        self._at("cut:begun")
        try:
            if not self.waiting and self._file is not None:
                os.ftruncate(self._file, 0)
            else:
                self._replace()
        except OSError as error:
            self._unwritable(error)
        else:
            self._at("cut:done")

    def _replace(self) -> None:
        beside = self._path.with_suffix(".new")
        self.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if self.waiting:
            texts = [_written(self.number), *map(_packed, self.waiting)]
            texts += [_written(self._offered)] if self._offered else []
            self._append(b"".join(map(_frame, texts)))
        self._at("cut:beside")
        beside.replace(self._path)

    def _write(self, frames: bytes) -> None:
        if self._file is None:
            return
        try:
            self._append(frames)
        except OSError as error:
            self._unwritable(error)

    def _append(self, frames: bytes) -> None:
        if self._file is not None and os.write(self._file, frames) < len(frames):
            raise OSError(ENOSPC, os.strerror(ENOSPC))
        self._told = False

    def _unwritable(self, error: OSError) -> None:
        """Go on in memory alone until the next rewrite: after a torn frame nothing in the file could be read."""
        if not self._told:
            log.warning("the open interval is in memory only: %s", error)
        self._told = True
        self.close()


def waiting_in(path: Path) -> list[Waiting]:
    """The fixes in the file of a running process, for whoever looks on; none when there is no file."""
    return _leftover(path)[1]


def rows(waiting: Sequence[Waiting]) -> list[list[Waiting]]:
    """Date what can be dated, and cut into runs that one record can hold.

    A run is all dated or all of one boot, all parked or none, its times rise, and it has at most MOST_IN_A_RECORD.
    """
    cut: list[list[Waiting]] = []
    for each in _dated(waiting):
        if not cut or len(cut[-1]) == MOST_IN_A_RECORD or not _together(cut[-1][-1], each):
            cut.append([])
        cut[-1].append(each)
    return cut


def _dated(waiting: Sequence[Waiting]) -> Iterator[Waiting]:
    for _, boot in groupby(waiting, key=lambda each: each.boot_id):
        same = list(boot)
        for each, fix in zip(same, backfill_dates([each.fix for each in same]), strict=True):
            yield each._replace(fix=fix)


def _together(before: Waiting, after: Waiting) -> bool:
    if before.fix.parked != after.fix.parked or (before.fix.utc_ms is None) != (after.fix.utc_ms is None):
        return False
    if before.fix.utc_ms is not None and after.fix.utc_ms is not None:
        return before.fix.utc_ms < after.fix.utc_ms
    return before.boot_id == after.boot_id and (before.fix.boottime_ms or 0) <= (after.fix.boottime_ms or 0)


def _packed(waiting: Waiting) -> str:
    return _written([waiting.boot_id, *_values(waiting.fix)])


def _frame(text: str) -> bytes:
    payload = text.encode()
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def _frames(content: bytes) -> Iterator[bytes]:
    """Payloads until the end or the first frame that does not hold (a write that the kill tore)."""
    at = 0
    while len(content) - at >= _FRAME.size:
        length, check = _FRAME.unpack_from(content, at)
        payload = content[at + _FRAME.size : at + _FRAME.size + length]
        if len(payload) < length or zlib.crc32(payload) != check:
            return
        yield payload
        at += _FRAME.size + length


def _leftover(path: Path) -> tuple[int, list[Waiting], int]:
    """Number and fixes of the file a process before left (0: it never had a number), and how many it had offered."""
    try:
        frames = list(_frames(path.read_bytes()))
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            log.warning("no open interval to go on with: %s", error)
        return 0, [], 0
    if not frames:
        return 0, [], 0
    try:
        return _read(frames)
    except (
        ValueError,
        TypeError,
        OverflowError,
        RecursionError,
    ) as error:  # another version's file: an update kept the directory
        log.warning("the open interval is of another version and is given up: %s", error)
        return 0, [], 0


def _read(frames: Sequence[bytes]) -> tuple[int, list[Waiting], int]:
    number, *rest = map(json.loads, frames)
    waiting, offered = list[Waiting](), 0
    for each in rest:
        if not isinstance(each, int):
            waiting.append(_unpacked(each))
        elif 0 <= each <= len(waiting):
            offered = each  # a later append is given all that an earlier one was
        else:
            raise ValueError("more offered than there is")
    return _number(number), waiting, offered


def _number(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("no number")
    return value


def _unpacked(values: list[object]) -> Waiting:
    """A fix as `_packed` wrote it; what no record could carry would end every start while the file is there."""
    boot_id, *rest = values
    if type(boot_id) is not int or not 0 < boot_id < 1 << 64 or len(rest) != len(_names):
        raise ValueError("fields differ")
    if not all(type(value) in kinds for value, kinds in zip(rest, _KINDS, strict=True)):
        raise ValueError("types differ")
    fix = Fix(**dict(zip(_names, rest, strict=True)))  # type: ignore[arg-type]
    if not within_limits(fix):
        raise ValueError("values beyond what a record carries")
    return Waiting(fix, boot_id)

"""Other versions at the other end: a centre older than the boxes, and boxes of a contract not written yet."""

from __future__ import annotations

import sys
import time
from typing import Final

from stage.city import City
from torture.ear import Ear
from wire import records_pb2
from wire.columns import encode_track
from wire.encode import camera, check, packed_parcel, rows_message
from wire.kinds import CLASS_STATUS, CLASS_TRACK, KIND_CAMERA, KIND_TRACK
from wire.pack import pack_rows
from wire.receipt import decode_receipt
from wire.topics import bulk, receipt, up

NEWER_SEQS: Final = frozenset(range(1, 9))  # what a newer box says here: twice two tracks, a camera, a new kind
NEWER_READABLE, NEWER_UNREADABLE = 2, 2  # by the centre of this version, which knows cameras; it reads tracks anyway

_NEW_KIND, _NEW_CLASS = 99, 9
_NEW_FIELD = b"\xc0\x3e\x07"  # field 1000, varint 7: of a contract that is not written yet
_OUTBOX_ID = 4711

# A centre of an older version is this one without the kinds that it did not know: health and camera verdicts.
_OLDER = """
import runpy
from wire import decode, kinds
for kind in (kinds.KIND_HEALTH, kinds.KIND_CAMERA):
    del kinds.KIND_NAMES[kind], decode._MESSAGES[kind]
runpy.run_module("broker", run_name="__main__", alter_sys=True)
"""


def older(command: list[str]) -> list[str]:
    """The same part of an older centre."""
    return [sys.executable, "-c", _OLDER, *command[command.index("broker") + 1 :]]


def _bodies(utc_ms: int) -> list[tuple[int, int, bytes]]:
    """(class, kind, body) of seqs 1, 2, …: two tracks around what only a newer centre can read."""
    stamp = (utc_ms, 1, 1000)
    return [
        (CLASS_TRACK, KIND_TRACK, encode_track([(utc_ms, -61_754_000, 1_068_271_500, 800, 0, None, 90, 9)])),
        (_NEW_CLASS, _NEW_KIND, b"\xff what nobody can read today \x00"),
        (CLASS_STATUS, KIND_CAMERA, camera(at=stamp, camera="north", verdict="frozen") + _NEW_FIELD),
        (
            CLASS_TRACK,
            KIND_TRACK,
            encode_track([(utc_ms + 1000, -61_754_000, 1_068_271_500, 800, 0, None, 90, 9)]) + _NEW_FIELD,
        ),
    ]


def _parcel(first: int, rows: list[tuple[int, int, bytes]]) -> bytes:
    """Plain rows, with fields this contract does not know in the parcel and in each row."""
    parcel = records_pb2.Parcel(outbox_id=_OUTBOX_ID, waiting_bytes=1)
    for index, (cls, kind, body) in enumerate(rows):
        row = parcel.rows.add(seq_step=1 if index else first, cls=cls, kind=kind, check=check(body), body=body)
        row.MergeFromString(_NEW_FIELD)
    return parcel.SerializeToString() + _NEW_FIELD


def _bulk_parcel(first: int, rows: list[tuple[int, int, bytes]]) -> bytes:
    """The same packed, as a backlog travels."""
    numbered = [(first + index, cls, kind, check(body), body) for index, (cls, kind, body) in enumerate(rows)]
    return packed_parcel(_OUTBOX_ID, pack_rows(rows_message(numbered) + _NEW_FIELD)) + _NEW_FIELD


def newer_box_speaks(city: City, unit: str, *, within_s: float) -> set[int]:
    """Eight records of a newer contract, seqs 1 to 8, a parcel in each lane; the seqs receipted within that time."""
    utc_ms = time.time_ns() // 1_000_000 - 10_000
    receipted: set[int] = set()
    with Ear(city, receipt(unit), name=unit) as voice:
        voice.say(up(unit), _parcel(1, _bodies(utc_ms)))
        voice.say(bulk(unit), _bulk_parcel(5, _bodies(utc_ms + 2000)))
        deadline_s = time.monotonic() + within_s
        while receipted < NEWER_SEQS and time.monotonic() < deadline_s:
            time.sleep(0.05)
            for message in list(voice.heard):
                receipted.update(decode_receipt(message.payload).ranges.seqs())
    return receipted

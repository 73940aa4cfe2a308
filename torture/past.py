"""A past that a box could not send: records appended to its outbox by the outbox itself, as old as they say."""

from __future__ import annotations

import time
from itertools import islice
from pathlib import Path
from typing import Final

from edge.gps_unit.record import QUANTUM
from edge.outbox import Outbox
from torture.account import Epoch, Opened
from torture.box import Box
from torture.drive import marked, place_of
from wire.columns import encode_track
from wire.kinds import CLASS_TRACK, KIND_TRACK

ROW_FIXES: Final = 10
LANE: Final = 50  # beside everything that is driven now
LIMIT_BYTES: Final = 1_000_000_000
ENDED_S: Final = 60.0  # ago
LONG_AGO_S: Final = -1e6  # by the monotonic clock: before anything that was told to a port


def three_days(box: Box, outbox: Path, rows: int) -> None:
    """Put `rows` records of the last three days into the outbox of a box whose process is stopped; its account knows.

    Each row holds 10 fixes a second apart; rows are spread evenly, so that few are as old as many would be.
    """
    now_ms = time.time_ns() // 1_000_000
    apart_s = 3 * 86_400.0 / rows
    told: list[Epoch] = []
    epochs = marked(0, per_s=1.0, lane=LANE)
    writer = Outbox(outbox, limit_bytes=LIMIT_BYTES)
    try:
        for row in range(rows):
            fixes = []
            for index, said in enumerate(islice(epochs, ROW_FIXES)):
                place = place_of(said.data)
                age_s = ENDED_S + (rows - row) * apart_s - index
                utc_ms = now_ms - round(age_s * 1000)
                lat_e7, lon_e7 = place or (0, 0)
                fixes.append((utc_ms, lat_e7, lon_e7, 1_000, 500, 0, 90, 9))
                told.append(Epoch(box.key(utc_ms, lat_e7, lon_e7), LONG_AGO_S - age_s, LONG_AGO_S - age_s, utc_ms))
            body = encode_track(fixes, scales=QUANTUM["lossless"])
            writer.append(body, kind=KIND_TRACK, cls=CLASS_TRACK)
    finally:
        writer.close()
    box.told[:0] = told
    box.past.append(Opened(float("-inf"), LONG_AGO_S))

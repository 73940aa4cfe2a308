"""A receiver's log of any content: `pantau decode` names fixes that can be, in rows that can be read, or nothing."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Mapping

from edge.gps_unit.fix import to_columns
from edge.gps_unit.motion import Policy
from fuzz.claims import MENDED, with_checksums
from fuzz.forms import FIELDS, behind, lines_changed, parts_changed
from fuzz.targets import serial
from pantau.decode import decoded
from pantau.rows import NAMES, csv_row, json_row

MAX_BYTES = 2000
form = behind(1, lines_changed(parts_changed(b",", FIELDS)))


def hold(data: bytes) -> None:
    """The log with and without policy."""
    log = with_checksums(data[1:]) if data[:1] == bytes([MENDED]) else data
    rejected: Counter[str] = Counter()
    fixes = list(decoded(io.BytesIO(log), rejected))
    for fix in fixes:
        serial.check_fix(fix)
        columns = to_columns(fix)
        read = json.loads(json_row(columns))
        assert list(read) == list(NAMES)
        cells = csv_row(columns).split(",")
        assert [float(cell) if cell else None for cell in cells] == [
            None if value is None else float(value) for value in read.values()
        ]
    assert all(count >= 0 for count in rejected.values())
    kept = list(decoded(io.BytesIO(log), Counter(), Policy()))
    assert len(kept) <= len(fixes)
    for fix in kept:
        serial.check_fix(fix)


def seeds() -> Mapping[str, bytes]:
    """What a receiver sends, and what people write into logs."""
    drive = serial.seeds()
    android = b"".join(b"NMEA,%s,1700000000123\n" % line for line in drive["drive"].split(b"\r\n"))
    return {**drive, "header": b"# Name: u-blox 8\n# Date: 2026\n" + drive["drive"][:200], "android": android}

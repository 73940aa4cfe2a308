"""A spreadsheet for the registry is taken whole and comes back as it is, or is a ConfigError that changes nothing."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from fuzz.forms import CELLS, lines_changed, parts_changed
from fuzz.scratch import scratch
from provisioning.registry import Registry
from provisioning.tables import as_csv, read_table, take_table
from settings import ConfigError

MAX_BYTES = 1024
FIELD_LIMIT = 500  # as in assignments: csv's own limit is 131,072 letters
NUMBERS = (
    b"1e999",
    b"nan",
    b"-1",
    b"90.0001",
    b"0x10",
    b"1_0",
    b"8962100012345678901",
    "٣".encode() * 18,
    b"camera_node",
)
form = lines_changed(parts_changed(b",", (*CELLS, *NUMBERS)))

BEFORE = (
    "unit,kind,iccid,note\nbox-1,gps_unit,,\n",
    "asset,agency,kind,plate,lat_deg,lon_deg\npole-1,roads,pole,,-6.2,106.8\n",
)


def hold(data: bytes) -> None:
    """The file over a registry that knows a box and a pole."""
    limit = csv.field_size_limit(FIELD_LIMIT)
    try:
        with Registry(scratch("registry") / "registry.db", who="fuzz", utc_ms=lambda: 1) as registry:
            for known in BEFORE:
                _take(registry, known)
            _hold(registry, data)
    finally:
        csv.field_size_limit(limit)


def _hold(registry: Registry, data: bytes) -> None:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return  # the command says so and ends
    before = len(registry.changes())
    try:
        name, changed = _take(registry, text)
    except ConfigError as error:
        assert str(error).startswith("x.csv")
        assert len(registry.changes()) == before
        return
    assert changed >= 0
    assert _take(registry, text)[1] == 0, "twice the same file is once"
    assert _take(registry, as_csv(registry, name))[1] == 0, "what comes out goes in"


def _take(registry: Registry, text: str) -> tuple[str, int]:
    table = read_table(io.StringIO(text, newline=""), "x.csv")
    return table.name, take_table(registry, table, "x.csv")


def seeds() -> Mapping[str, bytes]:
    """One of each kind."""
    return {
        "units": b"unit,kind,iccid,note\nbox-1,gps_unit,8962100012345678901,north\nbox-2,camera_node,,\n",
        "assets": b"asset,agency,kind,plate,lat_deg,lon_deg\nambulance-7,health,ambulance,B 9007,,\n",
        "assignments": b"unit,asset,from_utc,to_utc\nbox-1,pole-1,2026-11-01T00:00:00Z,2026-11-03T00:00:00.5Z\n",
        "sims": b"iccid,operator,plan_mb,apn\n8962100012345678901,telkomsel,500,internet\n",
        "twice": b"unit,kind,iccid,note\nbox-1,gps_unit,,a\nbox-1,gps_unit,,b\n",
        "quoted": b'unit,kind,iccid,note\nbox-3,gps_unit,,"a ""b"", c"\n',
    }

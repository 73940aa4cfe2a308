"""A CSV of assignments becomes assignments that never overlap and come back as they are, or a ConfigError."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from broker.assets import COLUMNS, Assignment, Roster, as_csv, changed_windows, load_csv
from fuzz.forms import CELLS, lines_changed, parts_changed
from settings import ConfigError
from wire.topics import city, valid_unit

MAX_BYTES = 4096
form = lines_changed(parts_changed(b",", CELLS))
FIELD_LIMIT = 1000  # csv's own limit is 131,072 letters: a stray quote in a city's file reaches it, 4 kB do not


def hold(data: bytes) -> None:
    """The file as `pantau assets` opens it."""
    limit = csv.field_size_limit(FIELD_LIMIT)
    try:
        _load(data)
    finally:
        csv.field_size_limit(limit)


def _load(data: bytes) -> None:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return  # the command says so and ends
    try:
        assignments = load_csv(io.StringIO(text, newline=""), "assets.csv")
    except ConfigError as error:
        assert str(error).startswith("assets.csv")
        return
    assert load_csv(io.StringIO(as_csv(assignments), newline=""), "again") == assignments
    roster = Roster(assignments)
    for one in assignments:
        _check(one, roster)
    for unit in roster.units():
        assert changed_windows(unit, roster, roster) == []


def _check(one: Assignment, roster: Roster) -> None:
    assert valid_unit(one.unit)
    assert one.to_utc_ms is None or one.from_utc_ms < one.to_utc_ms
    assert city(one.agency, one.asset, "state")
    assert roster.name_of(one.unit, one.from_utc_ms) == one.name
    if one.to_utc_ms is not None:
        assert roster.name_of(one.unit, one.to_utc_ms - 1) == one.name


def seeds() -> Mapping[str, bytes]:
    """Right lines and wrong ones."""
    head = ",".join(COLUMNS)
    lines = [
        "ambulance-1,b-1234,health,ambulance,2026-11-23T12:00:00Z,2026-11-23T19:00:01+07:00",
        " pole-7 , cam-7 , roads , camera , 2026-01-01 , ",
        '"ambulance-1","b-1235",health,ambulance,2026-12-01T00:00:00.500Z,',
    ]
    return {
        "right": "\n".join([head, *lines, ""]).encode(),
        "byte-order-mark": ("\ufeff" + "\r\n".join([head, *lines])).encode(),
        "overlap": "\n".join([head, lines[0], lines[0].replace("b-1234", "b-1")]).encode(),
        "wrong": f"{head}\nbridge-1,B 1,unassigned,Ambulance!,yesterday,\na,b\n".encode(),
        "long-ago": f"{head}\nu,a,b,c,0001-01-01,9999-12-31T23:59:59.999999Z\n".encode(),
    }

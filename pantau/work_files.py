"""Observations out of files: the CSV of `pantau export` and `pantau decode`, and one of what inputs did."""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from broker.work.areas import Areas, read_areas
from broker.work.observed import Fix, Level, Observed, Sign, Start, observed
from broker.work.thresholds import GAP_MS, HDOP_MAX_C, SATS_MIN
from wire.errors import PantauError
from wire.inputs import EDGE, LEVEL, said_of_input

BOOT = "boot"
T = TypeVar("T")


class BadFile(PantauError, ValueError):
    """A file that is not there, or is not what it should be: one line says where and why."""


class FromFiles(NamedTuple):
    """What the files say, and how many of their rows say nothing here, by reason."""

    seen: Observed
    left_out: Counter[str]


def read_files(track: Path | None, inputs: Path | None) -> FromFiles:
    """The observations of one asset; raises BadFile."""
    left_out: Counter[str] = Counter()
    fixes = list(_rows(track, ("unix_ms", "lat_deg", "lon_deg"), lambda row: _fix(row, left_out))) if track else []
    levels: list[Level] = []
    signs = [*_spans(sorted({fix.at_ms for fix in fixes}))]
    starts: list[Start] = []
    for at_ms, event, edge in _rows(inputs, ("unix_ms", "event"), _event) if inputs else ():
        if event == BOOT:
            starts.append(Start(at_ms, _SOURCE))
            continue
        signs.append(Sign(at_ms, at_ms, _SOURCE))
        if said := said_of_input(event):
            levels.append(Level(at_ms, _SOURCE, *said, edge))
        else:
            left_out[f"event {event}"] += 1
    return FromFiles(observed(fixes, levels, signs, starts), left_out)


_SOURCE = ""  # files do not say which box it was


def areas_of(paths: Iterable[Path]) -> Areas:
    """The areas and corridors of GeoJSON files; raises BadFile or BadAreas."""
    found = []
    for path in paths:
        try:
            found += read_areas(path.read_text("utf-8-sig"), str(path))
        except OSError as error:
            raise BadFile(f"{path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise BadFile(f"{path} is not UTF-8: {error}") from error
    return Areas(found)


def _rows(path: Path, wanted: tuple[str, ...], read: Callable[[dict[str, str]], T | None]) -> Iterator[T]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if missing := [name for name in wanted if name not in (rows.fieldnames or ())]:
                raise BadFile(f"{path}: no column {', '.join(missing)}; wanted {','.join(wanted)}")
            for row in rows:
                try:
                    thing = read(row)
                except (TypeError, ValueError, OverflowError) as error:
                    raise BadFile(f"{path}: line {rows.line_num}: {error}") from error
                if thing is not None:
                    yield thing
    except csv.Error as error:
        raise BadFile(f"{path}: {error}") from error
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadFile(f"{path} is not UTF-8: {error}") from error


def _fix(row: dict[str, str], left_out: Counter[str]) -> Fix | None:
    if not row["unix_ms"]:
        left_out["without a time"] += 1
        return None
    hdop, sats, speed = row.get("hdop"), row.get("sats"), row.get("speed_mps")
    if (hdop and float(hdop) * 100 > HDOP_MAX_C) or (sats and int(sats) < SATS_MIN):
        left_out["not vouched for by the receiver"] += 1
        return None
    lat_e7, lon_e7 = round(float(row["lat_deg"]) * 1e7), round(float(row["lon_deg"]) * 1e7)
    if abs(lat_e7) > 900_000_000 or abs(lon_e7) > 1_800_000_000:
        raise ValueError(f"no place on this earth: {row['lat_deg']}, {row['lon_deg']}")
    return Fix(int(row["unix_ms"]), lat_e7, lon_e7, round(float(speed) * 100) if speed else None)


def _event(row: dict[str, str]) -> tuple[int, str, bool]:
    why = row.get("why") or EDGE
    if why not in (EDGE, LEVEL):
        raise ValueError(f"why {why!r}: wanted {EDGE} or {LEVEL}")
    return int(row["unix_ms"]), row["event"].strip(), why == EDGE


def _spans(times_ms: Iterable[int]) -> Iterator[Sign]:
    """The stretches in which one followed the other: a box that gives fixes is there to say what its inputs do."""
    from_ms: int | None = None
    to_ms = 0
    for at_ms in times_ms:
        if from_ms is not None and at_ms - to_ms > GAP_MS:
            yield Sign(from_ms, to_ms, _SOURCE)
            from_ms = None
        from_ms, to_ms = at_ms if from_ms is None else from_ms, at_ms
    if from_ms is not None:
        yield Sign(from_ms, to_ms, _SOURCE)

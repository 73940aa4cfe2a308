"""What the outbox is compared with: TinyDB's own JSONStorage, one document a row, as its manual shows."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from tinydb import TinyDB

from bench.report import Figure, progress

DEPTHS: Final = {0: 200, 1_000: 50, 10_000: 10}  # rows that wait, and how many inserts are timed there
WORN_REPORTS: Final = 864  # a tenth of a day: at constant depth each insert writes the same
REPORTS_A_DAY: Final = 8_640
GATHERED_ROWS: Final = 6  # rows that wait for the receipt which names them


def inserts(folder: Path, bodies: Iterator[bytes]) -> Iterator[Figure]:
    """Inserts a second, and what a day without a link would write, from the file's size."""
    row_bytes = 0.0
    for depth, count in DEPTHS.items():
        path = folder / f"tinydb-{depth}.json"
        with TinyDB(path) as database:
            database.insert_multiple(_document(number, body) for number, body in enumerate(islice(bodies, depth)))
            begun_s = time.perf_counter()
            for number, body in enumerate(islice(bodies, count), depth):
                database.insert(_document(number, body))
            took_s = time.perf_counter() - begun_s
        row_bytes = path.stat().st_size / (depth + count)
        progress(f"outbox: TinyDB with {depth:,} rows")
        yield Figure(
            f"TinyDB JSONStorage, {depth:,} rows wait", count / took_s, "inserts/s", None, "fsync each, as it does"
        )
    day_mb = row_bytes * REPORTS_A_DAY * (REPORTS_A_DAY + 1) / 2 / 1e6
    note = f"{row_bytes:.0f} B a row x (1 + 2 + ... + {REPORTS_A_DAY:,}): it writes the whole file for each row"
    yield Figure("TinyDB JSONStorage, a day without a link", day_mb, "MB", None, note)


def wear(place: Path, written_bytes: Callable[[], int], bodies: Iterator[bytes]) -> Figure:
    """What a day with a good link writes: rows go with the receipt that names six of them."""
    with TinyDB(place / "tinydb-day.json") as database:
        waiting: list[int] = []
        began_bytes = written_bytes()
        for number, body in enumerate(islice(bodies, WORN_REPORTS)):
            waiting.append(database.insert(_document(number, body)))
            if len(waiting) == GATHERED_ROWS:
                database.remove(doc_ids=waiting)
                waiting.clear()
        day_mb = (written_bytes() - began_bytes) / 1e6 * REPORTS_A_DAY / WORN_REPORTS
    return Figure(
        "TinyDB JSONStorage, written a day", day_mb, "MB", None, f"{WORN_REPORTS} reports x 10; link always up"
    )


def _document(number: int, body: bytes) -> dict[str, Any]:
    return {"seq": number, "kind": 0, "cls": 0, "body": base64.b64encode(body).decode()}

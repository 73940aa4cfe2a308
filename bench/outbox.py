"""The outbox: does append slow down with the backlog, and what does a day of driving write to the card?"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from bench.report import Figure, median, percentile, show
from bench.tinydb_outbox import inserts, wear
from edge.outbox import Outbox, OutboxReader
from edge.outbox_batch import Batch
from wire.kinds import CLASS_STATUS, CLASS_TRACK, KIND_HEALTH, KIND_TRACK
from wire.ranges import Ranges

BACKLOG_ROWS: Final = 1_000_000
APPENDS: Final = 6_000  # p99 over 60 of them
BODY_BYTES: Final = 115  # ten fixes, eight fields, lossless: measured over real drives (bench codec)
HEALTH_BYTES: Final = 140
LIMIT_BYTES: Final = 1 << 30
REPORTS_A_DAY: Final = 8_640  # one each 10 s
RECEIPT_EVERY: Final = 6  # live receipts are gathered for 60 s
MEBI: Final = 1 << 20


def main(argv: list[str]) -> int:
    """Print the figures; the folder is $PANTAU_BENCH_DIR, else the system's temporary one (tmpfs would flatter)."""
    with tempfile.TemporaryDirectory(prefix="outbox-", dir=os.environ.get("PANTAU_BENCH_DIR")) as folder:
        figures = [*_append(Path(folder)), *_wear(Path(folder)), *inserts(Path(folder), _bodies())]
    show("outbox", figures, as_json="--json" in argv, conditions=f"rows of {BODY_BYTES} B, synchronous=FULL")
    return 0


def _append(folder: Path) -> list[Figure]:
    """Two outboxes, one empty and one full, appended to in turn: whatever else the machine does hits both."""
    bodies = _bodies()
    long, short = folder / "long.db", folder / "short.db"
    fill(long)
    open_s, grown_mib = _opened_by_a_fresh_process(long)
    full = Outbox(long, limit_bytes=LIMIT_BYTES)
    empty = Outbox(short, limit_bytes=LIMIT_BYTES)
    took_s: dict[str, list[float]] = {"full": [], "empty": []}
    for number in range(APPENDS):
        for name, outbox in (("full", full), ("empty", empty)) if number % 2 else (("empty", empty), ("full", full)):
            body = next(bodies)
            began_s = time.perf_counter()
            row_id = outbox.append(body, kind=KIND_TRACK, cls=CLASS_TRACK, interval=number)
            took_s[name].append(time.perf_counter() - began_s)
            if number % RECEIPT_EVERY == 0:
                outbox.receipted(Ranges([(row_id - min(row_id, RECEIPT_EVERY) + 1, row_id)]))
    empty.close()
    full.close()
    p99_us = {name: percentile(times, 99) * 1e6 for name, times in took_s.items()}
    return [
        Figure(
            "append p99 ratio", p99_us["full"] / p99_us["empty"], "", "<= 1.5", "1,000,000 rows over 0, interleaved"
        ),
        Figure("append p99, 0 rows", p99_us["empty"], "us"),
        Figure("append p99, 1,000,000 rows", p99_us["full"], "us"),
        Figure("append median, 0 rows", median(took_s["empty"]) * 1e6, "us"),
        Figure("append median, 1,000,000 rows", median(took_s["full"]) * 1e6, "us"),
        Figure("open, 1,000,000 rows", open_s, "s", None, "file in the page cache"),
        Figure("memory for it", grown_mib, "MiB", None, "resident, beyond the process before"),
    ]


def fill(path: Path) -> None:
    """A backlog as the outbox itself would have written it, without a sync for each row."""
    outbox, bodies = Outbox(path, limit_bytes=LIMIT_BYTES), _bodies()
    connection = outbox._writer._connection()
    connection.execute("PRAGMA synchronous=OFF").fetchall()
    for _ in range(0, BACKLOG_ROWS, 5_000):
        some = list(islice(bodies, 5_000))
        outbox._writer.write("append", partial(_insert, some))
    outbox.close()


def _insert(bodies: Sequence[bytes], batch: Batch) -> None:
    for body in bodies:
        batch.insert(body, kind=KIND_TRACK, cls=CLASS_TRACK)


def _opened_by_a_fresh_process(path: Path) -> tuple[float, float]:
    """Seconds it takes to open, and MiB that stay resident: the process that filled it has the memory already."""
    code = f"""
import time
from pathlib import Path
from bench.outbox import _rss_kib
from edge.outbox import Outbox
before_kib, began_s = _rss_kib(), time.perf_counter()
outbox = Outbox(Path({str(path)!r}), limit_bytes={LIMIT_BYTES})
print(time.perf_counter() - began_s, (_rss_kib() - before_kib) / 1024)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    open_s, grown_mib = map(float, done.stdout.split())
    return open_s, grown_mib


def _wear(folder: Path) -> list[Figure]:
    """A day's appends with receipts as they really come; health is sent with a report, hourly."""
    with _counted_disk(folder) as (place, written_bytes, how):
        outbox = Outbox(place / "day.db", limit_bytes=64 * MEBI)
        reader = OutboxReader(place / "day.db")
        bodies = _bodies()
        began_bytes = written_bytes()
        unreceipted = 0
        for number in range(REPORTS_A_DAY):
            row_id = outbox.append(next(bodies), kind=KIND_TRACK, cls=CLASS_TRACK, interval=number)
            if number % 360 == 0:
                row_id = outbox.append(next(bodies)[:HEALTH_BYTES], kind=KIND_HEALTH, cls=CLASS_STATUS)
            reader.above(row_id - 1, 10)
            if number % RECEIPT_EVERY == RECEIPT_EVERY - 1:
                outbox.receipted(Ranges([(unreceipted + 1, row_id)]))
                unreceipted = row_id
        reader.close()
        outbox.close()
        day_mb = (written_bytes() - began_bytes) / 1e6
        compared = wear(place, written_bytes, _bodies())
    return [Figure("written to the card a day", day_mb, "MB", "<= 60", how), compared]


@contextmanager
def _counted_disk(folder: Path) -> Iterator[tuple[Path, Callable[[], int], str]]:
    """As root an ext4 of our own on a loop device, so that its journal counts; else what the kernel counts for us."""
    image, mount = folder / "disk.img", folder / "disk"
    mount.mkdir()
    with image.open("wb") as file:
        file.truncate(128 * MEBI)
    commands = (
        ["mkfs.ext4", "-q", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(image)],
        ["mount", "-o", "loop,noatime", str(image), str(mount)],
    )
    try:
        mounted = all(subprocess.run(c, capture_output=True, check=False).returncode == 0 for c in commands)
    except FileNotFoundError:
        mounted = False
    if not mounted:
        yield folder, _written_by_us, "by /proc/self/io; the file system's journal is not in it"
        return
    try:
        device = mount.stat().st_dev
        stat = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat")

        def written_bytes() -> int:
            os.sync()
            return int(stat.read_text().split()[6]) * 512  # sectors written; kernel Documentation/block/stat.rst

        yield mount, written_bytes, "an ext4 of its own, log and checkpoints in it; 8,640 reports in a row"
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def _written_by_us() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("write_bytes")).split()[1])


def _rss_kib() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


def _bodies() -> Iterator[bytes]:
    some = random.Random(1)
    while True:
        yield some.randbytes(BODY_BYTES + some.randrange(-15, 16))

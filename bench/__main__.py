"""`python -m bench [NAME …] [--json]`: run one bench, or all of them in turn."""

from __future__ import annotations

import importlib
import signal
import sys
import time
import traceback
from typing import Final

from bench.report import failed, progress

BENCHES: Final = {
    "codec": "bytes a fix of the track encoding, over real drives",
    "air": "bytes an epoch on the air, at IP level, everything included",
    "profiles": "where a live map shows a vehicle against where it is, under the default profiles",
    "parked": "bytes a parked unit sends in a day, at IP level, from its measured parts",
    "outbox": "append latency against the backlog, bytes written to the card a day",
    "edge": "gps_unit's memory with a full outbox, and CPU an epoch",
    "cameras": "CPU a judged keyframe, kept open against short-lived, memory with eight cameras, a snapshot's bytes",
    "poles": "a pole of eight cameras: what it sends in a day, what its node costs; 3,000 that come back at once",
    "path": "append to clean topic, latency",
    "ingest": "fixes a second stored and receipted, CPU a fix of bridge and publisher",
    "units": "cost growth: the same rows from 10, 100, 1,000 and 5,000 units",
    "store": "cost growth: what a row costs with 10 k, 1 M and 20 M fixes stored, and where the store's time goes",
    "profile": "where bridge, publisher and gps_unit spend their CPU, by sampling",
    "enrolment": "boxes imported, labelled and enrolled in one run: what one costs among thousands and among 100",
    "work": "cost of hours: a day of a city's assets, and one late record in a store that grows",
    "alternatives": "a stock Mosquitto on the box, bridging with persistence: on the air, on the card, after a SIGKILL",
    "verdicts": "whether a camera's judge finds what is wrong, how fast, and how often it cries wolf",
    "drain": "a day's backlog over a slow link while live goes on",
    "overload": "a slowed bridge at 4 and 10 times its capacity: goodput, live lateness, bytes resent",
}


def main(argv: list[str]) -> int:
    """Run the benches named (all when none is); exit 2 for a name that is not there."""
    names = [a for a in argv if not a.startswith("-")]
    flags = [a for a in argv if a.startswith("-")]
    if "-h" in flags or "--help" in flags or (unknown := [n for n in names if n not in BENCHES]):
        print("usage: python -m bench [NAME ...] [--json]\n")
        for name, what in BENCHES.items():
            print(f"  {name:12} {what}")
        if "-h" in flags or "--help" in flags:
            return 0
        print(f"\nno such bench: {', '.join(unknown)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that networks and processes are cleared away then, too
    return max(_run(name, flags) for name in names or BENCHES)


def _run(name: str, flags: list[str]) -> int:
    """Run one bench; what it dies of is said in its place, and costs the others nothing."""
    begun_s = time.monotonic()
    progress(name)
    try:
        code: int = importlib.import_module(f"bench.{name}").main(flags)
    except Exception as error:  # noqa: BLE001 - whatever it was: the traceback goes to stderr, its name onto the page
        traceback.print_exc()
        failed(name, f"{type(error).__name__}: {error}", as_json="--json" in flags)
        code = 1
    progress(f"{name}: {time.monotonic() - begun_s:.0f} s")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""docs/performance.md from the benches' JSON: `python -m bench --json | python -m bench.page > docs/performance.md`."""

from __future__ import annotations

import json
import math
import os
import platform
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from bench.__main__ import BENCHES

HEAD = """# Performance

Written by `python -m bench --json | python -m bench.page > docs/performance.md`, not by hand; `python -m bench NAME`
prints one table; tables may come from runs at different hours. Reach is the mark a figure is held against. Machines are
noisy: look at ratios within one run and at the order of magnitude of the rest.
Not measured on a Raspberry Pi, an SD card or a real modem.

Machine of this run: {machine}.
"""

# What stands below a bench's table: how to read it, and what was done about what it said.
NOTES = {
    "units": """
Memory and sockets grow with the fleet. A fix costs bridge and publisher about the same; the broker, which looks for
its readers among all connections, and the load's own process pay for 5,000 of them on the same two cores.
""",
    "cameras": """
A stream kept open costs by its bytes, a session for each look by the look; at a look each 5 s they cost about the same,
and the open one also tells frame rate and stalls ([decision 17](decisions/0017-one-eye-and-one-ear-a-camera.md)).
""",
    "poles": """
The day is put together from what links carried: pings by count, records by what came to the store, pictures at the most
that one may take. A node that is stopped keeps its socket, as a box without power does: the broker misses it by its
keep-alive. CPU of a frame is the thread's that decodes, scales and judges it, inside the whole node; the memory has an
ONVIF session for each camera in it. In the storm the nodes' own TLS takes its share of the same cores.
""",
    "profile": """
What was done about these paths, as sampling showed them one after the other:

* **bridge**: a track is decoded once, column by column, with `itertools.accumulate` instead of a loop over fixes; a
  backlog's rows travel in columns and are cut apart at once; a group is written with one `executemany` a table, keys in
  the index's order; a row is looked up only when its seq is not above all that its box has sent; outcomes are counted
  from plain bits (an enum's flags took a microsecond each); presence moves in place instead of being copied.
* **publisher**: its own QoS 0 writer behind a barrier instead of a client library's queue a message; `orjson`; the text
  of a second is made once; topics are checked once; a message is a named tuple (a frozen dataclass took three times as
  long). Decoding is most of what is left, and is the bridge's code.
* **gps_unit**: it sleeps until something is due instead of looking around, which was almost half of its CPU at 1 Hz;
  what is left is spread over sentences, thinning and the one transaction an interval.

Tried and left out: cutting QoS 0 publishes off the TLS stream in our own code took a quarter of what paho takes for a
live message. It would be an MQTT reader of our own on the path of every record. So a live row, a parcel of its own,
costs the bridge more a fix than the mark, which rows of a backlog keep.
""",
}

# Growth is drawn below its table: a name's first group is where it stands on the x axis, its second is its line.
CHARTS = {
    "units": ("CPU a fix, µs, by units", re.compile(r"([\d,]+) units: (bridge|publisher|broker) CPU")),
    "store": ("insert, CPU a fix, µs, by fixes stored", re.compile(r"(.+) stored: (insert), CPU")),
}


def page(benches: Iterable[dict[str, Any]]) -> str:
    """The page as Markdown; raises KeyError for JSON that is no bench's."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release().split('-')[0]}"
    parts = [HEAD.format(machine=f"{machine}, Python {platform.python_version()}")]
    for bench in benches:
        name = bench["bench"]
        parts.append(f"\n## {name}: {BENCHES[name]}\n\n{bench['conditions'] or ''}\n")
        if bench["figures"]:
            parts.append("\n| figure | value | unit | reach | |\n|---|---|---|---|---|\n")
        parts += [_row(figure) for figure in bench["figures"]]
        if name in CHARTS:
            parts += _chart(*CHARTS[name], bench["figures"])
        parts.append(NOTES.get(name, "") if bench["figures"] else "")
    return "".join(parts)


def _row(figure: dict[str, Any]) -> str:
    value = figure["value"]
    shown = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    cells = (figure["name"], shown, figure["unit"], figure["reach"] or "", figure["note"])
    return "| " + " | ".join(cells) + " |\n"


def _chart(title: str, pattern: re.Pattern[str], figures: list[dict[str, Any]]) -> Iterator[str]:
    """What grows, as Mermaid draws it; nothing when there is nothing to compare."""
    lines: dict[str, dict[str, float]] = {}
    for figure in figures:
        if found := pattern.fullmatch(figure["name"]):
            lines.setdefault(found[2], {})[found[1]] = figure["value"]
    if not lines:
        return
    places = list(next(iter(lines.values())))
    highest = max(value for line in lines.values() for value in line.values())
    yield f'\n```mermaid\nxychart-beta\n  title "{title}: {", ".join(lines)}"\n'
    yield f"  x-axis [{', '.join(json.dumps(place) for place in places)}]\n  y-axis 0 --> {math.ceil(highest * 1.2)}\n"
    for line in lines.values():
        yield f"  line [{', '.join(f'{line[place]:.4g}' for place in places)}]\n"
    yield "```\n"


if __name__ == "__main__":
    sys.stdout.write(page(json.loads(line) for line in sys.stdin if line.strip()))

"""docs/performance.md from the benches' JSON: `python -m bench --json | python -m bench.page > docs/performance.md`."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable
from typing import Any

from bench.__main__ import BENCHES

HEAD = """# Performance

Written by `python -m bench --json | python -m bench.page > docs/performance.md`, not by hand; `python -m bench NAME`
prints one table. Reach is the mark a figure is held against. Machines are noisy: look at ratios within one run and at
the order of magnitude of the rest.
Not measured on a Raspberry Pi, an SD card or a real modem.

Machine of this run: {machine}.
"""


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
    return "".join(parts)


def _row(figure: dict[str, Any]) -> str:
    value = figure["value"]
    shown = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    cells = (figure["name"], shown, figure["unit"], figure["reach"] or "", figure["note"])
    return "| " + " | ".join(cells) + " |\n"


if __name__ == "__main__":
    sys.stdout.write(page(json.loads(line) for line in sys.stdin if line.strip()))

"""docs/proof.md from a run of all scenarios, of one that needs the machine for itself, and a soak.

`pantau torture --json > run.json; python -m torture.proof run.json --alone city.json --soak build/soak/soak.json`
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from torture.soak_report import section

SOAK_PICTURE: Final = "soak.svg"  # beside the page

Run = dict[str, Any]
Row = dict[str, Any]

HEAD: Final = """# Proof

What pantau loses under faults, shown by breaking it. Every scenario plays a drive through ptys into real gps_units,
over links that the suite owns, to a real Mosquitto over mutual TLS, bridge, store and publisher, and keeps **its
own account**: what was written to which port, and which of it was *due* ([invariant I1](invariants.md)). At the end
that account is held against what `pantau export` gives, what `pantau ledger` says, and what a recording consumer
has after its replay. A scenario holds only if all of it agrees, every process stops in time, and nothing is left
running.

This page is written by `python -m torture.proof` from a run, not by hand:

```sh
{command}
```

Seed {seed}; the same seed draws the same faults, though not at the same instants: processes and kernels have their
own pace. Machine: {machine}. {total}

*put in*: epochs written to ports; *due*: those that must be stored whatever happens; *missing*: due and not stored,
and nobody says so; *named*: due and not stored, and told by a tombstone, a health record or the ledger (a full card, a
store put back from a copy); *unobserved*: not due, and not stored; *shed*: records given up, named with their reason;
*recovered*: from the end of the fault until all that had been put in before it was stored; *bytes up*: TCP bytes of
all boxes to the broker.
"""

COLUMNS: Final = (
    *("scenario", "faults", "put in", "due", "stored", "twice", "missing", "named", "unobserved"),
    *("shed", "recovered", "bytes up"),
)

NOT_PROVEN: Final = """
## How power is cut

Under the box is a file system of our own ([edge/sim/card.py](../edge/sim/card.py), FUSE). Programs see every write at
once; durable is only what was fsynced, and a directory's names only once the directory was. At a cut nothing is
answered any more, the box's processes are killed with SIGKILL, and of everything not synced a seeded random subset of
512-byte sectors survives, in any order, the last write torn inside a sector, and any subset of renames, creations and
deletions, each whole. What stands for tmpfs is gone.

## What is not proven

* No real SD card: real ones can lose what was synced long ago when power fails while an erase block is rewritten, and
  some report a flush that they have not done. Nothing on the box can prevent that; the salvage names what it cost.
* No real modem and no real radio: links are TCP proxies and network namespaces. No real GNSS receiver: ports are
  ptys, and what is said on them is ours or a recorded log. No GPIO.
* Kills come at commit points that the code names and at random; not at every machine instruction.
* One machine plays the whole city: what a thousand cells do to a network is not in it.
"""


def page(run: Run, alone: Sequence[Run] = (), sections: Iterable[str] = ()) -> str:
    """The page as Markdown: the scenarios, those that ran alone with every claim, `sections`, what is not proven."""
    elsewhere = {row["scenario"] for each in alone for row in each["reports"]}
    rows: list[Row] = [row for row in run["reports"] if not (row["skipped"] and row["scenario"] in elsewhere)]
    head = HEAD.format(
        command=run["command"], seed=run["seed"], machine=run["machine"], total=_total(rows, run["took_s"])
    )
    groups = [_group(name, list(found)) for name, found in groupby(rows, key=lambda row: row["scenario"].split("-")[0])]
    return "".join([head, *groups, *map(_alone, alone), *sections, NOT_PROVEN])


def _total(rows: Sequence[Row], took_s: float) -> str:
    ran = [row for row in rows if not row["skipped"]]
    held = sum(row["holds"] for row in ran)
    sums = {key: sum(row[key] for row in ran) for key in ("put_in", "due", "stored", "twice", "missing", "named")}
    faults = sum(sum(row["faults"].values()) for row in ran)
    return (
        f"**{held} of {len(ran)} promises held** in {took_s / 60:.0f} minutes: {faults:,} faults,"
        f" {sums['put_in']:,} epochs put in, {sums['due']:,} due, {sums['stored']:,} stored,"
        f" **{sums['missing']} missing, {sums['twice']} twice**, {sums['named']:,} named as given up."
    )


def _group(name: str, rows: Sequence[Row]) -> str:
    lines = [f"\n## {name}\n"]
    lines += [f"* **{row['scenario']}**: {row['promise']}{_verdict(row)}" for row in rows]
    return "\n".join([*lines, "", *_table(rows)]) + "\n"


def _table(rows: Iterable[Row]) -> list[str]:
    ran = [_row(row) for row in rows if not row["skipped"]]
    return [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|", *ran]


def _alone(run: Run) -> str:
    """What needs more than its share of a run: its account, and all that it claims with what was seen."""
    parts = []
    for row in run["reports"]:
        claims = [f"| {what} | {'yes' if held else '**no**'} | {_cell(seen)} |" for what, held, seen in row["claims"]]
        parts += [
            f"\n## {row['scenario']}, alone\n",
            f"`{run['command']}` ({run['took_s'] / 60:.0f} minutes, seed {run['seed']}, {run['machine']}):",
            f"{row['promise']}{_verdict(row)}\n",
            *_table([row]),
            "\n| claim | holds | seen |\n|---|---|---|",
            *claims,
        ]
    return "\n".join(parts) + "\n"


def _cell(seen: str) -> str:
    return "" if seen in ("[]", "()") else seen  # nothing that speaks against it


def _verdict(row: Row) -> str:
    if row["skipped"]:
        return f" (skipped: {row['skipped']})"
    if row["holds"]:
        return " (it broke beside other cities, lost nothing, and held alone)" if row.get("again") else ""
    broken = [f"{what} ({seen})" for what, held, seen in row["claims"] if not held]
    return f" **BROKEN**: {'; '.join(broken) or row['error'].strip().splitlines()[-1]}"


def _row(row: Row) -> str:
    faults = ", ".join(f"{count} {what}" for what, count in row["faults"].items())
    shed = ", ".join(f"{count} {reason}" for reason, count in row["shed"].items() if count) or "0"
    recovered = "" if row["recover_s"] is None else f"{row['recover_s']:.1f} s"
    figures = [row[key] for key in ("put_in", "due", "stored", "twice", "missing", "named", "unobserved")]
    cells = [row["scenario"], faults, *[f"{f:,}" for f in figures], shed, recovered, f"{row['up_bytes']:,}"]
    return f"| {' | '.join(cells)} |"


def main(argv: Sequence[str]) -> int:
    """Write the page on standard output; exit 2 when called wrongly."""
    parser = argparse.ArgumentParser(prog="python -m torture.proof", description="docs/proof.md on standard output")
    parser.add_argument("run", type=_read, help="JSON of a run of all scenarios")
    parser.add_argument("--alone", type=_read, action="append", default=[], help="JSON of scenarios that ran alone")
    parser.add_argument("--soak", type=_read, action="append", default=[], help="JSON of a soak")
    read = parser.parse_args(argv)
    sys.stdout.write(page(read.run, read.alone, [section(soak, SOAK_PICTURE) for soak in read.soak]))
    return 0


def _read(name: str) -> Run:
    found: Run = json.loads(Path(name).read_text("utf-8"))
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

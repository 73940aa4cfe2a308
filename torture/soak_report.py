"""A soak's report as JSON, as SVG, and as a section of docs/proof.md. Pure.

`python -m torture.soak_report soak.json` writes the section on standard output.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from torture.drift import STORE, UNITS
from torture.plot import Line, Panel, svg
from torture.recorder import CITY
from torture.soak import Soaked

Run = dict[str, Any]

# What stands in which panel: (title, measures, whose); a box's files are told apart by their names' ends.
_PANELS: Final = (
    ("Resident memory", ("rss_mb",), ""),
    ("Proportional memory", ("pss_mb",), ""),
    ("File descriptors", ("fds",), ""),
    ("Threads", ("threads",), ""),
    ("CPU (100 %: one core)", ("cpu",), ""),
    ("Latency, port to consumer", ("latency_p50_s", "latency_p99_s"), CITY),
    ("Store", ("file_mb", "wal_mb", "pages_mb"), STORE),
    ("Outboxes", ("file_mb", "wal_mb"), "outbox.db"),
    ("Documents", ("file_mb", "wal_mb"), "documents.db"),
)
_KINDS: Final = {
    "latency_p50_s": "p50",
    "latency_p99_s": "p99",
    "file_mb": "file",
    "wal_mb": "WAL",
    "pages_mb": "pages in both",
}
_OF_PROCESSES: Final = ("rss_mb", "pss_mb", "fds", "threads", "cpu")
_NAMES: Final = {
    "rss_mb": "RSS",
    "pss_mb": "PSS",
    "fds": "file descriptors",
    "threads": "threads",
    "cpu": "CPU",
    "latency_p50_s": "latency p50",
    "latency_p99_s": "latency p99",
    "file_mb": "file",
    "wal_mb": "WAL",
    "pages_mb": "pages",
}


PAGE_WIDTH: Final = 120  # characters
GROWTH: Final = (
    "Growth is the robust slope (Theil-Sen within each life of a process, its first quarter left out) over the time it"
    " was seen. It is drift when it is surely above 0 and above what is allowed (*grew … of …*). Memory may grow by"
    " what caches and arenas still take, descriptors and threads by less than one; bridge and publisher may also keep"
    " the store's new pages in their page caches. PSS and CPU are shown, not judged."
)
LATENCY: Final = (
    "Latency is from the last byte of a row's newest epoch, written to the pty, to the row's message at a consumer of"
    " the clean topics: in it is the wait for the next epoch, which is how an epoch is known to be whole. {rows:,}"
    " rows; those of a unit without a link or in a restart are left out."
)


def as_run(soaked: Soaked, **head: Any) -> Run:
    """All of it as JSON values; `head`: command, machine, seed, units, speed."""
    return {
        **head,
        "lived_s": soaked.lived_s,
        "holds": soaked.holds,
        "latency_rows": soaked.latency_rows,
        "report": {**dataclasses.asdict(soaked.report), "holds": soaked.report.holds},
        "judgements": [dataclasses.asdict(one) for one in soaked.judgements],
        "happenings": [dataclasses.asdict(one) for one in soaked.happenings],
        "series": [dataclasses.asdict(one) for one in soaked.series],
    }


def drawn(run: Run) -> str:
    """The SVG of a run."""
    panels = [_panel(run["series"], *one) for one in _PANELS]
    bands = [(one["at_s"], one["at_s"] + one["lasts_s"]) for one in run["happenings"] if one["what"] == "outage"]
    title = f"pantau soak: {run['units']} units, {run['lived_s'] / 60:.3g} minutes (shaded: an outage of one unit)"
    return svg(title, [panel for panel in panels if panel.lines], bands)


def _panel(series: Iterable[dict[str, Any]], title: str, measures: Sequence[str], whose: str) -> Panel:
    lines = [
        Line(one["of"].partition("/")[0], tuple(map(tuple, one["lives"])), measures.index(one["measure"]))
        for one in series
        if one["measure"] in measures and one["of"].endswith(whose)
    ]
    kinds = tuple(_KINDS[measure] for measure in measures) if len(measures) > 1 else ()
    return Panel(title, UNITS[measures[0]], tuple(lines), kinds)


def section(run: Run, picture: str = "soak.svg") -> str:
    """The section of docs/proof.md: what was soaked, the account, what grew, and where `picture` is."""
    report = run["report"]
    faults = ", ".join(f"{count} × {what}" for what, count in report["faults"].items())
    paragraphs = [
        f"`{run['command']}`: {run['units']} units for {run['lived_s'] / 60:.3g} minutes, each receiver speaking"
        f" {run['speed']:g} times a second ({run['machine']}, seed {run['seed']}). Meanwhile: {faults or 'nothing'}.",
        f"![memory, descriptors, threads, CPU, latency and disk over time]({picture})",
        f"**{_verdict(run)}** {report['put_in']:,} epochs put in, {report['due']:,} due, {report['stored']:,} stored,"
        f" **{report['missing']} missing, {report['twice']} twice**; {report['up_bytes']:,} bytes up. {_store(run)}",
        GROWTH,
        LATENCY.format(rows=run["latency_rows"]),
    ]
    text = [textwrap.fill(one, PAGE_WIDTH, break_long_words=False, break_on_hyphens=False) for one in paragraphs]
    tables = ["\n".join(table(run["judgements"])) for table in (_processes, _others)]
    return "\n\n".join(["\n## soak", *text, *tables]) + "\n"


def _processes(judgements: Sequence[Run]) -> list[str]:
    """A row a process: value at the end, and growth against what is allowed."""
    found: dict[str, dict[str, Run]] = {}
    for one in judgements:
        if one["measure"] in _OF_PROCESSES:
            found.setdefault(one["of"], {})[one["measure"]] = one
    lines = [f"| process | {' | '.join(_NAMES[measure] for measure in _OF_PROCESSES)} |"]
    lines.append("|---" * (1 + len(_OF_PROCESSES)) + "|")
    for name, measures in found.items():
        cells = [_end_and_growth(measures[m]) if m in measures else "" for m in _OF_PROCESSES]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _end_and_growth(one: Run) -> str:
    allowed = "" if one["allowed"] is None else f" of {figure(one, 'allowed')}"
    text = f"{figure(one, 'last')}, grew {figure(one, 'seen') or '?'}{allowed}"
    return text if one["held"] else f"**{text}: NOT HELD**"


def _others(judgements: Sequence[Run]) -> list[str]:
    """A row a file and a latency, with the reason of its limit."""
    lines = ["| what | at the end | grew (WAL: highest) | allowed | because |", "|---|---|---|---|---|"]
    for one in judgements:
        if judged(one) and one["measure"] not in _OF_PROCESSES:
            because = one["why"] if one["held"] else f"**{one['why']}: NOT HELD**"
            row = [_what(one), *[figure(one, key) for key in ("last", "seen", "allowed")], because]
            lines.append(f"| {' | '.join(row)} |")
    return lines


def broken(run: Run) -> list[str]:
    """Everything that did not hold, a line each."""
    report = run["report"]
    found = [f"{what} ({seen})" for what, held, seen in report["claims"] if not held]
    found += [f"{_what(one)}: {_drift(one)}" for one in run["judgements"] if not one["held"]]
    found += [report["error"].strip()] if report["error"] else []
    return found or ([] if run["holds"] else ["nothing was measured"])


def judged(one: Run) -> bool:
    """Whether a judgement has a limit, or is there to be complained of."""
    return one["allowed"] is not None or not one["held"]


def cells(one: Run) -> list[str]:
    """What, at the end, an hour, seen, allowed: a judgement's figures with their units."""
    return [_what(one), *[figure(one, key) for key in ("last", "per_hour", "seen", "allowed")]]


def figure(one: Run, key: str) -> str:
    """One figure of a judgement with its unit; empty when there is none."""
    return "" if one[key] is None else f"{one[key]:.3g} {UNITS[one['measure']]}".rstrip()


def _drift(one: Run) -> str:
    if one["seen"] is None or one["allowed"] is None:
        return str(one["why"])
    return f"{figure(one, 'seen')} where {figure(one, 'allowed')} is allowed ({one['why']})"


def _verdict(run: Run) -> str:
    found = broken(run)
    return "No drift, nothing missing." if not found else f"NOT HELD: {'; '.join(found)}."


def _store(run: Run) -> str:
    """What the store grew by for each fix, which is by design and not drift."""
    held_mb: float | None = next(
        (j["last"] for j in run["judgements"] if (j["of"], j["measure"]) == (STORE, "pages_mb")), None
    )
    stored = run["report"]["stored"]
    if held_mb is None or not stored:
        return ""
    return f"The store holds {held_mb:.1f} MB, {held_mb * 1e6 / stored:.0f} bytes a fix: that grows by design."


def _what(one: Run) -> str:
    return f"{one['of']} {_NAMES[one['measure']]}"


def main(argv: Sequence[str]) -> int:
    """Write the section of a soak.json on standard output; exit 2 when called wrongly."""
    if len(argv) != 1:
        sys.stderr.write("usage: python -m torture.soak_report soak.json\n")
        return 2
    sys.stdout.write(section(json.loads(Path(argv[0]).read_text("utf-8"))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""A soak's report as JSON, as SVG, and as a section of docs/proof.md. Pure.

`python -m torture.soak_report soak.json` writes the section on standard output.
"""

from __future__ import annotations

import dataclasses
import json
import sys
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
    ("CPU", ("cpu",), ""),
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
_NAMES: Final = {
    "rss_mb": "RSS",
    "pss_mb": "PSS",
    "fds": "descriptors",
    "threads": "threads",
    "cpu": "CPU",
    "latency_p50_s": "latency p50",
    "latency_p99_s": "latency p99",
    "file_mb": "file",
    "wal_mb": "WAL",
    "pages_mb": "pages",
}


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
    title = f"pantau soak: {run['units']} units, {run['lived_s'] / 60:.0f} minutes (shaded: an outage of one unit)"
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
    lines = [
        "\n## soak\n",
        f"`{run['command']}`: {run['units']} units for {run['lived_s'] / 60:.0f} minutes, each receiver speaking"
        f" {run['speed']:g} times a second ({run['machine']}, seed {run['seed']}). Meanwhile: {faults or 'nothing'}.",
        "",
        f"![memory, descriptors, threads, CPU, latency and disk over time]({picture})",
        "",
        f"**{_verdict(run)}** {report['put_in']:,} epochs put in, {report['due']:,} due, {report['stored']:,} stored,"
        f" **{report['missing']} missing, {report['twice']} twice**; {report['up_bytes']:,} bytes up."
        f" {_store(run)}",
        "",
        "Growth is the robust slope (Theil-Sen within each life of a process, its first quarter left out) over the"
        " time it was seen; it is drift when it is surely above 0 and above what is allowed. Latency is from the last"
        " byte of a row's newest epoch written to the pty to the row's message at a consumer of the clean topics;"
        f" {run['latency_rows']:,} rows, those of a unit without a link or in a restart left out.",
        "",
        "| what | at the end | an hour | grew (WAL: highest) | allowed | because |",
        "|---|---|---|---|---|---|",
        *[_row(one) for one in run["judgements"] if judged(one)],
    ]
    return "\n".join(lines) + "\n"


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
    unit = UNITS[one["measure"]]
    figures = [one[key] for key in ("last", "per_hour", "seen", "allowed")]
    return [_what(one), *["" if figure is None else f"{figure:.3g} {unit}" for figure in figures]]


def _drift(one: Run) -> str:
    if one["seen"] is None or one["allowed"] is None:
        return str(one["why"])
    unit = UNITS[one["measure"]]
    return f"{one['seen']:.3g} {unit} where {one['allowed']:.3g} are allowed ({one['why']})"


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


def _row(one: Run) -> str:
    verdict = one["why"] if one["held"] else f"**{one['why']}: NOT HELD**"
    return f"| {' | '.join([*cells(one), verdict])} |"


def main(argv: Sequence[str]) -> int:
    """Write the section of a soak.json on standard output; exit 2 when called wrongly."""
    if len(argv) != 1:
        sys.stderr.write("usage: python -m torture.soak_report soak.json\n")
        return 2
    sys.stdout.write(section(json.loads(Path(argv[0]).read_text("utf-8"))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`pantau torture`: break a running city on purpose, and hold what is stored against what was put in."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

EXIT_INTERRUPTED = 130  # as a shell has it: 128 + SIGINT

if TYPE_CHECKING:
    from rich.console import Console

    from torture.report import Report
    from torture.suite import Suite


def torture(
    scenarios: Annotated[
        list[str] | None, typer.Argument(help="Names or groups (all when none is named); a+b: both at once")
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.0, max=10_000, help="How long all of it may take, about")] = 10.0,
    seed: Annotated[int | None, typer.Option(help="Repeat a run: the seed it printed")] = None,
    jobs: Annotated[int, typer.Option(min=1, max=32, help="How many cities at the same time")] = 1,
    log: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="A receiver's log to drive by")] = None,
    speed: Annotated[float, typer.Option(min=0.1, max=20, help="How many times faster the log is played")] = 5.0,
    keep: Annotated[Path | None, typer.Option(help="Keep stores, outboxes and logs in this directory")] = None,
    second_chance: Annotated[
        bool, typer.Option(help="What broke and lost nothing is run once more at the end, alone")
    ] = False,
    names: Annotated[bool, typer.Option("--list", help="Only say what there is, and what each promises")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For a program to read")] = False,
) -> None:
    """Break a running city in every way we know; exit 1 when anything due is missing, or anything is stored twice."""
    from rich.console import Console

    from torture.scenario import chosen

    try:
        found = chosen(scenarios or [])
    except LookupError as error:
        raise typer.BadParameter(f"no scenario or group {error}; pantau torture --list tells them") from None
    if names:
        for one in found:
            print(f"{one.name:28} {one.promise}")
        return
    from torture.report import exit_code
    from torture.suite import Suite

    begun_s = time.monotonic()
    drawn = random.SystemRandom().randrange(1 << 31) if seed is None else seed
    console = Console(stderr=True)
    console.print(f"seed {drawn}")
    with tempfile.TemporaryDirectory(prefix="pantau-torture-") as temporary:
        suite = Suite(
            scenarios=[one.name for one in found],
            directory=(keep or Path(temporary)).absolute(),
            seed=drawn,
            minutes=minutes,
            jobs=jobs,
            log=log,
            speed=speed,
            second_chance=second_chance,
        )
        reports, ended = _watched(suite, console)
    if as_json:
        rows = [{**dataclasses.asdict(report), "holds": report.holds} for report in reports]
        head = {
            "command": _command(scenarios, minutes, drawn, jobs, second_chance),
            "machine": machine(),
            "seed": drawn,
        }
        json.dump({**head, "took_s": time.monotonic() - begun_s, "ended": ended, "reports": rows}, sys.stdout)
    else:
        _show(reports)
    raise typer.Exit(exit_code(reports) if ended else EXIT_INTERRUPTED)


def _command(scenarios: list[str] | None, minutes: float, seed: int, jobs: int, second_chance: bool) -> str:
    words = ["pantau torture", *(scenarios or []), f"--minutes {minutes:g}", f"--seed {seed}"]
    words += [] if jobs == 1 else [f"--jobs {jobs}"]
    return " ".join([*words, "--second-chance"] if second_chance else words)


def machine() -> str:
    """This machine in a few words, for a page of figures."""
    kernel = platform.release().split("-")[0]
    return f"{os.cpu_count()} cores, {platform.machine()}, Linux {kernel}, Python {platform.python_version()}"


def _watched(suite: Suite, console: Console) -> tuple[list[Report], bool]:
    """Run it with a progress bar; what breaks is said at once. After Ctrl-C: what has ended until then, and False."""
    from rich.progress import Progress

    reports = []
    with Progress(console=console) as progress:
        task = progress.add_task(f"{len(suite.scenarios)} scenarios", total=len(suite.scenarios))
        try:
            for report in suite.reports():
                reports.append(report)
                progress.update(task, advance=1, description=report.scenario)
                if not report.holds:
                    progress.console.print(_trouble(report), markup=False, highlight=False)
            ended = True
        except KeyboardInterrupt:
            progress.console.print(f"interrupted: {len(suite.scenarios) - len(reports)} scenarios have not ended")
            ended = False
    return sorted(reports, key=lambda report: suite.scenarios.index(report.scenario)), ended


def _trouble(report: Report) -> str:
    lines = [f"BROKEN {report.scenario}: {report.promise}"]
    lines += [f"  not so: {claim.what} ({claim.seen})" for claim in report.broken()]
    return "\n".join([*lines, report.error] if report.error else lines)


def _show(reports: list[Report]) -> None:
    from rich.table import Table

    from pantau.tables import print_table

    table = Table(box=None, header_style="bold")
    table.add_column("scenario", no_wrap=True)
    for column in (
        "put in",
        "due",
        "stored",
        "twice",
        "missing",
        "named",
        "shed",
        "recovered",
        "bytes up",
        "the promise",
    ):
        table.add_column(column, justify="right", no_wrap=True)
    for r in reports:
        shed = ", ".join(f"{count} {reason}" for reason, count in r.shed.items() if count) or "0"
        recovered = "" if r.recover_s is None else f"{r.recover_s:.1f} s"
        holds = "holds, run again alone" if r.again else "holds"
        verdict = f"skipped: {r.skipped}" if r.skipped else holds if r.holds else "BROKEN"
        figures = [r.put_in, r.due, r.stored, r.twice, r.missing, r.named, shed, recovered, f"{r.up_bytes:,}", verdict]
        table.add_row(r.scenario, *[str(figure) for figure in figures], style=None if r.holds else "bold red")
    print_table(table)
    for r in reports:
        if not r.holds:  # said when it happened, and here again: of a long run people read the end
            print(_trouble(r))
    held = sum(r.holds and not r.skipped for r in reports)
    skipped = sum(bool(r.skipped) for r in reports)
    print(f"{held} of {len(reports)} promises held" + (f", {skipped} skipped" if skipped else ""))

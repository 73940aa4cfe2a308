"""`pantau torture`: break a running city on purpose, and hold what is stored against what was put in."""

from __future__ import annotations

import dataclasses
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer


def torture(
    minutes: Annotated[float, typer.Option(min=0.1, max=10_000, help="How long to go on killing")] = 10.0,
    seed: Annotated[int | None, typer.Option(help="Repeat a run: the seed it printed")] = None,
    units: Annotated[int, typer.Option(min=1, max=100, help="How many vehicles")] = 1,
    speed: Annotated[float, typer.Option(min=0.1, max=20, help="How many times faster than real time")] = 5.0,
    log: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="A receiver's log to drive by")] = None,
    keep: Annotated[Path | None, typer.Option(help="Keep store, outboxes and logs in this directory")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For a program to read")] = False,
) -> None:
    """SIGKILL any process at random while a drive plays; exit 1 when anything due is missing, or anything is twice."""
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from torture.kill import Run, summary

    chosen = random.SystemRandom().randrange(1 << 31) if seed is None else seed
    console = Console(stderr=True)
    console.print(f"seed {chosen}")
    with tempfile.TemporaryDirectory(prefix="pantau-torture-") as temporary, Progress(console=console) as progress:
        task = progress.add_task("killing", total=1.0)
        directory = keep if keep is not None else Path(temporary)
        run = Run(
            directory,
            seed=chosen,
            minutes=minutes,
            units=units,
            log=log,
            speed=speed,
            progress=lambda done, what: progress.update(task, completed=done, description=what),
        )
        outcome = run.run()
    if as_json:
        json.dump({**dataclasses.asdict(outcome), "holds": outcome.holds}, sys.stdout)
    else:
        table = Table(show_header=False)
        for what, figure in summary(outcome):
            table.add_row(what, figure)
        Console().print(table)
    raise typer.Exit(0 if outcome.holds else 1)

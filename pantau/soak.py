"""`pantau soak`: let a city live for hours, and see whether anything grows that should not."""

from __future__ import annotations

import json
import random
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from torture.soak import Soak


def soak(
    hours: Annotated[float, typer.Option(min=0.005, max=10_000, help="How long")] = 1.0,
    units: Annotated[int, typer.Option(min=1, max=200, help="How many vehicles")] = 3,
    speed: Annotated[float, typer.Option(min=1, max=10, help="Epochs a second of each receiver")] = 5.0,
    seed: Annotated[int | None, typer.Option(help="Repeat a run: the seed it printed")] = None,
    out: Annotated[Path, typer.Option(help="Where soak.json and soak.svg are written")] = Path(),
    keep: Annotated[Path | None, typer.Option(help="Keep stores, outboxes and logs in this directory")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="For a program to read: soak.json on standard output")
    ] = False,
) -> None:
    """Let a city live for hours with restarts and outages; exit 1 when anything drifts or is missing.

    Memory, descriptors, threads, CPU, disk and latency are looked at all the while. Ctrl-C ends it early, and judges
    what there is; a second one ends it at once. The account is kept in memory, about half a kilobyte an epoch.
    """
    from pantau.torture import machine
    from torture.soak import Soak
    from torture.soak_report import as_run, drawn

    drawn_seed = random.SystemRandom().randrange(1 << 31) if seed is None else seed
    out.mkdir(parents=True, exist_ok=True)
    asked = threading.Event()
    print(f"seed {drawn_seed}", file=sys.stderr)
    one = Soak(seconds=hours * 3600, units=units, speed=speed, seed=drawn_seed, ended=asked.is_set)
    with tempfile.TemporaryDirectory(prefix="pantau-soak-") as temporary, _ended_by_signal(asked):
        soaked = _watched(one, (keep or Path(temporary)).absolute() / "city")
    command = f"pantau soak --hours {hours:g} --units {units} --speed {speed:g} --seed {drawn_seed}"
    run = as_run(soaked, command=command, machine=machine(), seed=drawn_seed, units=units, speed=speed)
    (out / "soak.json").write_text(json.dumps(run), "utf-8")
    (out / "soak.svg").write_text(drawn(run), "utf-8")
    if as_json:
        json.dump(run, sys.stdout)
    else:
        _show(run, out)
    raise typer.Exit(0 if run["holds"] else 1)


@contextmanager
def _ended_by_signal(asked: threading.Event) -> Iterator[None]:
    """The first SIGINT or SIGTERM asks for the end, the next one is Python's own."""

    def ask(number: int, _frame: Any) -> None:
        asked.set()
        signal.signal(number, before[number])

    before: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, ask)
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _watched(one: Soak, directory: Path) -> Any:
    """Run it with a progress bar; what happens is said above it."""
    from dataclasses import replace

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("left"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), refresh_per_second=1) as progress:
        task = progress.add_task("soaking", total=one.seconds)

        def told(at_s: float, what: str) -> None:
            progress.update(task, completed=at_s)
            if what:
                progress.console.print(f"{at_s / 60:7.1f} min  {what}", highlight=False)

        directory.mkdir(parents=True, exist_ok=True)
        soaked = replace(one, told=told).run(directory)
        progress.update(task, description="soaked")
    return soaked


def _show(run: dict[str, Any], out: Path) -> None:
    from rich.table import Table

    from pantau.tables import print_table
    from torture.soak_report import broken, cells, judged

    table = Table(box=None, header_style="bold")
    table.add_column("what", no_wrap=True)
    for column in ("at the end", "an hour", "grew", "allowed", "verdict"):
        table.add_column(column, justify="right", no_wrap=True)
    for one in run["judgements"]:
        verdict = "DRIFT" if not one["held"] else "holds" if judged(one) else ""
        table.add_row(*cells(one), verdict, style=None if one["held"] else "bold red")
    print_table(table)
    report = run["report"]
    print(
        f"{report['put_in']:,} epochs put in, {report['due']:,} due, {report['stored']:,} stored,"
        f" {report['missing']} missing, {report['twice']} twice; in {out / 'soak.json'} and {out / 'soak.svg'}"
    )
    for line in broken(run):
        print(f"not so: {line}")

"""`pantau run`: the whole of pantau on this machine, with simulated vehicles and cameras, and a live table."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edge.sim.nmea import Epoch
    from edge.sim.receiver import SimulatedReceiver
    from pantau.run_city import Show
    from stage.city import City, UnitPlan

KINDS = (("ambulance", "health"), ("fire-engine", "fire"), ("excavator", "public-works"))
DAY_SPEED = 240.0  # twelve hours in three minutes


def run(
    day: Annotated[
        bool, typer.Option("--day", help="A working day of an excavator, an ambulance and a fire engine, at high speed")
    ] = False,
    between: Annotated[str, typer.Option(metavar="HH:MM-HH:MM", help="Which part of that day, in Jakarta")] = (
        "06:00-18:00"
    ),
    units: Annotated[int, typer.Option(min=1, max=500, help="How many vehicles, without --day")] = 3,
    speed: Annotated[
        float | None,
        typer.Option(min=0.1, max=1000, help="How many times faster than real time; 1, and 240 with --day"),
    ] = None,
    log: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A receiver's log to drive by, without --day")
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="TCP port of the broker")] = 8883,
    directory: Annotated[Path, typer.Option(help="Where everything is kept; a second run goes on from it")] = Path(
        ".pantau"
    ),
    seconds: Annotated[float | None, typer.Option(min=1, help="End by itself after this long")] = None,
    cameras: Annotated[bool, typer.Option(help="Also a pole with two cameras, of which one goes blind")] = True,
) -> None:
    """Broker, bridge, store, publisher, simulated vehicles and cameras here, over mutual TLS.

    In real time until Ctrl-C, which ends all of it, or with --day until the day is over. Then the hours are printed: of
    each vehicle while it ran, or of the day, beside what was played.
    """
    from pantau.run_cameras import pole
    from pantau.run_city import asked_to_end, run_city

    if day and log is not None:
        raise typer.BadParameter("--log is driven by in real time: not with --day")
    _demand_free(port)
    asked, stop = asked_to_end(), threading.Event()
    deadline_s = float("inf") if seconds is None else time.monotonic() + seconds
    if day:
        directory /= "day"  # a city of its own: what is played there was yesterday
    with pole(directory, stop) if cameras else nullcontext() as junction:
        poles = [] if junction is None else [junction]
        if day:
            from pantau.run_day import day_show

            shown: AbstractContextManager[Show] = day_show(between, speed or DAY_SPEED, directory, poles)
        else:
            shown = nullcontext(_live(units, speed or 1.0, log, poles))
        with shown as show:
            run_city(show, directory, port, stop, asked, lambda: time.monotonic() >= deadline_s)


def _demand_free(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            print(
                f"port {port} cannot be used ({error.strerror}): another broker? Choose one: make run PORT=8884",
                file=sys.stderr,
            )
            raise typer.Exit(1) from error


# ---------------------------------------------------------------------- in real time


def _live(units: int, speed: float, log: Path | None, poles: list[UnitPlan]) -> Show:
    from pantau.run_city import Show
    from pantau.run_hours import print_hours

    vehicles, began_ms = [_plan(i) for i in range(units)], time.time_ns() // 1_000_000
    return Show(
        plans=[*vehicles, *poles],
        plug_in=lambda city: _plug_in(city, vehicles, speed, log),
        look=_look,
        tell=lambda city: print_hours(city.store_url, vehicles, began_ms),
    )


def _plan(index: int) -> UnitPlan:
    from stage.city import UnitPlan

    kind, agency = KINDS[index % len(KINDS)]
    number = index // len(KINDS) + 1
    return UnitPlan(
        name=f"box-{index + 1:03}", asset=f"{kind}-{number:02}", agency=agency, kind=kind.replace("-", "_"), settings={}
    )


def _plug_in(city: City, vehicles: list[UnitPlan], speed: float, log: Path | None) -> dict[str, SimulatedReceiver]:
    from edge.sim.receiver import SimulatedReceiver

    recording = log.read_bytes() if log is not None else None
    return {
        plan.name: SimulatedReceiver(_epochs(seed, speed, recording), link=city.tty(plan.name))
        for seed, plan in enumerate(vehicles)
    }


def _epochs(seed: int, speed: float, recording: bytes | None) -> Iterator[Epoch]:
    from edge.sim.receiver import recorded, synthetic

    now_ms = time.time_ns() // 1_000_000
    if recording is None:
        return synthetic(now_ms, seed=seed, speed=speed, cold_start=False)
    return recorded(recording, now_ms, speed=speed, loop=True)


def _look(city: City, until: Callable[[], bool]) -> None:
    from broker.config import load_centre
    from pantau.run_cameras import wall
    from pantau.watch import from_store, show

    centre = load_centre(str(city.centre_config))
    with from_store(city.store_url, centre.presence_path) as source:
        show(source, below=wall(city) if any(plan.cameras for plan in city.units) else None, until=until)

"""`pantau run`: the whole of pantau on this machine, with simulated receivers, and a live table."""

from __future__ import annotations

import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edge.sim.nmea import Epoch
    from edge.sim.receiver import SimulatedReceiver
    from stage.city import City, UnitPlan

KINDS = (("ambulance", "health"), ("fire-engine", "fire"), ("excavator", "public-works"))


def run(
    units: Annotated[int, typer.Option(min=1, max=500, help="How many vehicles")] = 3,
    speed: Annotated[float, typer.Option(min=0.1, max=100, help="How many times faster than real time")] = 1.0,
    log: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="A receiver's log to drive by")] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="TCP port of the broker")] = 8883,
    directory: Annotated[Path, typer.Option(help="Where everything is kept; a second run goes on from it")] = Path(
        ".pantau"
    ),
    seconds: Annotated[float | None, typer.Option(min=1, help="End by itself after this long")] = None,
    cameras: Annotated[bool, typer.Option(help="Also a pole with two cameras, of which one goes blind")] = True,
) -> None:
    """Broker, bridge, store, publisher, simulated vehicles and cameras here, over mutual TLS.

    Ctrl-C ends all of it, and the hours of each asset while it ran are printed.
    """
    from pantau.run_cameras import pole

    _demand_free(port)
    asked, stop = _asked_to_end(), threading.Event()
    vehicles = [_plan(i) for i in range(units)]
    with pole(directory, stop) if cameras else nullcontext() as junction:
        plans = vehicles if junction is None else [*vehicles, junction]
        _played(plans, directory, port, stop, asked, seconds, lambda city: _plug_in(city, vehicles, speed, log))


def _played(
    plans: list[UnitPlan],
    directory: Path,
    port: int,
    stop: threading.Event,
    asked: threading.Event,
    seconds: float | None,
    plug_in: Callable[[City], dict[str, SimulatedReceiver]],
) -> None:
    from pantau.run_hours import print_hours
    from stage.city import City

    city, began_ms = City(directory, plans, port=port), time.time_ns() // 1_000_000
    print(f"preparing certificates and configuration in {directory}", file=sys.stderr)
    city.prepare()
    receivers = plug_in(city)
    players = [threading.Thread(target=r.play, args=(stop,), name=f"receiver of {n}") for n, r in receivers.items()]
    try:
        print(f"starting broker on port {port}, bridge, publisher and {len(plans)} units", file=sys.stderr)
        city.start_centre()
        for player in players:
            player.start()
        city.start_units()
        failed = _look(city, seconds, asked)
    except KeyboardInterrupt:
        failed = []
    finally:
        for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ending, signal.SIG_IGN)  # a second Ctrl-C must not leave half of it running
        stop.set()
        late = city.stop()
        for receiver in receivers.values():
            receiver.close()
        for player in players:
            if player.ident is not None:
                player.join()
    for name in failed + late:
        print(f"\n{name} failed; its log, {city.children[name].log_path}, ends:", file=sys.stderr)
        print(city.children[name].tail(), file=sys.stderr)
    if failed or late:
        raise typer.Exit(1)
    print_hours(city.store_url, began_ms)
    print(f"ended; the store is {city.store_url}, logs are in {directory / 'log'}", file=sys.stderr)


def _asked_to_end() -> threading.Event:
    """Set by Ctrl-C, SIGTERM or SIGHUP, which also interrupt: an exception alone is lost inside a destructor."""
    asked = threading.Event()

    def ask(*_: object) -> None:
        asked.set()
        raise KeyboardInterrupt

    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, ask)
    return asked


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


def _look(city: City, seconds: float | None, asked: threading.Event) -> list[str]:
    """Show the table until Ctrl-C, the time is up, or a process has ended that should run: their names."""
    from broker.config import load_centre
    from pantau.run_cameras import wall
    from pantau.watch import from_store, show

    deadline = None if seconds is None else time.monotonic() + seconds
    centre = load_centre(str(city.centre_config))
    with from_store(city.store_url, centre.presence_path) as source:
        show(
            source,
            below=wall(city) if any(plan.cameras for plan in city.units) else None,
            until=lambda: (
                asked.is_set() or bool(city.ended()) or (deadline is not None and time.monotonic() >= deadline)
            ),
        )
    return [child.name for child in city.ended()]
